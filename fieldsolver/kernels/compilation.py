"""How the loops of this room are compiled: IEEE arithmetic, cached on disk, rows over the threads where asked.

Never ``fastmath``: the certificates rest on every operation being rounded as written.
Importing this file imports Numba; only files of compiled loops do it.

Numba recompiles a loop when its own file has changed, not when a file has that was inlined into it. A proof must not
come from yesterday's loops: here the sources of the whole room are part of the key.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
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
    dispatcher: Any = numba.njit(error_model="numpy", nogil=True, parallel=parallel)(function)
    try:
        dispatcher._cache = _RoomCache(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written to
        return dispatcher
    return dispatcher


class _RoomCache(FunctionCache):
    """Numba's cache of one function, whose entries hold as long as no source of the room changes."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), sources_digest())


@functools.cache
def sources_digest() -> str:
    """SHA-256 of every source of this room."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
