"""The report counts every target once, and reads the paper's own subsets rightly."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sk_hca.evaluation import imbalance_report
from sk_hca.metrics import shot_groups

ROWS = ("empty", "few", "medium", "many")
AGES = np.arange(20.0, 50.0)


def subset(common, rare):
    """Ages 20 to 34 common and 35 to 49 rare, as in Table 5 of the paper."""
    return np.repeat(AGES, np.repeat([common, rare], 15))


@given(
    y=st.lists(
        st.one_of(st.integers(0, 5), st.floats(-1e6, 1e6)), min_size=1, max_size=80
    ),
    bins=st.sampled_from(["unique", 1, 7, None, [-2e6, 0.0, 3.0, 1e7], [1.0, 2.0]]),
    many=st.integers(3, 20),
)
def test_shares_of_range_and_samples_add_up(y, bins, many):
    y = np.array(y, dtype=float)
    report = imbalance_report(y, bins, many=many, few=3)
    groups = shot_groups(y, bins)
    sums = {
        column: sum(report[row, column] for row in ROWS) for column in report.columns
    }
    assert sums["n_samples"] == y.size
    assert sums["n_bins"] == len(groups.counts)
    assert sums["range_share"] == pytest.approx(1.0)
    assert sums["sample_share"] == pytest.approx(1.0)
    assert report["empty", "n_bins"] == (groups.counts == 0).sum()
    assert report["empty", "n_samples"] == 0
    assert np.isfinite([report.skewness, report.common, report.rare]).all()


def test_intervals_of_equal_width_cover_what_they_are_of_the_bins():
    y = np.random.default_rng(0).lognormal(0, 1, 2000)
    report = imbalance_report(y, 50)
    for row in ROWS:
        assert report[row, "range_share"] == pytest.approx(report[row, "n_bins"] / 50)


def test_distinct_targets_cover_the_range_up_to_halfway_to_their_neighbours():
    report = imbalance_report([0.0] * 3 + [1.0] * 2 + [4.0], many=2, few=2)
    assert report["many", "range_share"] == pytest.approx(0.5 / 4)
    assert report["medium", "range_share"] == pytest.approx(2.0 / 4)
    assert report["few", "range_share"] == pytest.approx(1.5 / 4)


@pytest.mark.parametrize(
    ("common", "rare", "scenario"),
    [
        (1000, 1000, "balanced"),
        (100, 100, "balanced"),
        (10, 10, "balanced"),
        (1900, 100, "sufficient"),
        (950, 50, "between"),
        (190, 10, "insufficient"),
        (19, 1, "insufficient"),
    ],
)
def test_subsets_of_the_paper_are_recognised(common, rare, scenario):
    report = imbalance_report(subset(common, rare))
    assert (report.common, report.rare) == (common, rare)
    assert report.scenario == scenario
    if rare != 50:
        assert f"{common}:{rare}" in report.published
        assert f"{common}:{rare}" in str(report)


def test_chance_alone_is_not_taken_for_imbalance():
    y = np.random.default_rng(0).uniform(size=1000)
    assert imbalance_report(y, 100).scenario == "balanced"


def test_skewness_is_the_third_standardised_moment():
    y = np.random.default_rng(0).lognormal(0, 1, 500)
    assert imbalance_report(y).skewness == pytest.approx(stats.skew(y))
    assert imbalance_report([2.0, 2.0]).skewness == 0


def test_report_is_printed_indexed_tabulated_and_pickled():
    pytest.importorskip("pandas", reason="to_frame needs pandas")
    report = imbalance_report(subset(190, 10))
    lines = str(report).split("\n")
    assert lines[0] == "3,000 targets from 20 to 49, skewness 0.91"
    assert [line.split()[0] for line in lines[2:6]] == list(ROWS)
    assert len({len(line) for line in lines[1:6]}) == 1
    assert report.finding in lines
    frame = report.to_frame()
    assert list(frame.index) == list(ROWS)
    assert frame.loc["few", "n_bins"] == report["few", "n_bins"] == 15
    assert report["many"] == frame.loc["many"].to_dict()
    assert str(pickle.loads(pickle.dumps(report))) == str(report) == repr(report)
    with pytest.raises(KeyError, match="asked for a row of"):
        report["rare"]


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([], {}, "y must hold at least one target"),
        ([np.nan], {}, "y must be finite"),
        ([1.0], {"many": 5, "few": 10}, "0 <= few <= many"),
        ([1.0], {"bins": "rare"}, "bins must be 'unique'"),
    ],
)
def test_targets_are_refused_with_a_reason(y, options, message):
    with pytest.raises(ValueError, match=message):
        imbalance_report(y, **options)
