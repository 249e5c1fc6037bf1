"""Say before training how imbalanced targets are, and what that means for HCA."""

from dataclasses import dataclass

import numpy as np

from sk_hca.base import CellTable, align, check_targets
from sk_hca.metrics import shot_groups

# Table 5 of the paper: error by samples of a common : of a rare age.
_METHODS = ("regression", "CLS", "HCA-d")
_BALANCED = {
    "1000:1000": (6.00, 6.09, 6.06),
    "100:100": (7.50, 7.63, 7.53),
    "10:10": (7.56, 7.61, 7.53),
}
_SUFFICIENT = {"1900:100": (6.78, 6.78, 6.72)}
_INSUFFICIENT = {"190:10": (7.68, 7.74, 7.54), "19:1": (7.74, 7.90, 7.54)}
_FINDINGS = {
    "balanced": (
        "Nearly balanced: the paper finds HCA about as good as regression there.",
        _BALANCED,
    ),
    "sufficient": (
        "Imbalanced, but rare bins have plenty of samples: the paper finds no "
        "significant gain of HCA there.",
        _SUFFICIENT,
    ),
    "between": (
        "Imbalanced, and rare bins lie between the paper's plenty of samples (no "
        "significant gain of HCA) and its shortage (a clear gain).",
        _SUFFICIENT | _INSUFFICIENT,
    ),
    "insufficient": (
        "Imbalanced, and rare bins are short of samples: the paper finds a clear gain "
        "of HCA there.",
        _INSUFFICIENT,
    ),
}
# Halfway, in ratios, between the paper's balanced 1:1 and its imbalanced 19:1.
_IMBALANCED_RATIO = 19**0.5


@dataclass(frozen=True, eq=False)
class ImbalanceReport(CellTable):
    """How targets spread over their range: to print, index or tabulate.

    Made by :func:`imbalance_report`.  One entry is ``report["few", "n_bins"]``.

    Parameters
    ----------
    cells : dict of str to dict
        By row (empty, few, medium, many): n_bins, range_share, n_samples, sample_share.

    lower, upper : float
        Smallest and largest target.

    skewness : float
        Third standardised moment; above 0 for a long tail of high targets.

    common, rare : float
        Mean samples of the fuller and of the emptier half of the bins that hold any.

    scenario : {"balanced", "sufficient", "between", "insufficient"}
        Which case of the paper's Table 5 the targets resemble.

    finding : str
        What the paper found for it.

    published : dict of str to dict of str to float
        Its errors of regression, CLS and HCA-d, by the samples of a common and of a
        rare age, such as ``published["19:1"]["HCA-d"]``.

    many, few : float
        Bins with more than `many` samples are many-shot, those with less than `few`
        are few-shot.
    """

    cells: dict
    lower: float
    upper: float
    skewness: float
    common: float
    rare: float
    scenario: str
    finding: str
    published: dict
    many: float
    few: float

    rows = ("empty", "few", "medium", "many")
    columns = ("n_bins", "range_share", "n_samples", "sample_share")

    def __str__(self):
        n_samples = sum(cells["n_samples"] for cells in self.cells.values())
        samples = {
            "empty": "0",
            "few": f"< {self.few:g}",
            "medium": f"{self.few:g} to {self.many:g}",
            "many": f"> {self.many:g}",
        }
        table = [["", "samples a bin", "bins", "of range", "samples", "of samples"]]
        for row in self.rows:
            cells = self.cells[row]
            table.append(
                [
                    row,
                    samples[row],
                    f"{cells['n_bins']:,}",
                    f"{100 * cells['range_share']:.1f} %",
                    f"{cells['n_samples']:,}",
                    f"{100 * cells['sample_share']:.1f} %",
                ]
            )
        published = [["", *self.published]]
        for method in _METHODS:
            errors = [f"{case[method]:.2f}" for case in self.published.values()]
            published.append([method, *errors])
        return (
            f"{n_samples:,} targets from {self.lower:g} to {self.upper:g}, skewness "
            f"{self.skewness:.2f}\n{align(table)}\nA common bin holds "
            f"{self.common:.3g} samples, a rare one {self.rare:.3g} (means of the "
            f"fuller and the emptier half).\n{self.finding}\n"
            f"Its errors by samples of a common : rare age (Table 5, IMDB-WIKI-DIR)\n"
            f"{align(published)}"
        )

    __repr__ = __str__


