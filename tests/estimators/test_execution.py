"""In which numbers, how compiled and how fed: all of it changes time, not answers."""

import copy
import pickle
import shutil

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import Dataset, get_worker_info

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import MLPBackbone

KINDS = [HCARegressor, DirectRegressor]
BOTH = pytest.mark.parametrize("kind", KINDS)
SHORT = pytest.mark.parametrize("precision", ["bf16", "fp16"])


def make_table(n=40):
    """A linear table without noise, in float32."""
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    return X, X.astype(np.float64) @ np.linspace(-1, 2, 3)


def make_images(n=20):
    """Images as bytes, and the brightness of their first row."""
    X = np.random.default_rng(0).integers(0, 256, (n, 3, 6, 6), dtype=np.uint8)
    return X, X[:, 0, 0].mean(axis=1)


def convolutions():
    """A backbone for images."""
    pool = nn.AdaptiveAvgPool2d(2)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), pool, nn.Flatten()
    )


def make_model(kind=HCARegressor, **params):
    """A small estimator that trains for a moment."""
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "max_epochs": 3,
        "batch_size": 10,
    }
    return kind(**(defaults | {"random_state": 0} | params))


# ---------------------------------------------------------------------- short types


@BOTH
@SHORT
def test_short_types_learn_as_well_as_long_ones(kind, precision):
    X, y = make_table(100)
    model = make_model(kind, precision=precision, max_epochs=20, lr=0.02).fit(X, y)
    assert model.score(X, y) > 0.9
    assert {w.dtype for w in model.net_.module_.parameters()} == {torch.float32}
    assert all(np.isfinite(model.history_[:, "train_loss"]))


@SHORT
@pytest.mark.parametrize("mode", ["mul", "marginal", "distill"])
def test_answers_of_short_types_are_long_and_finite(precision, mode):
    X, y = make_images()
    model = make_model(backbone=convolutions, precision=precision, mode=mode).fit(X, y)
    prediction, p = model.predict(X), model.predict_proba(X)
    assert prediction.dtype == np.float64
    assert p.dtype == np.float32
    assert np.isfinite(prediction).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)


@BOTH
@SHORT
def test_short_types_stay_near_the_long_ones(kind, precision):
    X, y = make_table()
    expected = make_model(kind, precision="fp32").fit(X, y).predict(X)
    model = make_model(kind, precision=precision).fit(X, y)
    np.testing.assert_allclose(model.predict(X), expected, atol=0.05 * y.std())


class LogitSizes(Callback):
    """Writes down the type and size of the logits that the loss receives."""

    def __init__(self):
        self.dtypes = set()
        self.largest = 0.0

    def on_batch_end(self, net, y_pred=None, **kwargs):
        self.dtypes |= {logits.dtype for logits in y_pred.levels}
        self.largest = max(self.largest, float(y_pred.levels[-1].detach().abs().max()))


def test_loss_of_float16_sees_float32_that_float16_cannot_hold():
    X, y = make_table()
    sizes = LogitSizes()
    backbone = nn.Sequential(nn.Linear(3, 8), nn.Hardtanh(-3e4, 3e4))
    with torch.no_grad():
        backbone[0].weight.mul_(1e4)
    model = make_model(
        backbone=backbone, precision="fp16", callbacks=[sizes], lr=1e-4
    ).fit(X, y)
    assert sizes.dtypes == {torch.float32}
    assert sizes.largest > torch.finfo(torch.float16).max
    assert np.isfinite(model.history_[:, "train_loss"]).all()


class Gradients(Callback):
    """Writes down the norm of the gradient that clipping would see."""

    def __init__(self):
        self.norms = []

    def on_grad_computed(self, net, named_parameters=None, **kwargs):
        norms = [float(w.grad.norm()) for _, w in named_parameters]
        self.norms.append(np.linalg.norm(norms))


def test_callbacks_see_gradients_of_float16_as_they_are():
    X, y = make_table()
    norms = []
    for precision in ("fp32", "fp16"):
        gradients = Gradients()
        make_model(precision=precision, callbacks=[gradients], max_epochs=1).fit(X, y)
        norms.append(gradients.norms)
    np.testing.assert_allclose(norms[0], norms[1], rtol=0.05)


