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
    known = ", ".join(repr(alias) for alias in aliases)
    message = (
        f"{name} must be one of {known} or a {base.__name__} object; got {value!r}."
    )
    if isinstance(value, str) and (near := get_close_matches(value, aliases, n=1)):
        message += f" Did you mean {near[0]!r}?"
    elif isinstance(value, type) and issubclass(value, base):
        message += f" Give an object: {value.__name__}()."
    raise ValueError(message)
