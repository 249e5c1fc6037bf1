"""Turn what a user gives, an alias or an object, into an object.

Every room holds one table from aliases to recipes; an estimator names none of them.
"""

from difflib import get_close_matches

from sklearn.base import clone
from sklearn.utils._param_validation import validate_parameter_constraints


def resolve(name, value, aliases, base):
    """Return the recipe that `value` stands for, its parameters checked.

    Parameters
    ----------
    name : str
        Parameter that the user set, for the message.

    value : str or object
        An alias, or an instance of `base`.

    aliases : dict of str to callable
        Every known alias, and what makes its recipe with default parameters.

    base : type
        What an object must be an instance of.

    Returns
    -------
    recipe : object
        A new recipe: `value` itself is cloned, so that nothing of a fit leaks
        into the user's object.

    Raises
    ------
    ValueError
        If `value` is an unknown alias, an object of another kind, or one whose own
        parameters are out of range.
    """
    recipe = None
    if isinstance(value, base):
        recipe = clone(value)
    elif isinstance(value, str) and value in aliases:
        recipe = aliases[value]()
    if recipe is not None:
        validate_parameter_constraints(
            getattr(recipe, "_parameter_constraints", {}),
            recipe.get_params(deep=False),
            caller_name=type(recipe).__name__,
        )
        return recipe
    if isinstance(value, type) and issubclass(value, base):
        raise ValueError(
            f"{name} must be an alias or a {base.__name__} object; got the class "
            f"{value.__name__}. Give an object: {value.__name__}()."
        )
    raise ValueError(unknown_alias(name, value, aliases, f"a {base.__name__} object"))


def check_alias(name, value, aliases):
    """Refuse a name that is not in a table of aliases.

    Parameters
    ----------
    name : str
        Parameter that the user set, for the message.

    value : str
        What the user gave.

    aliases : dict or set of str
        Every known alias.

    Raises
    ------
    ValueError
        If `value` is not known; the message lists what is, and the nearest.
    """
    if not (isinstance(value, str) and value in aliases):
        raise ValueError(unknown_alias(name, value, aliases))


def unknown_alias(name, value, aliases, otherwise=None):
    """Say what a parameter may be, and which alias is nearest to what came."""
    expected = ", ".join(repr(alias) for alias in aliases)
    if otherwise is not None:
        expected += f" or {otherwise}"
    message = f"{name} must be one of {expected}; got {value!r}."
    if isinstance(value, str) and (near := get_close_matches(value, aliases, n=1)):
        message += f" Did you mean {near[0]!r}?"
    return message
