"""Where a result came from: the equation and the numbers that it was computed from, as attributes of a dataset."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation


class Provenance:
    """Collects what a study was given; started when the study starts, so that it knows how long it took.

    Args:
        f: the right-hand side, a declared equation or a function.
        state: the state that was looked at, if any: gives dtype and device, and enters the checksum.
        **options: numbers and words that a second run needs; None is left out.
    """

    def __init__(self, f: FieldEquation | Callable[..., Tensor], state: Tensor | None = None, **options: Any) -> None:
        self._started = time.perf_counter()
        self._entries: dict[str, Any] = {"equation": _text(f)}
        if state is not None:
            self._entries |= {"dtype": str(state.dtype).removeprefix("torch."), "device": str(state.device)}
        self._entries |= {name: _plain(value) for name, value in options.items() if value is not None}
        self._entries["inputs_sha256"] = _checksum(f, state, options)

    def attributes(self, **counts: int) -> dict[str, Any]:
        """Attributes of the dataset: the inputs, counts such as ``nfev``, ``njvp``, and the time it took."""
        return {**self._entries, **counts, "wall_time_s": time.perf_counter() - self._started}


def _text(f: Any) -> str:
    return str(f) if isinstance(f, FieldEquation) else getattr(f, "__qualname__", type(f).__name__)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):  # netCDF has none
        return int(value)
    return value if isinstance(value, (int, float, str)) else str(value)


def _checksum(f: Any, state: Tensor | None, options: dict[str, Any]) -> str:
    """Of the equation's text and parameters, the weights of its modules, the state, and the options."""
    digest = hashlib.sha256(_text(f).encode())
    tensors = dict(f.state_dict()) if isinstance(f, torch.nn.Module) else {}
    for name, value in [*sorted(tensors.items()), ("state", state)]:
        if isinstance(value, Tensor):
            digest.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().resolve_conj().numpy().tobytes())
    digest.update(repr(sorted((name, _plain(value)) for name, value in options.items())).encode())
    return digest.hexdigest()
