"""One run of a layer's equation over B samples: by `solve`, or by `march` where nobody may look at a number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.graph import Depends, walk
from fieldsolver.errors import OptionError
from fieldsolver.solve import solve
from fieldsolver.stepping.march import cannot_be_read, march
from fieldsolver.stepping.timetable import Timetable

from .run_options import RunOptions, for_this_call, plain

FEW = 16
"""Up to so many steps are made without the loop, where nothing has to be decided."""


@dataclass(frozen=True)
class Span:
    """From 0 to `duration` with save points, and their fixed steps if there are any.

    Attributes:
        duration: positive.
        save_at: times of the save points, T of them.
        dt: size of the steps; None where they are chosen while they are made.
        steps: what a compiler needs instead of a loop that decides.
    """

    duration: float
    save_at: tuple[float, ...]
    dt: float | None
    steps: Timetable | None

    @classmethod
    def of(cls, duration: float, save_at: tuple[float, ...], dt: float | None) -> Span:
        """The steps are worked out here, once."""
        times = torch.tensor(save_at, dtype=torch.float64)
        return cls(duration, save_at, dt, None if dt is None else Timetable.of(0.0, duration, dt, times))

    def up_to_date(self, dt: float | None) -> Span:
        """Itself, unless the user has changed the step."""
        return self if dt == self.dt else Span.of(self.duration, self.save_at, dt)


def run(equation: FieldEquation, y: Tensor, span: Span, options: RunOptions, start: float | Tensor = 0.0) -> Tensor:
    """``(T, B, C, *grid)``: the state at the save points.

    Under a compiler, an exporter or a transform of `torch.func` the steps are those of `march`: the same numbers, but
    a sample that overflows is not refused, it holds NaN.

    Args:
        equation: bound to the inputs.
        y: ``(B, C, *grid)`` initial states.
        span: how long, and what is saved.
        options: of the layer.
        start: the time at which the span begins; ``(B,)`` where numbers cannot be read, one for each sample.

    Raises:
        OptionError: adaptive steps, or events, where numbers cannot be read.
        SolveFailed: a sample ended early.
    """
    if cannot_be_read(y):
        return _marched(equation, y, span, options, start)
    if isinstance(start, Tensor):
        raise OptionError("a run whose samples begin at times of their own is one for each of these times")
    if _few_plain_steps(equation, y, span, options):
        version = y._version
        saved = _marched(equation, y, span, options, start)
        if bool(torch.isfinite(saved).all()) and y._version == version:
            return saved  # otherwise `solve` says what is wrong
    times = [start + time for time in span.save_at]
    run_from = (start, start + span.duration)
    return solve(equation, y, t_span=run_from, save_at=times, **for_this_call(options)).y


def _few_plain_steps(equation: FieldEquation, y: Tensor, span: Span, options: RunOptions) -> bool:
    """Whether the loop has nothing to decide and costs more than the steps: `march` gives the same numbers."""
    direct = options["gradient"].name == "direct" or not torch.is_grad_enabled()
    known = span.steps is not None and len(span.steps) <= min(FEW, options["max_steps"])
    return direct and known and isinstance(options["method"], str) and not equation.events and not y.is_inference()


def _marched(equation: FieldEquation, y: Tensor, span: Span, options: RunOptions, start: float | Tensor) -> Tensor:
    if span.steps is None:
        raise OptionError(
            "adaptive steps depend on the numbers, which torch.compile, torch.export and torch.func cannot read; make "
            "the layer with fixed steps, dt="
        )
    if equation.events:
        raise OptionError("events depend on the numbers, which torch.compile, torch.export and torch.func cannot read")
    function, parameters = equation.pure()

    def f(t: Tensor, state: Tensor) -> Tensor:
        return function(parameters, t + start if isinstance(start, Tensor) or start else t, state)

    saved = march(f, plain(options["method"]), y, span.steps)[1]
    if not equation.holds_nodes:
        return saved
    times = [torch.as_tensor(start + time, dtype=torch.float64, device=y.device) for time in span.save_at]
    return torch.stack([equation.project(t, row) for t, row in zip(times, saved, strict=True)])


def depends_on_time(equation: FieldEquation) -> bool:
    """Whether a run that begins later may be another one: something in it, or a wall, is a function of time."""
    layout = equation.layout
    on_walls = [node for sides in layout.wall_values.values() for node in sides.values()]
    nodes = [*equation.right_sides.values(), *on_walls, *layout.mask_values.values()]
    return bool(equation.events) or any(node.depends & (Depends.TIME | Depends.NOISE) for node in walk(*nodes))
