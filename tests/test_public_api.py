"""The public names: where they are, what they take, and that they are documented."""

import ast
import importlib
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

import sk_hca
from sk_hca import DirectRegressor, HCARegressor

# Leading parameters of the pure functions, which people call in their own loops.
FUNCTIONS = {
    "binning.linear_edges": ["y", "n_bins"],
    "binning.log_edges": ["y", "n_bins", "lower=None"],
    "binning.quantile_edges": ["y", "n_bins"],
    "binning.uniform_error_edges": ["y", "n_bins"],
    "binning.assign": ["y", "edges"],
    "binning.class_means": ["y", "index", "edges"],
    "hierarchy.merge_classes": [
        "counts",
        "n_classes",
        "strategy='equal_number'",
        "edges=None",
    ],
    "hierarchy.lift": ["x", "parent"],
    "hierarchy.pool_sum": ["x", "parent", "n_classes"],
    "hierarchy.pool_max": ["x", "parent", "n_classes"],
    "adjustment.adjust_add": ["probs", "parents"],
    "adjustment.adjust_mul": ["log_probs", "parents"],
    "adjustment.adjust_marginal": ["log_probs", "parents"],
    "losses.hierarchical_cross_entropy": ["levels", "targets", "weight=None"],
    "losses.distillation_loss": [
        "student_logits",
        "level_logits",
        "parents",
        "alignment='max'",
    ],
    "losses.batch_monte_carlo": ["pred", "target", "noise_sigma"],
    "losses.gaussian_mixture_integration": [
        "pred",
        "target",
        "noise_sigma",
        "means",
        "variances",
        "weights",
    ],
    "losses.binned_integration": [
        "pred",
        "target",
        "noise_sigma",
        "centers",
        "weights",
    ],
    "targets.gaussian_labels": ["y", "values", "sigma"],
    "targets.histogram_gaussian_labels": ["y", "edges", "sigma"],
    "targets.lds_weights": [
        "y",
        "edges",
        "kernel='gaussian'",
        "size=5",
        "sigma=2",
        "reweight='sqrt_inverse'",
        "smooth=True",
        "clip=None",
    ],
    "targets.dense_weights": ["y", "alpha=1.0"],
    "targets.smoothing_window": ["kernel", "size", "sigma", "normalize='max'"],
    "regularizers.ranksim_penalty": [
        "features",
        "y",
        "interpolation=2.0",
        "generator=None",
    ],
    "regularizers.FeatureSmoothing": ["n_features", "edges"],
    "metrics.balanced_mean_absolute_error": ["y_true", "y_pred"],
    "metrics.balanced_root_mean_squared_error": ["y_true", "y_pred"],
    "metrics.geometric_mean_error": ["y_true", "y_pred"],
    "metrics.absolute_relative_error": ["y_true", "y_pred"],
    "metrics.delta_accuracy": ["y_true", "y_pred"],
    "metrics.sera": ["y_true", "y_pred"],
    "metrics.utility_precision_score": ["y_true", "y_pred"],
    "metrics.utility_recall_score": ["y_true", "y_pred"],
    "metrics.utility_f1_score": ["y_true", "y_pred"],
    "metrics.shot_groups": ["y_train", "bins='unique'"],
    "metrics.shot_report": ["y_true", "y_pred", "y_train"],
    "metrics.make_shot_scorer": ["metric='mae'", "shot='few'"],
    "metrics.range_inconsistency": ["levels", "parents"],
    "datasets.load_imdb_wiki_dir": ["root"],
    "datasets.load_agedb_dir": ["root"],
    "datasets.load_sts_b_dir": ["root"],
    "datasets.load_nyud2_dir": ["root"],
    "datasets.read_depth_maps": ["paths", "shape=(114, 152)"],
    "datasets.load_shanghaitech": ["root", "part='A'"],
    "evaluation.compare": ["estimators", "X", "y"],
    "evaluation.imbalance_report": ["y", "bins=None"],
    "datasets.read_image_table": ["table", "path", "target"],
}

# Options that are given by name only.
OPTIONS = {
    **{
        f"metrics.{name}": ["sample_weight=None"]
        for name in (
            "balanced_mean_absolute_error",
            "balanced_root_mean_squared_error",
            "geometric_mean_error",
            "absolute_relative_error",
            "delta_accuracy",
            "sera",
            "utility_precision_score",
            "utility_recall_score",
            "utility_f1_score",
        )
    },
    "metrics.shot_report": ["bins='unique'", "many=100", "few=20"],
    "metrics.make_shot_scorer": ["bins=None", "y_train=None"],
    **{
        f"datasets.load_{name}": ["check_files=True"]
        for name in ("imdb_wiki_dir", "agedb_dir", "nyud2_dir")
    },
    "evaluation.compare": ["cv=None", "bins=None", "many=100", "few=20"],
    "evaluation.imbalance_report": ["many=100", "few=20"],
    "datasets.read_image_table": ["root=None", "unreadable='raise'"],
}

# Parameters that hold an alias or a recipe: the room that makes the object checks them,
# since only it knows what they may be.
CHECKED_IN_FIT = {
    "backbone",
    "mode",
    "binner",
    "merging",
    "labels",
    "decoder",
    "loss",
    "weighting",
    "penalty",
    "smoother",
}

