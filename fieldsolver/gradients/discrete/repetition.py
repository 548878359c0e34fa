"""Single rows of a run, made once more: without a graph to find states, with one to differentiate them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import ExplicitRungeKutta, Memory, Method
from fieldsolver.stepping import Attempt, VectorField
from fieldsolver.stepping.arithmetic import masked
from fieldsolver.stepping.batch import Batch, Rest
from fieldsolver.stepping.compiled_method import CompiledMethod
from fieldsolver.stepping.ends import stretched
from fieldsolver.stepping.events import EventFunction, EventRecorder
from fieldsolver.stepping.interruption import go_on
from fieldsolver.stepping.vector_field import Parameters

from .rows import Row, RowRecorder, RowStart


@dataclass(frozen=True, slots=True)
class Part:
    """The samples of a row.

    Attributes:
        field: their right-hand side; its parameters are leaves.
        leaves: those of the parameters whose gradients are wanted.
        rest: where they wait, (n, *state).
        rows: (n,) their places in the full batch.
        places: (n,) the same on the device; None for all samples.
    """

    field: VectorField
    leaves: list[Tensor]
    rest: Rest
    rows: np.ndarray
    places: Tensor | None

    def pick(self, full: Tensor | None) -> Tensor | None:
        """(B, ...) -> (n, ...); None is zero."""
        return full if full is None or self.places is None else full.index_select(0, self.places)

    def put_back(self, full: Tensor | None, part: Tensor | None, samples: int) -> Tensor | None:
        """(n, ...) into a copy of (B, ...); None is zero."""
        if self.places is None or (part is None and full is None):
            return part
        part = full.new_zeros(self.rows.size, *full.shape[1:]) if part is None and full is not None else part
        if part is None:
            return None
        full = part.new_zeros((samples, *part.shape[1:])) if full is None else full
        return full.index_copy(0, self.places, part)


@dataclass(slots=True)
class Repeated:
    """One row made again.

    Attributes:
        batch: the samples behind it.
        attempt: the step, for save points.
        events: times, states before and states after its events, in the order of the run; None without any.
    """

    batch: Batch
    attempt: Attempt
    events: tuple[Tensor | None, Tensor | None, Tensor | None]


class Repetition:
    """Makes rows again.

    Args:
        field: the right-hand side of all B samples, with the parameters of the run.
        method: the scheme.
        record: the rows.
        t1: end of the run.
        wanted: for each parameter, whether its gradient is needed.
        events: what was looked for.

    Attributes:
        nfev: evaluations of f so far.
        renews: whether a row can begin from the state alone and gives the same numbers.
        can_omit: whether the last derivative of a row need not be made for the next one.
    """

    def __init__(
        self, field: VectorField, method: Method, record: RowRecorder, t1: float, wanted: Sequence[bool],
        events: Sequence[EventFunction] = (),
    ) -> None:  # fmt: skip
        self.field, self.method, self.record, self.t1, self.events = field, method, record, t1, tuple(events)
        self.wanted = [i for i, needed in enumerate(wanted) if needed]
        self.nfev = 0
        self.renews = renews(method) and not record.random
        self.can_omit = self.renews and method.fsal
        self._parts: dict[int, Part] = {}

    def part(self, row: Row) -> Part:
        """The samples of this row; rows of as many samples have the same ones."""
        size = row.rows.size
        if size not in self._parts:
            self._parts[size] = self._restricted(row.rows)
        return self._parts[size]

    def begin(self, number: int, start: RowStart, offset: Tensor | None = None) -> Memory:
        """What the method carries at the start of a row; made from the state where `start` does not know it.

        Args:
            number: of the row.
            start: what it starts from.
            offset: (n,) zeros with the derivatives of t; None if it has none.
        """
        if start.generators is not None:
            start.generators.restore()
        if start.memory is not None:
            return start.memory
        if self.renews and not self.method.fsal:
            return ()
        row = self.record.rows[number]
        part, t, y = self.part(row), row.rate_t, start.y
        moving = row.dt != 0.0
        if self.renews and torch.is_grad_enabled() and not moving.all():
            # The others may be where f has no derivative. Without a graph they take theirs along to later rows.
            t, y = np.where(moving, t, part.rest.t), masked(moving, y, part.rest.y)
        times = torch.from_numpy(t).to(y.device, non_blocking=True)
        if offset is not None:
            times = times + offset
        self.nfev += 1
        return self.method.start(part.field, times, y, part.field(times, y))

    def repeat(
        self, number: int, y: Tensor, memory: Memory, *, last_rate: bool, offset: Tensor | None = None,
        end_offset: Tensor | None = None,
    ) -> Repeated:  # fmt: skip
        """Make the steps of one row, and its events.

        Args:
            number: of the row.
            y: (n, *state), its start.
            memory: from `begin`, or from the row before.
            last_rate: whether anybody needs the derivative at the end of the steps; only where `renews` may it be left
                out, with FSAL methods.
            offset: (n,) zeros with the derivatives of t; None if it has none.
            end_offset: () zero with the derivative of t1, likewise.
        """
        row = self.record.rows[number]
        part = self.part(row)
        batch = Batch(part.field, row.rows, row.t, y, memory, part.rest, np)
        batch.offset = offset
        moved = row.dt != 0.0
        everyone = bool(moved.all())
        stretch = None if end_offset is None else stretched(end_offset, batch.upload(row.arriving(self.t1)))
        saved = self.method.saved_evaluations(memory)
        rates = self.method.stages - int(saved.min() if isinstance(saved, Tensor) else saved)
        if not last_rate:
            rates -= 1
            batch.field = replace(part.field, function=_First(part.field.function, rates))
        self.nfev += rates
        step = batch.attempt(self.method, row.dt, estimate=False, some_rest=not everyone, stretch=stretch)
        attempt = Attempt(batch.rows, row.t, row.t_new, row.dt, moved, None, step, y, (), part.field)
        batch.field = part.field
        batch.advance(step, moved, row.t_new, everyone)
        if not last_rate:
            batch.memory = ()
        if row.interruption is None:
            return Repeated(batch, attempt, (None, None, None))
        attempt.interruption, recorder = row.interruption, EventRecorder([event.name for event in self.events], y)
        self.nfev += self.method.extra_stages + bool(batch.memory)
        go_on(batch, self.method, row.interruption.repeated(self.events, self.method, attempt, recorder))
        return Repeated(batch, attempt, recorder.noted())

    def _restricted(self, rows: np.ndarray) -> Part:
        field, rest, places = self.field, self.record.rest, None
        if rows.size < self.record.samples:
            places = torch.from_numpy(rows).to(rest.y.device)
            field, rest = field.select(places), rest.select(places)
        parameters = tuple(p.detach().requires_grad_(i in self.wanted) for i, p in enumerate(field.parameters))
        leaves = [parameters[i] for i in self.wanted]
        return Part(field.with_parameters(parameters), leaves, rest, rows, places)


def renews(method: Method) -> bool:
    """Whether the next step gives the same numbers when it begins from the state alone: its memory is f(t, y), if any.

    A compiled step is left as it is; what it carries is kept.
    """
    return isinstance(method, ExplicitRungeKutta) or (isinstance(method, CompiledMethod) and not method.fsal)


class _First:
    """The first evaluations of f in a step; for the one behind them, which nobody will read, the state is returned."""

    def __init__(self, function: Callable[[Parameters, Tensor, Tensor], Tensor], evaluations: int) -> None:
        self._function, self._left = function, evaluations

    def __call__(self, parameters: Parameters, t: Tensor, y: Tensor) -> Tensor:
        self._left -= 1
        return self._function(parameters, t, y) if self._left >= 0 else y
