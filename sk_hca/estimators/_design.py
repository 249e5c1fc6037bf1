"""What a model was made of: the parameters that must stay for a network to go on.

A design is one flat dictionary, nested parameters included, in which recipes and
modules stand for their kind only: they may be changed in place, or copied.
"""

import reprlib

import numpy as np
from torch import nn


def design_of(estimator, free):
    """Return the parameters that make a model.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose parameters to read.

    free : set of str
        Parameters that may change while a network goes on.

    Returns
    -------
    design : dict
    """
    return {
        name: kind_of(value)
        for name, value in estimator.get_params().items()
        if name.split("__")[0] not in free
    }


def kind_of(value):
    """Return what tells a parameter from another one."""
    if hasattr(value, "get_params"):
        return type(value)  # Its own parameters stand beside it.
    if isinstance(value, nn.Module):
        return repr(value)  # Its layers: the weights have moved on since.
    return value


def check_design(before, now):
    """Check that what made a model has stayed, so that its network can go on."""
    for name, value in now.items():
        made = before.get(name)
        if made is not value and not np.array_equal(made, value):
            raise ValueError(
                f"{name} was {reprlib.repr(made)} when it made this model, and is now "
                f"{reprlib.repr(value)}: its network cannot go on. Set it "
                "back, or start anew by fit with warm_start=False."
            )
