"""How far a fitted model favours rare ranges, chosen on its validation data."""

import numpy as np
import torch
from sklearn.metrics import mean_absolute_error

from sk_hca.adjustment import (
    AutoBalance,
    CorrectedAdjustment,
    PriorCorrection,
    make_balance,
)
from sk_hca.metrics import balanced_mean_absolute_error
from sk_hca.prediction import make_decoder

STRENGTHS = np.linspace(0.1, 1, 10)


def check_balance(estimator):
    """Tell whether a balance is to be chosen; refuse one that cannot be."""
    recipe = make_balance(estimator.balance)
    if not isinstance(recipe, AutoBalance):
        return False
    candidate_strengths(recipe)
    if estimator.validation_fraction is None:
        raise ValueError(
            f"balance={estimator.balance!r} is chosen on validation data, but none is "
            "set aside: set validation_fraction, for example to 0.2, or balance to a "
            "number."
        )
    return True


def renew_balance(estimator, data, seed):
    """Choose the balance on the validation part; one chosen before says nothing now."""
    estimator.__dict__.pop("balance_", None)
    if check_balance(estimator):
        estimator.balance_ = choose_balance(estimator, estimator._split(data, seed)[1])


def refuse_choice(estimator):
    """Refuse a balance that is to be chosen where no validation data are set aside."""
    if check_balance(estimator):
        raise ValueError(
            f"balance={estimator.balance!r} is chosen on validation data, of which "
            "partial_fit sets none aside: set balance to a number, such as the "
            "`balance_` of an earlier fit."
        )


def candidate_strengths(recipe):
    """Return the strengths that an AutoBalance tries, 0 first."""
    given = STRENGTHS if recipe.strengths is None else recipe.strengths
    strengths = np.asarray(given, dtype=np.float64)
    if strengths.ndim != 1 or not (np.isfinite(strengths) & (strengths >= 0)).all():
        raise ValueError(
            "strengths must be a list of finite numbers, none negative; got "
            f"{recipe.strengths!r}."
        )
    return np.union1d([0.0], strengths)


def choose_balance(estimator, valid):
    """Return the strength of the correction that a recipe asks for.

    Parameters
    ----------
    estimator : HCARegressor
        Fitted; its `balance` is an AutoBalance, or the alias of one.

    valid : TargetDataset
        Data that the network was not trained on.

    Returns
    -------
    strength : float
    """
    recipe = make_balance(estimator.balance)
    strengths = candidate_strengths(recipe)
    decoder = make_decoder(estimator.decoder)

    def corrected(mode):
        return [
            CorrectedAdjustment(mode, PriorCorrection(strength))
            for strength in strengths
        ]

    def every_strength(modes, output, levels):
        answers = [mode.decode(output, levels, decoder) for mode in modes]
        return torch.stack(answers, dim=1)

    answers = estimator._read_levels(valid, every_strength, corrected)
    errors = errors_by_strength(estimator, valid, answers)
    return float(strengths[objective_values(recipe.objective, *errors).argmin()])


def errors_by_strength(estimator, valid, answers):
    """Return the MAE, and the MAE balanced over classes, of every column of answers."""
    y, weight = valid.targets()
    known = np.ones(y.shape, bool) if weight is None else weight > 0
    given = {"sample_weight": None if weight is None else weight[known]}
    columns = [answer[known] for answer in np.moveaxis(answers, 1, 0)]
    edges = estimator.hierarchy_.edges_
    plain = [mean_absolute_error(y[known], answer, **given) for answer in columns]
    balanced = [
        balanced_mean_absolute_error(y[known], answer, bins=edges, **given)
        for answer in columns
    ]
    return np.array(plain), np.array(balanced)


def objective_values(objective, plain, balanced):
    """Weigh both errors, each relative to its value at the first strength, 0."""
    share = {"mae": 0.0, "bmae": 1.0}.get(objective, objective)
    # An error of 0 cannot be lowered, and is its own unit.
    units = [errors[0] or 1.0 for errors in (plain, balanced)]
    return (1 - share) * plain / units[0] + share * balanced / units[1]
