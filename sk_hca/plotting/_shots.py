"""Draw the error along the target line, above the number of training samples.

A display holds what it draws, and draws it in `plot`, where matplotlib is imported.
"""

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sk_hca.metrics import error_profile, find_target_counts

# Bars of the counts, and a tint of the same hue behind the errors.
_BARS = {"many": "#8fa9bf", "medium": "#dfb05e", "few": "#c4665d"}
_TINTS = {"many": "#f0f4f7", "medium": "#fcf4e3", "few": "#f9e8e5"}
# Dark enough to stand on every tint, and apart for colour-blind readers.
_LINES = ("#1f3b57", "#b8322a", "#2a7f62", "#7a4fa3", "#9a6a00", "#00799a")


class ShotErrorDisplay:
    """Mean absolute error along the target line, with training counts below.

    Make one with :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    intervals : ndarray of shape (n_bins, 2)
        Where each bin begins and ends on the target line.

    counts : ndarray of shape (n_bins,)
        Training samples in each bin.

    shots : ndarray of shape (n_bins,)
        Shot of each bin: "many", "medium" or "few".

    errors : dict of str to ndarray of shape (n_bins,)
        Mean absolute error of each model in each bin; nan where none was tested.

    many, few : float, default=100, 20
        Training counts above which a bin is many-shot, and below which it is few-shot.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.

    ax_, counts_ax_ : matplotlib Axes
        Axes of the errors, and of the training counts below them.

    See Also
    --------
    sk_hca.metrics.shot_report : The same in numbers.
    sk_hca.metrics.error_profile : What is drawn.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> y_train = [1.0] * 150 + [2.0] * 50 + [3.0] * 5
    >>> models = {"flat": [1.0, 1.0, 1.0], "good": [1.0, 2.0, 2.5]}
    >>> display = ShotErrorDisplay.from_predictions([1.0, 2.0, 3.0], models, y_train)
    >>> display.ax_.get_ylabel()
    'mean absolute error'
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, intervals, counts, shots, errors, many=100, few=20):
        self.intervals = intervals
        self.counts = counts
        self.shots = shots
        self.errors = errors
        self.many = many
        self.few = few

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        y_train,
        *,
        bins="unique",
        bin_width=None,
        many=100,
        few=20,
        sample_weight=None,
        name=None,
        ax=None,
        line_kw=None,
        bar_kw=None,
    ):
        """Draw the errors of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Targets.

        y_pred : array-like of shape (n,), or dict of str to such arrays
            Predictions of one model, or of several by name.

        y_train : array-like of shape (n_train,), or a tuple of two arrays
            Training targets, or their distinct values and how often each occurs.

        bins, bin_width, many, few
            As in :func:`sk_hca.metrics.shot_groups`.

        sample_weight : array-like of shape (n,), optional
            Weight of each sample within its bin.

        name : str, optional
            Name of the one model, for the legend.

        ax, line_kw, bar_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ShotErrorDisplay
        """
        models = y_pred if isinstance(y_pred, dict) else {name or "model": y_pred}
        if not models:
            raise ValueError("y_pred must hold the predictions of at least one model.")
        profiles = {
            model: error_profile(
                y_true,
                predictions,
                y_train,
                bins=bins,
                bin_width=bin_width,
                many=many,
                few=few,
                sample_weight=sample_weight,
            )
            for model, predictions in models.items()
        }
        first = next(iter(profiles.values()))  # all share their bins
        display = cls(
            intervals=first.intervals,
            counts=first.counts,
            shots=first.shots,
            errors={model: profile.mae for model, profile in profiles.items()},
            many=many,
            few=few,
        )
        return display.plot(ax, line_kw=line_kw, bar_kw=bar_kw)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        y_train=None,
        bins="unique",
        bin_width=None,
        many=100,
        few=20,
        sample_weight=None,
        name=None,
        ax=None,
        line_kw=None,
        bar_kw=None,
    ):
        """Draw the errors of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted regressor.

        X : array-like of shape (n, ...)
            Inputs.

        y : array-like of shape (n,)
            Targets.

        y_train : array-like of shape (n_train,), or a tuple of two arrays, optional
            Training targets; by default the ``target_counts_`` of the estimator.

        bins, bin_width, many, few, sample_weight
            As in :meth:`from_predictions`.

        name : str, optional
            Name in the legend; by default that of the estimator's class.

        ax, line_kw, bar_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ShotErrorDisplay
        """
        y_pred = estimator.predict(X)  # First: what is not fitted says so here.
        y_train = find_target_counts(estimator) if y_train is None else y_train
        if y_train is None:
            raise ValueError(
                f"The shots are decided by training targets, which "
                f"{type(estimator).__name__} does not hold on the scale of y (no "
                "target_counts_ was found). Give y_train."
            )
        return cls.from_predictions(
            y,
            y_pred,
            y_train,
            bins=bins,
            bin_width=bin_width,
            many=many,
            few=few,
            sample_weight=sample_weight,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            line_kw=line_kw,
            bar_kw=bar_kw,
        )

    def plot(self, ax=None, *, line_kw=None, bar_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; the lower part is cut off for the training counts.  By
            default a new figure.

        line_kw : dict, optional
            Options of the lines, see ``matplotlib.axes.Axes.plot``.

        bar_kw : dict, optional
            Options of the bars, see ``matplotlib.axes.Axes.bar``.

        Returns
        -------
        display : ShotErrorDisplay
            Itself, with `figure_`, `ax_` and `counts_ax_`.
        """
        check_matplotlib_support("ShotErrorDisplay.plot")
        import matplotlib.pyplot as plt
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        if ax is None:
            _, ax = plt.subplots(figsize=(8, 5), layout="constrained")
        counts_ax = _split(ax)
        for axes in (ax, counts_ax):
            axes.spines[["top", "right"]].set_visible(False)
        self._shade(ax)
        self._draw_errors(ax, normalize_kwargs(line_kw, Line2D))
        self._draw_counts(counts_ax, normalize_kwargs(bar_kw, Patch))
        ax.set_xlim(self.intervals.min(), self.intervals.max())
        ax.add_artist(ax.legend(framealpha=0.7, edgecolor="none"))
        # Above the axes the names of the shots hide neither line nor bar.
        bars = counts_ax.get_legend_handles_labels()
        ax.legend(
            *bars,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=3,
            handlelength=1,
            columnspacing=1,
            frameon=False,
        )
        self.figure_, self.ax_, self.counts_ax_ = ax.figure, ax, counts_ax
        return self

    def _draw_errors(self, ax, line_kw):
        centers = self.intervals.mean(axis=1)
        for position, (model, error) in enumerate(self.errors.items()):
            options = {
                "color": _LINES[position % len(_LINES)],
                "linewidth": 1.6,
                "marker": "o",
                "markersize": 2.5,
                "label": model,
            }
            tested = ~np.isnan(error)
            ax.plot(centers[tested], error[tested], **(options | line_kw))
        ax.set_ylim(bottom=0)
        ax.set_ylabel("mean absolute error")
        ax.tick_params(labelbottom=False)

    def _draw_counts(self, ax, bar_kw):
        for shot, color in _BARS.items():
            chosen = (self.shots == shot) & (self.counts > 0)
            if chosen.any():
                lower, upper = self.intervals[chosen].T
                options = {"width": upper - lower, "align": "edge"}
                options |= {"color": color, "label": shot}
                ax.bar(lower, self.counts[chosen], **(options | bar_kw))
        for threshold in (self.many, self.few):
            ax.axhline(threshold, color="0.35", linewidth=0.8, linestyle=":")
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.7)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_ylabel("training\nsamples")
        ax.set_xlabel("target")

    def _shade(self, ax):
        """Tint each run of neighbouring bins of one shot."""
        last = len(self.shots) - 1
        start = 0
        for position, shot in enumerate(self.shots):
            if position == last or self.shots[position + 1] != shot:
                begin, end = self.intervals[start, 0], self.intervals[position, 1]
                ax.axvspan(begin, end, color=_TINTS[str(shot)], linewidth=0, zorder=0)
                start = position + 1


def _split(ax):
    """Cut the lower part off axes, and give the axes that take its place."""
    spec = ax.get_subplotspec()
    if spec is not None:  # stay in the grid, so that layout engines see both
        upper, lower = spec.subgridspec(2, 1, height_ratios=(5, 2), hspace=0.05)
        ax.set_subplotspec(upper)
        return ax.figure.add_subplot(lower, sharex=ax)
    left, bottom, width, height = ax.get_position().bounds
    ax.set_position((left, bottom + 0.32 * height, width, 0.68 * height))
    return ax.figure.add_axes((left, bottom, width, 0.28 * height), sharex=ax)
