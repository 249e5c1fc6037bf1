"""SMOTER and SMOGN: where invented samples lie, and how many there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_hca.metrics import relevance_function
from sk_hca.sampling import SMOGN, SMOTER

SAMPLERS = [SMOTER, SMOGN]


def skewed(seed=0, n=200, n_columns=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_columns))
    return X, np.exp(X[:, 0] + 0.1 * rng.normal(size=n))


def split(sampler, X, y):
    """Resample, and give the kept samples and the invented ones."""
    X_new, y_new = sampler.fit_resample(X, y)
    n_kept = len(sampler.sample_indices_)
    return (X_new[:n_kept], y_new[:n_kept]), (X_new[n_kept:], y_new[n_kept:])


@pytest.mark.parametrize("Sampler", SAMPLERS)
@settings(max_examples=25)
@given(seed=st.integers(0, 1000), n_columns=st.integers(1, 4))
def test_invented_samples_stay_within_what_was_seen(Sampler, seed, n_columns):
    X, y = skewed(seed, n_columns=n_columns)
    sampler = (
        Sampler(over=4.0, perturbation=2.0) if Sampler is SMOGN else Sampler(over=4.0)
    )
    sampler.set_params(random_state=seed)
    (X_kept, y_kept), (X_new, y_new) = split(sampler, X, y)
    np.testing.assert_array_equal(X_kept, X[sampler.sample_indices_])
    np.testing.assert_array_equal(y_kept, y[sampler.sample_indices_])
    rare = y[relevance_function(y)(y) >= 0.8]
    assert len(y_new) == 4 * len(rare)
    assert rare.min() <= y_new.min() <= y_new.max() <= y.max()
    assert (X.min(axis=0) <= X_new.min(axis=0)).all()
    assert (X_new.max(axis=0) <= X.max(axis=0)).all()


@pytest.mark.parametrize("Sampler", SAMPLERS)
@given(n_low=st.integers(1, 30), n_high=st.integers(1, 30), seed=st.integers(0, 99))
def test_balance_makes_all_regions_even(Sampler, n_low, n_high, seed):
    rng = np.random.default_rng(seed)
    y = np.concatenate(
        [
            rng.uniform(*ends, n)
            for ends, n in (((-9, -5), n_low), ((-1, 1), 90), ((5, 9), n_high))
        ]
    )
    X = rng.normal(size=(len(y), 2))
    points = [[-4, 1], [-2, 0], [2, 0], [4, 1]]
    _, y_new = Sampler(points, random_state=seed).fit_resample(X, y)
    counts = np.histogram(y_new, [-9, -3, 3, 9])[0]
    assert (counts == round(len(y) / 3)).all()


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_numbers_in_place_of_balance_are_shares(Sampler):
    X, y = skewed()
    is_rare = relevance_function(y)(y) >= 0.8
    sampler = Sampler(over=0.5, under=0.25, random_state=0)
    (_, y_kept), (_, y_new) = split(sampler, X, y)
    assert len(y_new) == round(0.5 * is_rare.sum())
    assert np.isin(y[is_rare], y_kept).all()
    assert len(y_kept) == is_rare.sum() + round(0.25 * (~is_rare).sum())


def test_smoter_invents_between_a_sample_and_its_neighbours():
    """Every new sample is held against all pairs: it lies in one of their boxes."""
    X, y = skewed(n=60, n_columns=2)
    sampler = SMOTER(threshold=0.5, over=3.0, n_neighbors=2, random_state=0)
    _, (X_new, y_new) = split(sampler, X, y)
    rare = np.flatnonzero(relevance_function(y)(y) >= 0.5)
    ranges = np.ptp(X, axis=0)
    for x, target in zip(X_new, y_new, strict=True):
        explained = []
        for i in rare:
            gap = np.linalg.norm((X[rare] - X[i]) / ranges, axis=1)
            for j in rare[np.argsort(gap)[1:3]]:
                low, high = np.minimum(X[i], X[j]), np.maximum(X[i], X[j])
                if (x >= low).all() and (x <= high).all():
                    d_i, d_j = (np.linalg.norm((x - X[k]) / ranges) for k in (i, j))
                    mean = (d_j * y[i] + d_i * y[j]) / (d_i + d_j)
                    explained.append(np.isclose(target, mean))
        assert any(explained)


def test_smogn_adds_little_noise_where_the_neighbour_is_far():
    """Three clusters and a lone sample: the lone one is never interpolated."""
    rng = np.random.default_rng(0)
    X = np.concatenate(
        [rng.normal(size=(40, 1)), 20 + 0.1 * rng.normal(size=(9, 1)), [[60]]]
    )
    y = np.concatenate([rng.uniform(0, 1, 40), np.linspace(5, 6, 10)])
    sampler = SMOGN([[2, 0], [4, 1]], over=50.0, perturbation=0.01, random_state=0)
    _, (X_new, _) = split(sampler, X, y)
    is_near = abs(X_new - 60) < 1
    assert is_near.sum() == 50
    assert not ((X_new > 21) & ~is_near).any()
    smoter = SMOTER([[2, 0], [4, 1]], over=50.0, random_state=0)
    _, (X_new, _) = split(smoter, X, y)
    assert ((X_new > 25) & (X_new < 55)).any()


def test_smogn_noise_has_the_width_of_the_formula():
    """Samples of one distance: none is nearer than half of it, so all is noise."""
    X = np.concatenate([np.zeros((60, 40)), np.eye(40)])
    y = np.concatenate([np.linspace(0, 1, 60), np.linspace(5, 6, 40)])
    sampler = SMOGN([[2, 0], [4, 1]], over=100.0, perturbation=0.02, random_state=0)
    _, (X_new, y_new) = split(sampler, X, y)
    seeds = X_new.argmax(axis=1)
    inner = (seeds > 5) & (seeds < 35)  # At the ends, targets are clipped.
    noise = (y_new - y[60 + seeds])[inner]
    assert noise.std() == pytest.approx(0.02 * y[60:].std(), rel=0.05)
    assert abs(noise.mean()) < 0.001
    below = np.where(X_new.max(axis=1) < 1, X_new.max(axis=1) - 1, 0)
    spread = np.sqrt((below[below < 0] ** 2).mean())
    assert spread == pytest.approx(0.02 * X[60:, 0].std(), rel=0.1)


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_mixed_types_keep_their_types_and_values(Sampler):
    rng = np.random.default_rng(0)
    _, y = skewed()
    X = np.empty((200, 3), dtype=object)
    X[:, 0] = rng.normal(size=200)
    X[:, 1] = rng.choice(["a", "b", None], 200)
    X[:, 2] = rng.integers(0, 2, 200).astype(bool)
    _, (X_new, _) = split(Sampler(over=5.0, random_state=0), X, y)
    assert X_new.dtype == object
    assert set(X_new[:, 1]) <= {"a", "b", None}
    assert {type(value) for value in X_new[:, 2]} == {bool}
    assert len(set(X_new[:, 0])) > 100


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_categories_of_a_seed_or_its_neighbours_are_taken(Sampler):
    """Two kinds far apart in a number: a category never leaves its kind."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 200)
    X = np.column_stack([100 * kind + rng.normal(size=200), kind, kind])
    y = skewed()[1]
    sampler = Sampler(
        over=5.0, random_state=0, n_neighbors=2, categorical_features=[1, 2]
    )
    _, (X_new, _) = split(sampler, X, y)
    np.testing.assert_array_equal(X_new[:, 1], X_new[:, 0] > 50)
    np.testing.assert_array_equal(X_new[:, 1], X_new[:, 2])


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_data_frame_keeps_columns_and_types(Sampler):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=200).astype(np.float32),
            "rooms": rng.integers(1, 9, 200).astype(np.int8),
            "area": pd.array(rng.normal(size=200), dtype="Float32"),
            "beds": pd.array(rng.integers(1, 4, 200), dtype="Int64"),
            "town": pd.Categorical(
                rng.choice(["u", "v", "w"], 200), ["w", "u", "v", "x"]
            ),
            "street": rng.choice(["p", "q"], 200),
            "sold": rng.integers(0, 2, 200).astype(bool),
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 9, 200), "D"),
        },
        index=rng.permutation(200),
    )
    X.loc[X.index[:40], "town"] = None
    y = pd.Series(np.rint(10 * skewed()[1]).astype(int), index=X.index, name="price")
    before = X.copy()
    sampler = Sampler(random_state=0, over=3.0)
    X_new, y_new = sampler.fit_resample(X, y)
    pd.testing.assert_frame_equal(X, before)
    assert (X_new.dtypes == X.dtypes).all()
    assert X_new.columns.tolist() == X.columns.tolist()
    assert (y_new.dtype, y_new.name) == (y.dtype, y.name)
    assert X_new.index.equals(y_new.index)
    kept = X.iloc[sampler.sample_indices_].reset_index(drop=True)
    pd.testing.assert_frame_equal(X_new.iloc[: len(kept)], kept)
    for name in ("town", "street", "day", "beds"):
        assert set(X_new[name].dropna()) <= set(X[name].dropna())
    assert X_new["town"].iloc[len(kept) :].isna().any()
    again = Sampler(random_state=0, over=3.0, categorical_features=list(X.columns[4:]))
    pd.testing.assert_frame_equal(again.fit_resample(X, y)[0], X_new)


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_integers_in_arrays_of_objects_stay_integers(Sampler):
    rng = np.random.default_rng(0)
    X = np.empty((200, 3), dtype=object)
    X[:, 0] = rng.integers(0, 100, 200)
    X[:, 1] = rng.normal(size=200)
    X[:, 2] = rng.choice(["a", "b"], 200)
    y = np.rint(10 * skewed()[1]).astype(int).astype(object)
    _, (X_new, y_new) = split(Sampler(over=3.0, random_state=0), X, y)
    assert y_new.dtype == object
    for values in (X_new[:, 0], y_new):
        assert {type(value) for value in values} == {int}
    assert {type(value) for value in X_new[:, 1]} == {float}


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_sparse_columns_of_a_frame_stay_sparse(Sampler):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    dense = pd.DataFrame(
        {
            "size": rng.normal(size=200) * rng.integers(0, 2, 200),
            "rooms": rng.integers(0, 3, 200),
        }
    )
    X = dense.astype({"size": pd.SparseDtype(float), "rooms": pd.SparseDtype(int, 1)})
    y = pd.Series(skewed()[1])
    X_new, y_new = Sampler(random_state=0).fit_resample(X, y)
    assert (X_new.dtypes == X.dtypes).all()
    expected, y_expected = Sampler(random_state=0).fit_resample(dense, y)
    pd.testing.assert_frame_equal(X_new.sparse.to_dense(), expected)
    pd.testing.assert_series_equal(y_new, y_expected)


