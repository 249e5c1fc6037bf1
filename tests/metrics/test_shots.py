"""Shots: who is rare is decided by the training targets, and nobody is lost."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_hca.metrics import (
    balanced_mean_absolute_error,
    error_profile,
    shot_groups,
    shot_report,
)

SHOTS = ("many", "medium", "few")
ERRORS = ("mae", "bmae", "rmse", "brmse", "gm")


def data(seed=0, n_train=900, n_test=300):
    rng = np.random.default_rng(seed)
    y_train = np.minimum(rng.geometric(0.25, n_train), 14) / 2
    y_true = rng.integers(1, 15, n_test) / 2
    return y_true, y_true + rng.normal(size=n_test), y_train


def slow_row(y_true, y_pred, y_train, shot, many=100, few=20):
    """One row of a report, by loops over samples and distinct targets."""
    counts = Counter(y_train.tolist())
    names = {
        target: "many"
        if counts[target] > many
        else "few"
        if counts[target] < few
        else "medium"
        for target in set(y_true.tolist())
    }
    pooled, by_bin = [], {}
    for target, prediction in zip(y_true.tolist(), y_pred.tolist(), strict=True):
        if shot in ("all", names[target]):
            error = abs(prediction - target)
            pooled.append(error)
            by_bin.setdefault(target, []).append(error)
    bins = [np.array(errors) for errors in by_bin.values()]
    pooled = np.array(pooled)
    return {
        "mae": pooled.mean(),
        "bmae": np.mean([errors.mean() for errors in bins]),
        "rmse": np.sqrt((pooled**2).mean()),
        "brmse": np.sqrt(np.mean([(errors**2).mean() for errors in bins])),
        "gm": np.exp(np.log(pooled).mean()),
        "n_samples": len(pooled),
        "n_bins": len(bins),
    }


def as_rows(report):
    return {row: report[row] for row in report.rows}


@pytest.mark.parametrize("row", ["all", *SHOTS])
def test_report_equals_loops_over_bins(row):
    y_true, y_pred, y_train = data()
    report = shot_report(y_true, y_pred, y_train)
    assert report[row] == pytest.approx(slow_row(y_true, y_pred, y_train, row))


def test_report_equals_released_results(load_oracle):
    """The released code calls medium "median", few "low", and any error "mse"."""
    oracle = load_oracle("shot_metrics.npz")
    expected = json.loads(str(oracle["expected"]))
    report = shot_report(
        oracle["labels"], oracle["predictions"], oracle["train_labels"]
    )
    names = {"all": "all", "many": "many", "medium": "median", "few": "low"}
    for shot, released in names.items():
        row = report[shot]
        balanced, plain = expected["balanced"][released], expected["plain"][released]
        assert row["bmae"] == pytest.approx(balanced["l1"], rel=1e-9)
        assert row["brmse"] == pytest.approx(balanced["mse"], rel=1e-9)
        assert row["mae"] == pytest.approx(plain["l1"], rel=1e-9)
        assert row["rmse"] == pytest.approx(plain["mse"], rel=1e-9)
        if shot != "all":
            pooled = expected["dir"][released]
            assert row["mae"] == pytest.approx(pooled["l1"], rel=1e-9)
            assert row["rmse"] ** 2 == pytest.approx(pooled["mse"], rel=1e-9)
            assert row["gm"] == pytest.approx(pooled["gmean"], rel=1e-9)
    overall = expected["overall"]
    assert report["all", "mae"] == pytest.approx(overall["mae"], rel=1e-9)
    assert report["all", "rmse"] == pytest.approx(overall["rmse"], rel=1e-9)
    assert report["all", "gm"] == pytest.approx(overall["gmean"], rel=1e-9)


def test_report_of_whole_targets_is_the_same_with_bins_of_width_one():
    y_true, y_pred, y_train = data()
    y_true, y_pred, y_train = 2 * y_true, 2 * y_pred, 2 * y_train
    unique = shot_report(y_true, y_pred, y_train)
    assert as_rows(unique) == as_rows(shot_report(y_true, y_pred, y_train, bin_width=1))


def test_report_takes_distinct_targets_and_counts_for_training_targets():
    y_true, y_pred, y_train = data()
    values, counts = np.unique(y_train, return_counts=True)
    order = np.random.default_rng(0).permutation(values.size)
    by_count = shot_report(y_true, y_pred, (values[order], counts[order]))
    assert as_rows(by_count) == as_rows(shot_report(y_true, y_pred, y_train))


def test_tuple_of_two_training_targets_is_not_a_pair_of_counts():
    assert shot_groups((3.0, 4.0)).counts.tolist() == [1, 1]
    assert shot_groups(([3.0, 4.0], [7, 0])).values.tolist() == [3.0]


@pytest.mark.parametrize(
    ("count", "shot"),
    [(101, "many"), (100, "medium"), (20, "medium"), (19, "few"), (0, "few")],
)
def test_shot_changes_above_many_and_below_few(count, shot):
    y_train = [1.0] * 300 + [2.0] * count
    groups = shot_groups(y_train, bins=[0.0, 1.0, 2.0])
    assert groups.counts.tolist() == [300, count]
    assert groups.shots.tolist() == ["many", shot]
    assert groups.shots_of([2.0, 5.0]).tolist() == [shot, shot]


def test_target_without_training_samples_is_few_shot():
    groups = shot_groups([1.0] * 300 + [3.0] * 50)
    targets = [0.5, 1.0, 2.0, 3.0, 9.0]
    assert groups.counts_of(targets).tolist() == [0, 300, 0, 50, 0]
    assert groups.shots_of(targets).tolist() == ["few", "many", "few", "medium", "few"]
    # Distinct unseen targets are bins of their own.
    y_train = [1.0] * 300 + [3.0] * 50
    report = shot_report(targets, np.add(targets, [1, 1, 2, 1, 6]), y_train)
    assert report["few", "n_bins"] == 3
    assert report["few", "bmae"] == 3.0


def test_range_of_a_number_of_bins_is_that_of_the_training_targets():
    groups = shot_groups([0.0, 4.0, 8.0], bins=4)
    np.testing.assert_array_equal(groups.edges, [0, 2, 4, 6, 8])
    assert groups.counts_of([-100.0, 2.0, 2.1, 100.0]).tolist() == [1, 1, 1, 1]


def test_bins_of_a_tenth_hold_the_scores_of_their_tenth():
    """Scores of STS-B: no bin may be off by one because 0.3 / 0.1 is not 3."""
    tenths = np.arange(51)
    y_train = np.concatenate([np.arange(0, 5.05, 0.1)[:51], tenths * 0.1, tenths / 10])
    groups = shot_groups(y_train, bin_width=0.1)
    assert groups.counts.tolist() == [3] * 51
    assert groups.counts_of((tenths / 10).astype(np.float32)).tolist() == [3] * 51
    edges = shot_groups(y_train, bins=np.linspace(0, 5, 51))
    assert edges.counts.tolist() == [6, *[3] * 49]  # the first bin holds 0 and 0.1


def test_targets_in_single_precision_find_their_training_samples():
    y_train = np.repeat([0.1, 0.2, 0.3], [150, 50, 5])
    expected = ["many", "medium", "few"]
    single, double = np.float32([0.1, 0.2, 0.3]), [0.1, 0.2, 0.3]
    assert shot_groups(y_train).shots_of(single).tolist() == expected
    assert shot_groups(np.float32(y_train)).shots_of(double).tolist() == expected


@settings(deadline=None)
@given(
    y_train=st.lists(st.integers(-6, 6), min_size=1, max_size=60),
    y_true=st.lists(st.floats(-8, 8), min_size=1, max_size=30),
    bins=st.sampled_from(["unique", 1, 4, [-3.0, 0.0, 0.5], [-np.inf, 1.0, np.inf]]),
    few=st.integers(0, 4),
    width=st.integers(0, 4),
)
def test_shots_partition_the_samples(y_train, y_true, bins, few, width):
    groups = shot_groups(y_train, bins, many=few + width, few=few)
    assert groups.counts.sum() == len(y_train)
    shots, counts = groups.shots_of(y_true), groups.counts_of(y_true)
    assert set(shots) <= set(SHOTS)
    for shot, count in zip(shots, counts, strict=True):
        assert (shot == "many") == (count > few + width)
        assert (shot == "few") == (count < few)


def test_rows_of_shots_add_up_to_all():
    y_true, y_pred, y_train = data()
    report = shot_report(y_true, y_pred, y_train, bins=9, few=40)
    for column in ("n_samples", "n_bins"):
        assert sum(report[s, column] for s in SHOTS) == report["all", column]
    for column, share in (("mae", "n_samples"), ("bmae", "n_bins")):
        total = sum(report[s, column] * report[s, share] for s in SHOTS)
        assert total / report["all", share] == pytest.approx(report["all", column])


@pytest.mark.parametrize("bins", ["unique", 14, [0, 1, 2, 3, 5, 6.5, 7]], ids=str)
def test_weight_equals_repetition(bins):
    y_true, y_pred, y_train = data()
    weight = np.random.default_rng(4).integers(0, 4, y_true.size)
    weighted = shot_report(y_true, y_pred, y_train, bins=bins, sample_weight=weight)
    repeated = shot_report(
        np.repeat(y_true, weight), np.repeat(y_pred, weight), y_train, bins=bins
    )
    for row in weighted.rows:
        assert weighted[row] == pytest.approx(repeated[row])


def test_empty_shots_are_nan_with_one_warning_that_names_them():
    with pytest.warns(UserWarning, match="is many or medium-shot") as caught:
        report = shot_report([1.0, 2.0], [1.5, 2.5], [1.0, 2.0])
    assert len(caught) == 1
    for shot in ("many", "medium"):
        assert all(np.isnan(report[shot, column]) for column in ERRORS)
        assert report[shot, "n_samples"] == report[shot, "n_bins"] == 0
    assert report["few", "mae"] == report["all", "mae"] == 0.5


def test_report_is_an_aligned_table_in_text_and_html():
    report = shot_report(*data())
    lines = str(report).split("\n")
    assert [line.split()[0] for line in lines[1:]] == list(report.rows)
    assert lines[0].split() == list(report.columns)
    assert len({len(line) for line in lines}) == 1
    assert repr(report) == str(report)
    assert report._repr_html_().count("<tr>") == 5


def test_report_becomes_a_data_frame():
    pytest.importorskip("pandas", reason="to_frame needs pandas")
    report = shot_report(*data())
    frame = report.to_frame()
    assert list(frame.index) == ["all", *SHOTS]
    assert list(frame.columns) == [*ERRORS, "n_samples", "n_bins"]
    assert frame.loc["few", "mae"] == report["few", "mae"]
    assert frame["n_samples"].dtype.kind == "i"


def test_report_survives_pickle_and_refuses_unknown_entries():
    report = shot_report(*data())
    assert as_rows(pickle.loads(pickle.dumps(report))) == as_rows(report)
    for key in ("rare", ("few", "mse"), ("mae", "few")):
        with pytest.raises(KeyError, match="asked for a row of"):
            report[key]


@pytest.mark.parametrize(
    ("y_train", "options", "message"),
    [
        ([1.0], {"many": 5, "few": 10}, "0 <= few <= many; got many=5 and few=10"),
        ([1.0], {"bins": "rare"}, "bins must be 'unique'"),
        ([], {}, "y_train must hold at least one target"),
        ([np.nan], {}, "y_train must be finite"),
        (([1.0, 2.0], [1.0]), {}, "got 2 values and 1 counts"),
        (([1.0, 2.0], [1.0, -1.0]), {}, "counts not negative"),
        (([1.0], [0.0]), {}, "nor all zero"),
    ],
)
def test_groups_are_refused_with_a_reason(y_train, options, message):
    with pytest.raises(ValueError, match=message):
        shot_groups(y_train, **options)


def test_groups_choose_their_bins_when_none_are_given():
    few_values, many_values = np.arange(100.0), np.arange(101.0)
    np.testing.assert_array_equal(shot_groups(few_values, None).values, few_values)
    edges = shot_groups(many_values, None).edges
    np.testing.assert_allclose(edges, np.linspace(0.0, 100.0, 101))
    groups = shot_groups(many_values, None, bin_width=50.0)
    np.testing.assert_allclose(groups.edges, [-50.0, 0.0, 50.0, 100.0])


def test_profile_holds_the_error_of_every_bin():
    y_true, y_pred, y_train = data()
    profile = error_profile(y_true, y_pred, y_train)
    centers = profile.intervals.mean(axis=1)
    values = np.union1d(y_true, y_train)
    np.testing.assert_allclose(centers, values)
    for value, mae, count in zip(values, profile.mae, profile.counts, strict=True):
        rows = y_true == value
        assert mae == pytest.approx(np.abs(y_pred - y_true)[rows].mean())
        assert count == (y_train == value).sum()


@pytest.mark.parametrize("bins", [5, [-np.inf, 1.0, 2.0, np.inf], [0.5, 9.0]], ids=str)
def test_profile_agrees_with_the_balanced_error(bins):
    y_true, y_pred, y_train = data()
    profile = error_profile(y_true, y_pred, y_train, bins=bins, many=1, few=0)
    assert np.isfinite(profile.intervals).all()
    assert (profile.intervals[:, 0] < profile.intervals[:, 1]).all()
    edges = [*profile.intervals[:, 0], profile.intervals[-1, 1]]
    bmae = balanced_mean_absolute_error(y_true, y_pred, bins=edges)
    assert np.nanmean(profile.mae) == pytest.approx(bmae)


def test_profile_finds_targets_in_the_coarser_precision():
    profile = error_profile([0.3, 0.1 + 0.2], [0.0, 0.1], np.float32([0.3, 0.5]))
    np.testing.assert_allclose(profile.mae, [0.25, np.nan])


def test_profile_gives_an_open_interval_the_width_of_its_training_targets():
    edges = [-np.inf, 5.0, np.inf]
    profile = error_profile([1.0, 5.0], [1.0, 5.0], [1.0, 7.0, 9.0], bins=edges)
    np.testing.assert_array_equal(profile.intervals, [[1.0, 5.0], [5.0, 9.0]])
    profile = error_profile([5.0, 9.0], [5.0, 9.0], [5.0, 9.0], bins=edges)
    assert (profile.intervals[:, 0] < profile.intervals[:, 1]).all()
