"""Group targets by the training samples in their bin, and report errors by group.

A *shot* is such a group: ``many``, ``medium`` or ``few``.  The error of a shot pools
its samples; a balanced error averages over its bins.  An empty shot is ``nan`` with a
warning, never a number that stands for nothing.
"""

import html
import warnings
from dataclasses import dataclass

import numpy as np

from sk_hca.base import CellTable, align, check_targets
from sk_hca.metrics._bins import (
    TargetBins,
    distinct_counts,
    is_real,
    make_bins,
    usual_bins,
)
from sk_hca.metrics._errors import MEASURES, check_samples

SHOTS = ("all", "many", "medium", "few")


@dataclass(frozen=True, eq=False)
class ShotGroups:
    """Bins of the target line, with the training count and the shot of each.

    Made by :func:`shot_groups`.

    Parameters
    ----------
    bins : TargetBins
        The bins.

    counts : ndarray of shape (n_bins,)
        Training samples in each bin.

    many, few : float
        Bins with more than `many` training samples are many-shot, those with less than
        `few` are few-shot.
    """

    bins: TargetBins
    counts: np.ndarray
    many: float
    few: float

    @property
    def values(self):
        """Distinct training targets; None if the bins are intervals."""
        return self.bins.values

    @property
    def edges(self):
        """Borders of the intervals; None if the bins are distinct targets."""
        return self.bins.edges

    @property
    def shots(self):
        """Shot of each bin: "many", "medium" or "few"."""
        return self._name(self.counts)

    def counts_of(self, y):
        """Give the training samples in each target's bin; 0 where there are none.

        Parameters
        ----------
        y : array-like of shape (n,)
            Targets.

        Returns
        -------
        counts : ndarray of shape (n,)
        """
        index = self.bins.find(check_targets(y))
        return np.where(index < 0, 0, self.counts[index])

    def shots_of(self, y):
        """Give the shot of each target.

        A target in a bin without training samples (zero-shot) is few-shot; beyond the
        outer borders there is none, since the outer intervals reach to infinity.

        Parameters
        ----------
        y : array-like of shape (n,)
            Targets.

        Returns
        -------
        shots : ndarray of shape (n,)
            Strings "many", "medium" and "few".
        """
        return self._name(self.counts_of(y))

    def _name(self, counts):
        common = np.where(counts > self.many, "many", "medium")
        return np.where(counts < self.few, "few", common)


def shot_groups(y_train, bins="unique", *, bin_width=None, many=100, few=20):
    """Count the training samples in every bin, and name its shot.

    Parameters
    ----------
    y_train : array-like of shape (n,), or a tuple of two such arrays
        Training targets; or their distinct values and how often each occurs, such as
        the ``target_counts_`` of a fitted estimator.

    bins : "unique", int, array-like of shape (n_bins + 1,) or None, default="unique"
        Each distinct training target, so many intervals of equal width over the range
        of the training targets, or the edges of intervals.  Intervals are closed on
        the right; the outer ones reach to infinity.  None means distinct targets where
        there are at most 100, else 100 intervals.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    many, few : float, default=100, 20
        Bins with more than `many` training samples are many-shot, those with less than
        `few` are few-shot, all others medium-shot.

    Returns
    -------
    groups : ShotGroups

    Notes
    -----
    Under ``bins="unique"`` a continuous target is hardly ever seen twice, so that each
    one is few-shot.  Give it intervals.  A target within rounding error of a border is
    taken to lie on it: with ``bin_width=0.1``, ``0.1 + 0.2`` belongs to (0.2, 0.3].

    Examples
    --------
    >>> groups = shot_groups([1.0] * 150 + [2.0] * 50 + [3.0])
    >>> groups.counts
    array([150,  50,   1])
    >>> groups.shots_of([3.0, 1.0, 7.0])
    array(['few', 'many', 'few'], dtype='<U6')
    """
    if not (is_real(many) and is_real(few) and 0 <= few <= many):
        raise ValueError(
            "many and few must be numbers of training samples with 0 <= few <= many; "
            f"got many={many!r} and few={few!r}."
        )
    values, value_counts = distinct_counts(y_train)
    bins = usual_bins(values, bins, bin_width=bin_width)
    target_bins = make_bins(values, bins, bin_width=bin_width)
    index = target_bins.find(values)
    counts = np.zeros(target_bins.n_bins, dtype=value_counts.dtype)
    np.add.at(counts, index, value_counts)
    return ShotGroups(bins=target_bins, counts=counts, many=many, few=few)


