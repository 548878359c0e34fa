"""One row of a run, differentiated backward: from the adjoint at its end to that at its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Memory
from fieldsolver.stepping.saving import interpolate_at

from .repetition import Repetition
from .rows import RowStart

EventGradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of the times (K,), the states before and the states after (K, *state) of K logged events; None is zero."""


@dataclass(frozen=True, slots=True)
class Adjoint:
    """Gradient of the loss with respect to what one row hands to the next; None is zero.

    Attributes:
        y: (n, *state).
        memory: of each tensor that the method carries.
        offset: (n,) of the time at which the next step starts.
    """

    y: Tensor | None
    memory: tuple[Tensor | None, ...] = ()
    offset: Tensor | None = None

    @property
    def zero(self) -> bool:
        """Whether nothing arrives."""
        return self.y is None and self.offset is None and all(part is None for part in self.memory)


@dataclass(frozen=True, slots=True)
class Saved:
    """The save points inside one row, and the gradient that arrives there.

    Attributes:
        times: (P,) float64.
        sample: (P,) places of the samples in the row.
        gradient: (P, *state).
        inside: whether some of them lie before the end of their step.
    """

    times: np.ndarray
    sample: np.ndarray
    gradient: Tensor
    inside: bool


@dataclass(frozen=True, slots=True)
class Arriving:
    """What a row is differentiated for, besides what it hands to the next one.

    Attributes:
        saved: gradients of the save points inside.
        logged: gradients of its events.
        carries_on: whether its first derivative is the last one of the row before, for methods that can also begin
            without.
        last_rate: whether anything depends on its own last derivative.
        moves_end: whether the gradient of t1 is wanted, and some of its steps lead there.
    """

    saved: Saved | None
    logged: EventGradients | None
    carries_on: bool
    last_rate: bool
    moves_end: bool

    @property
    def nothing(self) -> bool:
        """Whether nothing arrives here."""
        return self.saved is None and self.logged is None


Reached = list[tuple[Tensor, Tensor]]
"""Outputs and their cotangents."""
Totals = list[Tensor | None]
"""Gradients of the wanted parameters, and of t1 behind them, from the rows so far; None is zero."""


def pull_back(
    repetition: Repetition, number: int, start: RowStart, adjoint: Adjoint, arriving: Arriving, totals: Totals
) -> tuple[Adjoint, Totals]:
    """The adjoint at the start of a row from that at its end, and the totals with the row's share.

    A total enters as the cotangent of its own leaf. So all contributions are added one by one in the order of `direct`,
    and the sums round alike.
    """
    reached, inputs, carried = _graph(repetition, number, start, adjoint, arriving, totals)
    found_y, *found = _gradients(reached, inputs)
    after = found[carried + 1 :] if arriving.moves_end else [*found[carried + 1 : -1], totals[-1]]
    return Adjoint(found_y, tuple(found[:carried]), found[carried]), after


def _graph(
    repetition: Repetition, number: int, start: RowStart, adjoint: Adjoint, arriving: Arriving, totals: Totals
) -> tuple[Reached, list[Tensor | None], int]:
    """A row with its graph: its outputs with what arrives there, its inputs, and how many of these are memory.

    The inputs are y, the memory, the offset, the parameters and the end. Stages that the graph does not need are freed
    with this frame.
    """
    row = repetition.record.rows[number]
    leaves = repetition.part(row).leaves
    with torch.enable_grad():
        y = start.y.detach().requires_grad_()
        offset = _zeros(y, y.shape[0]) if row.late else None
        end = _zeros(y) if arriving.moves_end else None
        memory, carried = _beginning(repetition, number, RowStart(y, start.memory, start.generators), arriving, offset)
        made = repetition.repeat(number, y, memory, last_rate=arriving.last_rate, offset=offset, end_offset=end)
        outputs = [*zip(leaves, totals, strict=False), (end, totals[-1]), (made.batch.y, adjoint.y)]
        outputs += [*zip(made.batch.memory, adjoint.memory, strict=False), (made.batch.offset, adjoint.offset)]
        if arriving.logged is not None:
            outputs += zip(made.events, arriving.logged, strict=True)
        saved = arriving.saved
        if saved is not None:
            repetition.nfev += repetition.method.extra_stages * saved.inside
            values = interpolate_at(repetition.method, made.attempt, saved.times, saved.sample)
            outputs.append((values, saved.gradient))
    reached = [(out, grad) for out, grad in outputs if grad is not None and out is not None and out.requires_grad]
    inputs = [x if x is not None and x.requires_grad else None for x in (y, *carried, offset, *leaves, end)]
    return reached, inputs, len(carried)


def _beginning(
    repetition: Repetition, number: int, start: RowStart, arriving: Arriving, offset: Tensor | None
) -> tuple[Memory, Memory]:
    """What the method carries at the start of a row, and which of it the row before is to be asked about."""
    if start.memory is None and not arriving.carries_on:
        return repetition.begin(number, start, offset), ()
    with torch.no_grad():
        memory = repetition.begin(number, start)
    # Integers and the like carry no gradient.
    carried = tuple(x.detach().requires_grad_(x.is_floating_point() or x.is_complex()) for x in memory)
    return carried, carried


def _gradients(reached: Reached, inputs: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Of all inputs, None for those that are None or are not reached."""
    wanted = [x for x in inputs if x is not None]
    if not reached:
        return [None] * len(inputs)
    outputs, cotangents = zip(*reached, strict=True)
    found = iter(torch.autograd.grad(outputs, wanted, cotangents, allow_unused=True))
    return [None if x is None else next(found) for x in inputs]


def _zeros(y: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64, device=y.device, requires_grad=True)
