"""The multilayer perceptron: the backbone for tables and embeddings."""

from itertools import pairwise
from math import prod
from numbers import Integral, Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch import nn


class BaseBackbone(BaseEstimator):
    """A recipe for a network that turns inputs into features.

    A subclass holds the parameters of the network and writes :meth:`build`.

    Attributes
    ----------
    standardizes : bool
        Whether the inputs are standardised before they reach the network.
    """

    standardizes = False

    def build(self, shape):
        """Make the network.

        Parameters
        ----------
        shape : tuple of int
            Shape of one input, without the batch axis.

        Returns
        -------
        module : nn.Module
            Takes (N, *shape), gives features of shape (N, d, *S).
        """
        raise TypeError(f"{type(self).__name__} must define build.")


class MLPBackbone(BaseBackbone):
    """A multilayer perceptron on standardised inputs.

    Parameters
    ----------
    hidden : sequence of int, default=(256, 128)
        Width of every hidden layer; the last one is the number of features.

    dropout : float, default=0.0
        Share of units silenced after every layer while training.

    Examples
    --------
    >>> MLPBackbone(hidden=(32, 16)).build((8,))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=8, out_features=32, bias=True)
      (2): ReLU()
      (3): Linear(in_features=32, out_features=16, bias=True)
      (4): ReLU()
    )
    """

    _parameter_constraints: dict = {
        "hidden": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    standardizes = True

    def __init__(self, hidden=(256, 128), *, dropout=0.0):
        self.hidden = hidden
        self.dropout = dropout

    def build(self, shape):
        """Make the network; images are flattened."""
        widths = [prod(shape), *self.hidden]
        if len(widths) == 1 or not all(
            isinstance(width, Integral) and int(width) > 0 for width in widths
        ):
            raise ValueError(
                "hidden must name the width of one hidden layer at least, each a "
                f"positive integer; got {self.hidden!r}."
            )
        layers: list[nn.Module] = [nn.Flatten()]
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if self.dropout:
                layers.append(nn.Dropout(self.dropout))
        return nn.Sequential(*layers)
