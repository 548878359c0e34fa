"""Whether the compiled loops are at hand. Importing Numba takes a second, so this waits for a run that repays it."""

from __future__ import annotations

import importlib
from types import ModuleType

_loaded: ModuleType | None = None


def load_kernels() -> ModuleType:
    """The module `fused_kernels`; all runs of the process have it from now on."""
    global _loaded
    if _loaded is None:
        _loaded = importlib.import_module("fieldsolver.methods.fused_kernels")
    return _loaded


def kernels() -> ModuleType | None:
    """The module `fused_kernels`, or None as long as nobody has loaded it."""
    return _loaded
