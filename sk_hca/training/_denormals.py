"""Numbers next to nothing, on which a CPU computes many times slower."""

from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals():
    """Let this thread take numbers next to nothing for nothing, and then as it did.

    The averages that an optimiser keeps of the gradients of a silent unit fade away
    through numbers below 1e-38, which a CPU handles one by one.
    """
    smallest = torch.tensor(torch.finfo(torch.float32).tiny)
    flushes = not bool(smallest / 2)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushes)
