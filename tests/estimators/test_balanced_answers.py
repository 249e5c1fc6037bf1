"""How far rare ranges are favoured, after one fit."""

import copy

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from sk_hca import HCARegressor
from sk_hca.adjustment import AutoBalance, PriorCorrection
from sk_hca.backbones import MLPBackbone
from sk_hca.binning import LinearBinner
from sk_hca.metrics import balanced_mean_absolute_error


def make_table(n=400, seed=0):
    """A skewed table with noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, np.exp(X[:, 0] + 0.7 * rng.normal(size=n))


def make_model(**params):
    defaults = {
        "backbone": MLPBackbone((16, 8), n_pieces=0),
        "binner": LinearBinner(20),
        "max_epochs": 30,
        "lr": 0.01,
        "device": "cpu",
        "random_state": 0,
    }
    return HCARegressor(**(defaults | params))


@pytest.fixture(scope="module")
def fitted():
    return make_model().fit(*make_table())


def test_balance_changes_answers_without_training(fitted):
    X, _ = make_table(seed=1)
    plain = fitted.predict(X)
    answers = {}
    for balance in (0.0, 0.5, 1.0):
        answers[balance] = fitted.set_params(balance=balance).predict(X)
    fitted.set_params(balance=0.0)
    np.testing.assert_array_equal(answers[0.0], plain)
    np.testing.assert_array_equal(fitted.predict(X), plain)
    assert answers[0.0].mean() < answers[0.5].mean() < answers[1.0].mean()


def test_balance_lowers_the_balanced_error(fitted):
    X, y = make_table(2000, seed=1)
    errors = [
        balanced_mean_absolute_error(
            y, fitted.set_params(balance=balance).predict(X), bins=20
        )
        for balance in (0.0, 0.5)
    ]
    fitted.set_params(balance=0.0)
    assert errors[1] < 0.95 * errors[0]


def test_probabilities_and_answers_agree(fitted):
    X, _ = make_table(30, seed=1)
    model = copy.copy(fitted).set_params(balance=0.5)
    probs = model.predict_proba(X)
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-6)
    mean = probs @ model.hierarchy_.values_
    answers = model.set_params(decoder="mean").predict(X)
    np.testing.assert_allclose(mean, answers, rtol=1e-5)
    y, means = model.label_means_
    answers = model.set_params(decoder="debiased_mean").predict(X)
    np.testing.assert_allclose(np.interp(mean, means, y), answers, rtol=1e-5)


def test_sample_of_wanted_targets_moves_answers_towards_it(fitted):
    X, y = make_table(seed=1)
    plain = fitted.predict(X).mean()
    for targets, sign in ((y[y > np.median(y)], 1), (y[y < np.median(y)], -1)):
        fitted.set_params(balance=PriorCorrection(targets=targets))
        assert sign * (fitted.predict(X).mean() - plain) > 0
    fitted.set_params(balance=0.0)


@pytest.mark.parametrize("mode", ["marginal", "distill"])
@pytest.mark.parametrize("memory", [False, True])
def test_auto_takes_the_best_strength_on_validation_data(mode, memory, tmp_path):
    X, y = make_table()
    model = make_model(
        mode=mode,
        balance=AutoBalance("bmae", strengths=[0.0, 0.4, 0.8]),
        validation_fraction=0.25,
        memory=str(tmp_path) if memory else None,
    ).fit(X, y)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    _, valid = train_test_split(np.arange(400), test_size=0.25, random_state=seed)
    chosen = model.predict(X[valid])
    errors = {
        strength: balanced_mean_absolute_error(
            y[valid],
            model.set_params(balance=strength).predict(X[valid]),
            bins=model.hierarchy_.edges_,
        )
        for strength in (0.0, 0.4, 0.8)
    }
    assert model.balance_ == min(errors, key=errors.get)
    assert mode == "distill" or model.balance_ > 0
    np.testing.assert_array_equal(
        model.set_params(balance=model.balance_).predict(X[valid]), chosen
    )


def test_auto_for_the_plain_error_stays_near_what_was_trained():
    model = make_model(balance=AutoBalance("mae"), validation_fraction=0.25)
    assert model.fit(*make_table()).balance_ < 0.35


def test_auto_needs_validation_data():
    with pytest.raises(ValueError, match="set validation_fraction"):
        make_model(balance="auto").fit(*make_table())


@pytest.mark.parametrize("strengths", [[-0.1], [np.nan], [[0.5]]], ids=str)
def test_strengths_out_of_range_are_refused_before_training(strengths):
    balance = AutoBalance(strengths=strengths)
    with pytest.raises(ValueError, match="strengths must be a list of finite numbers"):
        make_model(balance=balance, validation_fraction=0.25).fit(*make_table())


def test_choice_of_an_earlier_training_is_forgotten():
    X, y = make_table(60)
    model = make_model(balance="auto", validation_fraction=0.25, max_epochs=2)
    assert hasattr(model.fit(X, y), "balance_")
    model.set_params(balance=0.5).fit(X, y)
    with pytest.raises(ValueError, match="which this model has not done"):
        model.set_params(balance="auto").predict(X)


def test_auto_after_a_fit_without_it_is_refused(fitted):
    X, _ = make_table(5)
    fitted.set_params(balance="auto")
    with pytest.raises(ValueError, match="Fit again, or set a number"):
        fitted.predict(X)
    fitted.set_params(balance=0.0)


@pytest.mark.parametrize("balance", ["most", -1.0])
def test_balance_out_of_range_is_refused_before_training(balance):
    with pytest.raises(ValueError, match=r"balance must|'balance' param|'strength'"):
        make_model(balance=balance).fit(*make_table())


def test_balance_of_retrained_heads_is_chosen_anew():
    X, y = make_table()
    model = make_model(balance="auto", validation_fraction=0.25).fit(X, y)
    model.balance_ = 17.0
    assert model.retrain_heads(X, y, weighting="lds").balance_ <= 1


def test_parts_cannot_choose_a_balance():
    X, y = make_table(60)
    model = make_model(balance="auto", validation_fraction=0.25, max_epochs=2)
    with pytest.raises(ValueError, match="partial_fit sets none aside"):
        model.partial_fit(X, y)
