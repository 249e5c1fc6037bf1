"""Pickles that hold what the user's script defines, and read tensors fast."""

import io
import pickle
import sys
from types import FunctionType
from typing import Any

import torch
from joblib import wrap_non_picklable_objects

# Types of tensors that numpy has too.
ARRAY_TYPES = {torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool}


class ScriptPickler(pickle.Pickler):
    """Pickle classes and functions of a script by their name, and whole.

    Where the script runs again, its own class is found by the name; another process,
    which has no such script, makes the class anew.  Plain tensors go as arrays, which
    are read many times faster: torch's own pickle of each is an archive by itself.
    """

    def reducer_override(self, obj):
        """Take care of tensors, and of what a script defines."""
        if type(obj) is torch.Tensor and is_plain(obj):
            return torch.from_numpy, (obj.numpy(),)
        is_code = isinstance(obj, (type, FunctionType))
        if not is_code or obj.__module__ != "__main__":
            return NotImplemented
        whole = wrap_non_picklable_objects([obj], keep_wrapper=False)
        return found_in_script, (obj.__qualname__, pickle.dumps(whole))


def is_plain(tensor):
    """Tell whether an array holds all there is to know of a tensor."""
    return (
        tensor.device.type == "cpu"
        and tensor.dtype in ARRAY_TYPES
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not (tensor.requires_grad or tensor.is_neg() or vars(tensor))
    )


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