ESTIMATORS = [HCARegressor, DirectRegressor]
METHODS = {
    HCARegressor: [
        "fit",
        "partial_fit",
        "predict",
        "predict_proba",
        "predict_distribution",
        "predict_quantiles",
        "predict_interval",
        "predict_levels",
        "readjust",
        "retrain_heads",
        "score",
    ],
    DirectRegressor: ["fit", "partial_fit", "predict", "retrain_heads", "score"],
}


def public(path):
    """Import a public name by its path from the package."""
    room, name = path.split(".")
    module = importlib.import_module(f"sk_hca.{room}")
    assert name in module.__all__
    return getattr(module, name)


def written(parameter):
    """Write a parameter as in a signature, without annotations."""
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}"


def documented(docstring, section):
    """Read the names that a section of a numpydoc docstring documents."""
    body = inspect.cleandoc(docstring).split(f"\n{section}\n{'-' * len(section)}\n")[1]
    body = re.split(r"\n[A-Z][\w ]+\n-{3,}\n", body)[0]
    entries = re.findall(r"^(\w[\w, \n]*?)(?: : |$)", body, flags=re.MULTILINE)
    return [name for entry in entries for name in re.split(r",\s*", entry.strip())]


def own_parameters(estimator):
    return list(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("path", FUNCTIONS)
def test_function_takes_what_the_documents_say(path):
    parameters = list(inspect.signature(public(path)).parameters.values())
    leading = parameters[: len(FUNCTIONS[path])]
    assert [written(parameter) for parameter in leading] == FUNCTIONS[path]
    for parameter in leading:
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    options = {written(parameter) for parameter in parameters[len(leading) :]}
    assert options >= set(OPTIONS.get(path, []))


@pytest.mark.parametrize("path", FUNCTIONS)
def test_function_documents_its_parameters(path):
    function = public(path)
    expected = list(inspect.signature(function).parameters)
    assert documented(function.__doc__, "Parameters") == expected


def test_top_level_hands_on_the_estimators():
    assert set(sk_hca.__all__) == {
        "DirectRegressor",
        "HCARegressor",
        "__version__",
        "show_versions",
    }
    assert all(hasattr(sk_hca, name) for name in sk_hca.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", sk_hca.__version__)
    assert HCARegressor.__module__.startswith("sk_hca.")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimator_documents_its_parameters_in_their_order(estimator):
    assert documented(estimator.__doc__, "Parameters") == own_parameters(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimator_tells_the_defaults_it_has(estimator):
    text = inspect.cleandoc(estimator.__doc__)
    told = dict(re.findall(r"^(\w+) : .*default=(.+)$", text, flags=re.MULTILINE))
    for parameter in inspect.signature(estimator).parameters.values():
        if parameter.name in told:
            assert ast.literal_eval(told[parameter.name]) == parameter.default


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimator_documents_what_fit_leaves(estimator):
    X = np.arange(12.0).reshape(6, 2)
    fitted = estimator(max_epochs=1, device="cpu").fit(X, X[:, 0] // 4)
    left = {name for name in vars(fitted) if name[0] != "_" and name[-1] == "_"}
    told = set(documented(estimator.__doc__, "Attributes"))
    assert left <= told
    at_times = {"feature_names_in_", "balance_"}
    assert {name for name in told if hasattr(fitted, name)} >= told - at_times


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimator_takes_one_parameter_by_position(estimator):
    first, *others = inspect.signature(estimator).parameters.values()
    assert first.name == "backbone"
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in others)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimator_declares_what_its_parameters_may_be(estimator):
    declared = set(estimator._parameter_constraints)
    parameters = set(own_parameters(estimator))
    assert declared <= parameters
    assert parameters - declared == parameters & CHECKED_IN_FIT


@pytest.mark.parametrize("name", sorted(CHECKED_IN_FIT))
def test_parameter_that_is_not_declared_is_checked_in_fit(name):
    for estimator in ESTIMATORS:
        if name in own_parameters(estimator):
            model = estimator(max_epochs=1, device="cpu").set_params(**{name: "nosuch"})
            with pytest.raises(ValueError, match=f"{name} must be .*'nosuch'"):
                model.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])


def test_estimators_share_names_and_defaults_of_all_but_the_classes():
    hca, direct = (inspect.signature(estimator).parameters for estimator in ESTIMATORS)
    assert set(direct) - set(hca) == {"loss"}
    shared = [name for name in hca if name in direct]
    assert shared == [name for name in direct if name != "loss"]
    for name in shared:
        assert hca[name].default == direct[name].default


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_methods_document_what_they_take(estimator):
    for name in METHODS[estimator]:
        method = inspect.unwrap(vars(estimator).get(name, getattr(estimator, name)))
        method = getattr(method, "fn", method)  # Where it is available if.
        takes = [
            each for each in inspect.signature(method).parameters if each != "self"
        ]
        assert documented(inspect.getdoc(method), "Parameters") == takes, name


def test_import_is_light():
    """Others may import pandas; what draws, or knows images, waits to be asked."""
    script = (
        "import sys, sk_hca\n"
        "import sk_hca.datasets, sk_hca.estimators\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "sk_hca" in loaded
    assert not loaded & {"matplotlib", "torchvision", "PIL"}
