"""Labels against their formulas written out with scipy, and positions in classes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.base import clone
from torch.nn.functional import one_hot

from sk_hca.base import ClassTable, LevelClasses
from sk_hca.prediction import decode_debiased_mean, decode_quantile
from sk_hca.targets import (
    LABELS,
    BaseLabels,
    GaussianLabels,
    HistogramGaussianLabels,
    OneHotLabels,
    class_index,
    class_position,
    gaussian_labels,
    histogram_gaussian_labels,
    make_labels,
)

EDGES = torch.tensor([-1.0, 0.0, 0.5, 2.0, 6.0, 7.0], dtype=torch.float64)
VALUES = torch.tensor([-0.3, 0.2, 1.5, 3.0, 6.4], dtype=torch.float64)
PARENTS = [torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 1, 2, 2])]

SOFT = [
    GaussianLabels(0.8),
    GaussianLabels(1.5, unit="target"),
    HistogramGaussianLabels(0.8),
    HistogramGaussianLabels(1.5, unit="target"),
]

each_tail = pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
each_soft = pytest.mark.parametrize("labels", SOFT, ids=repr)


def draw_targets(tail, lower=-3.0, upper=9.0):
    """Targets inside and outside the edges; the same every time."""
    generator = torch.Generator().manual_seed(3)
    y = torch.rand(32, *tail, generator=generator, dtype=torch.float64)
    return lower + (upper - lower) * y


def make_levels():
    """Two coarse levels over the finest one."""
    counts = torch.ones(5, dtype=torch.float64)
    finest = LevelClasses(EDGES, VALUES, counts, torch.arange(5))
    coarse = [
        LevelClasses(None, torch.zeros(int(parent.max()) + 1), None, parent)
        for parent in PARENTS
    ]
    return [*coarse, finest]


def encode(labels, y, levels, dtype):
    """The truth of every level by itself: class indices, or distributions."""
    table = ClassTable.from_levels(levels)
    truth = labels.encode(y, table, dtype)
    if truth.is_floating_point():
        return truth.split(table.n_classes, dim=1)
    starts = np.cumsum([0, *table.n_classes[:-1]])
    return [truth[:, h] - start for h, start in enumerate(starts)]


def position_written_out(y, edges=EDGES, values=VALUES):
    """Borders are whole numbers, values lie halfway, straight lines between them."""
    knots = np.empty(2 * len(values) + 1)
    knots[::2], knots[1::2] = edges, values
    return np.interp(y, knots, np.arange(len(knots)) / 2)


@each_tail
def test_class_index_equals_numpy(tail):
    y = draw_targets(tail)
    y.view(-1)[: len(EDGES)] = EDGES
    expected = np.searchsorted(EDGES.numpy()[1:-1], y.numpy(), side="left")
    index = class_index(y, EDGES)
    assert index.dtype == torch.int64
    np.testing.assert_array_equal(index, expected)


def test_class_index_closes_intervals_on_the_right():
    np.testing.assert_array_equal(class_index(EDGES, EDGES), [0, 0, 1, 2, 3, 4])
    above = torch.nextafter(EDGES, EDGES + 1)
    np.testing.assert_array_equal(class_index(above, EDGES), [0, 1, 2, 3, 4, 4])


def test_class_index_gives_far_targets_to_outer_classes():
    y = torch.tensor([-1e30, 1e30], dtype=torch.float64)
    np.testing.assert_array_equal(class_index(y, EDGES), [0, 4])


@each_tail
def test_class_position_equals_interpolation(tail):
    y = draw_targets(tail)
    np.testing.assert_allclose(
        class_position(y, EDGES, VALUES), position_written_out(y), atol=1e-12
    )


def test_class_position_is_whole_on_borders_and_half_on_values():
    np.testing.assert_allclose(class_position(EDGES, EDGES, VALUES), np.arange(6))
    np.testing.assert_allclose(
        class_position(VALUES, EDGES, VALUES), np.arange(5) + 0.5
    )


def test_class_position_clips_targets_outside():
    y = torch.tensor([-1e30, -1.1, 7.1, 1e30], dtype=torch.float64)
    np.testing.assert_array_equal(class_position(y, EDGES, VALUES), [0, 0, 5, 5])


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_class_position_keeps_value_on_border_inside_its_class(side):
    """A zero-inflated first class: its value is its border."""
    edges = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)
    values = torch.tensor([0.0 if side == "lower" else 0.5, 1.0], dtype=torch.float64)
    position = class_position(values, edges, values)
    np.testing.assert_array_equal(position, [0.5, 1.5])
    inside = class_position(torch.tensor([0.25], dtype=torch.float64), edges, values)
    np.testing.assert_array_equal(inside, [0.75 if side == "lower" else 0.25])


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6),
    share=st.floats(0.02, 0.98),
    where=st.floats(0, 1),
)
def test_decoding_quantile_inverts_class_position(widths, share, where):
    """A distribution whose median lies at a position decodes to the target there."""
    edges = torch.tensor([0.0, *np.cumsum(widths)], dtype=torch.float64)
    values = torch.lerp(edges[:-1], edges[1:], share)
    y = (edges[-1] * where).reshape(1)
    position = class_position(y, edges, values)
    index = class_index(y, edges)
    # All of the probability in the class of y: its distribution function there is the
    # part of the class that lies below y.
    log_p = one_hot(index, len(values)).double().log()
    decoded = decode_quantile(log_p, edges, values, level=position - index)
    torch.testing.assert_close(decoded.view(1), y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("unit", ["class", "target"])
def test_median_of_narrow_labels_is_the_target_or_its_class(unit):
    y = draw_targets((), lower=-0.9, upper=6.9)
    levels = make_levels()
    labels = HistogramGaussianLabels(1e-6, unit=unit)
    p = encode(labels, y, levels, torch.float64)[-1]
    median = decode_quantile(p.log(), EDGES, VALUES)
    # Far from its borders a class holds all of the Gaussian: its value is the median.
    torch.testing.assert_close(median, VALUES[class_index(y, EDGES)])


@each_tail
@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_gaussian_labels_equal_normalised_densities(tail, sigma):
    y = draw_targets(tail, lower=-1, upper=7)
    gap = y.numpy()[:, None] - VALUES.numpy().reshape(1, -1, *(1,) * len(tail))
    log_density = norm.logpdf(gap, scale=sigma)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    expected = density / density.sum(axis=1, keepdims=True)
    p = gaussian_labels(y, VALUES, sigma)
    np.testing.assert_allclose(p, expected, rtol=1e-9, atol=1e-300)


@each_tail
@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_histogram_gaussian_labels_equal_integrals(tail, sigma):
    y = draw_targets(tail)
    inside = np.clip(y.numpy(), -1.0, 7.0)[:, None]
    edges = EDGES.numpy().reshape(1, -1, *(1,) * len(tail))
    area = norm.cdf(edges, loc=inside, scale=sigma)
    expected = np.diff(area, axis=1) / (area[:, -1:] - area[:, :1])
    p = histogram_gaussian_labels(y, EDGES, sigma)
    np.testing.assert_allclose(p, expected, atol=1e-12)


@each_tail
@each_soft
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_soft_labels_are_distributions_on_every_level(tail, labels, dtype):
    targets = encode(labels, draw_targets(tail), make_levels(), dtype)
    assert [p.shape for p in targets] == [(32, size, *tail) for size in (2, 3, 5)]
    for p in targets:
        assert p.dtype == dtype
        assert (p >= 0).all()
        total = p.sum(dim=1)
        torch.testing.assert_close(total, torch.ones_like(total))


@each_tail
@each_soft
def test_coarse_labels_are_sums_of_finest(tail, labels):
    *coarse, finest = encode(labels, draw_targets(tail), make_levels(), torch.float64)
    for p, parent in zip(coarse, PARENTS, strict=True):
        dense = one_hot(parent).T.double()
        torch.testing.assert_close(p, torch.einsum("jk,nk...->nj...", dense, finest))


@each_tail
def test_labels_in_classes_measure_distance_in_classes(tail):
    y = draw_targets(tail)
    position = position_written_out(y)[:, None]
    classes = np.arange(5).reshape(1, -1, *(1,) * len(tail))

    density = norm.pdf(position, loc=classes + 0.5, scale=0.8)
    p = encode(GaussianLabels(0.8), y, make_levels(), torch.float64)[-1]
    np.testing.assert_allclose(p, density / density.sum(axis=1, keepdims=True))

    area = norm.cdf(classes + 1, position, 0.8) - norm.cdf(classes, position, 0.8)
    p = encode(HistogramGaussianLabels(0.8), y, make_levels(), torch.float64)[-1]
    np.testing.assert_allclose(p, area / area.sum(axis=1, keepdims=True))


@each_tail
def test_labels_in_targets_measure_distance_in_targets(tail):
    y = draw_targets(tail)
    p = encode(GaussianLabels(1.5, unit="target"), y, make_levels(), y.dtype)[-1]
    torch.testing.assert_close(p, gaussian_labels(y, VALUES, 1.5))
    p = encode(HistogramGaussianLabels(1.5, unit="target"), y, make_levels(), y.dtype)
    torch.testing.assert_close(p[-1], histogram_gaussian_labels(y, EDGES, 1.5))


@each_soft
def test_labels_move_with_target_inside_its_class(labels):
    y = torch.linspace(2.01, 5.99, 20, dtype=torch.float64)
    assert (class_index(y, EDGES) == 3).all()
    p = encode(labels, y, make_levels(), torch.float64)[-1]
    mean = p @ torch.arange(5, dtype=torch.float64)
    assert (mean.diff() > 0).all()


@pytest.mark.parametrize("labels", [SOFT[0], SOFT[2], SOFT[3]], ids=repr)
def test_labels_of_targets_outside_are_those_of_the_border(labels):
    y = torch.tensor([-5.0, 12.0], dtype=torch.float64)
    outside = encode(labels, y, make_levels(), torch.float64)
    border = encode(labels, EDGES[[0, -1]], make_levels(), torch.float64)
    for p, expected in zip(outside, border, strict=True):
        torch.testing.assert_close(p, expected)


@each_soft
def test_labels_of_far_targets_lean_to_outer_classes(labels):
    y = torch.tensor([-1e6, 1e6], dtype=torch.float64)
    p = encode(labels, y, make_levels(), torch.float64)[-1]
    assert torch.isfinite(p).all()
    middle = encode(labels, VALUES[2:3], make_levels(), torch.float64)[-1]
    assert p[0, 0] > middle[0, 0]
    assert p[1, 4] > middle[0, 4]


@pytest.mark.parametrize("make", [GaussianLabels, HistogramGaussianLabels])
def test_narrow_labels_equal_one_hot(make):
    y = draw_targets((), lower=-1, upper=7)
    levels = make_levels()
    indices = encode(OneHotLabels(), y, levels, torch.float64)
    for p, index in zip(
        encode(make(1e-3), y, levels, torch.float64), indices, strict=True
    ):
        torch.testing.assert_close(p, one_hot(index, p.shape[1]).double())


@each_soft
def test_labels_of_value_on_border_favour_its_class(labels):
    """Zero-inflated targets: the first class is a point at its own border."""
    edges = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    values = torch.tensor([0.0, 1.5, 2.5], dtype=torch.float64)
    level = LevelClasses(edges, values, torch.ones(3), torch.arange(3))
    y = torch.zeros(1, dtype=torch.float64)
    (p,) = encode(labels, y, [level], torch.float64)
    assert p.argmax(dim=1) == 0
    if labels.unit == "class":
        centred = norm.cdf(0.5 / 0.8) - norm.cdf(-0.5 / 0.8)
        assert p[0, 0] > centred


@each_tail
def test_one_hot_labels_are_classes_of_every_level(tail):
    y = draw_targets(tail)
    index = np.searchsorted(EDGES.numpy()[1:-1], y.numpy(), side="left")
    targets = encode(OneHotLabels(), y, make_levels(), torch.float32)
    for classes, parent in zip(targets, [*PARENTS, torch.arange(5)], strict=True):
        assert classes.dtype == torch.int64
        np.testing.assert_array_equal(classes, parent.numpy()[index])


@pytest.mark.parametrize("alias", list(LABELS))
def test_labels_are_made_of_their_alias(alias):
    assert type(make_labels(alias)) is LABELS[alias]


@each_soft
def test_labels_are_cloned_with_their_parameters(labels):
    made = make_labels(labels)
    assert made is not labels
    assert made.get_params() == labels.get_params() == clone(labels).get_params()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("hl_gauss", r"labels must be one of 'one_hot', 'gaussian', 'histogram_gaus"),
        ("gausian", r"got 'gausian'\. Did you mean 'gaussian'\?"),
        (GaussianLabels, r"Give an object: GaussianLabels\(\)"),
        (None, "or a BaseLabels object; got None"),
        (GaussianLabels(0), "'sigma' parameter of GaussianLabels must be a float"),
        (HistogramGaussianLabels(-1.0), "'sigma' parameter of HistogramGaussianLabels"),
        (
            GaussianLabels(unit="bins"),
            "'unit' parameter of GaussianLabels must be",
        ),
    ],
    ids=str,
)
def test_unknown_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        make_labels(labels)


def test_labels_of_a_users_own_kind_pool_to_coarse_levels():
    class Uniform(BaseLabels):
        def finest_labels(self, y, classes):
            return torch.full((len(y), len(classes.values)), 0.2)

    coarse, _, _ = encode(
        make_labels(Uniform()), torch.zeros(2), make_levels(), torch.float32
    )
    torch.testing.assert_close(coarse, torch.tensor([[0.6, 0.4], [0.6, 0.4]]))


@each_soft
def test_means_of_labels_are_sums_of_class_values(labels):
    finest = make_levels()[-1]
    y, means = labels.means(finest)
    np.testing.assert_array_equal(y, np.unique(np.concatenate([EDGES, VALUES])))
    p = labels.encode(y, ClassTable.from_levels([finest]), torch.float64)
    expected = np.einsum("nc,c->n", p, VALUES)
    assert (np.diff(expected) >= 0).all()
    np.testing.assert_allclose(means, expected, rtol=1e-12, atol=1e-12)
    assert (means - y).abs().max() > 0.3, "these labels have no bias"


@each_soft
def test_debiased_mean_of_a_label_is_its_target(labels):
    finest = make_levels()[-1]
    label_means = labels.means(finest)
    table = ClassTable.from_levels([finest])
    p = labels.encode(label_means[0], table, torch.float64)
    y = decode_debiased_mean(p.log(), VALUES, label_means)
    np.testing.assert_allclose(y, label_means[0], atol=1e-9)


def test_means_of_one_hot_labels_are_the_class_values():
    y, means = OneHotLabels().means(make_levels()[-1])
    np.testing.assert_array_equal(y, VALUES)
    np.testing.assert_array_equal(means, VALUES)


def test_means_of_labels_of_thousands_of_classes_are_those_of_a_few():
    edges = torch.linspace(0, 1, 3001, dtype=torch.float64)
    classes = LevelClasses(edges, edges[1:] - 1e-4, None, torch.arange(3000))
    y, means = HistogramGaussianLabels().means(classes)
    inside = slice(20, -20)
    np.testing.assert_allclose(means[inside], y[inside], atol=1e-3)
    assert len(y) == 6001


@pytest.mark.parametrize(("y", "sigma"), [(1e25, 1.0), (1.25, 1e-30)])
def test_gaussian_labels_of_squares_that_overflow_are_those_of_the_nearest(y, sigma):
    values = torch.tensor([0.0, 1.0, 2.0])
    labels = gaussian_labels(torch.tensor([y]), values, sigma)
    expected = [[1 / 3] * 3] if y > 2 else [[0.0, 1.0, 0.0]]
    torch.testing.assert_close(labels, torch.tensor(expected))


@pytest.mark.parametrize("make", [gaussian_labels, histogram_gaussian_labels])
def test_labels_refuse_a_width_that_is_not_positive(make):
    with pytest.raises(ValueError, match="sigma must be positive; got 0"):
        make(torch.tensor([1.0]), torch.tensor([0.0, 1.0, 2.0]), 0)
