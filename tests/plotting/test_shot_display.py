"""The display draws every bin, at its place, in the colour of its shot."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge

from sk_hca.plotting import ShotErrorDisplay

plt = pytest.importorskip("matplotlib.pyplot", reason="displays need matplotlib")


class MedianRegressor(RegressorMixin, BaseEstimator):
    """Predict the median, and keep the training counts as this package does."""

    def fit(self, X, y):
        self.target_counts_ = np.unique(y, return_counts=True)
        self.median_ = np.median(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.median_)


@pytest.fixture(autouse=True)
def _close_figures():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def data(seed=0):
    rng = np.random.default_rng(seed)
    y_train = np.minimum(rng.geometric(0.25, 900), 14).astype(float)
    y_true = rng.integers(1, 13, 300).astype(float)
    return y_true, y_true + rng.normal(size=300), y_train


def names_in(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_display_draws_the_error_of_every_tested_bin():
    y_true, y_pred, y_train = data()
    display = ShotErrorDisplay.from_predictions(y_true, y_pred, y_train)
    (line,) = display.ax_.lines
    x, error = line.get_data()
    np.testing.assert_allclose(x, np.unique(y_true))
    expected = [np.abs(y_pred - y_true)[y_true == value].mean() for value in x]
    np.testing.assert_allclose(error, expected)


def test_display_draws_the_training_counts_below_on_a_shared_log_scale():
    y_true, y_pred, y_train = data()
    display = ShotErrorDisplay.from_predictions(y_true, y_pred, y_train)
    bars = display.counts_ax_.patches
    values, counts = np.unique(y_train, return_counts=True)
    drawn = {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in bars}
    assert drawn == dict(zip(values, counts, strict=True))
    assert display.counts_ax_.get_yscale() == "log"
    assert display.counts_ax_.get_xlim() == display.ax_.get_xlim()
    assert len({bar.get_facecolor() for bar in bars}) == 3


def test_display_shades_each_run_of_a_shot_once():
    y_train = np.repeat([1.0, 2, 3, 4, 5], [150, 200, 50, 5, 150])
    display = ShotErrorDisplay.from_predictions([1.0, 5.0], [2.0, 4.0], y_train)
    paths = [
        p.get_patch_transform().transform_path(p.get_path())
        for p in display.ax_.patches
    ]
    spans = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in paths]
    assert spans == [(0.5, 2.5), (2.5, 3.5), (3.5, 4.5), (4.5, 5.5)]


def test_display_overlays_several_models():
    y_true, y_pred, y_train = data()
    display = ShotErrorDisplay.from_predictions(
        y_true, {"CLS": y_pred, "HCA-d": y_true}, y_train, bins=6
    )
    first, second = display.ax_.lines
    assert [first.get_label(), second.get_label()] == ["CLS", "HCA-d"]
    assert first.get_color() != second.get_color()
    assert (second.get_ydata() == 0).all()
    assert list(display.errors) == ["CLS", "HCA-d"]
    assert names_in(display.ax_.get_legend()) == ["many", "medium"]


def test_display_takes_the_counts_from_the_estimator():
    y_true, _, y_train = data()
    model = MedianRegressor().fit(np.zeros((900, 1)), y_train)
    display = ShotErrorDisplay.from_estimator(model, np.zeros((300, 1)), y_true)
    assert display.counts.sum() == 900
    assert list(display.errors) == ["MedianRegressor"]
    named = ShotErrorDisplay.from_estimator(
        model, np.zeros((300, 1)), y_true, y_train=[1.0, 2.0], name="median", bins=3
    )
    assert named.counts.sum() == 2
    assert list(named.errors) == ["median"]


def test_display_asks_for_training_targets_where_the_estimator_holds_none():
    X, y = np.zeros((4, 1)), np.arange(4.0)
    with pytest.raises(ValueError, match=r"Ridge does not hold .* Give y_train\."):
        ShotErrorDisplay.from_estimator(Ridge().fit(X, y), X, y)


@pytest.mark.parametrize("place", ["grid", "free", "constrained"])
def test_display_draws_in_given_axes_and_stays_inside_them(place):
    y_true, y_pred, y_train = data()
    if place == "free":
        figure = plt.figure()
        ax = figure.add_axes((0.2, 0.2, 0.6, 0.6))
    else:
        layout = place if place == "constrained" else None
        figure, (ax, _) = plt.subplots(1, 2, layout=layout)
    box = ax.get_position()
    display = ShotErrorDisplay.from_predictions(y_true, y_pred, y_train, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    figure.canvas.draw()
    upper, lower = ax.get_position(), display.counts_ax_.get_position()
    assert lower.y1 < upper.y0
    assert lower.x0 == pytest.approx(upper.x0)
    if place != "constrained":
        assert (lower.y0, upper.y1) == pytest.approx((box.y0, box.y1))


def test_display_can_be_drawn_again_with_other_options():
    display = ShotErrorDisplay.from_predictions(*data(), name="model", bins=4)
    first = display.figure_
    again = display.plot(line_kw={"linewidth": 5}, bar_kw={"alpha": 0.5})
    assert again is display
    assert display.figure_ is not first
    assert display.ax_.lines[0].get_linewidth() == 5
    assert display.counts_ax_.patches[0].get_alpha() == 0.5


def test_display_takes_the_short_names_of_options():
    display = ShotErrorDisplay.from_predictions(
        *data(), line_kw={"lw": 5, "c": "k"}, bar_kw={"width": 0.1, "fc": "k"}
    )
    assert display.ax_.lines[0].get_linewidth() == 5
    bar = display.counts_ax_.patches[0]
    assert bar.get_width() == pytest.approx(0.1)
    assert bar.get_facecolor() == (0, 0, 0, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"bins": [-np.inf, 3.0, np.inf]},
        {"bin_width": 0.5},
        {"bins": 1, "few": 0, "many": 0},
        {"sample_weight": np.arange(300)},
    ],
    ids=["open edges", "width", "one bin", "weights"],
)
def test_display_survives_odd_bins(options):
    display = ShotErrorDisplay.from_predictions(*data(), **options)
    display.figure_.canvas.draw()
    assert np.isfinite(display.ax_.get_xlim()).all()


def test_display_of_one_distinct_target_has_a_width():
    display = ShotErrorDisplay.from_predictions([3.0], [4.0], [3.0, 3.0])
    display.figure_.canvas.draw()
    assert display.ax_.get_xlim() == (2.5, 3.5)


def test_display_needs_a_model():
    with pytest.raises(ValueError, match="at least one model"):
        ShotErrorDisplay.from_predictions([1.0], {}, [1.0])
