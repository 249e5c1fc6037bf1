"""Cross-entropy over all levels: what trains the features and every classifier."""

from torch.nn.functional import cross_entropy

from sk_hca.losses._reduction import weighted_mean


def cross_entropy_map(levels, targets):
    """Sum the cross-entropies of all levels, target by target.

    Parameters
    ----------
    levels : sequence of Tensor of shape (N, C_h, *S)
        Logits of every classifier, coarse to fine.

    targets : sequence of Tensor
        Truth of every level: class indices of shape (N, *S), or distributions over
        classes of shape (N, C_h, *S).

    Returns
    -------
    loss : Tensor of shape (N, *S)

    Examples
    --------
    >>> import torch
    >>> cross_entropy_map([torch.zeros(1, 2), torch.zeros(1, 4)],
    ...                   [torch.tensor([0]), torch.tensor([1])])
    tensor([2.0794])
    """
    return sum(
        cross_entropy(logits, target, reduction="none")
        for logits, target in zip(levels, targets, strict=True)
    )


def hierarchical_cross_entropy(levels, targets, weight=None):
    """Compute the loss of all classifiers, unweighted between levels (Eq. 6).

    Parameters
    ----------
    levels : sequence of Tensor of shape (N, C_h, *S)
        Logits of every classifier, coarse to fine.

    targets : sequence of Tensor
        Truth of every level: class indices of shape (N, *S), or distributions over
        classes of shape (N, C_h, *S).

    weight : Tensor of shape (N, *S), optional
        Weight of each target.

    Returns
    -------
    loss : Tensor of shape ()

    Notes
    -----
    :math:`L = \\sum_{h=1}^{H} L_{ce}^h` with
    :math:`L_{ce}^h = -\\sum_j p^h[j] \\log \\hat p^h[j]` (Eqs. 5 and 6 of the paper).

    Examples
    --------
    >>> import torch
    >>> hierarchical_cross_entropy([torch.zeros(1, 2), torch.zeros(1, 4)],
    ...                            [torch.tensor([0]), torch.tensor([1])])
    tensor(2.0794)
    """
    return weighted_mean(cross_entropy_map(levels, targets), weight)
