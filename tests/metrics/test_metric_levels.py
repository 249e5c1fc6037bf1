"""How often sums over ranges contradict the finest level."""

import numpy as np
import pytest
import torch

from sk_hca.metrics import range_inconsistency

PARENTS = [np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 2, 2, 3])]


def probabilities(tail, seed=0):
    fine = np.random.default_rng(seed).gamma(0.5, size=(30, 6, *tail))
    return fine / fine.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
def test_inconsistency_equals_a_loop_over_samples(tail):
    fine = probabilities(tail)
    shares = range_inconsistency([None, None, fine], PARENTS)
    rows = np.moveaxis(fine, 1, -1).reshape(-1, 6)
    for share, parent in zip(shares, PARENTS, strict=True):
        outside = 0
        for row in rows:
            sums = [row[parent == j].sum() for j in range(parent.max() + 1)]
            outside += int(np.argmax(sums)) != parent[int(np.argmax(row))]
        assert share == pytest.approx(outside / len(rows))
    assert (shares > 0).all()


def test_inconsistency_shows_the_counter_example_of_the_paper():
    """Fig. 2: the sum prefers the left range, the largest probability the right."""
    fine = np.array([[0.20, 0.20, 0.20, 0.25, 0.15]])
    assert range_inconsistency([None, fine], [[0, 0, 0, 1, 1]]) == [1.0]


def test_inconsistency_of_confident_predictions_is_zero():
    shares = range_inconsistency([None, None, np.eye(6)], PARENTS)
    assert shares.tolist() == [0, 0]


def test_inconsistency_takes_tensors_on_a_graph():
    fine = torch.from_numpy(probabilities(())).requires_grad_()
    parents = [torch.from_numpy(parent) for parent in PARENTS]
    expected = range_inconsistency([0, 0, fine.detach().numpy()], PARENTS)
    assert range_inconsistency([0, 0, fine], parents).tolist() == expected.tolist()


def test_inconsistency_of_a_lone_level_is_empty():
    assert range_inconsistency([probabilities(())], []).shape == (0,)


def test_inconsistency_refuses_wrong_input():
    fine = probabilities(())
    with pytest.raises(ValueError, match="got 1 levels and 2 maps"):
        range_inconsistency([fine], PARENTS)
    with pytest.raises(ValueError, match="6 class indices"):
        range_inconsistency([fine, fine], [[0, 0, 1]])
    with pytest.raises(ValueError, match="6 class indices"):
        range_inconsistency([fine, fine], [[0.0] * 6])
    with pytest.raises(ValueError, match=r"got shape \(6,\)"):
        range_inconsistency([fine[0]], [])
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match="finite"):
        range_inconsistency([np.log(0 * fine)], [])
