"""Images obey scikit-learn's law, whether they lie in memory, a dataset, or files."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn
from torch.utils.data import Dataset, Subset

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.backbones import ConvBackbone
from sk_hca.datasets import ImageFiles
from sk_hca.estimators import ConformalRegressor

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
pd = pytest.importorskip("pandas", reason="needs pandas")

BOTH = pytest.mark.parametrize("kind", [HCARegressor, DirectRegressor])
N_IMAGES = 30


def make_model(kind=HCARegressor, **params):
    """A small estimator that trains for a moment."""
    defaults = {"max_epochs": 2, "batch_size": 10, "lr": 0.01, "random_state": 0}
    return kind(ConvBackbone((4,)), **(defaults | params))


@pytest.fixture(scope="module")
def images():
    """Images of bytes, some darker, and how bright they are."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(N_IMAGES, 8, 8, 3)).astype(np.uint8)
    X //= rng.integers(1, 9, size=(N_IMAGES, 1, 1, 1)).astype(np.uint8)
    return X, X.mean(axis=(1, 2, 3)).round()


@pytest.fixture(scope="module")
def frame(images, tmp_path_factory):
    """A table of files that hold these images."""
    folder = tmp_path_factory.mktemp("images")
    paths = [str(folder / f"{i}.png") for i in range(N_IMAGES)]
    for path, image in zip(paths, images[0], strict=True):
        Image.fromarray(image).save(path)
    return pd.DataFrame({"path": paths, "age": images[1]})


# ---------------------------------------------------------------------------- in memory


@BOTH
def test_clone_of_a_fitted_estimator_learns_the_same(kind, images):
    X, y = images
    model = make_model(kind).fit(X, y)
    again = clone(model)
    assert not hasattr(again, "net_")
    np.testing.assert_array_equal(again.fit(X, y).predict(X), model.predict(X))


