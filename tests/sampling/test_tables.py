"""Distances between rows of mixed types."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_hca.sampling._tables import (
    append,
    distances,
    paired_distances,
    read_table,
)


@given(
    seed=st.integers(0, 99), n_numbers=st.integers(0, 3), n_categories=st.integers(0, 3)
)
def test_distances_equal_the_formula_written_out(seed, n_numbers, n_categories):
    rng = np.random.default_rng(seed)
    X = np.empty((12, n_numbers + n_categories), dtype=object)
    X[:, :n_numbers] = rng.normal(size=(12, n_numbers))
    X[:, n_numbers:] = rng.choice(["a", "b", "c"], (12, n_categories))
    if not X.shape[1]:
        return
    expected = np.zeros((12, 12))
    for column in X.T:
        for i in range(12):
            for j in range(12):
                if isinstance(column[i], str):
                    expected[i, j] += column[i] != column[j]
                else:
                    gap = (column[i] - column[j]) / (column.max() - column.min())
                    expected[i, j] += gap**2
    table = read_table(X)
    rows = table.scaled(table.numbers, table.codes)
    np.testing.assert_allclose(distances(rows, rows), np.sqrt(expected), atol=1e-7)
    back = np.arange(12)[::-1]
    np.testing.assert_allclose(
        paired_distances(rows, rows[back]), np.sqrt(expected[np.arange(12), back])
    )


@pytest.mark.parametrize(
    ("values", "is_categorical"),
    [
        ([1, 2.5, np.float32(3)], False),
        ([1, "2", 3], True),
        ([True, False, True], True),
        ([None, 1.0, 2.0], True),
    ],
)
def test_columns_of_objects_are_categorical_unless_they_are_numbers(
    values, is_categorical
):
    X = np.array(values, dtype=object).reshape(-1, 1)
    assert read_table(X).is_categorical.tolist() == [is_categorical]


def test_categorical_columns_are_told_by_place_name_or_mask():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"a": [1, 2], "b": [1, 1], "c": ["u", "v"]})
    for features in (["b", "c"], [1, 2], [-1, "b"], np.array([0, 1, 1], dtype=bool)):
        table = read_table(X, features)
        assert table.is_categorical.tolist() == [False, True, True]
    assert read_table(X).is_categorical.tolist() == [False, False, True]
    with pytest.raises(ValueError, match=r"names of columns \(\['a', 'b', 'c'\]\)"):
        read_table(X, ["d"])
    with pytest.raises(ValueError, match="Column 'c' of X does not hold numbers"):
        read_table(X, ["a"])


def test_columns_of_pandas_are_categorical_unless_they_hold_numbers():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(
        {
            "count": pd.array([1, 2], dtype="Int8"),
            "sparse": pd.arrays.SparseArray([0.0, 1.5]),
            "sparse flag": pd.arrays.SparseArray([True, False]),
            "grade": pd.Categorical([1, 2]),
            "range": pd.arrays.IntervalArray.from_breaks([0.0, 1.0, 2.0]),
        }
    )
    expected = [False, False, True, True, True]
    assert read_table(X).is_categorical.tolist() == expected


@pytest.mark.parametrize(
    ("values", "new"),
    [([1, 2], [2, 1]), ([1, 2.5], [1.7, 1.2]), ([np.int8(1), 2], [2, 1])],
    ids=["integers", "mixed", "integers of numpy"],
)
def test_appended_numbers_are_rounded_where_all_objects_are_integers(values, new):
    column = np.array(values, dtype=object)
    out = append(column, np.array([1, 0]), np.array([1.7, 1.2]))
    assert out.dtype == object
    assert out.tolist() == [values[1], values[0], *new]
    assert [type(number) for number in out[2:]] == [type(number) for number in new]
    assert type(out[1]) is type(values[0])
