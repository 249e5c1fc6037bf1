"""What every mode is: a recipe that merges levels, and decodes what comes of it.

It reads a :class:`~sk_hca.base.NetworkOutput` and the classes of every level, coarse to
fine, and holds nothing but its parameters.
"""

import torch
from sklearn.base import BaseEstimator


class BaseAdjustment(BaseEstimator):
    """A mode; a subclass says which distribution the levels give together.

    Attributes
    ----------
    trains_student : bool
        Whether the mode needs a second stage of training.
    """

    trains_student = False

    def scores(self, output, levels):
        """Merge the levels into one distribution over the finest classes.

        Parameters
        ----------
        output : NetworkOutput
            Logits of every level for one batch.

        levels : list of LevelClasses
            Classes of every level, coarse to fine.

        Returns
        -------
        scores : Tensor of shape (N, C_H, *S)
            Logits: a softmax over axis 1 is the distribution.
        """
        raise TypeError(f"{type(self).__name__} must define scores.")

    def decode(self, output, levels, decoder):
        """Turn a batch of outputs into targets.

        Parameters
        ----------
        output : NetworkOutput
            Logits of every level for one batch.

        levels : list of LevelClasses
            Classes of every level, coarse to fine.

        decoder : callable
            Takes logits and the classes that they belong to.

        Returns
        -------
        y : Tensor of shape (N, *S)
            Targets, in the unit of the data.
        """
        return decoder(self.scores(output, levels), levels[-1])

    def simplified(self, heads, levels):
        """Return heads and a mode that decode to the same targets for less work.

        Parameters
        ----------
        heads : nn.Module
            Heads of all levels, or the student.

        levels : list of LevelClasses
            Classes of every level, coarse to fine.

        Returns
        -------
        heads : nn.Module
        mode : BaseAdjustment
        """
        return heads, self


class WeightAdjustment(BaseAdjustment):
    """A mode whose distribution comes as weights, so that no logarithm is needed."""

    def weights(self, output, levels):
        """Merge the levels into weights: probabilities times a factor per place."""
        raise TypeError(f"{type(self).__name__} must define weights.")

    def scores(self, output, levels):
        """Take the logarithm of the weights."""
        return self.weights(output, levels).log()

    def decode(self, output, levels, decoder):
        """Decode the weights themselves."""
        return decoder.from_weights(self.weights(output, levels), levels[-1])


class NoAdjustment(BaseAdjustment):
    """CLS: the finest classifier answers alone."""

    def simplified(self, heads, levels):
        """Leave the coarse heads out."""
        finest = torch.arange(heads.n_outputs[-1]) + sum(heads.n_outputs[:-1])
        return heads.selected(finest), self

    def scores(self, output, levels):
        """Read the finest level only."""
        return output.levels[-1]


def level_maps(levels):
    """Return the parent maps of the coarse levels, and the steps if they are known."""
    steps = [classes.step for classes in levels[:-1]]
    known = all(step is not None for step in steps)
    return [classes.parent for classes in levels[:-1]], steps if known else None


def along_classes(vector, like):
    """Lay a vector over classes along axis 1 of a batch of logits."""
    return vector.to(like.dtype).view(1, -1, *(1,) * (like.ndim - 2))