@BOTH
def test_pickle_answers_the_same(kind, images):
    X, y = images
    params = {"mode": "distill"} if kind is HCARegressor else {}
    model = make_model(kind, **params).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_search_runs_over_backbones_and_modes(images):
    X, y = images
    grid = {"backbone__channels": [(2,), (4, 4)], "mode": ["none", "mul"]}
    search = GridSearchCV(make_model(), grid, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == y.shape
    widths = [
        layer.out_channels
        for layer in search.best_estimator_.net_.module_.extractor.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    assert widths == list(search.best_params_["backbone__channels"])


def answers_of_folds(model, X, y, cv):
    """Cross-validated predictions, written out."""
    answers = np.empty(len(y))
    for train, test in cv.split(y):
        answers[test] = clone(model).fit(X[train], y[train]).predict(X[test])
    return answers


@BOTH
def test_cross_validation_predicts_every_image_once(kind, images):
    X, y = images
    model = make_model(kind)
    answers = cross_val_predict(model, X, y, cv=KFold(2))
    np.testing.assert_array_equal(answers, answers_of_folds(model, X, y, KFold(2)))


def in_unit_range(X):
    """Scale bytes."""
    return (X / 255).astype(np.float32)


@BOTH
def test_pipeline_may_change_images_first(kind, images):
    X, y = images
    pipeline = make_pipeline(FunctionTransformer(in_unit_range), make_model(kind))
    expected = make_model(kind).fit(in_unit_range(X), y).predict(in_unit_range(X))
    np.testing.assert_array_equal(pipeline.fit(X, y).predict(X), expected)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.predict(X), expected)


# ---------------------------------------------------------------- in datasets and files


class Pairs(Dataset):
    """Images of torch's kind, which come with their targets."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return torch.from_numpy(self.X[i]), self.y[i]


@BOTH
def test_dataset_of_pairs_teaches_as_arrays_do(kind, images):
    X, y = images
    # One batch: its order is another one, which changes a sum by its rounding.
    model = make_model(kind, batch_size=N_IMAGES)
    expected = model.fit(X, y).predict(X)
    answers = model.fit(Pairs(X, y)).predict(Pairs(X, y))
    np.testing.assert_allclose(answers, expected, rtol=1e-4)


@BOTH
def test_targets_of_a_dataset_may_stand_in_a_column(kind, images):
    X, y = images
    model = make_model(kind, batch_size=N_IMAGES)
    expected = model.fit(Pairs(X, y)).predict(X)
    answers = model.fit(Pairs(X, y[:, np.newaxis])).predict(X)
    np.testing.assert_array_equal(answers, expected)


@BOTH
def test_dataset_whose_targets_are_none_is_asked_for_its_items(kind, images):
    X, y = images
    data = Pairs(X, y)
    model = make_model(kind)
    expected = model.fit(data).predict(X)
    data.targets = None
    np.testing.assert_array_equal(model.fit(data).predict(X), expected)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_are_seen_in_their_type(kind, dtype, images):
    X, y = torch.tensor(images[0]).to(dtype), images[1]
    model = make_model(kind, batch_size=N_IMAGES)
    expected = model.fit(X.numpy(), y).predict(X.numpy())
    np.testing.assert_array_equal(model.fit(X, y).predict(X), expected)


@BOTH
@pytest.mark.parametrize("make", [Image.fromarray, lambda image: image.tolist()])
def test_items_may_be_what_becomes_an_array(kind, images, make):
    X, y = images
    items = [(make(image), target) for image, target in zip(X, y, strict=True)]
    data = Subset(items, range(N_IMAGES))
    model = make_model(kind, batch_size=N_IMAGES)
    expected = model.fit(Pairs(X, y)).predict(X)
    answers = model.fit(data).predict(data)
    np.testing.assert_allclose(answers, expected, rtol=1e-4)


@BOTH
def test_item_of_another_shape_is_named(kind, images):
    X, y = images
    items = [(image[: 8 - (i == 5)], y[i]) for i, image in enumerate(X)]
    data = Subset(items, range(N_IMAGES))
    message = r"one shape; .* item \d+ .* (is|of item 5) \(7, 8, 3\).* resize them"
    with pytest.raises(ValueError, match=message):
        make_model(kind, batch_size=N_IMAGES).fit(data)


@BOTH
def test_files_teach_as_arrays_do(kind, images, frame):
    X, y = images
    params = {"mode": "distill"} if kind is HCARegressor else {}
    model = make_model(kind, batch_size=N_IMAGES, validation_fraction=0.2, **params)
    pipeline = make_pipeline(ImageFiles(column="path"), clone(model))
    expected = model.fit(X, y).predict(X)
    answers = pipeline.fit(frame, y).predict(frame[["path"]])
    np.testing.assert_allclose(answers, expected, rtol=1e-4)
    assert pipeline.score(frame, y) == pytest.approx(model.score(X, y), rel=1e-3)
    assert pipeline[-1].n_features_in_ == model.n_features_in_


def test_worker_processes_read_files_into_the_same_model(images, frame):
    _, y = images
    net_params = {"iterator_train__num_workers": 2, "iterator_valid__num_workers": 1}
    answers = [
        make_pipeline(ImageFiles(column="path"), make_model(net_params=params))
        .fit(frame, y)
        .predict(frame)
        for params in (None, net_params)
    ]
    np.testing.assert_array_equal(*answers)


def test_search_runs_over_sizes_of_files(images, frame):
    _, y = images
    pipeline = make_pipeline(ImageFiles(column="path"), make_model())
    grid = {"imagefiles__size": [None, (4, 6)], "imagefiles__mode": ["RGB", "L"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(frame, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    assert search.predict(frame).shape == y.shape


@pytest.mark.parametrize("opens_first", [False, True], ids=["pipeline", "dataset"])
def test_cross_validation_runs_over_files(images, frame, opens_first):
    _, y = images
    files = ImageFiles(column="path")
    expected = answers_of_folds(make_model(), files.fit_transform(frame), y, KFold(2))
    if opens_first:
        model, X = make_model(), files.fit_transform(frame)
    else:
        model, X = make_pipeline(files, make_model()), frame
    answers = cross_val_predict(model, X, y, cv=KFold(2))
    np.testing.assert_array_equal(answers, expected)


def test_conformal_intervals_are_made_of_files(images, frame):
    _, y = images
    X = ImageFiles(column="path").fit_transform(frame)
    model = ConformalRegressor(make_model(), coverage=0.7).fit(X, y)
    low, high = model.predict_interval(X).T
    assert (low < high).all()


def test_files_are_taken_by_every_way_to_go_on(images, frame):
    _, y = images
    X = ImageFiles(column="path").fit_transform(frame)
    model = make_model(mode="add").partial_fit(X, y).partial_fit(X[:10], y[:10])
    student = model.readjust("distill", X, y)
    retrained = model.retrain_heads(X, y, weighting="inverse")
    for each in (model, student, retrained):
        assert np.isfinite(each.predict(X)).all()


# ---------------------------------------------------------------------------- bad input


@BOTH
def test_other_channels_than_in_fit_are_refused(kind, images, frame):
    X, y = images
    model = make_model(kind).fit(X, y)
    grey = ImageFiles(mode="L", column="path").fit_transform(frame)
    for other, shape in ((X[..., :1], r"\(8, 8, 1\)"), (grey, r"\(8, 8\)")):
        message = (
            rf"inputs of shape \(8, 8, 3\), as in fit; got inputs of shape {shape}"
        )
        with pytest.raises(ValueError, match=message):
            model.predict(other)
        with pytest.raises(ValueError, match=message):
            model.partial_fit(other, y)


@BOTH
@pytest.mark.parametrize("is_read", [True, False], ids=["array", "files"])
def test_images_without_any_target_are_refused(kind, images, frame, is_read):
    X = images[0] if is_read else ImageFiles(column="path").fit_transform(frame)
    with pytest.raises(ValueError, match=r"y (contains NaN|must be finite)"):
        make_model(kind).fit(X, np.full(N_IMAGES, np.nan))


@BOTH
@pytest.mark.parametrize("spoiled", ["odd", "broken"])
def test_bad_file_is_named_and_the_model_kept(kind, images, frame, tmp_path, spoiled):
    _, y = images
    pipeline = make_pipeline(ImageFiles(), make_model(kind)).fit(frame.path, y)
    expected = pipeline.predict(frame.path)
    path = tmp_path / f"{spoiled}.png"
    Image.new("RGB", (5, 8)).save(path)
    if spoiled == "broken":
        path.write_bytes(path.read_bytes()[:10])
    paths = frame.path.replace(frame.path[7], str(path))
    for method in (pipeline.fit, lambda X, y: pipeline.predict(X)):
        with pytest.raises((ValueError, OSError), match=rf"{spoiled}\.png"):
            method(paths, y)
    np.testing.assert_array_equal(pipeline.predict(frame.path), expected)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_file_that_breaks_in_training_is_named(images, frame, tmp_path, n_workers):
    path = tmp_path / "short.png"
    path.write_bytes(Path(frame.path[7]).read_bytes()[:-100])
    paths = frame.path.replace(frame.path[7], str(path))
    net_params = {"iterator_train__num_workers": n_workers}
    pipeline = make_pipeline(ImageFiles(), make_model(net_params=net_params))
    with pytest.raises(OSError, match=r"short\.png' cannot be read: .*truncated"):
        pipeline.fit(paths, images[1])


class Records:
    """Many items at once, which are no images."""

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return {"image": np.zeros((8, 8))}

    def __getitems__(self, positions):
        return [self[i] for i in positions]


def test_dataset_of_records_is_answered_with_what_to_give():
    with pytest.raises(ValueError, match=r"must give arrays, .* first item is a dict"):
        make_model().fit(Records(), np.arange(5.0))
