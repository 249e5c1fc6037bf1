"""Random resampling by bin: counts, rows, and whatever the inputs are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sk_hca.sampling import BinOverSampler, BinUnderSampler

SAMPLERS = [BinOverSampler, BinUnderSampler]

targets = st.lists(st.integers(-5, 5), min_size=1, max_size=60).map(np.array)


def rows(y):
    return np.arange(len(y)).reshape(-1, 1)


@given(y=targets, seed=st.integers(0, 9))
def test_every_bin_comes_to_the_largest_or_smallest_count(y, seed):
    values, counts = np.unique(y, return_counts=True)
    for sampler, n in (
        (BinOverSampler("unique", random_state=seed), counts.max()),
        (BinUnderSampler("unique", n_per_bin="min", random_state=seed), counts.min()),
    ):
        X, resampled = sampler.fit_resample(rows(y), y)
        found, balanced = np.unique(resampled, return_counts=True)
        np.testing.assert_array_equal(found, values)
        assert (balanced == n).all()
        np.testing.assert_array_equal(y[X[:, 0]], resampled)
        np.testing.assert_array_equal(X[:, 0], sampler.sample_indices_)


@given(y=targets, n=st.integers(1, 20))
def test_a_number_bounds_every_bin_from_its_side(y, n):
    _, counts = np.unique(y, return_counts=True)
    _, over = BinOverSampler("unique", n_per_bin=n).fit_resample(rows(y), y)
    _, under = BinUnderSampler("unique", n_per_bin=n).fit_resample(rows(y), y)
    for resampled, expected in (
        (over, np.maximum(counts, n)),
        (under, np.minimum(counts, n)),
    ):
        np.testing.assert_array_equal(
            np.unique(resampled, return_counts=True)[1], expected
        )


@given(y=targets)
def test_over_sampling_keeps_all_rows_and_under_sampling_their_order(y):
    _, over = BinOverSampler("unique").fit_resample(rows(y), y)
    np.testing.assert_array_equal(over[: len(y)], y)
    sampler = BinUnderSampler("unique")
    sampler.fit_resample(rows(y), y)
    assert (np.diff(sampler.sample_indices_) > 0).all()


def test_draws_are_even_within_a_bin():
    y = np.repeat([0.0, 1.0], [3000, 3])
    sampler = BinOverSampler("unique", random_state=0)
    sampler.fit_resample(rows(y), y)
    times = np.bincount(sampler.sample_indices_)[3000:]
    assert times.sum() == 3000
    assert (abs(times - 1000) < 100).all()


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_seed_reproduces_and_another_one_does_not(Sampler):
    y = np.repeat([0.0, 1.0], [90, 10])
    first, again, other = (
        Sampler("unique", n_per_bin=20, random_state=seed).fit_resample(rows(y), y)[0]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("cut", [{"bins": 2}, {"bins": [0, 5, 9]}, {"bin_width": 5}])
def test_bins_are_intervals_closed_on_the_right(cut):
    y = np.array([1.0, 2.0, 3.0, 5.0, 9.0])
    _, resampled = BinOverSampler(random_state=0, **cut).fit_resample(rows(y), y)
    np.testing.assert_array_equal(resampled[5:], [9.0, 9.0, 9.0])


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_inputs_of_any_kind_keep_their_kind(Sampler):
    y = [1, 1, 1, 2]
    for X in (
        np.zeros((4, 3, 8, 8), dtype=np.uint8),
        sparse.csr_array(np.eye(4)),
        np.array([["a"], ["b"], ["c"], [None]], dtype=object),
    ):
        sampler = Sampler("unique", n_per_bin=2, random_state=0)
        resampled, targets = sampler.fit_resample(X, y)
        assert type(resampled) is type(X)
        assert resampled.dtype == X.dtype
        assert resampled.shape == (len(targets), *X.shape[1:])
        assert sampler.n_features_in_ == X.shape[1]


@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_sparse_matrix_of_any_format_is_resampled(Sampler, kind):
    X = np.eye(4)
    make = getattr(sparse, f"{kind}_matrix")
    sampler = Sampler("unique", n_per_bin=2, random_state=0)
    resampled, _ = sampler.fit_resample(make(X), [1, 1, 1, 2])
    assert resampled.format == "csr"
    np.testing.assert_array_equal(resampled.toarray(), X[sampler.sample_indices_])


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_data_frame_keeps_columns_types_and_labels_of_rows(Sampler):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(
        {"b": pd.Categorical(["u", "v", "u", None]), "a": [1, 2, 3, 4]},
        index=["p", "q", "r", "s"],
    )
    y = pd.Series([1.0, 1.0, 1.0, 2.0], index=X.index, name="age")
    sampler = Sampler("unique", n_per_bin=2, random_state=0)
    X_new, y_new = sampler.fit_resample(X, y)
    assert (X_new.dtypes == X.dtypes).all()
    pd.testing.assert_frame_equal(X_new, X.loc[X_new.index])
    pd.testing.assert_series_equal(y_new, y.loc[X_new.index])
    assert sampler.feature_names_in_.tolist() == ["b", "a"]


@pytest.mark.parametrize("Sampler", SAMPLERS)
def test_wrong_input_is_refused_with_a_reason(Sampler):
    X = np.zeros((3, 1))
    with pytest.raises(ValueError, match="y must be finite"):
        Sampler().fit_resample(X, [1, np.nan, 2])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Sampler().fit_resample(X, [1, 2])
    for wrong in ({"n_per_bin": 0}, {"n_per_bin": "most"}, {"bins": "equal"}):
        with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter"):
            Sampler(**wrong).fit_resample(X, [1, 2, 3])
