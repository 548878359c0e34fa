"""The `options` dictionary of torchdiffeq: what each family of methods takes from it, and what is left over."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, OptionError

UNLIMITED = 2**31 - 1
"""torchdiffeq's default of max_num_steps."""


@dataclass(frozen=True)
class AdaptiveOptions:
    """Options of the methods that choose their steps; the names are torchdiffeq's.

    Attributes:
        norm: of the scaled error, on a state in the user's form.
        first_step: size of the first step.
        step_t: times that steps end on.
        jump_t: times at which f jumps.
        safety: safety factor of the controller.
        ifactor: largest factor by which a step may grow.
        dfactor: smallest factor by which a step may shrink.
        min_step: steps of this size are accepted whatever their error.
        max_step: steps are not longer.
        max_num_steps: attempts between two output times.
        dtype: of torchdiffeq's clock; here it is float64 always.
    """

    norm: Callable[[Any], Any] | None = None
    first_step: float | None = None
    step_t: np.ndarray = field(default_factory=lambda: np.empty(0))
    jump_t: np.ndarray = field(default_factory=lambda: np.empty(0))
    safety: float | None = None
    ifactor: float | None = None
    dfactor: float | None = None
    min_step: float = 0.0
    max_step: float = math.inf
    max_num_steps: int = UNLIMITED
    dtype: torch.dtype = torch.float64


@dataclass(frozen=True)
class GridOptions:
    """Options of the methods on a fixed grid.

    Attributes:
        step_size: of an even grid; None takes the output times, or the constructor.
        grid_constructor: (func, y0, t) -> grid.
        interp: "linear" or "cubic".
        perturb: evaluate f strictly inside each step.
        max_order: of Adams methods.
        max_iters: of the Adams corrector.
        implicit: whether an Adams method is corrected.
    """

    step_size: float | None = None
    grid_constructor: Callable[[Any, Any, Tensor], Tensor] | None = None
    interp: str = "linear"
    perturb: bool = False
    max_order: int = 12
    max_iters: int = 4
    implicit: bool = True


def adaptive_options(options: Mapping[str, Any], method: str) -> AdaptiveOptions:
    """Read them; `read_options` says what is raised.

    Raises:
        OptionError: a time is in both step_t and jump_t, or twice in one of them.
    """
    readers: dict[str, Callable[[Any], Any]] = {
        "norm": _function, "first_step": _optional(_positive), "step_t": _times, "jump_t": _times,
        "safety": _positive, "ifactor": _positive, "dfactor": _positive, "min_step": float, "max_step": _positive,
        "max_num_steps": _count, "dtype": _real_dtype,
    }  # fmt: skip
    read = AdaptiveOptions(**read_options(options, readers, method))
    both = np.concatenate([read.step_t, read.jump_t])
    if np.unique(both).size != both.size:
        raise OptionError("step_t and jump_t hold a time twice, in one of them or between them; drop the repetition")
    return read


def grid_options(options: Mapping[str, Any], method: str, *, adams: bool) -> GridOptions:
    """Read them; `read_options` says what is raised.

    Raises:
        OptionError: both step_size and grid_constructor are given.
    """
    readers: dict[str, Callable[[Any], Any]] = {
        "step_size": _optional(_positive), "grid_constructor": _optional(_function), "interp": str, "perturb": bool,
    }  # fmt: skip
    if adams:
        readers |= {"max_order": int, "max_iters": int}
        if method != "explicit_adams":
            readers |= {"implicit": bool}
    kept = {key: value for key, value in options.items() if key != "norm"}  # accepted and not used, as in torchdiffeq
    read = GridOptions(**read_options(kept, readers, method))
    if read.step_size is not None and read.grid_constructor is not None:
        raise OptionError("step_size and grid_constructor both say where steps end; leave one of them out")
    return read


def read_options(
    options: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]], method: str
) -> dict[str, Any]:
    """Check each option by its reader; options that the method does not know bring a warning.

    Raises:
        OptionError: a value that makes no sense.
    """
    unused = {key: value for key, value in options.items() if key not in readers}
    if unused:
        warnings.warn(
            f"{method}: unexpected options {unused}, which change nothing; known: {', '.join(readers)}",
            FieldSolverWarning,
            stacklevel=5,
        )
    values = {}
    for name, reader in readers.items():
        if name in options:
            try:
                values[name] = reader(options[name])
            except (TypeError, ValueError, RuntimeError) as error:
                raise OptionError(f"options[{name!r}] = {options[name]!r} cannot be used: {error}") from None
    return values


def _optional(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else reader(value)


def _positive(value: Any) -> float:
    number = float(value)
    if not number > 0:
        raise ValueError("expected a positive number")
    return number


def _count(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("expected at least 1")
    return number


def _times(value: Any) -> np.ndarray:
    """(K,) float64, sorted; None is no time."""
    if value is None:
        return np.empty(0)
    times = torch.as_tensor(value, dtype=torch.float64).detach().cpu().reshape(-1)
    return np.sort(times.numpy())


def _function(value: Any) -> Callable[..., Any]:
    if not callable(value):
        raise TypeError("expected a function")
    function: Callable[..., Any] = value
    return function


def _real_dtype(value: Any) -> torch.dtype:
    if not isinstance(value, torch.dtype) or not value.is_floating_point:
        raise TypeError("expected a floating dtype")
    return value