@pytest.mark.parametrize("Sampler", SAMPLERS)
@pytest.mark.parametrize("dtype", ["int64", "Int32", "Sparse[int64]", "Float32"])
def test_targets_in_one_column_of_a_frame_stay_there(Sampler, dtype):
    pd = pytest.importorskip("pandas")
    X, y = skewed()
    y = pd.Series(np.rint(10 * y), name=("house", "price")).astype(dtype)
    _, expected = Sampler(random_state=0).fit_resample(X, y)
    frame = y.to_frame()
    frame.columns = pd.MultiIndex.from_tuples([y.name])
    _, y_new = Sampler(random_state=0).fit_resample(X, frame)
    assert y_new.columns.equals(frame.columns)
    assert y_new.iloc[:, 0].dtype == y.dtype
    pd.testing.assert_series_equal(y_new.iloc[:, 0], expected)


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_targets_in_one_column_of_an_array_stay_there(Sampler):
    X, y = skewed()
    _, expected = Sampler(random_state=0).fit_resample(X, y)
    _, y_new = Sampler(random_state=0).fit_resample(X, y[:, None])
    np.testing.assert_array_equal(y_new, expected[:, None])


@pytest.mark.parametrize("Sampler", SAMPLERS)
@pytest.mark.parametrize("dtype", ["category", "string", "object"])
def test_targets_that_are_no_numbers_are_refused(Sampler, dtype):
    pd = pytest.importorskip("pandas")
    X, y = skewed()
    y = pd.Series(np.rint(10 * y))
    y = (y if dtype == "category" else y.astype(str)).astype(dtype)
    with pytest.raises(ValueError, match=f"y must hold numbers; got .* type {dtype}"):
        Sampler().fit_resample(X, y)


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_seed_reproduces_and_leaves_the_global_one_alone(Sampler):
    X, y = skewed()
    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (
        Sampler(random_state=seed).fit_resample(X, y) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_the_only_sample_of_a_region_is_repeated(Sampler):
    X, y = np.arange(20.0).reshape(-1, 1), np.append(np.linspace(0, 1, 19), 9.0)
    sampler = Sampler([[2.0, 0.0], [4.0, 1.0]], over=3.0, random_state=0)
    _, (X_new, y_new) = split(sampler, X, y)
    assert X_new.tolist() == [[19.0]] * 3
    assert y_new.tolist() == [9.0] * 3


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_equal_rows_and_constant_columns_are_no_trouble(Sampler):
    y = np.append(np.linspace(0, 1, 30), [7.0, 8.0, 9.0])
    sampler = Sampler([[2.0, 0.0], [4.0, 1.0]], over=9.0, random_state=0)
    _, (X_new, y_new) = split(sampler, np.ones((33, 2)), y)
    assert (X_new == 1).all()
    assert ((y_new >= 7) & (y_new <= 9)).all()


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_blocks_of_distances_do_not_show(Sampler, monkeypatch):
    X, y = skewed()
    whole, _ = Sampler(random_state=0).fit_resample(X, y)
    monkeypatch.setattr("sk_hca.sampling._neighbors._BLOCK_BYTES", 1)
    by_row, _ = Sampler(random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(by_row, whole)


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_relevance_is_fitted_or_given(Sampler):
    X, y = skewed()
    relevance = relevance_function(y)
    given_, points, fitted = (
        Sampler(each, random_state=0).fit_resample(X, y)[1]
        for each in (relevance, relevance.points, None)
    )
    np.testing.assert_array_equal(given_, fitted)
    np.testing.assert_array_equal(points, fitted)


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_targets_without_rare_ones_are_refused_with_a_reason(Sampler):
    X, y = np.zeros((20, 1)), np.linspace(0, 1, 20)
    with pytest.raises(ValueError, match="The relevance of targets without outliers"):
        Sampler().fit_resample(X, y)
    with pytest.raises(ValueError, match=r"No target has a relevance of 0\.8 or more"):
        Sampler([[0.0, 0.0], [1.0, 0.5]]).fit_resample(X, y)
    with pytest.raises(ValueError, match="Every target has a relevance"):
        Sampler([[0.0, 1.0]]).fit_resample(X, y)


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_wrong_input_is_refused_with_a_reason(Sampler):
    X, y = skewed()
    hole = np.where(np.arange(200)[:, None] == 3, np.nan, X)
    for wrong, message in (
        (hole, "Column 0 of X contains NaN or infinity.*Fill missing values"),
        (X[:, :, None], "X must be a 2-d array or a data frame; got ndarray of shape"),
        (X[:-1], "inconsistent numbers of samples"),
    ):
        with pytest.raises(ValueError, match=message):
            Sampler().fit_resample(wrong, y)
    for features in ([3], ["size"], [0.5]):
        with pytest.raises(ValueError, match="categorical_features must be 'auto', or"):
            Sampler(categorical_features=features).fit_resample(X, y)
    with pytest.raises(ValueError, match="does not hold numbers"):
        Sampler(categorical_features=[]).fit_resample(X.astype(str).astype(object), y)
    for name, value in (
        ("threshold", 0),
        ("over", "most"),
        ("under", 0),
        ("n_neighbors", 0),
    ):
        with pytest.raises(
            ValueError, match=f"The '{name}' parameter of {Sampler.__name__}"
        ):
            Sampler(**{name: value}).fit_resample(X, y)
