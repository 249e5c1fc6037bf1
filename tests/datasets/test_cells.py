"""Counts of the cells of an image."""

import numpy as np
import pytest

from sk_hca.datasets import local_counts, local_sums


def points_in(height, width, n=200):
    """Points all over an image."""
    return np.random.default_rng(0).random((n, 2)) * (width, height)


@pytest.mark.parametrize("shape", [(64, 96), (61, 99), (5, 5)], ids=str)
@pytest.mark.parametrize("stride", [1, 8, 32])
def test_cells_count_the_points_between_their_borders(shape, stride):
    points = points_in(*shape)
    counts = local_counts(points, shape, stride)
    rows = np.arange(0, shape[0] + stride, stride)
    columns = np.arange(0, shape[1] + stride, stride)
    n_rows, n_columns = counts.shape
    expected, *_ = np.histogram2d(
        points[:, 1], points[:, 0], [rows[: n_rows + 1], columns[: n_columns + 1]]
    )
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() == len(points)


def test_crop_between_cells_has_the_crop_of_the_counts():
    points = np.concatenate([points_in(64, 96), [(32, 16), (64, 48), (95.5, 32)]])
    whole = local_counts(points, (64, 96), 16)
    x, y = points.T
    inside = (x >= 32) & (x < 80) & (y >= 16) & (y < 48)
    cropped = local_counts(points[inside] - (32, 16), (32, 48), 16)
    np.testing.assert_array_equal(cropped, whole[1:3, 2:5])


def test_image_without_points_counts_nothing():
    assert not local_counts([], (8, 8), 4).any()


@pytest.mark.parametrize("shape", [(0,), (0, 2)], ids=str)
def test_points_may_be_none_in_any_empty_shape(shape):
    assert not local_counts(np.empty(shape), (8, 8), 4).any()


@pytest.mark.parametrize("shape", [(2, 4), (2, 3), (4,), (1, 4, 2)], ids=str)
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(n_points, 2\); got .* one row"):
        local_counts(np.ones(shape), (8, 8), 4)


@pytest.mark.parametrize("point", [(8, 0), (0, 8), (-0.1, 3), (np.nan, 1)], ids=str)
def test_point_outside_the_image_is_named(point):
    with pytest.raises(ValueError, match=r"1 of 2 do not, the first is point 1"):
        local_counts([(1, 1), point], (8, 8), 4)


def test_density_is_added_up_as_its_points_are_counted():
    points = points_in(61, 99)
    density = np.zeros((61, 99))
    np.add.at(density, tuple(points.astype(int).T[::-1]), 1)
    expected = local_counts(points, (61, 99), 8)
    np.testing.assert_array_equal(local_sums(density, 8), expected)
    np.testing.assert_array_equal(local_sums([density, density], 8)[1], expected)


@pytest.mark.parametrize("stride", [0, 2.5, "4"])
def test_stride_that_is_no_size_is_refused(stride):
    with pytest.raises(ValueError, match="stride must be a positive integer"):
        local_sums(np.ones((4, 4)), stride)


def test_shapes_that_are_no_image_are_refused():
    with pytest.raises(ValueError, match="shape must be"):
        local_counts([], (8, 0), 4)
    with pytest.raises(ValueError, match="density must be one map"):
        local_sums(np.ones(4), 2)
