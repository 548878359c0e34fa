"""`march` as a loop of the program instead of one copy of the step per step: for exporters, whose files would grow."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop

from fieldsolver.methods import Method
from fieldsolver.methods.protocol import Function
from fieldsolver.methods.reversible import carries_memory

from .timetable import Timetable


def march_in_a_loop(f: Function, method: Method, y0: Tensor, timetable: Timetable) -> Tensor:
    """y_end of `march`, by one graph of one step and a loop around it.

    Args:
        f, method, y0: as in `march`.
        timetable: without save points inside, at least one step.
    """
    starts, sizes = (
        torch.tensor(times, dtype=torch.float64, device=y0.device) for times in (timetable.starts, timetable.sizes)
    )
    samples, steps = y0.shape[0], len(timetable)
    first = starts[0].expand(samples)
    memory = method.start(f, first, y0, f(first, y0)) if carries_memory(method) else ()

    def more(n: Tensor, y: Tensor, *memory: Tensor) -> Tensor:
        return n < steps

    def one(n: Tensor, y: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        t, dt = (times.index_select(0, n.reshape(1)).expand(samples) for times in (starts, sizes))
        step = method.step(f, t, dt, y, memory, estimate=False)
        return (n + 1, step.y_new.clone(), *(carried.clone() for carried in step.memory))

    number = torch.zeros((), dtype=torch.int64, device=y0.device)
    _, y_end, *_ = while_loop(more, one, (number, y0.clone(), *memory))
    return y_end
