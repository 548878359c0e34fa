"""A whole run of fixed steps as a pure function of tensors: for compilers, exporters and `torch.func`.

Everything that the loop decides on the way is decided before it, in a `Timetable`; what is left is arithmetic. Nobody
looks at a number, so a sample that overflows is not stopped: it holds infinity or NaN from there on.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses import FakeTensor

from fieldsolver.methods import Method, Step
from fieldsolver.methods.protocol import Function
from fieldsolver.methods.transformed import in_function_transform

from .rolled_march import march_in_a_loop
from .timetable import AT_END, Place, Timetable

UNROLLED = 8
"""Steps that an exported program holds one by one; more become a loop."""


def march(f: Function, method: Method, y0: Tensor, timetable: Timetable) -> tuple[Tensor, Tensor]:
    """The values of ``integrate(f, method, y0, t0, t1, dt=dt, save_at=save_at)``, bit by bit while they are finite.

    Args:
        f: the right-hand side, a `VectorField` or any function of t (B,) float64 and y (B, *state).
        method: the scheme.
        y0: (B, *state), initial states.
        timetable: ``Timetable.of(t0, t1, dt, save_at)``.

    Returns:
        y_end (B, *state), and the save points (T, B, *state).
    """
    if torch.compiler.is_exporting() and len(timetable) > UNROLLED and timetable.saves_at_ends_only:
        y_end = march_in_a_loop(f, method, y0, timetable)
        return y_end, _stacked([y0] * timetable.at_start + [y_end] * len(timetable.places[-1]), y0)
    y, saved = y0, [y0] * timetable.at_start
    memory = None
    for start, size, places in zip(timetable.starts, timetable.sizes, timetable.places, strict=True):
        t, dt = _each(start, y0), _each(size, y0)
        if memory is None:
            memory = method.start(f, t, y, f(t, y))
        step = method.step(f, t, dt, y, memory, estimate=False)
        if places:
            saved += _save_points(f, method, step, places)
        y, memory = step.y_new, step.memory
    return y, _stacked(saved, y0)


def cannot_be_read(y: Tensor) -> bool:
    """Whether nobody may look at values: under a compiler or exporter, in a transform of `torch.func`, or on shapes."""
    return (
        torch.compiler.is_compiling()
        or torch.compiler.is_exporting()
        or in_function_transform()
        or isinstance(y, FakeTensor)
        or y.is_meta
    )


def _stacked(saved: list[Tensor], y0: Tensor) -> Tensor:
    return torch.stack(saved) if saved else y0.new_empty((0, *y0.shape))


def _save_points(f: Function, method: Method, step: Step, places: tuple[Place, ...]) -> list[Tensor]:
    whole = step if all(place is AT_END for place in places) else method.extend(f, step)
    return [step.y_new if at is AT_END else method.interpolate(whole, _each(at, step.y)) for at in places]


def _each(value: float, y: Tensor) -> Tensor:
    """(B,) float64, filled on the device of y: a copy from the host would wait for it."""
    return torch.full((y.shape[0],), value, dtype=torch.float64, device=y.device)
