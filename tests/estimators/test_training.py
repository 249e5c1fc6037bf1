"""How an estimator trains: length, early stopping, types, optimisers, output."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping, EpochScoring
from skorch.dataset import ValidSplit
from torch import nn

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import BaseBackbone, MLPBackbone
from sk_hca.binning import LinearBinner

KINDS = [HCARegressor, DirectRegressor]
BOTH = pytest.mark.parametrize("kind", KINDS)
N_SAMPLES = 40


def make_table(n=N_SAMPLES, n_features=3):
    """A linear table without noise."""
    X = np.random.default_rng(0).normal(size=(n, n_features))
    return X, X @ np.linspace(-1, 2, n_features)


def make_noise(n=N_SAMPLES):
    """A table without anything to learn."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 3)), rng.normal(size=n)


def make_model(kind=HCARegressor, **params):
    """A small estimator that trains for a moment."""
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "max_epochs": 3,
        "batch_size": 10,
    }
    return kind(**(defaults | {"random_state": 0} | params))


def weights_of(model):
    """Copy the weights of stage one."""
    return copy.deepcopy(model.net_.module_.state_dict())


def assert_same_weights(first, second):
    """Compare weights bit by bit."""
    assert first.keys() == second.keys()
    for key, weight in first.items():
        assert torch.equal(weight, second[key]), key


class Watcher(Callback):
    """Writes down what it sees of a training."""

    def __init__(self):
        self.n_trainings = 0
        self.sizes = []
        self.lrs = []
        self.weights = []

    def on_train_begin(self, net, **kwargs):
        self.n_trainings += 1

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.sizes.append(len(batch[0]))
            self.lrs.append(net.optimizer_.param_groups[0]["lr"])

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.train, self.valid = dataset_train, dataset_valid

    def on_epoch_end(self, net, **kwargs):
        self.weights.append(copy.deepcopy(net.module_.state_dict()))


# ------------------------------------------------------------------------- learning


@BOTH
def test_training_learns_a_linear_target(kind):
    X, y = make_table(300)
    plain = {"optimizer__weight_decay": 1.0}
    model = make_model(kind, max_epochs=20, batch_size=32, lr=0.01, net_params=plain)
    assert model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9
    losses = model.history_[:, "train_loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("loss", ["absolute", "huber", "squared"])
def test_direct_regression_learns_with_every_loss(loss):
    X, y = make_table(200)
    model = make_model(DirectRegressor, loss=loss, max_epochs=20, lr=0.01)
    assert model.fit(X, y).score(X, y) > 0.9


def test_direct_losses_are_told_apart():
    X, y = make_table()
    y[::5] += 50
    predictions = [
        make_model(DirectRegressor, loss=loss).fit(X, y).predict(X)
        for loss in ("absolute", "huber", "squared")
    ]
    for i, first in enumerate(predictions):
        for second in predictions[:i]:
            assert not np.array_equal(first, second)


@BOTH
def test_images_are_learned_as_they_are(kind):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(60, 1, 4, 4), dtype=np.uint8)
    y = X[:, 0, 0].mean(axis=1)
    model = make_model(kind, max_epochs=20, lr=0.01).fit(X, y)
    assert model.net_.module_.extractor[0].dtype is torch.float32
    assert model.score(X, y) > 0.8


@BOTH
def test_samples_without_weight_are_never_learned(kind):
    X, y = make_table()
    weight = np.repeat([0.0, 1.5], [8, 32])
    expected = make_model(kind).fit(X[8:], y[8:], np.full(32, 1.5))
    X[:8], y[:8] = 1e3, -1e6
    model = make_model(kind).fit(X, y, weight)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


@BOTH
@pytest.mark.parametrize("exponent", [-900, 900])
def test_unit_of_the_weights_makes_no_difference(kind, exponent):
    X, y = make_table()
    weight = np.linspace(0.1, 1.0, len(y))
    model = make_model(kind, precision="fp32")
    expected = clone(model).fit(X, y, weight).predict(X)
    model.fit(X, y, np.ldexp(weight, exponent))
    np.testing.assert_array_equal(model.predict(X), expected)


