"""What `solve` does differently when it is to end in steady states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.gradients import GradientMode, get_gradient
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
    return usual if usual == "none" or save_at is not None or events else "implicit"


def refuse_unfit(mode: str | GradientMode | None, until: SteadyState | None) -> None:
    """Refuse the implicit gradient of what need not be a steady state.

    Raises:
        OptionError: the mode is implicit and there is no `until`.
    """
    if until is None and mode is not None and get_gradient(mode).name == "implicit":
        raise OptionError(
            "gradient='implicit' is the gradient of a steady state; add until=fs.SteadyState(), or use "
            "gradient='checkpointed'"
        )


def resting(saved: Tensor, times: Tensor, trajectory: Trajectory) -> Tensor:
    """Saved states (T, B, *state), where samples that have come to rest stay as they are from then on."""
    ends, at_rest = trajectory.t_end, trajectory.status == Status.STEADY
    forward = bool(times[0] <= times[-1])
    late = times.unsqueeze(1) > ends if forward else times.unsqueeze(1) < ends
    late = (late & at_rest).to(saved.device)
    if not late.any():
        return saved
    return torch.where(late.view(*late.shape, *[1] * (saved.dim() - 2)), trajectory.y_end, saved)


def resting_dense(trajectory: Trajectory, forward: bool) -> Callable[[Tensor | float], Tensor] | None:
    """The interpolant (), (T,) -> (B, *state), (T, B, *state), likewise; None without one."""
    dense = trajectory.dense
    if dense is None:
        return None

    def at(t: Tensor | float) -> Tensor:
        times = torch.as_tensor(t, dtype=torch.float64).detach().cpu()
        late = (times.unsqueeze(-1) - trajectory.t_end) * (1.0 if forward else -1.0) > 0
        return _held(dense(t), late, trajectory)

    return at


def time_to_converge(trajectory: Trajectory, t0: float) -> Tensor:
    """(B,) float64: how long each sample took to come to rest; NaN where it did not."""
    return torch.where(trajectory.status == Status.STEADY, (trajectory.t_end - t0).abs(), torch.nan)
