"""Pickles that hold what the user's script defines, for other processes."""

import io
import pickle
import sys
from types import FunctionType
from typing import Any

from joblib import wrap_non_picklable_objects


class ScriptPickler(pickle.Pickler):
    """Pickle classes and functions of a script by their name, and whole.

    Where the script runs again, its own class is found by the name; another process,
    which has no such script, makes the class anew.
    """

    def reducer_override(self, obj):
        """Take care of what a script defines."""
        is_code = isinstance(obj, (type, FunctionType))
        if not is_code or obj.__module__ != "__main__":
            return NotImplemented
        whole = wrap_non_picklable_objects([obj], keep_wrapper=False)
        return found_in_script, (obj.__qualname__, pickle.dumps(whole))


def found_in_script(name, whole):
    """Return what the running script calls by a name, or what was pickled."""
    found: Any = sys.modules["__main__"]
    for part in name.split("."):
        found = getattr(found, part, None)
    return pickle.loads(whole)[0] if found is None else found


def pickled(obj):
    """Pickle an object, with what a script defines, to bytes that pickle reads."""
    content = io.BytesIO()
    ScriptPickler(content).dump(obj)
    return content.getvalue()
