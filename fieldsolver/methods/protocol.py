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


Memory = tuple[Tensor, ...]
"""What a method carries from one step to the next besides the state; every tensor has the leading axis (B, ...)."""


@dataclass(slots=True)
class Step:
    """One attempted step of B samples. Nobody writes to it; it is not frozen because that would cost a microsecond.

    Attributes:
        t: (B,) float64, when the step started.
        dt: (B,) float64, the signed step sizes.
        y: (B, *state), where the step started.
        y_new: (B, *state), where it ended.
        error: (B, *state), local error estimate; None when there is none or it was not asked for.
        k: the stage derivatives, each (B, *state).
        memory: what the method carries to the next step if this one is accepted.
        coarse_error: (B, *state), a second estimate of lower order, of the methods whose error combines two.
        error_order: (B,) float64, order of the estimate of each sample, for methods that change theirs; else None.
    """

    t: Tensor
    dt: Tensor
    y: Tensor
    y_new: Tensor
    error: Tensor | None
    k: list[Tensor]
    memory: Memory = ()
    coarse_error: Tensor | None = None
    error_order: Tensor | None = None

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
        fsal: the last derivative of a step is the first of the next one.
        fixed_steps: steps of one size make sense; False for methods that choose their steps and their order together.
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
    @property
    def fixed_steps(self) -> bool: ...

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """The memory at a state from which nothing is known but k1 = f(t, y), (B, *state)."""
        ...

    def saved_evaluations(self, memory: Memory) -> int | Tensor:
        """Evaluations of f, out of `stages`, that a step does not need because of this memory.

        A number for all samples, or (B,) integers on the host where samples differ.
        """
        ...

    def __hash__(self) -> int: ...

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source, for lists of methods."""
        ...

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """Try one step; the error is computed only if `estimate`. Samples with dt = 0 stay where they are."""
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
