"""The door: targets and weights."""

import numpy as np
import pytest

from sk_hca.base import check_targets, check_weights


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_targets_keep_floating_type_and_memory(dtype):
    y = np.array([1.5, 2.0], dtype=dtype)
    checked = check_targets(y)
    assert checked.dtype == dtype
    assert np.shares_memory(checked, y)


@pytest.mark.parametrize(
    "y", [[1, 2, 3], np.array([1, 2, 3], dtype=np.uint8), np.float16([1, 2, 3])]
)
def test_targets_become_double_otherwise(y):
    checked = check_targets(y)
    assert checked.dtype == np.float64
    np.testing.assert_array_equal(checked, [1, 2, 3])


def test_targets_lose_single_column():
    np.testing.assert_array_equal(check_targets([[1.0], [2.0]]), [1.0, 2.0])


@pytest.mark.parametrize("shape", [(), (3, 2), (1, 3), (2, 2, 2)])
def test_targets_refuse_more_than_one_column(shape):
    with pytest.raises(ValueError, match=r"y must be one column .* got shape \("):
        check_targets(np.ones(shape))


@pytest.mark.parametrize("shape", [(0,), (0, 1)])
def test_targets_refuse_nothing(shape):
    with pytest.raises(ValueError, match="at least one target; it is empty"):
        check_targets(np.ones(shape))


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]])
def test_targets_refuse_what_is_not_finite(bad):
    with pytest.raises(ValueError, match=r"y_train must be finite; .* Drop those rows"):
        check_targets([1.0, *bad], name="y_train")


def test_targets_refuse_a_missing_time():
    with pytest.raises(ValueError, match="y must be finite"):
        check_targets(np.array([1, "NaT"], "timedelta64[h]"))


def test_targets_accept_finite_entries_whose_sum_overflows():
    y = np.full(3, 1e308)
    np.testing.assert_array_equal(check_targets(y), y)


def test_weights_default_to_one():
    weight = check_weights(None, np.zeros(3))
    assert weight.dtype == np.float64
    np.testing.assert_array_equal(weight, np.ones(3))


def test_weights_default_to_one_per_sample_for_maps():
    np.testing.assert_array_equal(check_weights(None, np.zeros((2, 3, 3))), np.ones(2))


def test_weights_spread_single_number():
    np.testing.assert_array_equal(check_weights(2.5, np.zeros(3)), np.full(3, 2.5))


def test_weights_become_double_and_keep_zeros():
    weight = check_weights([0, 1, 2], np.zeros(3))
    assert weight.dtype == np.float64
    np.testing.assert_array_equal(weight, [0.0, 1.0, 2.0])


def test_weights_refuse_wrong_number():
    with pytest.raises(ValueError, match=r"sample_weight\.shape == \(2,\)"):
        check_weights([1.0, 2.0], np.zeros(3))


def test_weights_refuse_more_than_one_column():
    with pytest.raises(ValueError, match="Sample weights must be 1D"):
        check_weights(np.ones((3, 2)), np.zeros(3))


def test_weights_refuse_negative_entries():
    with pytest.raises(ValueError, match=r"not be negative; .* -0\.5\. Use 0 to leave"):
        check_weights([1.0, -0.5, 1.0], np.zeros(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_refuse_what_is_not_finite(bad):
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        check_weights([1.0, bad, 1.0], np.zeros(3))


def test_weights_refuse_a_sum_that_overflows():
    with pytest.raises(ValueError, match=r"must have a finite sum.*Divide all of them"):
        check_weights([1e308, 1e308], np.zeros(2))


def test_weights_refuse_all_zero():
    with pytest.raises(ValueError, match="at least one positive entry; all are zero"):
        check_weights(np.zeros(3), np.zeros(3))
