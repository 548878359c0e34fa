"""Exact gradient of the discrete solution by recording every accepted step: memory grows with their number.

The step sizes are constants of the gradient: differentiating through their choice would add noise of the controller.
Rejected steps leave no graph: on the host the loop makes an attempt again without the samples that rejected it, which
costs nothing where nobody does; on a device, where it does not wait to learn who did, the steps are found without a
graph, and the accepted ones repeated with one. Supports captured tensors, dense output and higher derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.methods import Method
from fieldsolver.stepping import Ends, Status, Trajectory, VectorField, integrate

from .none import without_gradient
from .probe import tracks_gradients

SEEN_ONCE = ("callback", "progress", "observers")
"""Options that must not act a second time when the steps are replayed."""


@dataclass(frozen=True)
class Direct:
    """The graph of every accepted step is kept."""

    name = "direct"

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Every method will do."""

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """See `direct`."""
        return direct(field, method, y0, t0, t1, ends=ends, **options)


def direct(
    field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None, **options: Any
) -> Trajectory:
    """Integrate with a graph from y0, the parameters, captured tensors and the ends to `saved`, `y_end` and `dense`.

    Args:
        field: the right-hand side.
        method: the scheme.
        y0: (B, *state), initial states.
        t0: start.
        t1: end.
        ends: the same two times as tensors, if somebody asks for their gradients.
        **options: those of `integrate`.
    """
    if ends is None and not tracks_gradients(field, t0, y0, options.get("events", ())):
        return without_gradient(field, method, y0, t0, t1, **options)
    options["ends"] = ends
    if y0.device.type == "cpu" or options.get("replay") is not None:
        return integrate(field, method, y0, t0, t1, **options)
    if options.get("dt") is not None or options.get("step_times") is not None:
        # The steps are known beforehand: one pass does, unless a sample fails. The graph of its failed step holds
        # infinities that would reach the gradients of the parameters; the replay leaves that step out.
        once = integrate(field, method, y0, t0, t1, **options)
        if all(Status(value).success for value in once.status.unique().tolist()):
            return once
        return _replay(once, field, method, y0, t0, t1, options)
    search = {key: value for key, value in options.items() if key not in ("save_at", "dense")}
    with torch.no_grad():
        found = integrate(field, method, y0.detach(), t0, t1, **search)
    return _replay(found, field, method, y0, t0, t1, options)


def _replay(
    found: Trajectory, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, options: dict[str, Any]
) -> Trajectory:
    """The accepted steps of `found` again, with a graph; costs and outcomes remain those of `found`."""
    quiet = {key: value for key, value in options.items() if key not in SEEN_ONCE}
    again = integrate(field, method, y0, t0, t1, **{**quiet, "replay": found.steps})
    return replace(found, saved=again.saved, y_end=again.y_end, dense=again.dense, events=again.events)