def imbalance_report(y, bins=None, *, bin_width=None, many=100, few=20):
    """Say before training how imbalanced targets are, and what that means for HCA.

    Parameters
    ----------
    y : array-like of shape (n,)
        Training targets.

    bins : "unique", int or array-like of shape (n_bins + 1,), optional
        Each distinct target, so many intervals of equal width over the range, or the
        edges of intervals.  By default each distinct target where there are at most
        100, else 100 intervals.

    bin_width : float, optional
        Width of the intervals, with borders at its multiples; in place of `bins`.

    many, few : float, default=100, 20
        Bins with more than `many` samples are many-shot, those with less than `few`
        are few-shot.

    Returns
    -------
    report : ImbalanceReport
        Bins, share of the range, samples and share of samples that are empty, few-,
        medium- and many-shot.

    See Also
    --------
    compare : Find out, on your own data.

    Notes
    -----
    A distinct target covers the range up to halfway to its neighbours.

    The paper (its Table 5) draws balanced and imbalanced subsets of IMDB-WIKI-DIR, half
    of whose ages are common and half rare.  The report compares the same two halves:
    targets are *balanced* where a common bin holds less than :math:`\\sqrt{19}` times
    the samples of a rare one, halfway between the paper's 1 and 19.  Otherwise rare
    bins are *sufficient* with at least `many` samples on average (the paper's 100),
    *insufficient* with less than `few` (its 10 and 1), and *between* in between.  What
    the paper found on one set of images need not hold for other data.

    References
    ----------
    H. Xiong, A. Yao: Deep imbalanced regression via hierarchical classification
    adjustment. 2023.

    Examples
    --------
    >>> from sk_hca.datasets import load_abalone
    >>> X, y = load_abalone(return_X_y=True)
    >>> report = imbalance_report(y)
    >>> report
    4,177 targets from 1 to 29, skewness 1.11
            samples a bin  bins  of range  samples  of samples
    empty               0     0     0.0 %        0       0.0 %
    few              < 20    11    39.3 %       53       1.3 %
    medium      20 to 100     6    21.4 %      282       6.8 %
    many            > 100    11    39.3 %    3,842      92.0 %
    A common bin holds 287 samples, a rare one 10.9 (means of the fuller and the ...
    Imbalanced, and rare bins are short of samples: the paper finds a clear gain ...
    Its errors by samples of a common : rare age (Table 5, IMDB-WIKI-DIR)
                190:10  19:1
    regression    7.68  7.74
    CLS           7.74  7.90
    HCA-d         7.54  7.54
    >>> report["few", "n_bins"], report.scenario
    (11, 'insufficient')
    """
    y = check_targets(y)
    groups = shot_groups(y, bins, bin_width=bin_width, many=many, few=few)
    y = y.astype(np.float64)
    kinds = np.where(groups.counts == 0, "empty", groups.shots)
    widths = _widths(groups, y.min(), y.max())
    cells = {
        row: {
            "n_bins": int((kinds == row).sum()),
            "range_share": float(widths[kinds == row].sum()),
            "n_samples": int(groups.counts[kinds == row].sum()),
            "sample_share": float(groups.counts[kinds == row].sum() / y.size),
        }
        for row in ImbalanceReport.rows
    }
    common, rare = _halves(groups.counts)
    scenario = _scenario(common, rare, many, few)
    finding, errors = _FINDINGS[scenario]
    published = {
        case: dict(zip(_METHODS, row, strict=True)) for case, row in errors.items()
    }
    return ImbalanceReport(
        cells=cells,
        lower=float(y.min()),
        upper=float(y.max()),
        skewness=_skewness(y),
        common=common,
        rare=rare,
        scenario=scenario,
        finding=finding,
        published=published,
        many=many,
        few=few,
    )


def _widths(groups, lower, upper):
    """Share of the range that each bin covers."""
    if lower == upper:
        return (groups.counts > 0).astype(np.float64)
    edges = groups.edges
    if edges is None:
        values = groups.values.astype(np.float64)
        edges = np.concatenate([[lower], (values[1:] + values[:-1]) / 2, [upper]])
    # The outer intervals hold whatever lies beyond their edges.
    ends = np.concatenate([[-np.inf], edges[1:-1], [np.inf]]).clip(lower, upper)
    return np.diff(ends) / (upper - lower)


def _halves(counts):
    """Mean samples of the fuller and of the emptier half of the bins with samples."""
    counts = np.sort(counts[counts > 0])
    middle = counts.size // 2
    # The middle bin of an odd number belongs to both.
    return float(counts[middle:].mean()), float(counts[: counts.size - middle].mean())


def _scenario(common, rare, many, few):
    if common < _IMBALANCED_RATIO * rare:
        return "balanced"
    if rare >= many:
        return "sufficient"
    return "insufficient" if rare < few else "between"


def _skewness(y):
    """Third standardised moment; 0 for equal targets."""
    gaps = y - y.mean()
    deviation = np.sqrt((gaps**2).mean())
    return float((gaps**3).mean() / deviation**3) if np.ptp(y) > 0 else 0.0
