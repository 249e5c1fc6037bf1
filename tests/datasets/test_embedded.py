import csv
import gzip
import hashlib
import re
import sys
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from sk_hca.datasets import load_abalone


@pytest.fixture(scope="module")
def raw_table():
    """The file in the package, read by pandas: another reader than the loader's."""
    path = resources.files("sk_hca.datasets").joinpath("data", "abalone.csv.gz")
    with path.open("rb") as packed, gzip.open(packed, "rt") as table:
        return pd.read_csv(table, keep_default_na=False, na_values=[""])


def test_load_abalone_shapes_and_types():
    abalone = load_abalone()
    assert abalone.data.shape == (4177, 10)
    assert abalone.target.shape == (4177,)
    assert abalone.data.dtype == abalone.target.dtype == np.float64
    assert len(abalone.feature_names) == 10
    assert abalone.target_names == ["rings"]
    assert abalone.frame is None


def test_load_abalone_target_range():
    target = load_abalone().target
    assert (target.min(), target.max()) == (1, 29)
    assert np.median(target) == 9
    assert (target > 20).sum() == 36


def test_load_abalone_tells_where_most_targets_lie():
    abalone = load_abalone()
    is_common = (abalone.target >= 7) & (abalone.target <= 12)
    assert f"{is_common.mean():.0%}" == "73%"
    for text in (load_abalone.__doc__, abalone.DESCR):
        assert re.search(r"most\s.*7 to 12\s+rings\s+\(73 %\)", text, re.IGNORECASE)


def test_load_abalone_equals_file_read_by_pandas(raw_table):
    abalone = load_abalone()
    np.testing.assert_allclose(abalone.data[:, :7], raw_table.iloc[:, 1:8])
    np.testing.assert_array_equal(abalone.target, raw_table["target"])
    np.testing.assert_allclose(
        abalone.data[:, :7].mean(axis=0), raw_table.iloc[:, 1:8].mean()
    )


def test_load_abalone_feature_names_follow_file_columns(raw_table):
    names = [name.replace("_", "") for name in load_abalone().feature_names[:7]]
    assert names == [column.lower() for column in raw_table.columns[1:8]]


@pytest.mark.parametrize(("letter", "count"), [("F", 1307), ("I", 1342), ("M", 1528)])
def test_load_abalone_sex_is_one_hot(raw_table, letter, count):
    abalone = load_abalone()
    column = abalone.data[:, abalone.feature_names.index(f"sex_{letter}")]
    np.testing.assert_array_equal(column == 1, raw_table["Sex"] == letter)
    assert column.sum() == count
    assert set(np.unique(column)) == {0.0, 1.0}


def test_load_abalone_is_finite():
    data, target = load_abalone(return_X_y=True)
    assert np.isfinite(data).all()
    assert np.isfinite(target).all()


def test_load_abalone_pair_equals_bunch():
    abalone = load_abalone()
    X, y = load_abalone(return_X_y=True)
    np.testing.assert_array_equal(X, abalone.data)
    np.testing.assert_array_equal(y, abalone.target)


def test_load_abalone_as_frame_holds_the_same_numbers():
    plain, framed = load_abalone(), load_abalone(as_frame=True)
    assert list(framed.data.columns) == plain.feature_names
    assert framed.target.name == "rings"
    assert list(framed.frame.columns) == [*plain.feature_names, "rings"]
    np.testing.assert_array_equal(framed.data.to_numpy(), plain.data)
    np.testing.assert_array_equal(framed.target.to_numpy(), plain.target)
    X, y = load_abalone(return_X_y=True, as_frame=True)
    pd.testing.assert_frame_equal(X, framed.data)
    pd.testing.assert_series_equal(y, framed.target)


def test_load_abalone_as_frame_without_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        ImportError, match=r"as_frame=True needs pandas.*sk-hca\[data\]"
    ):
        load_abalone(as_frame=True)


def test_load_abalone_needs_no_pandas_for_arrays(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert load_abalone().data.shape == (4177, 10)


def test_load_abalone_returns_fresh_arrays():
    load_abalone().data[:] = -1.0
    assert load_abalone().data.min() == 0.0


@pytest.mark.parametrize(
    "fact", ["Nash", "CC BY 4.0", "10.24432/C55C7W", "one-hot", "No value was altered"]
)
def test_load_abalone_description_names_source_and_licence(fact):
    assert fact in load_abalone().DESCR


def test_abalone_file_has_a_header_and_one_row_per_animal():
    path = resources.files("sk_hca.datasets").joinpath("data", "abalone.csv.gz")
    with path.open("rb") as packed, gzip.open(packed, "rt") as table:
        rows = list(csv.reader(table))
    assert len(rows) == 1 + 4177
    assert rows[0][0] == "Sex"
    assert rows[0][-1] == "target"


def test_abalone_file_equals_published_table():
    """Without its header, and with whole numbers written short, as UCI has it."""
    path = resources.files("sk_hca.datasets").joinpath("data", "abalone.csv.gz")
    _, rows = gzip.decompress(path.read_bytes()).split(b"\n", 1)
    published = rows.replace(b",0.0,", b",0,").replace(b",1.0,", b",1,")
    assert hashlib.sha256(published).hexdigest() == (
        "de37cdcdcaaa50c309d514f248f7c2302a5f1f88c168905eba23fe2fbc78449f"
    )
