"""Solves with fixed steps, and a reference made of finer ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.solve import solve

from .dataset import REFERENCE_SHARE
from .error_size import error_size

FINER = 8
"""A computed reference takes steps at least this many times finer than the finest level."""


@dataclass
class FixedSteps:
    """One initial value problem, solved again and again; counts its evaluations.

    Attributes:
        f, y0: as `solve` takes them.
        ends: start and end.
        options: further ones of `solve`.
        nfev: evaluations of the right-hand side so far.
    """

    f: FieldEquation | Callable[..., Tensor]
    y0: Mapping[str, Any] | Tensor
    ends: tuple[float, float]
    options: Mapping[str, Any]
    nfev: int = 0

    def final(self, method: str, dt: float) -> Tensor:
        """The state at the end."""
        t0, t1 = self.ends
        settings = {"max_steps": round((t1 - t0) / dt) + 1, **self.options, "progress": False}
        with torch.no_grad():
            run = solve(self.f, self.y0, t_span=self.ends, dt=dt, method=method, **settings)
        self.nfev += int(torch.as_tensor(run.stats.nfev).sum())
        return run.y[-1]

    def state(self, given: Any) -> Tensor:
        """An exact solution as a state: a dict of fields is packed."""
        return self.f.pack(given) if isinstance(self.f, FieldEquation) else torch.as_tensor(given)


@dataclass(frozen=True)
class Reference:
    """What the levels are compared with, how accurate it is, and what it is called."""

    value: Tensor
    error: float
    kind: str


def finer_reference(
    final: Callable[[float], Tensor], finest: float, order: float, norm: str, method: str | None = None
) -> Reference:
    """The same quantity from finer steps; its error is the distance to one of twice the step.

    ``e(2 dt) - e(dt) = (2^p - 1) e(dt) >= e(dt)`` for p >= 1: a safe estimate that does not rely on the claimed order.

    Args:
        final: the quantity as a function of the step size.
        finest: finest step of the ladder.
        order: of the method that computes the reference.
        norm: see `error_size`.
        method: the reference method where it is another one.
    """
    ratio = reference_ratio(order)
    value = final(finest / ratio)
    error = error_size(final(2 * finest / ratio), value, norm)
    by = "the same method" if method is None else method
    return Reference(value, error, f"reference by {by}, {ratio} times finer,")


def reference_ratio(order: float) -> int:
    """How many times finer a reference must be for its error estimate to stay below 1 % of the finest error.

    The estimate is ``(2^p - 1) r^-p`` of the finest error at ratio r; a power of two, at least 8.
    """
    needed = (2 * (2**order - 1) / REFERENCE_SHARE) ** (1 / order)
    return max(FINER, 2 ** math.ceil(math.log2(needed)))