class ShotReport(CellTable):
    """Errors by shot: a table to print, index or turn into a data frame.

    Made by :func:`shot_report`.

    Attributes
    ----------
    rows : tuple of str
        all, many, medium, few.

    columns : tuple of str
        mae, bmae, rmse, brmse, gm (in the unit of the targets), n_samples (or the sum
        of their weights) and n_bins.
    """

    rows = SHOTS
    columns = (*MEASURES, "n_samples", "n_bins")

    def __init__(self, cells):
        self.cells = cells

    def _texts(self):
        """Every row as strings, below the names of the columns."""
        yield ["", *self.columns]
        for row in self.rows:
            cells = self.cells[row]
            errors = [f"{cells[column]:.4g}" for column in MEASURES]
            yield [row, *errors, f"{cells['n_samples']:,}", f"{cells['n_bins']:,}"]

    def __str__(self):
        return align(list(self._texts()))

    __repr__ = __str__

    def _repr_html_(self):
        head, *body = self._texts()
        names = "".join(f"<th>{html.escape(name)}</th>" for name in head)
        lines = "".join(
            f"<tr><th>{row[0]}</th>"
            + "".join(f'<td style="text-align: right">{cell}</td>' for cell in row[1:])
            + "</tr>"
            for row in body
        )
        return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def shot_report(
    y_true,
    y_pred,
    y_train,
    *,
    bins="unique",
    bin_width=None,
    many=100,
    few=20,
    sample_weight=None,
):
    """Report errors over all targets and over many-, medium- and few-shot ones.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Targets.

    y_pred : array-like of shape (n,)
        Predictions, in the unit of the targets.

    y_train : array-like of shape (n_train,), or a tuple of two arrays
        Training targets, or their distinct values and how often each occurs.  They
        decide the shots.

    bins : "unique", int or array-like of shape (n_bins + 1,), default="unique"
        As in :func:`shot_groups`.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    many, few : float, default=100, 20
        Bins with more than `many` training samples are many-shot, those with less than
        `few` (or none at all) are few-shot.

    sample_weight : array-like of shape (n,), optional
        How often each sample counts.

    Returns
    -------
    report : ShotReport
        Mean absolute error, its mean over bins, root mean squared error, the root of
        the mean over bins of the mean squared error, geometric mean, samples and
        bins that occur among `y_true`.  A shot without samples is nan.

    Warns
    -----
    UserWarning
        If a shot has no samples.

    Examples
    --------
    >>> y_train = [1.0] * 150 + [2.0] * 50 + [3.0] * 5
    >>> y_true = [1.0, 1.0, 2.0, 3.0, 4.0]
    >>> report = shot_report(y_true, [1.5, 1.0, 2.5, 2.0, 3.0], y_train)
    >>> report
             mae   bmae    rmse   brmse      gm  n_samples  n_bins
    all      0.6 0.6875  0.7071  0.7706       0          5       4
    many    0.25   0.25  0.3536  0.3536       0          2       1
    medium   0.5    0.5     0.5     0.5     0.5          1       1
    few        1      1       1       1       1          2       2
    >>> report["few", "mae"]
    1.0
    """
    y_true, y_pred, weight = check_samples(y_true, y_pred, sample_weight)
    groups = shot_groups(y_train, bins, bin_width=bin_width, many=many, few=few)
    cells = {
        shot: shot_measures(y_true, y_pred, weight, groups, shot) for shot in SHOTS
    }
    warn_of_empty([shot for shot in SHOTS if not cells[shot]["n_samples"]])
    return ShotReport(cells)


def shot_measures(y_true, y_pred, weight, groups, shot, columns=tuple(MEASURES)):
    """Compute one row of a report; trusts what it is given."""
    if shot != "all":
        present = groups.shots_of(y_true) == shot
        y_true, y_pred, weight = y_true[present], y_pred[present], weight[present]
    if not y_true.size:
        return dict.fromkeys(columns, np.nan) | {"n_samples": 0, "n_bins": 0}
    codes = groups.bins.group(y_true)
    total = weight.sum()
    row = {name: MEASURES[name](y_pred - y_true, weight, codes) for name in columns}
    row["n_samples"] = int(total) if total.is_integer() else float(total)
    row["n_bins"] = int(codes.max()) + 1
    return row


def warn_of_empty(shots):
    """Say which shots have no samples."""
    if shots:
        warnings.warn(
            f"No target of y_true is {' or '.join(shots)}-shot, so its errors are nan; "
            "shots follow from y_train, bins, many and few.",
            UserWarning,
            stacklevel=3,
        )
