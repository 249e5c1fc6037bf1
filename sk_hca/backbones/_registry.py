"""Backbones by name, by recipe, or as any torch module of the user's."""

import copy
import inspect
from functools import partial

import torch
from torch import nn

from sk_hca.backbones._images import (
    TORCHVISION,
    ConvBackbone,
    TorchvisionBackbone,
)
from sk_hca.backbones._maps import UNetBackbone
from sk_hca.backbones._mlp import BaseBackbone, MLPBackbone
from sk_hca.base import resolve

BACKBONES = {
    "mlp": MLPBackbone,
    "cnn": ConvBackbone,
    "unet": UNetBackbone,
    **{name: partial(TorchvisionBackbone, name) for name in TORCHVISION},
}


class ModuleBackbone(BaseBackbone):
    """A backbone made of the user's own module.

    Parameters
    ----------
    module : nn.Module subclass, nn.Module or callable
        A class or factory, called with `params`, and with ``n_features`` (the size of
        axis 1 of the inputs) if it names such a parameter; or a module, of which a copy
        is trained.

    params : dict, optional
        What a class or factory is called with; a module takes none.  Every entry is a
        parameter of this recipe too, so that it can be searched:
        ``backbone__width=[16, 32]``.

    Examples
    --------
    >>> recipe = ModuleBackbone(torch.nn.Linear, {"in_features": 4, "out_features": 8})
    >>> recipe.set_params(out_features=16).build((4,))
    Linear(in_features=4, out_features=16, bias=True)
    """

    def __init__(self, module, params=None):
        self.module = module
        self.params = params

    def get_params(self, deep=True):
        """Get the parameters of the recipe and, when deep, those of the module."""
        params = super().get_params(deep=False)
        return {**params, **(self.params or {})} if deep else params

    def set_params(self, **params):
        """Set parameters of the recipe; any other name goes into `params`."""
        own = {key: params.pop(key) for key in ("module", "params") if key in params}
        super().set_params(**own)
        if params:
            self.params = {**(self.params or {}), **params}
        return self

    def build(self, shape):
        """Copy the module, or make it."""
        if isinstance(self.module, nn.Module):
            if self.params:
                raise ValueError(
                    "params are what a class or factory is called with, but module is "
                    f"a {type(self.module).__name__} already made; got {self.params}. "
                    "Give its class as module, or leave params out."
                )
            try:
                return copy.deepcopy(self.module)
            except (RuntimeError, ValueError) as error:
                # Some layers that are not yet initialised are like that.
                raise ValueError(
                    f"The {type(self.module).__name__} cannot be copied: {error} Give "
                    "its class, or a function that makes it, as the backbone."
                ) from error
        params = dict(self.params or {})
        if "n_features" in inspect.signature(self.module).parameters:
            params.setdefault("n_features", shape[0])
        module = self.module(**params)
        if not isinstance(module, nn.Module):
            raise ValueError(
                "backbone must make a torch nn.Module; it made a "
                f"{type(module).__name__}."
            )
        return module


def make_backbone(backbone):
    """Return the recipe of a backbone: an alias, a recipe, a module or its class."""
    is_recipe = isinstance(backbone, BaseBackbone) or (
        isinstance(backbone, type) and issubclass(backbone, BaseBackbone)
    )
    if callable(backbone) and not is_recipe:
        return ModuleBackbone(backbone)
    return resolve("backbone", backbone, BACKBONES, BaseBackbone)


def feature_shape(extractor, X, tail):
    """Run a backbone once, to learn how many features it gives.

    Parameters
    ----------
    extractor : nn.Module
        Backbone with its inputs.

    X : Tensor of shape (N, *)
        A few inputs.

    tail : tuple of int
        Shape of one target, S.

    Returns
    -------
    n_features : int

    Raises
    ------
    ValueError
        If what it gives cannot carry targets of shape `tail`.
    """
    was_training = extractor.training
    with torch.no_grad():
        features = extractor.eval()(X)
    extractor.train(was_training)
    if not isinstance(features, torch.Tensor):
        raise ValueError(
            "The backbone must return one tensor of features; it returned a "
            f"{type(features).__name__}."
        )
    if features.ndim < 2 or len(features) != len(X) or features.shape[1] == 0:
        raise ValueError(
            "The backbone must return features of shape (n, d) or (n, d, *S); for "
            f"{len(X)} inputs it returned shape {tuple(features.shape)}."
        )
    if features.shape[2:] != tuple(tail):
        raise ValueError(
            "The backbone gives features of spatial shape "
            f"{tuple(features.shape[2:])}, but a target has shape {tuple(tail)}. "
            "For one number per sample, let the backbone pool; for maps, give y at "
            "the size of its output."
        )
    return features.shape[1]
