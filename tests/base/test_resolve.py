"""From an alias or an object to a recipe, and what is said when that fails."""

from numbers import Integral

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from sk_hca.base import resolve


class Fruit(BaseEstimator):
    """What a table of aliases may hold."""

    _parameter_constraints: dict = {
        "n_seeds": [Interval(Integral, 0, None, closed="left")]
    }

    def __init__(self, n_seeds=3):
        self.n_seeds = n_seeds


class Apple(Fruit):
    """One kind of it."""


class Stone(BaseEstimator):
    """Another recipe, of another room."""


class Free(BaseEstimator):
    """A recipe that declares no constraints."""

    def __init__(self, weight=None):
        self.weight = weight


ALIASES = {"apple": Apple, "seedless": lambda: Apple(n_seeds=0)}


def test_resolve_makes_recipe_of_alias():
    recipe = resolve("fruit", "seedless", ALIASES, Fruit)
    assert isinstance(recipe, Apple)
    assert recipe.n_seeds == 0


def test_resolve_makes_new_recipe_each_time():
    first = resolve("fruit", "apple", ALIASES, Fruit)
    assert resolve("fruit", "apple", ALIASES, Fruit) is not first


def test_resolve_clones_object():
    given = Apple(n_seeds=7)
    given.ripe_ = True
    recipe = resolve("fruit", given, ALIASES, Fruit)
    assert recipe is not given
    assert recipe.n_seeds == 7
    assert not hasattr(recipe, "ripe_")
    assert given.ripe_


def test_resolve_accepts_object_of_unlisted_subclass():
    class Pear(Fruit):
        pass

    assert isinstance(resolve("fruit", Pear(), ALIASES, Fruit), Pear)


def test_resolve_accepts_recipe_without_constraints():
    assert resolve("free", Free(weight="heavy"), {}, Free).weight == "heavy"


@pytest.mark.parametrize(
    "value", [Apple(n_seeds=-1), "cursed"], ids=["object", "alias"]
)
def test_resolve_refuses_parameter_out_of_range(value):
    aliases = {**ALIASES, "cursed": lambda: Apple(n_seeds=-1)}
    with pytest.raises(ValueError, match="'n_seeds' parameter of Apple must be an int"):
        resolve("fruit", value, aliases, Fruit)


@pytest.mark.parametrize("value", ["stone", None, 3, Stone(), b"apple", ["apple"]])
def test_resolve_lists_known_aliases_for_anything_else(value):
    message = r"fruit must be one of 'apple', 'seedless' or a Fruit object; got "
    with pytest.raises(ValueError, match=message) as error:
        resolve("fruit", value, ALIASES, Fruit)
    assert repr(value) in str(error.value)
    assert "Did you mean" not in str(error.value)


def test_resolve_names_nearest_alias():
    with pytest.raises(ValueError, match=r"got 'aple'\. Did you mean 'apple'\?$"):
        resolve("fruit", "aple", ALIASES, Fruit)


def test_resolve_asks_for_object_instead_of_class():
    with pytest.raises(ValueError, match=r"Give an object: Apple\(\)\.$"):
        resolve("fruit", Apple, ALIASES, Fruit)


def test_resolve_does_not_suggest_object_of_foreign_class():
    with pytest.raises(ValueError, match="must be one of") as error:
        resolve("fruit", Stone, ALIASES, Fruit)
    assert "Give an object" not in str(error.value)