@BOTH
def test_weight_draws_the_fit_to_its_samples(kind):
    X, _ = make_table()
    X = np.zeros_like(X)
    y = np.repeat([0.0, 10.0], 20)
    params = {"loss": "squared"} if kind is DirectRegressor else {}
    answers = []
    for share in (0.1, 0.9):
        weight = np.repeat([1 - share, share], 20)
        model = make_model(kind, max_epochs=20, lr=0.05, **params).fit(X, y, weight)
        answers.append(model.predict(X[:1])[0])
    assert answers[0] < 4
    assert answers[1] > 6


class Impatient(nn.Module):
    """A backbone whose user loses patience."""

    def __init__(self, n_steps):
        super().__init__()
        self.layer = nn.Linear(3, 8)
        self.n_left = n_steps

    def forward(self, X):
        if self.training:
            self.n_left -= 1
            if self.n_left < 0:
                raise KeyboardInterrupt
        return self.layer(X)


@BOTH
def test_training_that_the_user_ends_keeps_what_was_learned_and_says_so(kind):
    X, y = make_table()
    n_batches = 4
    model = make_model(
        kind, backbone=Impatient(2 * n_batches + 1), batch_size=10, max_epochs=9
    )
    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 3: the model"):
        model.fit(X, y)
    assert np.isfinite(model.predict(X)).all()


# ----------------------------------------------------------------- early stopping


def validation_loss(model, valid):
    """Compute the loss of the fitted weights over the validation data, at once."""
    net = model.net_
    X, target = valid[np.arange(len(valid))]
    with torch.no_grad():
        output = net.module_.eval()(X.to(net.device))
        return float(net.criterion_(output, target))


@BOTH
def test_early_stopping_ends_on_noise_with_the_best_weights(kind):
    X, y = make_noise()
    watcher = Watcher()
    model = make_model(
        kind,
        validation_fraction=0.25,
        patience=3,
        max_epochs=60,
        lr=0.05,
        callbacks=[watcher],
    ).fit(X, y)
    losses = model.history_[:, "valid_loss"]
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best] * (1 - 1e-4):  # Less is no progress.
            best = epoch
    assert len(losses) == best + 1 + 3 < 60
    assert_same_weights(weights_of(model), watcher.weights[best])
    assert len(watcher.valid) == 10
    assert len(watcher.train) == 30
    np.testing.assert_allclose(
        validation_loss(model, watcher.valid), losses[best], rtol=1e-6
    )


@BOTH
def test_validation_data_are_part_of_the_whole(kind):
    X, y = make_table()
    watcher = Watcher()
    model = make_model(kind, validation_fraction=0.25, callbacks=[watcher]).fit(X, y)
    held, learned = watcher.valid.targets()[0], watcher.train.targets()[0]
    np.testing.assert_array_equal(np.sort(np.concatenate([held, learned])), np.sort(y))
    assert model.target_counts_[1].sum() == N_SAMPLES


@BOTH
def test_without_validation_all_epochs_are_trained_on_everything(kind):
    X, y = make_noise()
    watcher = Watcher()
    model = make_model(kind, max_epochs=7, patience=1, callbacks=[watcher]).fit(X, y)
    assert len(model.history_) == 7
    assert sum(watcher.sizes) == 7 * N_SAMPLES
    assert watcher.valid is None
    assert "valid_loss" not in model.history_[0]


@BOTH
def test_validation_leaves_more_parts_alone(kind):
    X, y = make_table()
    model = make_model(kind, validation_fraction=0.25).fit(X, y)
    watcher = Watcher()
    model.net_.callbacks_.append(("watcher", watcher))
    model.partial_fit(X, y)
    watcher = dict(model.net_.callbacks_)["watcher"]
    assert sum(watcher.sizes) == N_SAMPLES
    assert watcher.valid is None