def test_step_of_float16_whose_gradients_overflow_is_left_out():
    X, y = make_table()
    weights = []

    class Overflows(Callback):
        def on_grad_computed(self, net, named_parameters=None, **kwargs):
            weights.append(copy.deepcopy(net.module_.state_dict()))

    class Steep(nn.Module):
        """A layer whose gradient overflows at its second step of training."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 8)
            self.n_steps = 0

        def forward(self, X):
            features = self.layer(X)
            self.n_steps += self.training
            if self.training and self.n_steps == 2:
                features.register_hook(lambda gradient: gradient * torch.inf)
            return features

    make_model(
        backbone=Steep, precision="fp16", callbacks=[Overflows()], max_epochs=1
    ).fit(X, y)
    before, after, later = weights[1:4]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not all(torch.equal(after[name], later[name]) for name in before)


@BOTH
@SHORT
def test_short_types_go_on_after_a_pickle(kind, precision):
    X, y = make_table()
    model = make_model(kind, precision=precision).fit(X, y)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(X), model.predict(X))
    assert np.isfinite(restored.partial_fit(X, y).predict(X)).all()


@BOTH
def test_unknown_precision_is_refused(kind):
    X, y = make_table()
    with pytest.raises(ValueError, match="'precision' parameter"):
        make_model(kind, precision="fp8").fit(X, y)


@BOTH
@pytest.mark.parametrize("shape", [(20, 3, 6, 6), (20, 1, 5, 7)], ids=str)
def test_images_give_the_same_answer_in_any_layout(kind, shape):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, shape, dtype=np.uint8)
    y = X.reshape(len(X), -1).mean(axis=1)
    backbone = nn.Sequential(nn.Conv2d(shape[1], 4, 3), nn.ReLU(), nn.Flatten())
    model = make_model(kind, backbone=backbone).fit(X, y)
    strided = np.asfortranarray(X)
    np.testing.assert_array_equal(model.predict(strided), model.predict(X))
    twin = make_model(kind, backbone=backbone).fit(strided, y)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))


@pytest.mark.cuda
@BOTH
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_images_are_learned_on_cuda_in_every_type(kind, precision):
    X, y = make_images(60)
    params = {"backbone": convolutions, "precision": precision, "device": "cuda"}
    model = make_model(kind, max_epochs=30, lr=0.01, **params).fit(X, y)
    assert model.score(X, y) > 0.5
    data = PairDataset(X, y)
    np.testing.assert_allclose(model.predict(data), model.predict(X), rtol=1e-3)


# ------------------------------------------------------------------------- compiling

N_COMPILED = []


def counting(graph, inputs):
    """A backend of torch.compile that runs the graph as it is, and counts it."""
    N_COMPILED.append(len(inputs))
    return graph


@pytest.fixture
def n_compiled():
    """Return how many graphs were compiled since the last look."""
    torch.compiler.reset()
    N_COMPILED.clear()

    def look():
        n = len(N_COMPILED)
        N_COMPILED.clear()
        return n

    yield look
    torch.compiler.reset()


def make_compiled(kind=HCARegressor, **params):
    """An estimator whose network is traced, and runs as it was traced."""
    net_params = {"compile__backend": counting}
    return make_model(kind, compile=True, net_params=net_params, **params)


# Tracing imports parts of torch that are on their way out.
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@quiet
@BOTH
def test_compiled_network_answers_as_the_plain_one(kind, n_compiled):
    X, y = make_table()
    plain = make_model(kind).fit(X, y)
    model = make_compiled(kind).fit(X, y)
    assert n_compiled() >= 1
    np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-5)
    assert n_compiled() >= 1  # once more, in evaluation mode
    model.predict(X)
    assert n_compiled() == 0
    assert_same_names(model, plain)


def assert_same_names(first, second):
    """Compare the names of the weights: what is compiled has no other ones."""
    names = [list(m.net_.module_.state_dict()) for m in (first, second)]
    assert names[0] == names[1]


@quiet
def test_networks_are_plain_unless_told(n_compiled):
    X, y = make_table()
    make_model(mode="distill").fit(X, y).partial_fit(X, y).predict(X)
    assert n_compiled() == 0


@quiet
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["c", "p"]
)
@pytest.mark.parametrize("mode", ["marginal", "distill"])
def test_copies_of_a_compiled_model_are_compiled_anew(copied, mode, n_compiled):
    X, y = make_table()
    model = make_compiled(mode=mode).fit(X, y)
    twin = copied(model)
    torch.compiler.reset()
    n_compiled()
    answer = twin.predict(X)
    assert n_compiled() >= 1
    np.testing.assert_array_equal(answer, model.predict(X))
    twin.partial_fit(X, y)
    assert n_compiled() >= 1


@quiet
def test_clone_of_a_compiled_model_trains_alike(n_compiled):
    X, y = make_table()
    model = make_compiled().fit(X, y)
    twin = clone(model).fit(X, y)
    assert twin.compile
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))


@quiet
def test_memory_keeps_a_compiled_network(n_compiled, tmp_path):
    X, y = make_table()
    answers = []
    for _ in range(2):
        torch.compiler.reset()
        model = make_compiled(memory=str(tmp_path)).fit(X, y)
        n_compiled()
        answers.append(model.predict(X))
        assert n_compiled() >= 1
    np.testing.assert_array_equal(*answers)


@quiet
def test_students_and_other_modes_are_read_off_a_compiled_network(n_compiled):
    X, y = make_table()
    model = make_compiled().fit(X, y)
    model.predict(X)
    n_compiled()
    assert np.isfinite(model.set_params(mode="mul").predict(X)).all()
    assert n_compiled() == 0
    taught = model.readjust("distill", X, y)
    assert n_compiled() > 0
    assert np.isfinite(taught.predict(X)).all()


@quiet
@SHORT
def test_short_types_are_compiled_too(precision, n_compiled):
    X, y = make_images()
    params = {"backbone": convolutions, "precision": precision}
    expected = make_model(**params).fit(X, y).predict(X)
    answer = make_compiled(**params).fit(X, y).predict(X)
    assert n_compiled() >= 2
    np.testing.assert_allclose(answer, expected, rtol=0.02)


@quiet
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_network_compiled_by_torch_itself_answers_as_the_plain_one():
    X, y = make_table()
    params = {
        "backbone": MLPBackbone((4,), n_pieces=0),
        "max_epochs": 1,
    }
    plain = make_model(DirectRegressor, **params).fit(X, y)
    model = make_model(DirectRegressor, compile=True, **params).fit(X, y)
    np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=0.01, atol=0.01)
    torch.compiler.reset()


# --------------------------------------------------------------------------- workers


class PairDataset(Dataset):
    """A torch dataset of inputs and targets, that says who loads it."""

    def __init__(self, X, y):
        self.X, self.targets = X, y
        self.processes = torch.zeros(2, dtype=torch.int64).share_memory_()

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        self.processes[int(get_worker_info() is not None)] += 1
        return torch.from_numpy(self.X[i]), self.targets[i]

    def n_loaded(self):
        """How many items this process and worker processes loaded since last time."""
        n_here, n_workers = self.processes.tolist()
        self.processes.zero_()
        return n_here, n_workers


@BOTH
def test_items_are_loaded_by_workers_when_told(kind):
    X, y = make_table()
    expected = make_model(kind, max_epochs=2).fit(PairDataset(X, y))
    data = PairDataset(X, y)
    net_params = {"iterator_train__num_workers": 2, "iterator_valid__num_workers": 1}
    model = make_model(kind, max_epochs=2, net_params=net_params).fit(data)
    assert data.n_loaded()[1] == 2 * len(X)
    answer = model.predict(data)
    assert data.n_loaded()[1] == len(X)
    np.testing.assert_array_equal(answer, expected.predict(PairDataset(X, y)))


@BOTH
def test_arrays_need_no_workers(kind):
    X, y = make_table()
    expected = make_model(kind).fit(X, y).predict(X)
    net_params = {"iterator_train__num_workers": 2}
    model = make_model(kind, net_params=net_params).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)


@BOTH
def test_unknown_parameters_of_batches_are_refused(kind):
    X, y = make_table()
    model = make_model(kind, net_params={"iterator_train__n_workers": 2})
    with pytest.raises(ValueError, match=r"no parameter 'n_workers'; .*num_workers"):
        model.fit(X, y)
