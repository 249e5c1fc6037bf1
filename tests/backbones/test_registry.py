"""Backbones by alias, recipe, class, factory or instance; and what they may give."""

import pickle

import pytest
import torch
from sklearn.base import clone
from torch import nn

from sk_hca.backbones import (
    BACKBONES,
    BaseBackbone,
    MLPBackbone,
    ModuleBackbone,
    feature_shape,
    make_backbone,
)


class Wide(nn.Module):
    """A network that asks for the number of its inputs."""

    def __init__(self, n_features, width=4):
        super().__init__()
        self.layer = nn.Linear(n_features, width)

    def forward(self, X):
        return self.layer(X)


class Given(nn.Module):
    """A network that gives what it is told to."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, X):
        return self.answer(X)


def make_wide(width=4):
    """A factory that knows its inputs."""
    return nn.Linear(3, width)


@pytest.mark.parametrize("alias", list(BACKBONES))
def test_backbone_is_made_of_its_alias(alias):
    assert make_backbone(alias).get_params() == BACKBONES[alias]().get_params()


def test_backbone_recipe_is_cloned():
    given = MLPBackbone(hidden=(3,), dropout=0.5)
    made = make_backbone(given)
    assert made is not given
    assert made.get_params() == given.get_params()


@pytest.mark.parametrize(
    "module", [Wide, make_wide, nn.Linear(3, 4)], ids=["class", "factory", "instance"]
)
def test_module_becomes_recipe(module):
    recipe = make_backbone(module)
    assert isinstance(recipe, ModuleBackbone)
    assert recipe.module is module
    assert recipe.build((3,))(torch.ones(2, 3)).shape == (2, 4)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("mpl", r"backbone must be one of 'mlp'.*; got 'mpl'\. Did you mean 'mlp'\?"),
        (3, "or a BaseBackbone object; got 3"),
        (MLPBackbone, r"Give an object: MLPBackbone\(\)"),
        (MLPBackbone(dropout=1.0), "'dropout' parameter of MLPBackbone must be"),
        (MLPBackbone(hidden=3), "'hidden' parameter of MLPBackbone must be"),
    ],
    ids=str,
)
def test_unknown_backbone_is_refused(backbone, message):
    with pytest.raises(ValueError, match=message):
        make_backbone(backbone)


def test_backbone_without_build_is_refused():
    class Unfinished(BaseBackbone):
        pass

    with pytest.raises(TypeError, match="Unfinished must define build"):
        Unfinished().build((3,))


def test_perceptron_is_layers_of_given_width():
    module = MLPBackbone(hidden=(5, 2), dropout=0.25, n_pieces=0).build((3,))
    widths = [
        (layer.in_features, layer.out_features)
        for layer in module
        if isinstance(layer, nn.Linear)
    ]
    assert widths == [(3, 5), (5, 2)]
    assert [layer.p for layer in module if isinstance(layer, nn.Dropout)] == [0.25] * 2
    assert (module(torch.randn(8, 3)) >= 0).all()


def test_perceptron_flattens_images():
    module = MLPBackbone(hidden=(6,)).build((3, 4, 5))
    assert module(torch.ones(2, 3, 4, 5)).shape == (2, 6)


@pytest.mark.parametrize("hidden", [(), (0,), (4, -1), (2.5,), ("a",)], ids=str)
def test_perceptron_refuses_widths_that_are_no_widths(hidden):
    with pytest.raises(ValueError, match="hidden must name the width of one hidden la"):
        MLPBackbone(hidden=hidden).build((3,))


def test_class_is_called_with_its_parameters_and_number_of_features():
    module = ModuleBackbone(Wide, {"width": 6}).build((5, 7))
    assert (module.layer.in_features, module.layer.out_features) == (5, 6)


def test_named_number_of_features_wins():
    module = ModuleBackbone(Wide, {"n_features": 2}).build((5,))
    assert module.layer.in_features == 2


def test_parameters_of_the_user_are_left_alone():
    params = {"width": 6}
    ModuleBackbone(Wide, params).build((5,))
    recipe = ModuleBackbone(Wide, params).set_params(width=8)
    assert params == {"width": 6}
    assert recipe.params == {"width": 8}


def test_nested_parameters_are_parameters_of_the_recipe():
    recipe = ModuleBackbone(Wide, {"width": 6})
    assert recipe.get_params()["width"] == 6
    assert set(recipe.get_params(deep=False)) == {"module", "params"}
    assert clone(recipe).set_params(width=7).build((3,)).layer.out_features == 7
    assert recipe.build((3,)).layer.out_features == 6


def test_parameters_can_be_set_beside_module():
    recipe = ModuleBackbone(Wide).set_params(module=make_wide, width=9)
    assert recipe.build((3,)).out_features == 9
    assert recipe.set_params(params={"width": 2}).build((3,)).out_features == 2


def test_instance_is_copied():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = {name: w.clone() for name, w in module.state_dict().items()}
    built = ModuleBackbone(module).build((3,))
    optimizer = torch.optim.SGD(built.parameters(), lr=1.0)
    built(torch.randn(8, 3)).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(w, before[name]) for name, w in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())
    assert not torch.equal(built[0].weight, module[0].weight)


def test_parameters_of_an_instance_are_refused():
    recipe = ModuleBackbone(nn.Linear(3, 4)).set_params(width=3)
    with pytest.raises(ValueError, match="module is a Linear already made"):
        recipe.build((3,))


def test_instance_that_cannot_be_copied_asks_for_its_class():
    with pytest.raises(ValueError, match=r"cannot be copied: .* Give its class"):
        ModuleBackbone(nn.LazyBatchNorm1d()).build((3,))


def test_every_build_starts_from_the_instance():
    module = nn.Linear(3, 4)
    recipe = ModuleBackbone(module)
    with torch.no_grad():
        recipe.build((3,)).weight.zero_()
    assert torch.equal(recipe.build((3,)).weight, module.weight)


def test_recipe_of_instance_is_cloned_and_pickled():
    recipe = make_backbone(nn.Linear(3, 4))
    copies = [clone(recipe), pickle.loads(pickle.dumps(recipe))]
    for copy in copies:
        assert torch.equal(copy.build((3,)).weight, recipe.module.weight)


def test_factory_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"make a torch nn\.Module; it made a dict"):
        make_backbone(lambda: {}).build((3,))


def test_only_perceptron_scales_inputs():
    assert MLPBackbone.scales_inputs
    assert not ModuleBackbone.scales_inputs


@pytest.mark.parametrize("tail", [(), (3, 2)], ids=["table", "map"])
def test_feature_shape_is_number_of_features(tail):
    module = Given(lambda X: torch.zeros(len(X), 7, *tail))
    assert feature_shape(module, torch.ones(2, 3), tail) == 7


def test_feature_shape_runs_in_evaluation_mode_and_leaves_no_trace():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    mean = module[1].running_mean.clone()
    feature_shape(module, torch.randn(2, 3), ())
    assert module.training
    assert module[1].training
    assert torch.equal(module[1].running_mean, mean)
    feature_shape(module.eval(), torch.randn(2, 3), ())
    assert not module.training


@pytest.mark.parametrize(
    ("answer", "tail", "message"),
    [
        (lambda X: (X, X), (), "must return one tensor of features; it returned a tup"),
        (
            lambda X: X[:, 0],
            (),
            r"or \(n, d, \*S\); for 2 inputs it returned shape \(2,",
        ),
        (lambda X: X[:1], (), r"for 2 inputs it returned shape \(1, 3\)"),
        (
            lambda X: X[:, :, None, None].expand(-1, -1, 4, 5),
            (),
            r"spatial shape \(4, 5\), but a target has shape \(\)\. .*backbone pool",
        ),
        (
            lambda X: X,
            (4, 5),
            r"spatial shape \(\), but a target has shape \(4, 5\)\. .*for maps, give y",
        ),
    ],
    ids=["tuple", "flat", "short", "unpooled", "pooled"],
)
def test_feature_shape_refuses_what_cannot_carry_targets(answer, tail, message):
    with pytest.raises(ValueError, match=message):
        feature_shape(Given(answer), torch.ones(2, 3), tail)