@BOTH
@pytest.mark.parametrize("validation_fraction", [None, 0.2])
def test_pickle_does_not_hold_the_training_data(kind, validation_fraction):
    X, y = make_table(2000, n_features=60)
    model = make_model(
        kind,
        max_epochs=1,
        batch_size=500,
        validation_fraction=validation_fraction,
        **({"binner": LinearBinner(9)} if kind is HCARegressor else {}),
    ).fit(X, y)
    saved = pickle.dumps(model)
    # The distinct targets and how often they occur are kept; the inputs are not.
    assert len(saved) < X.nbytes / 4
    np.testing.assert_array_equal(pickle.loads(saved).predict(X), model.predict(X))


# -------------------------------------------------------------- callbacks, net_params


@BOTH
@pytest.mark.parametrize("wrap", [lambda cb: cb, lambda cb: ("mine", cb)])
def test_callbacks_of_the_user_are_called(kind, wrap):
    X, y = make_table()
    watcher = Watcher()
    make_model(kind, callbacks=[wrap(watcher)]).fit(X, y)
    assert watcher.n_trainings == 1
    assert watcher.sizes == [10] * 3 * 4
    assert len(watcher.weights) == 3


def test_callbacks_of_the_user_are_called_in_both_stages():
    X, y = make_table()
    watcher = Watcher()
    make_model(mode="distill", max_epochs=10, callbacks=[watcher]).fit(X, y)
    assert watcher.n_trainings == 2
    assert len(watcher.weights) == 10 + 2


def test_callbacks_may_be_classes_and_write_history():
    X, y = make_table()
    options = {"name": "seven", "on_train": True, "use_caching": False}
    score = EpochScoring(lambda net, X, y: 7.0, **options)
    model = make_model(callbacks=[score, Watcher]).fit(X, y)
    assert model.history_[:, "seven"] == [7.0] * 3


@pytest.mark.parametrize(
    "score",
    [
        EpochScoring("neg_mean_absolute_error", use_caching=False),
        EpochScoring(lambda net, X, y: 7.0),
    ],
    ids=["name", "caching"],
)
def test_scores_that_skorch_cannot_compute_here_are_refused(score):
    with pytest.raises(ValueError, match="EpochScoring must have use_caching=False"):
        make_model(callbacks=[score]).fit(*make_table())


@BOTH
def test_callback_that_watches_validation_asks_for_it(kind):
    model = make_model(kind, callbacks=[("stop", EarlyStopping("valid_loss"))])
    with pytest.raises(ValueError, match=r"EarlyStopping watches 'valid_loss'.* Set"):
        model.fit(*make_table())


def test_callback_that_watches_validation_leaves_other_stages_alone():
    X, y = make_table()
    stopping = EarlyStopping("valid_loss", patience=100)
    model = make_model(mode="distill", validation_fraction=0.25)
    expected = clone(model).fit(X, y)
    model.set_params(callbacks=[stopping]).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    for going_on in (
        model,
        expected,
        *(m.retrain_heads(X, y) for m in (model, expected)),
    ):
        going_on.partial_fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


@BOTH
def test_learning_rate_rises_and_falls_once(kind):
    X, y = make_table()
    watcher = Watcher()
    make_model(kind, lr=0.02, max_epochs=5, callbacks=[watcher]).fit(X, y)
    lrs = np.array(watcher.lrs)
    peak = lrs.argmax()
    assert 0 < peak < len(lrs) / 2
    assert 0.9 * 0.02 < lrs[peak] <= 0.02
    assert (np.diff(lrs[: peak + 1]) > 0).all()
    assert (np.diff(lrs[peak:]) < 0).all()


@BOTH
def test_parts_are_learned_at_a_constant_rate(kind):
    X, y = make_table()
    watcher = Watcher()
    model = make_model(kind, lr=0.02, callbacks=[watcher]).partial_fit(X, y)
    model.partial_fit(X, y)
    watcher = dict(model.net_.callbacks_)["Watcher"]
    np.testing.assert_allclose(watcher.lrs, 0.02)
    assert len(watcher.lrs) == 2 * 4


