"""Stage one is trained once for all that is read from it, where a memory is given."""

import copy
import pickle
import sys

import joblib
import numpy as np
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import TensorDataset

from sk_hca import HCARegressor
from sk_hca.adjustment import Distillation
from sk_hca.backbones import MLPBackbone


class Spoil:
    """Leaves batches as they are, and does something else to a later one."""

    def __init__(self, after, action):
        self.after = after
        self.action = action

    def __call__(self, X):
        self.after -= 1
        return X if self.after else self.action(X)


def interrupt(X):
    raise KeyboardInterrupt


class CountTrainings(Callback):
    """Leaves a file for every training of a network, seen from any process."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        stage = "one" if hasattr(net.module_, "extractor") else "two"
        n_files = len(list(self.folder.glob(f"{stage}-*")))
        (self.folder / f"{stage}-{n_files}").touch()


def trainings(folder, stage="one"):
    return len(list(folder.glob(f"{stage}-*")))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trainings").mkdir()
    return tmp_path / "trainings"


@pytest.fixture
def make_model(tmp_path, folder):
    def make(**params):
        defaults = {
            "memory": str(tmp_path / "memory"),
            "max_epochs": 2,
            "random_state": 0,
            "callbacks": [("count", CountTrainings(folder))],
        }
        return HCARegressor(**{**defaults, **params})

    return make


def make_table(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3))
    return X, np.exp(X[:, 0]) + rng.normal(size=60)


@pytest.mark.parametrize("mode", ["none", "mul", "distill"])
def test_memory_changes_no_prediction(make_model, mode):
    X, y = make_table()
    expected = make_model(mode=mode, memory=None).fit(X, y).predict(X)
    for _ in range(2):
        model = make_model(mode=mode).fit(X, y)
        np.testing.assert_array_equal(model.predict(X), expected)


def test_search_over_modes_trains_stage_one_once_per_fold(make_model, folder):
    X, y = make_table()
    search = GridSearchCV(
        make_model(),
        {"mode": ["none", "add", "marginal"], "decoder": ["argmax", "mean"]},
        cv=2,
        refit=False,
    )
    search.fit(X, y)
    assert trainings(folder) == 2


def test_search_over_students_trains_students_only(make_model, folder):
    X, y = make_table()
    for head in ("linear", "softplus"):
        make_model(mode=Distillation(head=head)).fit(X, y)
    assert trainings(folder, "one") == 1
    assert trainings(folder, "two") == 2


@pytest.mark.parametrize(
    "change",
    [{"lr": 0.01}, {"n_levels": 2}, {"labels": "one_hot"}, {"random_state": 1}],
    ids=str,
)
def test_other_stage_one_is_trained_anew(make_model, folder, change):
    X, y = make_table()
    make_model().fit(X, y)
    make_model(**change).fit(X, y)
    assert trainings(folder) == 2


def test_other_data_are_trained_anew(make_model, folder):
    X, y = make_table()
    make_model().fit(X, y)
    make_model().fit(X, y + 1)
    make_model().fit(X + 1, y)
    make_model().fit(X, y, sample_weight=np.arange(60.0))
    assert trainings(folder) == 4


def make_module(weight=None):
    """A backbone, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    if weight is not None:
        nn.init.constant_(module[0].weight, weight)
    return module


def test_module_is_known_again_by_its_weights(make_model, folder):
    X, y = make_table()
    model = make_model(backbone=make_module())
    for twin in (model, clone(model), copy.deepcopy(model)):
        twin.fit(X, y)
    make_model(backbone=make_module()).fit(X, y)
    assert trainings(folder) == 1
    make_model(backbone=make_module(weight=0.5)).fit(X, y)
    assert trainings(folder) == 2


def test_data_are_known_again_wherever_they_lie(make_model, folder, tmp_path):
    X, y = make_table()
    np.save(tmp_path / "X.npy", X)
    for same in (X, X.copy(), np.load(tmp_path / "X.npy", mmap_mode="r")):
        make_model().fit(same, y.copy())
    assert trainings(folder) == 1
    for _ in range(2):
        dataset = TensorDataset(torch.tensor(X), torch.tensor(y))
        make_model().fit(dataset)
    assert trainings(folder) == 2


def test_warm_fits_pass_the_memory_by(make_model, folder):
    X, y = make_table()
    model = make_model(warm_start=True).fit(X, y)
    make_model(warm_start=False).fit(X, y)
    assert trainings(folder) == 1
    once = model.predict(X)
    twice = model.fit(X, y).predict(X)
    assert trainings(folder) == 2
    assert len(model.history_) == 4
    # What was remembered is the first fit, as it was.
    np.testing.assert_array_equal(make_model().fit(X, y).predict(X), once)
    assert not np.array_equal(once, twice)
    assert trainings(folder) == 2


