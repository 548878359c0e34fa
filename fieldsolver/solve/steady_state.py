"""What `solve` does differently when it is to end in steady states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods.transformed import in_transform
from fieldsolver.stepping import Status, SteadyState, Trajectory

from .options import checked_span, resolved_tolerances
from .problem import Problem


def time_span(until: Any, t_span: Sequence[float] | None, backward: bool) -> tuple[float, float]:
    """Start and end of a solve; with `until` they may follow from its `max_time`, and the start is then 0.

    Raises:
        OptionError: `until` is no `fs.SteadyState`, or it is not clear when to give up.
    """
    if until is None:
        if t_span is None:
            raise OptionError(
                "t_span is missing; give start and end, as in t_span=(0.0, 10.0), or until=fs.SteadyState(max_time=1e3)"
            )
        return checked_span(t_span, backward)
    if not isinstance(until, SteadyState):
        raise OptionError(f"until is a condition such as fs.SteadyState(max_time=1e3), got {until!r}")
    if t_span is not None:
        if until.max_time is not None:
            raise OptionError("t_span and SteadyState(max_time=...) both say when to give up; leave one of them out")
        return checked_span(t_span, backward)
    if until.max_time is None:
        raise OptionError("when does a sample that does not come to rest give up? Write fs.SteadyState(max_time=1e3)")
    return 0.0, -float(until.max_time) if backward else float(until.max_time)


def resolved(until: SteadyState, problem: Problem) -> SteadyState:
    """With tolerances that are numbers, or tensors that broadcast against one state.

    Raises:
        OptionError: unknown fields, shapes that do not fit, or tolerances that round-off exceeds.
    """
    try:
        rtol, atol = resolved_tolerances(until.rtol, until.atol, problem)
    except OptionError as error:
        raise OptionError(f"of SteadyState: {error}") from None
    return replace(until, rtol=rtol, atol=atol)


def steady_gradient(usual: str, save_at: Any, events: Sequence[Any]) -> str:
    """The mode that is right when the user names none: implicit, unless more than the steady state is looked at."""
    return usual if usual == "none" or save_at is not None or events or in_transform() else "implicit"


def resting(values: Tensor, times: Tensor, trajectory: Trajectory, span: float) -> Tensor:
    """States at some times, where samples that have come to rest stay as they are from then on.

    Args:
        values: (*T, B, *state); NaN behind the end of a sample.
        times: (*T) float64 on the host, one axis or none.
        trajectory: what the states are of.
        span: t1 - t0.
    """
    late = (times.unsqueeze(-1) - trajectory.t_end) * span > 0
    late = (late & (trajectory.status == Status.STEADY)).to(values.device)
    if not late.any():
        return values
    return torch.where(late.view(*late.shape, *[1] * (values.dim() - late.dim())), trajectory.y_end, values)


def resting_dense(trajectory: Trajectory, span: float) -> Callable[[Tensor | float], Tensor] | None:
    """The dense output likewise; None without one."""
    dense = trajectory.dense
    if dense is None:
        return None
    return lambda t: resting(dense(t), torch.as_tensor(t, dtype=torch.float64).detach().cpu(), trajectory, span)


def time_to_converge(trajectory: Trajectory, t0: float) -> Tensor:
    """(B,) float64: how long each sample took to come to rest; NaN where it did not."""
    return torch.where(trajectory.status == Status.STEADY, (trajectory.t_end - t0).abs(), torch.nan)
