"""The multilayer perceptron: the backbone for tables and embeddings."""

from itertools import pairwise
from math import prod
from numbers import Integral, Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from sk_hca.backbones._embeddings import (
    ColumnViews,
    PeriodicEmbedding,
    PiecewiseEncoding,
)
from sk_hca.backbones._inputs import as_given

COUNT = Interval(Integral, 0, None, closed="left")

# Tables of more columns than this are not embedded column by column.
MOST_EMBEDDED = 100

# Inputs that the waves of a column are mixed into.
WAVE_WIDTH = 4


def is_narrow_table(shape):
    """Tell whether an input has columns that mean something one by one."""
    return len(shape) == 1 and shape[0] <= MOST_EMBEDDED


class BaseBackbone(BaseEstimator):
    """A recipe for a network that turns inputs into features.

    A subclass holds the parameters of the network and writes :meth:`build`.

    Attributes
    ----------
    scales_inputs : bool
        Whether the inputs are scaled by quartiles before they reach the network.

    arrange : callable
        Views a batch of inputs as the network takes them, features or channels on
        axis 1.
    """

    scales_inputs = False

    arrange = staticmethod(as_given)

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

    def peak_lr(self, shape):
        """Return the peak learning rate of a training that is told of none."""
        return 3e-3

    def least_decay(self, shape):
        """Return how much AdamW decays the weights of a long training, told of none."""
        return 1.0

    def count_inputs(self, shape):
        """Return how many inputs of the first layer can learn noise by heart.

        The more there are, the stronger AdamW decays weights where the targets turn out
        to be noisy; 0 leaves the decay as it is, and a network that gives maps must.
        """
        return 0


class MLPBackbone(BaseBackbone):
    """A multilayer perceptron on inputs scaled by quartiles.

    Parameters
    ----------
    hidden : sequence of int, default=(256, 128)
        Width of every hidden layer; the last one is the number of features.

    dropout : float, default=0.0
        Share of units silenced after every layer while training.  Which ones depends on
        how many samples a batch has: a weight of 2 is then no longer quite the same as
        the sample twice.

    n_pieces : int or "auto", default="auto"
        Pieces that every column is cut into before the first layer, by a
        :class:`PiecewiseEncoding`; 0 for none.  "auto" takes 16 for tables of up to 100
        columns and 0 otherwise: the columns of an embedding, or pixels, mean little
        one by one.

    n_frequencies : int or "auto", default="auto"
        Waves that every column is turned into, by a :class:`PeriodicEmbedding`; 0 for
        none.  "auto" takes 8 where the columns are cut, and 0 otherwise.

    Examples
    --------
    >>> MLPBackbone(hidden=(32, 16), n_pieces=0).build((8,))
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
        "n_pieces": [COUNT, StrOptions({"auto"})],
        "n_frequencies": [COUNT, StrOptions({"auto"})],
    }

    scales_inputs = True

    def __init__(
        self,
        hidden=(256, 128),
        *,
        dropout=0.0,
        n_pieces="auto",
        n_frequencies="auto",
    ):
        self.hidden = hidden
        self.dropout = dropout
        self.n_pieces = n_pieces
        self.n_frequencies = n_frequencies

    def build(self, shape):
        """Make the network; images are flattened."""
        layers = self._first_layers(shape)
        widths = [self._n_inputs(shape), *self.hidden]
        if len(widths) == 1 or not all(
            isinstance(width, Integral) and int(width) > 0 for width in widths
        ):
            raise ValueError(
                "hidden must name the width of one hidden layer at least, each a "
                f"positive integer; got {self.hidden!r}."
            )
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if self.dropout:
                layers.append(nn.Dropout(self.dropout))
        return nn.Sequential(*layers)

    def peak_lr(self, shape):
        """Return a higher rate than convolutions learn at."""
        return 1e-2

    def least_decay(self, shape):
        """Return a stronger decay where there are many columns to choose from."""
        return 1.0 if is_narrow_table(shape) else 2.0

    def count_inputs(self, shape):
        """Count those of the perceptron."""
        return self._n_inputs(shape)

    def _n_inputs(self, shape):
        """Return the width of the first layer, whatever a subclass counts."""
        n_pieces, n_waves = self._embedding(shape)
        return prod(shape) * (1 + n_pieces + (WAVE_WIDTH if n_waves else 0))

    def _embedding(self, shape):
        """Return how many pieces and waves every column is turned into."""
        n_pieces, n_waves = self.n_pieces, self.n_frequencies
        if n_pieces == "auto":
            n_pieces = 16 if is_narrow_table(shape) else 0
        if n_waves == "auto":
            n_waves = 8 if n_pieces else 0
        return n_pieces, n_waves

    def _first_layers(self, shape):
        """Return what makes the inputs of the perceptron."""
        n_pieces, n_waves = self._embedding(shape)
        views: list[nn.Module] = []
        if n_waves:
            views.append(PeriodicEmbedding(prod(shape), n_waves, WAVE_WIDTH))
        if n_pieces:
            views.append(PiecewiseEncoding(prod(shape), n_pieces))
        return [nn.Flatten(), *([ColumnViews(views)] if views else [])]
