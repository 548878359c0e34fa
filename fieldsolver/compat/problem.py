"""An initial value problem in torchdiffeq's terms: scalar t, one step size, a tensor or a tuple of tensors as state."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, StateError
from fieldsolver.stepping import VectorField

from .errors import OdeintOptionError, OdeintTypeError

State = Tensor | tuple[Tensor, ...]
Rate = Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Problem:
    """dy/dt = func(t, y) from y0, with the state as one tensor.

    Attributes:
        func: the user's function of a scalar t and a state in the user's form.
        y0: (*state); the tensors of a tuple are joined into (D,), as torchdiffeq does.
        shapes: those of the tensors of a tuple; None for a tensor.
    """

    func: Rate
    y0: Tensor
    shapes: tuple[torch.Size, ...] | None

    @property
    def real(self) -> torch.dtype:
        """The dtype in which func receives t."""
        return self.y0.real.dtype if self.y0.is_complex() else self.y0.dtype

    def to_user(self, y: Tensor) -> State:
        """(*lead, *state) in the user's form: the tensor itself, or a tuple of (*lead, *shape)."""
        if self.shapes is None:
            return y
        parts = y.split([shape.numel() for shape in self.shapes], dim=-1)
        return tuple(part.reshape((*y.shape[:-1], *shape)) for part, shape in zip(parts, self.shapes, strict=True))

    def rate(self, t: Tensor, y: Tensor) -> Tensor:
        """func at a scalar t and one state (*state), as one tensor like the state."""
        value = self.func(t.to(self.real), self.to_user(y))
        if self.shapes is not None:
            value = _joined(value, len(self.shapes))
        if not isinstance(value, Tensor):
            raise StateError(f"func(t, y) returned {type(value).__name__}, expected a tensor like y")
        if value.shape != y.shape:
            value = _broadcast(value, y)
        return value if value.dtype == y.dtype else value.to(y.dtype)

    def field(self) -> VectorField:
        """For the loop, as one sample; whatever func captures stays captured."""

        def function(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
            return self.rate(t[0], y[0]).unsqueeze(0)

        return VectorField(function)


def read_problem(func: Rate, y0: Any) -> Problem:
    """Check func and y0.

    Raises:
        OdeintOptionError: y0 is neither a tensor nor a tuple of tensors.
        StateError: y0 is of integers or booleans, or func cannot be called.
    """
    if not callable(func):
        raise StateError(f"func is {type(func).__name__}, expected a function or module func(t, y)")
    if isinstance(y0, Tensor):
        return Problem(func, _of_numbers("y0", y0), None)
    if not isinstance(y0, tuple) or not y0 or not all(isinstance(part, Tensor) for part in y0):
        raise OdeintOptionError(f"y0 is {type(y0).__name__}, expected a tensor or a tuple of tensors")
    parts = [_of_numbers(f"y0[{i}]", part).reshape(-1) for i, part in enumerate(y0)]
    return Problem(func, torch.cat(parts), tuple(part.shape for part in y0))


def _of_numbers(name: str, value: Tensor) -> Tensor:
    if not (value.is_floating_point() or value.is_complex()):
        raise StateError(f"{name} has dtype {value.dtype}, expected a floating or complex type; write {name}.double()")
    return value


def read_times(t: Any, y0: Tensor) -> Tensor:
    """Check the output times, and move them to the device of the state.

    Raises:
        OdeintOptionError: not a tensor (T,), or not strictly increasing or decreasing.
        OdeintTypeError: not of floating type.
    """
    if not isinstance(t, Tensor):
        raise OdeintOptionError(f"t is {type(t).__name__}, expected a tensor of times; write torch.tensor([0.0, 1.0])")
    if not t.is_floating_point():
        raise OdeintTypeError(f"t has dtype {t.dtype}, expected a floating type; write t.double()")
    if t.dim() != 1 or t.numel() == 0:
        raise OdeintOptionError(f"t has shape {tuple(t.shape)}, expected (T,) with at least one time")
    steps = t.detach().diff()
    if not (bool((steps > 0).all()) or bool((steps < 0).all())):
        raise OdeintOptionError("t is not strictly increasing or decreasing; sort it and drop repetitions")
    if t.device != y0.device:
        warnings.warn(f"t is on {t.device} and y0 on {y0.device}; t is moved there", FieldSolverWarning, stacklevel=4)
        return t.to(y0.device)
    return t


def read_tolerance(name: str, value: Any, problem: Problem) -> float | Tensor:
    """A number, or a tensor that broadcasts against one state; a tuple gives one for each tensor of a tuple state.

    Raises:
        OdeintOptionError: a tuple of the wrong length, or a tensor that requires a gradient or does not fit.
    """
    if isinstance(value, int | float):
        return float(value)
    if problem.shapes is not None and (isinstance(value, tuple | list) or _is_vector(value)):
        return _joined_tolerance(name, value, problem)
    tolerance = torch.as_tensor(value)
    if tolerance.requires_grad:
        raise OdeintOptionError(f"{name} requires a gradient, which the solution does not have; pass {name}.detach()")
    if tolerance.dim() == 0:
        return float(tolerance)
    try:
        fits = torch.broadcast_shapes(tolerance.shape, problem.y0.shape) == problem.y0.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise OdeintOptionError(
            f"{name} has shape {tuple(tolerance.shape)}, expected one that broadcasts to {tuple(problem.y0.shape)}"
        )
    return tolerance


def _is_vector(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 1


def _joined_tolerance(name: str, value: Any, problem: Problem) -> Tensor:
    shapes = problem.shapes or ()
    if len(value) != len(shapes):
        raise OdeintOptionError(f"{name} has {len(value)} entries, but y0 is {len(shapes)} tensors; give one for each")
    real = problem.y0.abs().dtype
    parts = [torch.as_tensor(v, dtype=real, device=problem.y0.device) for v in value]
    return torch.cat([part.expand(shape).reshape(-1) for part, shape in zip(parts, shapes, strict=True)]).detach()


def _joined(value: Any, tensors: int) -> Any:
    if isinstance(value, Tensor) or not isinstance(value, tuple | list) or len(value) != tensors:
        got = f"{len(value)} values" if isinstance(value, tuple | list) else type(value).__name__
        raise StateError(f"func(t, y) returned {got}, expected a tuple of {tensors} tensors, one for each of y")
    return torch.cat([part.reshape(-1) for part in value])


def _broadcast(value: Tensor, y: Tensor) -> Tensor:
    try:
        return value.expand_as(y)
    except RuntimeError:
        raise StateError(
            f"func(t, y) returned shape {tuple(value.shape)}, expected that of y, {tuple(y.shape)}"
        ) from None
