"""A backbone under its heads: what one stage of training trains."""

from dataclasses import replace

from torch import nn


class Network(nn.Module):
    """A backbone under its heads.

    Parameters
    ----------
    extractor : nn.Module
        Gives features of shape (N, d, *S).

    heads : nn.Module
        Takes features, gives a :class:`~sk_hca.base.NetworkOutput`.
    """

    takes_targets = False

    def __init__(self, extractor, heads):
        super().__init__()
        self.extractor = extractor
        self.heads = heads

    def compile(self, *args, **kwargs):
        """Compile in place; the extractor too, which is run without these heads."""
        super().compile(*args, **kwargs)
        self.extractor.compile(*args, **kwargs)

    def forward(self, X):
        """Give the features and all that stands on them."""
        return self.heads(self.extractor(X))


class SmoothedNetwork(Network):
    """A network whose heads learn from features that a smoother has moved.

    Predictions, and what is trained on the features later, see them unmoved.

    Parameters
    ----------
    extractor, heads : nn.Module
        As in :class:`Network`.

    smoother : nn.Module
        Takes features, then targets and weights of shape (N, *S), gives features; it
        is told where an epoch begins and ends.
    """

    takes_targets = True

    def __init__(self, extractor, heads, smoother):
        super().__init__(extractor, heads)
        self.smoother = smoother

    def forward(self, X, target=()):
        """Give the features, and all that stands on them where they have moved to."""
        features = self.extractor(X)
        if not (self.training and target):
            return self.heads(features)
        output = self.heads(self.smoother(features, *target))
        return replace(output, features=features)

    def begin_epoch(self):
        """Tell the smoother that an epoch of training begins."""
        self.smoother.begin_epoch()

    def end_epoch(self):
        """Tell the smoother that an epoch of training is over."""
        self.smoother.end_epoch()
