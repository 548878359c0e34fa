"""How the loops of this room are compiled: IEEE arithmetic, cached on disk, rows over the threads where asked.

Never ``fastmath``: the certificates rest on every operation being rounded as written.
Importing this file imports Numba; only files of compiled loops do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.extending import register_jitable


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call; the result is kept on disk where there is a place for it."""
    return _compile(function, parallel=False)


def threaded(function: Callable[..., Any]) -> Any:
    """The same, with the iterations of `numba.prange` spread over Numba's threads."""
    return _compile(function, parallel=True)


def helper(function: Callable[..., Any]) -> Any:
    """Compiled where compiled code calls it, plain where Python does: for loops that also run on big integers."""
    return register_jitable(function)


def _compile(function: Callable[..., Any], *, parallel: bool) -> Any:
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True, parallel=parallel)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written to
        return numba.njit(error_model="numpy", nogil=True, parallel=parallel)(function)
