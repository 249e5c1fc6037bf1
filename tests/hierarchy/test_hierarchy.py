"""The hierarchy as a transformer: codes, values, levels, and what it refuses."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import ParameterGrid

from sk_hca.binning import CustomBinner, LinearBinner, QuantileBinner, assign
from sk_hca.hierarchy import HierarchicalBinner, merge_classes

MERGINGS = ["equal_number", "equal_length", "recursive"]
BINNERS = ["linear", "log", "quantile", "uniform_error", "mixed"]

targets = st.one_of(
    st.lists(st.integers(0, 30).map(float), min_size=2, max_size=60),
    st.lists(st.just(0.0) | st.floats(1e-3, 1e6), min_size=2, max_size=60),
).filter(lambda y: len(set(y)) > 1)


@pytest.fixture
def y():
    """Zeros and a long tail."""
    rng = np.random.default_rng(0)
    return np.append(np.zeros(100), rng.lognormal(size=400))


@pytest.mark.parametrize("merging", MERGINGS)
@given(y=targets, binner=st.sampled_from(BINNERS), n_levels=st.integers(1, 9))
def test_levels_are_what_their_parent_maps_say(merging, y, binner, n_levels):
    y = np.array(y)
    hierarchy = HierarchicalBinner(binner, merging=merging, n_levels=n_levels).fit(y)
    assert 1 <= len(hierarchy.levels_) <= n_levels
    finest = hierarchy.levels_[-1]
    np.testing.assert_array_equal(finest.parent, np.arange(hierarchy.n_classes_))
    for level in hierarchy.levels_:
        index = level.parent[assign(y, hierarchy.edges_)]
        np.testing.assert_array_equal(index, assign(y, level.edges))
        np.testing.assert_array_equal(
            level.counts, np.bincount(index, minlength=len(level.values))
        )
        for c in set(index):
            np.testing.assert_allclose(level.values[c], y[index == c].mean(), rtol=1e-9)


@pytest.mark.parametrize("merging", MERGINGS)
@given(y=targets, binner=st.sampled_from(BINNERS))
def test_every_level_adds_classes_and_keeps_the_borders(merging, y, binner):
    levels = HierarchicalBinner(binner, merging=merging).fit(y).levels_
    sizes = [len(level.values) for level in levels]
    assert sizes == sorted(set(sizes))
    assert sizes[0] >= 2
    for coarse, fine in pairwise(levels):
        assert set(coarse.edges) <= set(fine.edges)
        assert (coarse.counts > 0).all()


@given(y=targets, repeats=st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_weights_equal_repeated_rows(y, repeats):
    repeats = np.array(repeats[: len(y)])
    repeated = np.repeat(y, repeats)
    if len(set(repeated)) < 2:
        return
    expected = HierarchicalBinner().fit(repeated)
    weighted = HierarchicalBinner().fit(y, sample_weight=repeats)
    np.testing.assert_array_equal(weighted.transform(y), expected.transform(y))
    np.testing.assert_allclose(weighted.values_, expected.values_)


@pytest.mark.parametrize(
    ("n_classes", "n_levels"), [(2, 1), (3, 2), (4, 2), (5, 3), (100, 7), (128, 7)]
)
def test_auto_makes_as_many_levels_as_halvings(n_classes, n_levels):
    y = np.arange(4.0 * n_classes)
    hierarchy = HierarchicalBinner(QuantileBinner(n_classes)).fit(y)
    assert hierarchy.n_classes_ == n_classes
    sizes = [2**h for h in range(1, n_levels)]
    assert [len(level.values) for level in hierarchy.levels_] == [*sizes, n_classes]


def test_number_of_levels_counts_the_finest(y):
    binner = LinearBinner(8, empty="merge")
    assert HierarchicalBinner(binner, n_levels=1).fit(y).parents_ == []
    assert len(HierarchicalBinner(binner, n_levels=2).fit(y).parents_) == 1
    assert len(HierarchicalBinner(binner, n_levels=50).fit(y).levels_) <= 3


@pytest.mark.parametrize(("n_levels", "expected"), [("auto", 3), (5, 5)])
def test_same_keeps_copies_of_the_finest_level(n_levels, expected):
    binner = CustomBinner([0, 1, 2, 3, 4, 5])
    hierarchy = HierarchicalBinner(binner, merging="same", n_levels=n_levels)
    hierarchy.fit([0.5, 4.5])
    assert len(hierarchy.levels_) == expected
    for level in hierarchy.levels_:
        np.testing.assert_array_equal(level.edges, hierarchy.edges_)
        np.testing.assert_array_equal(level.values, [0.5, 1.5, 2.5, 3.5, 4.5])
        np.testing.assert_array_equal(level.parent, np.arange(5))


def test_recursive_merging_reproduces_the_release(load_oracle):
    oracle = load_oracle("hca_adjustment.npz")
    binner = CustomBinner(np.arange(122) - 0.5)
    hierarchy = HierarchicalBinner(binner, merging="recursive").fit(oracle["ages"])
    assert len(hierarchy.parents_) == 6
    for h, parent in enumerate(hierarchy.parents_, start=1):
        np.testing.assert_array_equal(parent, oracle[f"parent_{h}"])
    np.testing.assert_array_equal(hierarchy.values_, oracle["class_values"])


def test_parents_are_those_of_merge_classes(y):
    hierarchy = HierarchicalBinner(merging="equal_number").fit(y)
    for h, parent in enumerate(hierarchy.parents_, start=1):
        expected = merge_classes(hierarchy.counts_, 2**h, "equal_number")
        np.testing.assert_array_equal(parent, expected)


def test_codes_are_coarse_to_fine_and_found_by_the_edges(y):
    hierarchy = HierarchicalBinner("linear").fit(y)
    new = np.array([-9.0, 0.0, 1.0, 1e9])
    codes = hierarchy.transform(new)
    assert codes.dtype == np.int64
    columns = [assign(new, level.edges) for level in hierarchy.levels_]
    np.testing.assert_array_equal(codes, np.column_stack(columns))


def test_inverse_transform_gives_the_finest_value(y):
    hierarchy = HierarchicalBinner().fit(y)
    codes = hierarchy.transform(y)
    expected = hierarchy.values_[codes[:, -1]]
    np.testing.assert_array_equal(hierarchy.inverse_transform(codes), expected)
    np.testing.assert_array_equal(hierarchy.inverse_transform(codes[:, -1]), expected)
    assert np.abs(expected - y).mean() < 0.1


def test_any_column_of_targets_gives_the_same_hierarchy(y, tmp_path):
    np.save(tmp_path / "y.npy", y)
    expected = HierarchicalBinner().fit(y)
    columns = {
        "column": y[:, np.newaxis],
        "list": y.tolist(),
        "series": pd.Series(y, index=np.arange(len(y))[::-1]),
        "frame": pd.DataFrame({"count": y}),
        "strided": np.column_stack([y, y])[:, 0],
        "memmap": np.load(tmp_path / "y.npy", mmap_mode="r"),
    }
    for name, column in columns.items():
        hierarchy = HierarchicalBinner().fit(column)
        assert hierarchy.n_features_in_ == 1
        np.testing.assert_array_equal(hierarchy.edges_, expected.edges_, err_msg=name)
        np.testing.assert_array_equal(
            hierarchy.transform(column), expected.transform(y), err_msg=name
        )


def test_output_can_be_a_data_frame(y):
    frame = pd.DataFrame({"count": y}, index=np.arange(len(y)) + 7)
    hierarchy = HierarchicalBinner("linear", n_levels=3)
    hierarchy.set_output(transform="pandas")
    codes = hierarchy.fit_transform(frame)
    assert codes.columns.tolist() == ["level_1", "level_2", "level_3"]
    assert (codes.index == frame.index).all()
    assert hierarchy.feature_names_in_.tolist() == ["count"]
    np.testing.assert_array_equal(
        hierarchy.inverse_transform(codes), hierarchy.values_[codes["level_3"]]
    )


def test_hierarchy_can_be_searched_cloned_and_pickled(y):
    hierarchy = HierarchicalBinner(QuantileBinner())
    for setting in ParameterGrid({"binner__n_bins": [4, 9], "merging": MERGINGS}):
        fitted = clone(hierarchy).set_params(**setting).fit(y)
        assert fitted.n_classes_ == setting["binner__n_bins"]
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.transform(y), fitted.transform(y))


def test_fit_leaves_the_recipe_alone(y):
    binner = QuantileBinner(5)
    HierarchicalBinner(binner).fit(y)
    assert not hasattr(binner, "edges_")


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_hierarchy_must_be_fitted_first(method):
    with pytest.raises(NotFittedError):
        getattr(HierarchicalBinner(), method)([1.0, 2.0])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([4], "must lie between 0 and 3; got 4 to 4"),
        ([-1, 2], "must lie between 0 and 3; got -1 to 2"),
        ([0.5], "must be whole numbers"),
        ([np.nan], "must be whole numbers"),
        ([[0, 1, 2]], "one column for each of the 2 levels"),
    ],
)
def test_inverse_transform_refuses_wrong_codes(codes, message):
    hierarchy = HierarchicalBinner().fit([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=message):
        hierarchy.inverse_transform(codes)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, np.nan], "y must be finite"),
        ([[1.0, 2.0]], "y must be one column"),
        ([2.0, 2.0], "needs at least two distinct targets"),
    ],
)
def test_fit_refuses_what_is_no_column_of_targets(column, message):
    with pytest.raises(ValueError, match=message):
        HierarchicalBinner().fit(column)


@pytest.mark.parametrize("column", [[1.0, np.inf], [[1.0, 2.0]]])
def test_transform_refuses_what_is_no_column_of_targets(column):
    hierarchy = HierarchicalBinner().fit([1.0, 2.0])
    with pytest.raises(ValueError, match="y must be"):
        hierarchy.transform(column)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"binner": "quantiles"}, "binner must be one of .* Did you mean 'quantile'"),
        (
            {"merging": "number"},
            "merging must be one of .* mean 'equal_number'",
        ),
        ({"n_levels": 0}, "'n_levels' parameter of HierarchicalBinner"),
    ],
)
def test_fit_refuses_unknown_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        HierarchicalBinner(**parameters).fit([1.0, 2.0])