@BOTH
def test_net_params_are_the_last_word(kind):
    X, y = make_table()
    watcher = Watcher()
    net_params = {
        "max_epochs": 2,
        "batch_size": 20,
        "lr": 0.05,
        "optimizer__weight_decay": 0.25,
        "callbacks__schedule": None,
    }
    given = copy.deepcopy(net_params)
    model = make_model(kind, net_params=net_params, callbacks=[watcher]).fit(X, y)
    assert len(model.history_) == 2
    assert watcher.sizes == [20] * 2 * 2
    np.testing.assert_allclose(watcher.lrs, 0.05)
    assert model.net_.optimizer_.param_groups[0]["weight_decay"] == 0.25
    assert net_params == given


@BOTH
def test_net_params_may_leave_out_the_look_at_validation_data(kind):
    X, y = make_table()
    model = make_model(
        kind,
        validation_fraction=0.25,
        patience=1,
        lr=5.0,
        max_epochs=6,
        net_params={"train_split": None},
    ).fit(X, y)
    assert len(model.history_) == 6
    assert not any("valid_loss" in epoch for epoch in model.history_)


@BOTH
def test_loaders_of_torch_train_on_the_same_numbers(kind):
    X, y = make_table()
    ours = make_model(kind, batch_size=N_SAMPLES).fit(X, y)
    loader = {"iterator_train": torch.utils.data.DataLoader}
    theirs = make_model(kind, batch_size=N_SAMPLES, net_params=loader).fit(X, y)
    np.testing.assert_allclose(theirs.predict(X), ours.predict(X), rtol=1e-5)


@BOTH
def test_splits_of_skorch_hold_out_what_they_say(kind):
    X, y = make_table()
    watcher = Watcher()
    split = {"train_split": ValidSplit(4)}
    model = make_model(kind, net_params=split, callbacks=[watcher]).fit(X, y)
    assert watcher.sizes == [10] * 3 * 3
    assert all(epoch["valid_loss"] > 0 for epoch in model.history_)


@BOTH
def test_net_params_may_name_a_schedule_that_is_not_there(kind):
    X, y = make_table()
    net_params = {"callbacks__schedule": None}
    model = make_model(kind, net_params=net_params, max_epochs=1, batch_size=100)
    assert np.isfinite(model.fit(X, y).predict(X)).all()
    assert np.isfinite(model.partial_fit(X, y).predict(X)).all()
    assert np.isfinite(
        make_model(kind, net_params=net_params).partial_fit(X, y).net_.lr
    )


@BOTH
def test_history_tells_every_epoch(kind):
    X, y = make_table()
    model = make_model(kind, validation_fraction=0.25).fit(X, y)
    assert model.history_ is model.net_.history
    assert model.history_[:, "epoch"] == [1, 2, 3]
    for column in ("train_loss", "valid_loss", "dur"):
        assert np.isfinite(model.history_[:, column]).all()
    with pytest.raises(AttributeError):
        _ = make_model(kind).history_


# --------------------------------------------------------------------------- output


@BOTH
def test_training_is_silent_unless_told(kind, capsys):
    X, y = make_noise()
    params = {"mode": "distill"} if kind is HCARegressor else {}
    model = make_model(kind, validation_fraction=0.25, patience=1, max_epochs=20)
    model.set_params(**params).fit(X, y).partial_fit(X, y).predict(X)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@BOTH
