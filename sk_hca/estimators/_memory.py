"""Stage one, kept on disk and found again by its parameters and its data.

joblib writes an entry under another name and moves it in place, so that processes which
share a folder read whole entries only; two that train the same one at once write the
same.  What joblib does not do is to know a tensor again: a pickle holds its address.
"""

import pickle
import warnings

import torch
from joblib.hashing import NumpyHasher
from sklearn.base import clone
from sklearn.utils.validation import check_memory
from torch.nn.parameter import is_lazy

from sk_hca.training import pickled


class ContentHasher(NumpyHasher):
    """Hash arrays and tensors by their content, and classes of a script by name."""

    def save(self, obj):
        """Put the content of a tensor in its place, or the name of a class."""
        if isinstance(obj, type) and obj.__module__ == "__main__":
            # Another process has the class, but not as a part of its own script.
            obj = (obj.__module__, obj.__qualname__)
        if isinstance(obj, torch.Tensor) and not is_lazy(obj):
            content = obj.detach().cpu().reshape(-1).view(torch.uint8).numpy()
            obj = (type(obj), str(obj.dtype), tuple(obj.shape), content)
        super().save(obj)


def recall_stage_one(estimator, X, y, sample_weight, seed):
    """Return an estimator with stage one, from the memory or trained for it.

    Parameters
    ----------
    estimator : HCARegressor
        Its parameters say what to train, but for those that read a trained network.

    X, y, sample_weight : as in `fit`
        Training data.

    seed : int
        Where all randomness comes from.

    Returns
    -------
    estimator : HCARegressor
        Another one, fitted.
    """
    shared = clone(estimator).set_params(
        mode="none",
        decoder="mean",
        balance=0.0,
        memory=None,
        warm_start=False,
        random_state=None,
    )
    # Twice as fast as md5 where processors know it.
    hasher = ContentHasher("sha1", coerce_mmap=True)
    try:
        key = hasher.hash((shared, X, y, sample_weight))
    except pickle.PicklingError as error:
        raise ValueError(
            "memory= knows a training again by its pickled parameters and data. Give "
            "functions that a module names in place of lambdas and local ones, or set "
            f"memory=None. {error.args[0]}."
        ) from error
    content = ["estimator", "X", "y", "sample_weight"]
    cached = check_memory(estimator.memory).cache(fit_stage_one, ignore=content)
    fitted, told = pickle.loads(cached(key, seed, shared, X, y, sample_weight))
    for message in told:
        warnings.warn(message, stacklevel=3)
    return fitted


def fit_stage_one(key, seed, estimator, X, y, sample_weight):
    """Learn what all modes share; `key` stands for all that follows the seed."""
    data = estimator._check_training_data(X, y, sample_weight)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        estimator._train(data, seed)
    if estimator.net_.interrupted_:
        raise KeyboardInterrupt  # joblib keeps nothing then.
    # joblib reads an object piece by piece, in Python, and bytes at once.
    return pickled((estimator, [warning.message for warning in told]))
