"""Saving and resuming a solve: the user's `Checkpoint`, and what tells one solve from another."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver import _version
from fieldsolver.equations.graph import Node
from fieldsolver.errors import OptionError
from fieldsolver.stepping.keeper import Keeper

from .problem import Problem

Plain = Any
"""Numbers, text, lists and dicts of them."""


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds everything a solve needs to go on.

    Args:
        path: of the file; the folder must exist.
        every: seconds between two writes.

    Raises:
        OptionError: there is no such folder, the path is one, or the time is not positive.
    """

    path: str | os.PathLike[str]
    every: float = 60.0

    def __post_init__(self) -> None:
        number = isinstance(self.every, int | float) and not isinstance(self.every, bool)
        if not number or not (math.isfinite(self.every) and self.every > 0):
            raise OptionError(f"every is a positive number of seconds between two writes, got {self.every!r}")
        if not isinstance(self.path, str | os.PathLike):
            raise OptionError(f"a checkpoint has the path of a file, such as 'run.safetensors', got {self.path!r}")
        name = os.fspath(self.path)
        if not name or Path(self.path).is_dir():
            example = os.path.join(name, "run.safetensors")
            raise OptionError(f"checkpoint {name!r} is a folder; name a file in it, such as {example!r}")
        folder = Path(self.path).absolute().parent
        if not folder.is_dir():
            raise OptionError(f"checkpoint {name!r} is in a folder that does not exist; create {str(folder)!r} first")


def keeper_of(
    checkpoint: Checkpoint | str | os.PathLike[str] | None, f: Any, problem: Problem, mode: str, dense: bool,
    options: Mapping[str, Any],
) -> Keeper | None:  # fmt: skip
    """What writes and reads the checkpoint; None without one.

    Args:
        checkpoint: the user's option.
        f: what is solved.
        problem: the same for the loop.
        mode: of the gradient.
        dense: whether the interpolant is kept.
        options: what the numbers depend on besides f and y0, `replay` among them.

    Raises:
        OptionError: something else was asked for that a checkpoint does not hold.
    """
    if checkpoint is None:
        return None
    wanted = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    if mode != "none":
        raise OptionError(
            f"checkpoint= holds no graph, and gradient={mode!r} needs one; pass gradient='none', or solve inside "
            "torch.no_grad()"
        )
    for name, given in (("dense", dense), ("replay", options["replay"] is not None)):
        if given:
            raise OptionError(f"checkpoint= does not hold what {name}= needs; leave one of them out")
    about = {"fieldsolver": _version.__version__, "device": problem.y0.device.type, **_identity(f, problem)}
    return Keeper(Path(wanted.path), wanted.every, about | {key: plain(value) for key, value in options.items()})


def _identity(f: Any, problem: Problem) -> dict[str, Plain]:
    """The right-hand side and the initial state."""
    equation = problem.equation
    found: dict[str, Plain] = {"y0": plain(problem.y0), "weights": [plain(each) for each in problem.field.parameters]}
    if equation is None:
        return {"f": plain(f), **found}
    found |= {f"parameter {name}": plain(value) for name, value in equation.parameter_values().items()}
    return found | equation.fingerprint() | {"events of the equation": [str(event) for event in equation.events]}


def plain(value: Any) -> Plain:
    """An option as JSON can hold it: numbers and text as they are, arrays by a digest, functions by their name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, float) or math.isfinite(value) else str(value)  # NaN is not itself
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return _array(torch.as_tensor(value).detach().cpu())
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, Node):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Sequence):
        return _array(torch.tensor(value)) if _all_numbers(value) else [plain(part) for part in value]
    named: Callable[..., Any] | type = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _all_numbers(values: Sequence[Any]) -> bool:
    return len(values) > 2 and all(isinstance(value, int | float) for value in values)


def _array(values: Tensor) -> Plain:
    if values.dim() == 0:
        return str(values.item()) if values.is_complex() else plain(values.item())
    plain_values = values.resolve_conj().resolve_neg().contiguous()
    numbers = plain_values.view(torch.uint8) if plain_values.numel() else plain_values
    digest = hashlib.sha256(numbers.numpy().tobytes()).hexdigest()[:16]
    return f"{str(values.dtype).removeprefix('torch.')} {tuple(values.shape)} with the checksum {digest}"
