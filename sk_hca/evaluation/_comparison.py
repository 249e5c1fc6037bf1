"""What a comparison found, fold by fold, and how sure one can be of its means.

Folds share training samples, so that their errors are not independent and the usual
interval of a mean is too narrow.  All intervals here use the corrected variance of
Nadeau and Bengio.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.utils._optional_dependencies import check_pandas_support

from sk_hca.base import align

SHOTS = ("all", "many", "medium", "few")
ERRORS = ("mae", "bmae", "rmse", "gm", "sera")
SECONDS = ("fit_seconds", "predict_seconds")
COLUMNS = (*ERRORS, *SECONDS, "n_samples", "n_bins")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Errors of several estimators by fold and shot: to print, index or tabulate.

    Made by :func:`compare`.  Printing shows the means over folds.  One entry,
    ``comparison["hca", "few", "mae"]``, is an array over folds.

    Parameters
    ----------
    names : tuple of str
        Names of the estimators.

    values : ndarray of shape (n_estimators, n_folds, 4, 9)
        What was measured, by estimator, fold, shot (all, many, medium, few) and column:
        mae, bmae, rmse, gm, sera, fit_seconds, predict_seconds, n_samples, n_bins.

    test_ratio : float
        Samples tested for each one trained on, averaged over folds.
    """

    names: tuple
    values: np.ndarray
    test_ratio: float

    shots = SHOTS
    columns = COLUMNS

    def __getitem__(self, key):
        """Give an array over folds, ``comparison[estimator, shot, column]``."""
        name, shot, column = _found(key, self.names, self.columns)
        return self.values[name, :, shot, column].copy()

    def means(self, *, coverage=0.95):
        """Average over folds, with confidence intervals.

        Parameters
        ----------
        coverage : float, default=0.95
            Confidence of the intervals.

        Returns
        -------
        means : IntervalTable
        """
        title = "Means over {n} folds ± half-widths of their {coverage} intervals"
        return self._estimated(self.names, self.values, coverage, title)

    def differences(self, reference, *, coverage=0.95):
        """Average the differences from one estimator, paired by fold.

        The difference of two estimators varies less from fold to fold than either of
        them, since both meet the same samples.

        Parameters
        ----------
        reference : str
            Name of the estimator to compare with.

        coverage : float, default=0.95
            Confidence of the intervals.

        Returns
        -------
        differences : IntervalTable
            Error of each other estimator less that of `reference`: negative is better.
            In print a star marks an interval that leaves out 0.

        Notes
        -----
        The interval of the mean :math:`\\bar d` of J differences with variance
        :math:`s^2` is that of Student's t with J - 1 degrees of freedom,
        :math:`\\bar d \\pm t \\sqrt{(1 / J + n_{test} / n_{train})\\, s^2}`.  The
        second term stands for the samples that the training sets share.  One interval
        among many leaves out 0 by chance.

        References
        ----------
        C. Nadeau, Y. Bengio: Inference for the generalization error. Machine Learning
        52, 2003.
        """
        if reference not in self.names:
            raise ValueError(
                f"reference must be one of {', '.join(map(repr, self.names))}; "
                f"got {reference!r}."
            )
        base = self.names.index(reference)
        others = [place for place in range(len(self.names)) if place != base]
        title = (
            f"Mean differences from {reference} over {{n}} folds ± half-widths of "
            "their {coverage} intervals (negative is better, * leaves out 0)"
        )
        return self._estimated(
            tuple(self.names[place] for place in others),
            self.values[others] - self.values[base],
            coverage,
            title,
            marks=True,
        )

    def to_frame(self):
        """Give all values as a pandas DataFrame, a row by estimator, fold and shot."""
        pd = check_pandas_support("Comparison.to_frame")
        n_folds = self.values.shape[1]
        keys = pd.MultiIndex.from_product(
            [self.names, range(n_folds), self.shots],
            names=["estimator", "fold", "shot"],
        )
        rows = self.values.reshape(-1, len(self.columns))
        frame = pd.DataFrame(rows, index=keys, columns=list(self.columns))
        return frame.reset_index().astype({"n_samples": int, "n_bins": int})

    def _estimated(self, names, values, coverage, title, marks=False):
        if not 0 < coverage < 1:
            raise ValueError(
                f"coverage must lie between 0 and 1, such as 0.95; got {coverage!r}."
            )
        n_measures = len(ERRORS) + len(SECONDS)
        means, half_widths, n_folds = corrected_interval(
            values[..., :n_measures], self.test_ratio, coverage
        )
        title = title.format(n=self.values.shape[1], coverage=f"{100 * coverage:g} %")
        return IntervalTable(names, means, half_widths, n_folds, title, marks)

    def __str__(self):
        return str(self.means())

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class IntervalTable:
    """Means over folds with confidence intervals: to print, index or tabulate.

    Made by the methods of :class:`Comparison`.

    Parameters
    ----------
    names : tuple of str
        Names of the estimators.

    means, half_widths : ndarray of shape (n_estimators, 4, 7)
        Mean over the folds where there is a value, and half the width of its interval
        (nan from fewer than two folds), by estimator, shot and column: mae, bmae, rmse,
        gm, sera, fit_seconds, predict_seconds.

    n_folds : ndarray of shape (n_estimators, 4, 7)
        Folds that have a value.

    title : str
        First line in print.

    marks : bool
        Whether to mark intervals that leave out 0.
    """

    names: tuple
    means: np.ndarray
    half_widths: np.ndarray
    n_folds: np.ndarray
    title: str
    marks: bool = False

    shots = SHOTS
    columns = (*ERRORS, *SECONDS)

    def __getitem__(self, key):
        """Give mean, lower and upper end, ``table[estimator, shot, column]``."""
        place = _found(key, self.names, self.columns)
        mean, half_width = self.means[place], self.half_widths[place]
        return float(mean), float(mean - half_width), float(mean + half_width)

    def to_frame(self):
        """Give the table as a pandas DataFrame, a row by estimator, shot and column."""
        pd = check_pandas_support("IntervalTable.to_frame")
        keys = pd.MultiIndex.from_product(
            [self.names, self.shots, self.columns],
            names=["estimator", "shot", "measure"],
        )
        cells = {
            "mean": self.means,
            "lower": self.means - self.half_widths,
            "upper": self.means + self.half_widths,
            "n_folds": self.n_folds,
        }
        flat = {name: cell.ravel() for name, cell in cells.items()}
        return pd.DataFrame(flat, index=keys).reset_index()

    def __str__(self):
        table = [["", *self.columns]]
        for place, shot in enumerate(self.shots):
            # Seconds are those of all samples, whatever the shot.
            n_shown = len(self.columns) if shot == "all" else len(ERRORS)
            blank = [""] * (len(self.columns) - n_shown)
            table.append([shot, *[""] * len(self.columns)])
            table += [
                [f"  {name}", *map(self._text, *cells), *blank]
                for name, *cells in zip(
                    self.names,
                    self.means[:, place, :n_shown],
                    self.half_widths[:, place, :n_shown],
                    strict=True,
                )
            ]
        lines = align(table).split("\n")
        return "\n".join([self.title, *(line.rstrip() for line in lines)])

    __repr__ = __str__

    def _text(self, mean, half_width):
        text = _with_half_width(mean, half_width)
        if not self.marks:
            return text
        return text + ("*" if abs(mean) > half_width else " ")