def test_processes_may_share_a_memory(make_model, folder):
    """Two workers meet at the same entries, one per fold."""
    X, y = make_table()
    grid = {"mode": ["none", "add", "mul"]}
    options = {"cv": 2, "refit": False}
    expected = GridSearchCV(make_model(memory=None), grid, **options).fit(X, y)
    n_before = trainings(folder)
    search = GridSearchCV(make_model(), grid, n_jobs=2, pre_dispatch="all", **options)
    try:
        search.fit(X, y)
    finally:
        get_reusable_executor().shutdown(wait=True)
    n_trained = trainings(folder) - n_before
    # Two that begin an entry at once both train it; the files may be counted short.
    assert n_trained < 3 * 2
    again = GridSearchCV(make_model(), grid, **options).fit(X, y)
    for one in (search, again):
        scores = one.cv_results_["mean_test_score"]
        # A GPU may round in another order in another process.
        np.testing.assert_allclose(
            scores, expected.cv_results_["mean_test_score"], rtol=1e-6
        )


def as_of_a_script(base):
    """Make a class as another process has it that was defined in a script."""
    return type("Own", (base,), {"__module__": "__main__"})


def test_a_class_of_a_script_is_remembered_in_other_processes_too(make_model, folder):
    X, y = make_table()
    own, same = as_of_a_script(MLPBackbone), as_of_a_script(MLPBackbone)
    answers = make_model(backbone=own((8,))).fit(X, y).predict(X)
    again = make_model(backbone=same((8,)), mode="none").fit(X, y)
    assert trainings(folder) == 1
    np.testing.assert_array_equal(again.set_params(mode="consult").predict(X), answers)
    make_model(backbone=same((8, 8))).fit(X, y)
    assert trainings(folder) == 2


class Block(nn.Module):
    """A part of a network that a script defines."""

    def __init__(self, n_features):
        super().__init__()
        self.layer = nn.Linear(n_features, 8)

    def forward(self, X):
        return self.layer(X).relu()


@pytest.mark.parametrize("is_there", [True, False], ids=["again", "elsewhere"])
def test_a_module_of_a_script_goes_on_where_it_runs_and_elsewhere(
    make_model, monkeypatch, is_there
):
    X, y = make_table()
    main = sys.modules["__main__"]
    own = type("Block", (Block,), {"__module__": "__main__", "__doc__": "As is."})
    monkeypatch.setattr(main, "Block", own, raising=False)
    expected = make_model(backbone=own).fit(X, y).predict(X)
    if not is_there:
        monkeypatch.delattr(main, "Block")
    again = make_model(backbone=own).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), expected)
    if is_there:
        copy = pickle.loads(pickle.dumps(again)).partial_fit(X, y)
        assert np.isfinite(copy.predict(X)).all()


def test_broken_entry_is_trained_anew(make_model, folder, tmp_path):
    X, y = make_table()
    expected = make_model().fit(X, y).predict(X)
    (entry,) = (tmp_path / "memory").rglob("output.pkl")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(make_model().fit(X, y).predict(X), expected)
    assert trainings(folder) == 2
    make_model().fit(X, y)
    assert trainings(folder) == 2


def test_memory_may_be_an_object(make_model, folder, tmp_path):
    X, y = make_table()
    memory = joblib.Memory(tmp_path / "elsewhere", verbose=0)
    for mode in ("none", "add"):
        make_model(memory=memory, mode=mode).fit(X, y)
    assert trainings(folder) == 1


def test_bad_input_is_refused_and_the_model_kept_with_a_memory(make_model):
    X, y = make_table()
    model = make_model().fit(X, y)
    expected = model.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), y)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_training_that_the_user_ends_is_not_remembered(make_model, tmp_path):
    model = make_model(augment=Spoil(2, interrupt), batch_size=20)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*make_table())
    assert not hasattr(model, "net_")
    assert not list((tmp_path / "memory").rglob("output.pkl"))


def test_warnings_of_a_training_are_remembered(make_model, folder):
    model = make_model(augment=Spoil(5, torch.sqrt), batch_size=20)
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match="NaN or infinite in epoch 2"):
            clone(model).fit(*make_table())
    assert trainings(folder) == 1


def test_function_that_cannot_be_known_again_is_refused(make_model):
    with pytest.raises(ValueError, match=r"in place of lambdas.*memory=None"):
        make_model(augment=lambda X: X).fit(*make_table())
