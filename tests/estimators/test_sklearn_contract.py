"""Every configuration keeps scikit-learn's contract, without an expected failure."""

from itertools import cycle

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_hca import DirectRegressor, HCARegressor
from sk_hca.adjustment import ADJUSTMENTS
from sk_hca.losses import LOSSES
from sk_hca.prediction import DECODERS

# On the CPU, where a small table is trained in float64: the checks compare predictions
# to 1e-7.
SHORT = {"max_epochs": 2, "lr": 0.01, "device": "cpu"}
PAPER = {"anchor": None, "labels": "one_hot", "decoder": "argmax", "binner": "linear"}

# Checks that ask for what a training gives: that the model learns at all, and that
# weights are repetitions all the way.
LONGER = {
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
}

# A check that fits one estimator twice and expects the same, which a warm start is not.
TWICE = {"check_supervised_y_2d"}


def configurations():
    default = HCARegressor().get_params()
    modes = [mode for mode in ADJUSTMENTS if mode != default["mode"]]
    decoders = [decoder for decoder in DECODERS if decoder != default["decoder"]]
    # Whatever does not touch another part is tried together with it.
    return [
        HCARegressor(**SHORT),
        *(
            HCARegressor(mode=mode, decoder=decoder, **SHORT)
            for mode, decoder in zip(modes, cycle(decoders), strict=False)
        ),
        HCARegressor(n_levels=1, weighting="lds", **SHORT),
        HCARegressor(n_estimators=2, **SHORT),
        DirectRegressor(n_estimators=2, weighting="dense", **SHORT),
        HCARegressor(**PAPER, **SHORT),
        HCARegressor(warm_start=True, **SHORT),
        DirectRegressor(warm_start=True, **SHORT),
        *(DirectRegressor(loss=loss, **SHORT) for loss in LOSSES),
        HCARegressor(penalty="ranksim", smoother="fds", **SHORT),
        DirectRegressor(penalty="ranksim", smoother="fds", **SHORT),
    ]


@parametrize_with_checks(configurations())
@pytest.mark.filterwarnings("ignore")  # The checks provoke warnings on purpose.
def test_estimator_passes_the_checks_of_scikit_learn(estimator, check):
    if check.func.__name__ in LONGER:
        estimator.set_params(max_epochs=60)
    if check.func.__name__ in TWICE:
        estimator.set_params(warm_start=False)
    check(estimator)


def test_class_probabilities_are_missing_from_few_shot_models():
    """No regressor has them on the data of the checks, so says scikit-learn's law."""
    y = np.arange(19.0)
    X = y[:, None]
    model = HCARegressor(**SHORT)
    assert hasattr(model, "predict_proba")
    model.fit(X, y)
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError, match="has no attribute 'predict_proba'") as got:
        model.predict_proba(X)
    assert "this model was fitted on 19. Use predict." in str(got.value.__cause__)


@pytest.mark.parametrize("weights", [None, np.repeat([1.0, 2.0], [18, 1])])
def test_class_probabilities_count_a_weight_as_repetitions(weights):
    y = np.arange(20.0 if weights is None else 19.0)
    model = HCARegressor(**SHORT).fit(y[:, None], y, sample_weight=weights)
    proba = model.predict_proba(y[:, None])
    assert proba.shape == (len(y), model.n_classes_)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