@pytest.mark.parametrize("verbose", [1, True])
def test_training_prints_a_table_when_told(kind, verbose, capsys):
    X, y = make_table()
    make_model(kind, verbose=verbose, lr=1e-3, validation_fraction=0.25).fit(X, y)
    captured = capsys.readouterr()
    header, _, *rows = captured.out.strip().splitlines()
    assert header.split()[:3] == ["epoch", "train_loss", "valid_loss"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert captured.err == ""


@BOTH
def test_training_shows_progress_when_told_twice(kind, capsys):
    X, y = make_table()
    make_model(kind, verbose=2).fit(X, y)
    captured = capsys.readouterr()
    assert "train_loss" in captured.out
    assert "/4" in captured.out + captured.err


# ------------------------------------------------------------------- types, devices


@BOTH
@pytest.mark.parametrize(
    ("precision", "dtype", "expected"),
    [
        ("auto", np.float64, torch.float64),
        ("auto", np.float32, torch.float32),
        ("auto", np.float16, torch.float32),
        ("auto", np.uint8, torch.float32),
        ("auto", np.int64, torch.float64),
        ("fp32", np.float64, torch.float32),
        ("fp64", np.float32, torch.float64),
    ],
)
def test_precision_is_that_of_the_weights(kind, precision, dtype, expected):
    X, y = make_table()
    X = (10 * X + 40).astype(dtype)
    model = make_model(kind, precision=precision, device="cpu").fit(X, y)
    dtypes = {weight.dtype for weight in model.net_.module_.parameters()}
    assert dtypes == {expected}
    prediction = model.predict(X)
    assert prediction.dtype == np.float64
    assert np.isfinite(prediction).all()


@BOTH
def test_large_tables_are_trained_in_float32(kind):
    X, y = make_table(10_001, n_features=2)
    model = make_model(kind, max_epochs=1, batch_size=5000, device="cpu")
    params = {"binner": LinearBinner(5)} if kind is HCARegressor else {}
    model.set_params(**params).fit(X, y)
    assert next(model.net_.module_.parameters()).dtype is torch.float32


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_of_the_inputs_hardly_matters(kind, dtype):
    X, y = make_table()
    X = X.astype(np.float32)
    expected = make_model(kind, precision="fp64").fit(X, y).predict(X)
    model = make_model(kind, precision="fp64").fit(X.astype(dtype), y)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_on_cuda_answers_on_the_cpu(kind, device):
    X, y = make_table(200)
    model = make_model(kind, device=device, max_epochs=20, lr=0.01)
    if kind is HCARegressor:
        model.set_params(mode="distill")
    model.fit(X, y).partial_fit(X, y)
    assert next(model.net_.module_.parameters()).device.type == "cuda"
    prediction = model.predict(X)
    assert isinstance(prediction, np.ndarray)
    assert model.score(X, y) > 0.8
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(restored.predict(X), prediction, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------- optimisers and batches


@BOTH
@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        (torch.optim.RMSprop, torch.optim.RMSprop),
        (lambda params, lr: torch.optim.NAdam(params, lr=lr), torch.optim.NAdam),
    ],
    ids=["adamw", "adam", "sgd", "class", "factory"],
)
def test_optimizer_is_an_alias_a_class_or_a_factory(kind, optimizer, expected):
    X, y = make_table()
    model = make_model(kind, optimizer=optimizer, max_epochs=8, lr=0.01).fit(X, y)
    assert type(model.net_.optimizer_) is expected
    losses = model.history_[:, "train_loss"]
    assert losses[-1] < losses[0]


class OwnRate(BaseBackbone):
    """A backbone that has a learning rate of its own."""

    def peak_lr(self, shape):
        """Depend on the inputs."""
        return 0.0125 * len(shape)

    def build(self, shape):
        """One linear layer."""
        return nn.Linear(*shape, 4)


@BOTH
@pytest.mark.parametrize(
    ("params", "peak", "steady"),
    [
        ({}, 1e-2, 3e-3),
        ({"backbone": OwnRate()}, 0.0125, 0.00375),
        ({"backbone": lambda: nn.Linear(3, 4)}, 3e-3, 9e-4),
        ({"lr": 0.02}, 0.02, 0.02),
        ({"net_params": {"lr": 0.02}}, 0.02, 0.02),
    ],
    ids=["perceptron", "recipe", "module", "asked for", "in net_params"],
)
def test_learning_rate_is_asked_for_or_suits_the_backbone(kind, params, peak, steady):
    X, y = make_table()
    model = make_model(kind, **params)
    assert model.fit(X, y).net_.lr == pytest.approx(peak)
    assert clone(model).partial_fit(X, y).net_.lr == pytest.approx(steady)


class OwnDecay(MLPBackbone):
    """A perceptron that has a decay of its own."""

    def least_decay(self, shape):
        """Depend on the inputs."""
        return 1.5 * len(shape)


