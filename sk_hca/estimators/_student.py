"""Stage two: a student learns on features that are computed once and kept.

Features that would fill the memory lie in a temporary file, which has no name where the
system allows it: it is gone with stage two, however that ends.
"""

import math
import os
import tempfile
from contextlib import ExitStack, contextmanager

import numpy as np

from sk_hca.estimators._base import seeded
from sk_hca.estimators._reader import LevelReader
from sk_hca.estimators._stages import student_stage
from sk_hca.targets import make_labels
from sk_hca.training import ArrayDataset, train_stage

# Features of more bytes than this are kept in a file.
MOST_IN_MEMORY = 2**30


class StudentTrainer(LevelReader):
    """Train the student of a mode that has one."""

    # What a subclass holds.
    labels: object

    def _renew_student(self, data, adjustment, seed, goes_on):
        """Train the student of a mode that has one; an older one has lost touch."""
        earlier = self.student_net_ if goes_on else None
        self.student_net_ = None
        if adjustment.trains_student:
            self.student_net_ = self._train_student(data, adjustment, seed, earlier)

    def _train_student(self, data, distillation, seed, earlier=None):
        """Train a student, from the weights of an earlier one of the same layers."""
        network, device = self.net_.module_, self.net_.device
        own = {"lr", "max_epochs"}  # the recipe's own
        shared = {k: v for k, v in (self.net_params or {}).items() if k not in own}
        n_epochs = max(1, round(distillation.epochs * self.max_epochs))
        settings = self._settings(
            device,
            batch_size=student_batch_size(self.batch_size, n_epochs * len(data)),
            lr=distillation.lr,
            max_epochs=n_epochs,
            net_params=shared,
        )
        with seeded(seed, device), room_for_features() as make_array:
            features = self._read(
                network.extractor, data, lambda features: features, make_array
            )
            student, criterion = student_stage(
                network.heads,
                features.shape[1],
                distillation,
                self._level_classes(device),
                make_labels(self.labels),
            )
            if earlier is not None:
                take_over(student.layers, earlier.module_.layers)
            data = ArrayDataset(features, *data.targets())
            return train_stage(student, criterion, data, settings)


def student_batch_size(batch_size, n_seen):
    """Return how many samples teach a student at once.

    A small head costs about as much for many samples as for few: where the stage sees
    enough of them for 400 steps, a batch is up to 8 times that of stage one.
    """
    return max(batch_size, min(8 * batch_size, n_seen // 400))


def take_over(layers, earlier):
    """Copy the weights of earlier layers, if they are of the same shapes."""
    weights, given = layers.state_dict(), earlier.state_dict()
    shapes = {name: weight.shape for name, weight in weights.items()}
    if shapes == {name: weight.shape for name, weight in given.items()}:
        layers.load_state_dict(given)


@contextmanager
def room_for_features():
    """Give a maker of arrays, which puts a large one into a temporary file."""
    with ExitStack() as files:

        def make_array(shape, dtype):
            n_bytes = math.prod(shape) * dtype.itemsize
            if n_bytes <= MOST_IN_MEMORY:
                return np.empty(shape, dtype)
            file = files.enter_context(tempfile.TemporaryFile(prefix="sk_hca-"))
            if hasattr(os, "posix_fallocate"):
                # A full disk is told here, in an OSError, and not by a crash later on.
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.memmap(file, dtype, "w+", shape=shape)

        yield make_array
