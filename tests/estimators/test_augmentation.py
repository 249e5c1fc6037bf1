"""Inputs that are changed at random while a network trains."""

import numpy as np
import pytest
import torch

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import ConvBackbone, MLPBackbone

BOTH = pytest.mark.parametrize("kind", [HCARegressor, DirectRegressor])


class Recorder:
    """An augmentation that adds noise, and keeps what it was given."""

    def __init__(self, noise=1.0):
        self.noise = noise
        self.given = []

    def __call__(self, X):
        self.given.append(X)
        return X + self.noise * torch.randn(X.shape)


def make_images(n=40):
    X = np.random.default_rng(0).integers(0, 255, size=(n, 6, 8, 3))
    X = X.astype(np.uint8)
    return X, X.mean(axis=(1, 2, 3))


def make_model(kind, augment, **params):
    defaults = {"max_epochs": 2, "batch_size": 10, "random_state": 0}
    return kind(ConvBackbone((4,)), augment=augment, **(defaults | params))


@BOTH
def test_training_batches_are_augmented_with_channels_first(kind):
    X, y = make_images()
    recorder = Recorder()
    make_model(kind, recorder).fit(X, y)
    assert len(recorder.given) == 2 * 4
    assert {part.shape for part in recorder.given} == {(10, 3, 6, 8)}
    assert {part.dtype for part in recorder.given} == {torch.uint8}
    epoch = torch.cat(recorder.given[:4]).sort(dim=0).values
    expected = torch.from_numpy(X).permute(0, 3, 1, 2).sort(dim=0).values
    assert torch.equal(epoch, expected)


@BOTH
def test_augmentation_changes_training_and_follows_the_seed(kind):
    X, y = make_images()

    def answers(augment):
        return make_model(kind, augment).fit(X, y).predict(X)

    assert not np.allclose(answers(Recorder(50.0)), answers(None))
    np.testing.assert_array_equal(answers(Recorder(50.0)), answers(Recorder(50.0)))
    np.testing.assert_array_equal(answers(lambda X: X), answers(None))


@BOTH
def test_nothing_but_stage_one_is_augmented(kind):
    X, y = make_images()
    recorder = Recorder()
    model = make_model(kind, recorder, validation_fraction=0.25).fit(X, y)
    assert len(recorder.given) == 2 * 3
    model.predict(X)
    model.retrain_heads(X, y)
    if kind is HCARegressor:
        model.readjust("distill", X, y)
    assert len(recorder.given) == 2 * 3


@BOTH
def test_augmentation_in_place_leaves_the_data_alone(kind):
    X, y = make_images()
    given = X.copy()
    in_order = {"iterator_train__shuffle": False}
    make_model(kind, lambda X: X.zero_(), net_params=in_order).fit(X, y)
    np.testing.assert_array_equal(X, given)


@BOTH
@pytest.mark.parametrize("augment", [lambda X: None, lambda X: X[0]])
def test_augmentation_that_gives_back_no_batch_is_refused(kind, augment):
    with pytest.raises(ValueError, match="augment must give back a tensor of as many"):
        make_model(kind, augment).fit(*make_images())


def test_scale_of_columns_is_measured_on_inputs_as_they_are():
    X = np.random.default_rng(0).normal(size=(60, 3))
    recorder = Recorder()
    model = HCARegressor(MLPBackbone((4,)), augment=recorder, max_epochs=1)
    plain = HCARegressor(MLPBackbone((4,)), max_epochs=1)
    encodings = [
        one.fit(X, X[:, 0]).net_.module_.extractor[1][1][1] for one in (model, plain)
    ]
    assert torch.equal(encodings[0].offset, encodings[1].offset)
    assert len(recorder.given) == 1


@BOTH
def test_augmentation_may_change_before_a_network_goes_on(kind):
    X, y = make_images()
    first, then = Recorder(), Recorder()
    model = make_model(kind, first, warm_start=True).fit(X, y)
    model.set_params(augment=then).fit(X, y)
    assert (len(first.given), len(then.given)) == (8, 8)
    model.set_params(augment=None).partial_fit(X, y)
    assert (len(first.given), len(then.given)) == (8, 8)


def test_transforms_of_torchvision_augment():
    v2 = pytest.importorskip(
        "torchvision.transforms.v2", reason="needs torchvision", exc_type=ImportError
    )
    X, y = make_images()
    model = make_model(HCARegressor, v2.RandomHorizontalFlip()).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
