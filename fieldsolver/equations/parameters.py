"""Parameters of an equation: constants, tensors, and trainable values kept in their range by a change of variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import ParameterError

from .signals import Signal


class Parameter:
    """A trainable parameter.

    A positive one is stored as its logarithm, a bounded one as the logit of its place in the interval; gradients and
    optimisers act on the stored number, so no step can leave the range and nothing is clamped.

    Args:
        value: the starting value, a number or a tensor.
        positive: keep it above zero.
        bounds: keep it inside ``(low, high)``.

    Raises:
        ParameterError: the value is not finite or not inside its range.
    """

    def __init__(
        self,
        value: float | Tensor,
        *,
        positive: bool = False,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        self.value = as_parameter_tensor(value, "Parameter").detach()
        self.transform = _transform(self.value, positive, bounds)

    def raw(self) -> Tensor:
        """The stored, unconstrained value."""
        return self.transform.inverse(self.value)

    def __repr__(self) -> str:
        shown = f"{self.value.item():g}" if self.value.dim() == 0 else f"tensor{tuple(self.value.shape)}"
        return f"Parameter({shown}{self.transform})"


@dataclass(frozen=True)
class Spatial:
    """Marks a parameter that varies over the grid: ``(*grid)`` or ``(C, *grid)``, or matrices ``(d, d, *grid)``.

    One point along an axis says that it does not depend on it; such a parameter has values on the walls of that axis,
    and may stand in their boundary conditions.
    """

    value: Any


@dataclass(frozen=True)
class PerSample:
    """Marks a parameter with one value per sample of the batch: shape ``(B,)`` or ``(B, C)``."""

    value: Any


@dataclass(frozen=True)
class Free:
    """No constraint."""

    def forward(self, raw: Tensor) -> Tensor:
        """Stored to meant value."""
        return raw

    def inverse(self, value: Tensor) -> Tensor:
        """Meant to stored value."""
        return value.clone()

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class Positive(Free):
    """``value = exp(raw)``."""

    def forward(self, raw: Tensor) -> Tensor:
        return raw.exp()

    def inverse(self, value: Tensor) -> Tensor:
        return value.log()

    def __str__(self) -> str:
        return ", positive=True"


@dataclass(frozen=True)
class Bounded(Free):
    """``value = low + (high - low) sigmoid(raw)``."""

    low: float
    high: float

    def forward(self, raw: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * raw.sigmoid()

    def inverse(self, value: Tensor) -> Tensor:
        return torch.logit((value - self.low) / (self.high - self.low))

    def __str__(self) -> str:
        return f", bounds=({self.low:g}, {self.high:g})"


def as_parameter_tensor(value: Any, name: str) -> Tensor:
    """A float64 or complex128 tensor; numbers keep their full precision whatever the dtype of the state.

    Raises:
        ParameterError: it is not numeric or not finite.
    """
    try:
        # A tensor keeps its graph (somebody else may train it); numbers keep all their digits.
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(_all_digits(value))
    except (TypeError, ValueError, RuntimeError):
        raise ParameterError(f"{name} must be a number, a tensor or fs.Parameter, got {value!r}") from None
    if tensor.dtype == torch.bool:
        raise ParameterError(f"{name} must be numeric, got booleans")
    tensor = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
    if tensor.numel() == 0:
        raise ParameterError(f"{name} is empty, with shape {tuple(tensor.shape)}; give at least one number")
    if not torch.isfinite(tensor).all():
        raise ParameterError(f"{name} must be finite, got {value!r}")
    return tensor


def _all_digits(value: Any) -> Any:
    """Numbers and lists as arrays in double precision: torch would round them to its default dtype."""
    return np.array(value) if isinstance(value, (int, float, complex, list, tuple)) else value


@dataclass(frozen=True)
class Declared:
    """A parameter as an equation keeps it.

    Attributes:
        name: its name in the text.
        value: the starting value, float64 or complex128.
        transform: from stored to meant values; None for constants.
        components: number of components.
        place: ``"global"``, ``"matrix"``, ``"matrix field"``, ``"signal"``, ``"spatial"`` or ``"per sample"``.
    """

    name: str
    value: Tensor
    transform: Free | None
    components: int
    place: str

    @property
    def trainable(self) -> bool:
        """Whether an optimiser may change it."""
        return self.transform is not None


def declare(name: str, given: Any, grid_shape: Sequence[int]) -> Declared:
    """Read one entry of ``parameters={...}``.

    Raises:
        ParameterError: the shape fits neither a scalar, nor components, nor what a marker asks for.
    """
    if isinstance(given, Signal):
        return Declared(name, given.values, None, given.components, "signal")
    place = "global"
    if isinstance(given, (Spatial, PerSample)):
        place = "spatial" if isinstance(given, Spatial) else "per sample"
        given = given.value
    transform = given.transform if isinstance(given, Parameter) else None
    value = given.value if isinstance(given, Parameter) else as_parameter_tensor(given, f"parameter {name!r}")
    if place == "global" and value.dim() == 2:
        place = "matrix"
    if place == "spatial" and grid_shape and value.dim() == len(grid_shape) + 2:
        place = "matrix field"
    return Declared(name, value, transform, _components(name, value, place, tuple(grid_shape)), place)


def shaped(declared: Declared, value: Tensor, dimension: int) -> Tensor:
    """Bring a value to the layout of states, ``(*batch, C, *grid)``; scalars stay scalars."""
    ones = (1,) * dimension
    match declared.place:
        case "matrix" | "matrix field" | "signal":
            return value
        case "spatial":
            return value if declared.components > 1 else value.reshape(1, *value.shape[value.dim() - dimension :])
        case "per sample":
            return value if value.dim() == 2 + dimension else value.reshape(value.shape[0], declared.components, *ones)
    return value if value.dim() == 0 else value.reshape(-1, *ones)


def _components(name: str, value: Tensor, place: str, grid: tuple[int, ...]) -> int:
    shape = tuple(value.shape)
    match place:
        case "matrix":
            return 1
        case "matrix field":
            expected = (len(grid),) * 2 + grid
            if shape != expected:
                raise ParameterError(
                    f"fs.Spatial parameter {name!r} has shape {shape}, expected {expected} for a field of matrices"
                )
            return 1
        case "spatial":
            if not grid:
                raise ParameterError(f"parameter {name!r} is fs.Spatial, but the equation has no grid")
            own = shape[len(shape) - len(grid) :]
            fits = len(own) == len(grid) and all(n in (1, points) for n, points in zip(own, grid, strict=True))
            if not fits or len(shape) - len(grid) not in (0, 1):
                raise ParameterError(
                    f"fs.Spatial parameter {name!r} has shape {shape}, expected {grid} or (C, {str(grid)[1:]}, with 1 "
                    "along axes on which it does not depend"
                )
            return shape[0] if len(shape) > len(grid) else 1
        case "per sample":
            if len(shape) not in (1, 2):
                raise ParameterError(f"fs.PerSample parameter {name!r} has shape {shape}, expected (B,) or (B, C)")
            return shape[1] if len(shape) == 2 else 1
    if len(shape) > 1:
        raise ParameterError(
            f"parameter {name!r} has shape {shape}; give a number, a vector with one entry per component, "
            "fs.Spatial(tensor) for a field, or fs.PerSample(tensor)"
        )
    return shape[0] if shape else 1


def _transform(value: Tensor, positive: bool, bounds: tuple[float, float] | None) -> Free:
    if positive and bounds is not None:
        raise ParameterError("give positive=True or bounds=(low, high), not both")
    if (positive or bounds is not None) and value.is_complex():
        raise ParameterError("a complex parameter has no sign and no bounds; use two real ones")
    if positive:
        if not (value > 0).all():
            raise ParameterError(f"a positive parameter must start above zero, got {value.min().item():g}")
        return Positive()
    if bounds is not None:
        low, high = (float(bound) for bound in bounds)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ParameterError(
                f"bounds must be finite and increasing, got ({low:g}, {high:g}); for one side use positive"
            )
        if not ((value > low) & (value < high)).all():
            raise ParameterError(f"the start must lie strictly inside ({low:g}, {high:g}), got {value.tolist()}")
        return Bounded(low, high)
    return Free()
