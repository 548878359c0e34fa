"""What the loop asks of a one-step method, and the record of one attempted step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .summary import MethodSummary

Function = Callable[[Tensor, Tensor], Tensor]
"""f(t, y): t (B,) float64, y (B, *state) -> (B, *state)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One attempted step of B samples.

    Attributes:
        t: (B,) float64, when the step started.
        dt: (B,) float64, the signed step sizes.
        y: (B, *state), where the step started.
        y_new: (B, *state), where it ended.
        error: (B, *state), local error estimate; None when there is none or it was not asked for.
        k: the stage derivatives, each (B, *state).
        coarse_error: (B, *state), a second estimate of lower order, of the methods whose error combines two.
    """

    t: Tensor
    dt: Tensor
    y: Tensor
    y_new: Tensor
    error: Tensor | None
    k: list[Tensor]
    coarse_error: Tensor | None = None

    def select(self, rows: Tensor) -> Step:
        """The step of some samples, for interpolation (the errors are dropped)."""
        pick = [tensor.index_select(0, rows) for tensor in (self.t, self.dt, self.y, self.y_new, *self.k)]
        return Step(t=pick[0], dt=pick[1], y=pick[2], y_new=pick[3], error=None, k=pick[4:])


class Method(Protocol):
    """A one-step method.

    Attributes:
        name: the literature's name.
        order: order of the solution it advances.
        error_order: q such that the error estimate behaves like O(h^(q+1)); None without an estimate.
        interpolant_order: order of `interpolate`.
        stages: evaluations of f in a step that starts without `k1`.
        extra_stages: evaluations of f in `extend`.
        fsal: the last derivative of a step serves as `k1` of the next one.
    """

    @property
    def name(self) -> str: ...
    @property
    def order(self) -> int: ...
    @property
    def error_order(self) -> int | None: ...
    @property
    def interpolant_order(self) -> int | None: ...
    @property
    def stages(self) -> int: ...
    @property
    def extra_stages(self) -> int: ...
    @property
    def fsal(self) -> bool: ...

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source, for lists of methods."""
        ...

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, k1: Tensor | None = None, *, estimate: bool = True
    ) -> Step:
        """Try one step; `k1 = f(t, y)` is evaluated unless given, the error only if `estimate`."""
        ...

    def extend(self, f: Function, step: Step) -> Step:
        """The step with the stages that only `interpolate` needs; the same step where there are none (most methods)."""
        ...

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """y(t + theta dt) within a step from `extend`: theta (B,) float64 in [0, 1] -> (B, *state)."""
        ...


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Cast (B,) float64 values to the real dtype of a state and shape them (B, 1, ..., 1) to multiply it.

    The cast keeps a float32 state float32: time runs in float64, the state does not.
    """
    real = torch.view_as_real(like).dtype if like.is_complex() else like.dtype
    return values.to(real).view(-1, *[1] * (like.dim() - 1))