@BOTH
@pytest.mark.parametrize(
    ("backbone", "n_features", "decay"),
    [("mlp", 100, 1.0), ("mlp", 101, 2.0), (OwnDecay(), 3, 1.5)],
)
def test_weights_of_many_columns_decay_more(kind, backbone, n_features, decay):
    X, y = make_table(n_features=n_features)
    X, y = np.tile(X, (15, 1)), np.tile(y, 15)
    model = make_model(kind, backbone=backbone, batch_size=1, max_epochs=1).fit(X, y)
    assert model.net_.optimizer_.param_groups[0]["weight_decay"] == decay
    assert model.net_.lr == 1e-2


def normalized_backbone():
    """A backbone that cannot train on a single sample."""
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU())


@BOTH
@pytest.mark.parametrize("backbone", ["mlp", normalized_backbone])
@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(1000, [40]), (40, [40]), (39, [40]), (13, [13, 13, 14]), (38, [38, 2])],
)
def test_batches_of_any_size_hold_every_sample(kind, backbone, batch_size, sizes):
    X, y = make_table()
    watcher = Watcher()
    model = make_model(
        kind, backbone=backbone, max_epochs=2, batch_size=batch_size
    ).set_params(callbacks=[watcher])
    assert np.isfinite(model.fit(X, y).predict(X)).all()
    assert watcher.sizes == 2 * sizes


@BOTH
def test_predictions_do_not_depend_on_the_batch(kind):
    X, y = make_table()
    model = make_model(kind, backbone=normalized_backbone).fit(X, y)
    alone = [model.predict(X[[i]])[0] for i in range(5)]
    np.testing.assert_allclose(model.predict(X)[:5], alone, rtol=1e-9, atol=1e-9)


@BOTH
@pytest.mark.parametrize("backbone", ["mlp", normalized_backbone])
@pytest.mark.parametrize("mode", ["marginal", "distill"])
def test_two_samples_are_enough(kind, backbone, mode):
    X, y = make_table(2)
    params = {"mode": mode} if kind is HCARegressor else {}
    model = make_model(kind, backbone=backbone, **params).fit(X, y)
    assert np.isfinite(model.predict(make_table()[0])).all()
    assert model.target_counts_[1].sum() == 2


# ------------------------------------------------------------------------ randomness


@BOTH
def test_training_repeats_itself_for_the_same_random_state(kind):
    X, y = make_table()
    first, second = (make_model(kind).fit(X, y) for _ in range(2))
    assert_same_weights(weights_of(first), weights_of(second))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    other = make_model(kind, random_state=1).fit(X, y)
    assert not np.array_equal(first.predict(X), other.predict(X))


@BOTH
def test_random_state_object_goes_on(kind):
    X, y = make_table()
    predictions = []
    for _ in range(2):
        random_state = np.random.RandomState(5)
        model = make_model(kind, random_state=random_state)
        predictions += [model.fit(X, y).predict(X), model.fit(X, y).predict(X)]
    np.testing.assert_array_equal(predictions[0], predictions[2])
    np.testing.assert_array_equal(predictions[1], predictions[3])
    assert not np.array_equal(predictions[0], predictions[1])


@BOTH
def test_global_seeds_and_threads_are_left_alone(kind):
    X, y = make_table()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    n_threads = torch.get_num_threads()
    model = make_model(kind, validation_fraction=0.25, random_state=0).fit(X, y)
    model.partial_fit(X, y).predict(X)
    if kind is HCARegressor:
        model.readjust("distill", X, y)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.get_num_threads() == n_threads


@BOTH
def test_result_does_not_depend_on_global_seeds(kind):
    X, y = make_table()
    expected = make_model(kind).fit(X, y).predict(X)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        np.testing.assert_array_equal(make_model(kind).fit(X, y).predict(X), expected)


def test_stage_two_keeps_its_own_length_and_rate_beside_net_params():
    X, y = make_table()
    model = make_model(
        mode="distill", max_epochs=10, net_params={"max_epochs": 4, "lr": 0.5}
    ).fit(X, y)
    assert len(model.net_.history) == 4
    assert len(model.student_net_.history) == 2
    assert model.student_net_.lr == 0.01
