"""Set-up for every test: one thread, no window, and where the oracles lie."""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
import torch
from hypothesis import settings

from sk_hca.estimators import _execution

# The same examples in every run: a test that fails, fails for everybody.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# Small tensors gain nothing from threads, and parallel workers share few cores.
torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Skip what runs on a CUDA device where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def _auto_is_the_cpu():
    """Hide CUDA devices from estimators: formulas are computed on the CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_execution, "has_cuda", lambda: False)
        yield


@pytest.fixture(autouse=True)
def _devices_where_asked_for(request, monkeypatch):
    """Show CUDA devices to the tests that are marked with them."""
    if request.node.get_closest_marker("cuda"):
        monkeypatch.setattr(_execution, "has_cuda", torch.cuda.is_available)


_TESTS = Path(__file__).resolve().parent


def _oracle_folders():
    """Folders that may hold oracles: small ones in the tests, then optional ones."""
    named = os.environ.get("SK_HCA_ORACLES")
    optional = Path(named) if named else _TESTS.parents[1] / "shared" / "oracles"
    return [_TESTS / "data", optional]


@pytest.fixture
def load_oracle():
    """Return a function that reads an oracle by its file name, or skips the test.

    Oracles are inputs and outputs of the authors' released implementations.  Small ones
    are part of the tests; a folder of larger ones is optional and named by the
    environment variable ``SK_HCA_ORACLES``.
    """

    def load(name):
        for folder in _oracle_folders():
            if (folder / name).is_file():
                with np.load(folder / name) as oracle:
                    return dict(oracle)
        pytest.skip(
            f"needs the oracle {name}, which is not in tests/data; "
            "set SK_HCA_ORACLES to a folder that holds it"
        )

    return load