def corrected_interval(values, test_ratio, coverage):
    """Estimate means over folds whose training sets overlap.

    Parameters
    ----------
    values : ndarray of shape (n_estimators, n_folds, ...)
        Values by fold; nan where there is none.

    test_ratio : float
        Samples tested for each one trained on.

    coverage : float
        Confidence of the interval.

    Returns
    -------
    means, half_widths : ndarray of shape (n_estimators, ...)
        nan from no fold, and from fewer than two.

    n_folds : ndarray of shape (n_estimators, ...)
        Folds that have a value.
    """
    present = ~np.isnan(values)
    n_folds = present.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        means = np.where(present, values, 0.0).sum(axis=1) / n_folds
        gaps = np.where(present, values - np.expand_dims(means, 1), 0.0)
        variances = (gaps**2).sum(axis=1) / (n_folds - 1)
        spreads = np.sqrt((1 / n_folds + test_ratio) * variances)
    quantiles = stats.t.ppf((1 + coverage) / 2, np.maximum(n_folds - 1, 1))
    half_widths = np.where(n_folds > 1, quantiles * spreads, np.nan)
    return means, half_widths, n_folds


def _with_half_width(mean, half_width):
    """Write a mean and its half-width with the digits that tell something."""
    if not 0 < half_width < np.inf:
        is_known = not np.isnan(half_width)
        return f"{mean:.4g}" + (f" ± {half_width:g}" if is_known else "")
    # Two digits of the half-width; where it is wide, up to four, for three of the mean.
    unit = int(np.floor(np.log10(half_width)))
    unit_of_mean = int(np.floor(np.log10(abs(mean)))) if mean else unit + 1
    n_decimals = max(1 - unit, min(2 - unit_of_mean, 3 - unit))
    mean, half_width = round(mean, n_decimals), round(half_width, n_decimals)
    n_shown = max(n_decimals, 0)
    return f"{mean:,.{n_shown}f} ± {half_width:,.{n_shown}f}"


def _found(key, names, columns):
    """Places of an estimator, a shot and a column in an array."""
    known = (names, SHOTS, columns)
    is_triple = isinstance(key, tuple) and len(key) == len(known)
    if not is_triple or any(
        word not in words for word, words in zip(key, known, strict=True)
    ):
        raise KeyError(
            f"A comparison is asked for an estimator of {names}, a shot of {SHOTS} and "
            f"a column of {columns}; got {key!r}."
        )
    return tuple(words.index(word) for word, words in zip(key, known, strict=True))
