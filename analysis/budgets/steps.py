"""Where the energy went between two save points: what every term brought, and what the steps added on top.

The steps of a solution are taken again. Along the method's own dense output ``u(t)`` of each step the power of every
term is integrated by Gauss-Legendre quadrature. Then

    E(t) - E(0) = sum_k work_k(t) + numerical(t)

and `numerical` is what the time integration added: of the order of the method in dt, and zero but for round-off where
the method conserves the energy. (The dense output may be of one order less: integrated against a power that changes
slowly, its error within a step counts once more in dt.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Method, Step, get_method

from ..orders.models import Floats
from .budget import Budget
from .record import CHUNK

AGREEMENT = 1e-6
"""Relative to the largest entry: how far the repeated steps may miss the saved states (float32: half its digits)."""


MISSED = "its steps, taken again, do not lead to its states"


@dataclass(frozen=True)
class Work:
    """What the terms brought since the start of the solution.

    Attributes:
        terms: ``(K, T, B)``, integral of the power of every term; NaN when the steps could not be followed.
        numerical: ``(T, B)``, the rest of the change of the energy.
        steps: number of accepted steps, (B,).
        dt: the size of all steps, or NaN when they differ.
        method: name of the method that made them, or ``""``.
        reason: why the steps were not followed; empty when they were.
    """

    terms: Floats
    numerical: Floats
    steps: Floats
    dt: float
    method: str
    reason: str


def follow(budget: Budget, solution: Any, states: Tensor, energy: Floats, progress: Callable[[float], None]) -> Work:
    """Take the steps of a solution again and integrate the budget along them.

    Args:
        budget: splits the energy by terms.
        solution: what `fieldsolver.solve` returned.
        states: its states, ``(T, B, C, *grid)``.
        energy: at the save points, ``(T, B)``.
        progress: is told the share of the steps done.
    """
    refused = _reason_against(solution, states)
    if refused:
        return not_followed(budget, energy, refused)
    log = solution.steps
    starts, sizes = log.rows
    walk = _Walk(budget, get_method(log.method), solution.t.detach().to(torch.float64), states)
    for n in range(len(sizes)):
        missed = walk.step(torch.from_numpy(starts[n].copy()), torch.from_numpy(sizes[n].copy()))
        if missed:
            return not_followed(budget, energy, missed)
        progress((n + 1) / len(sizes))
    work = walk.work()
    taken = sizes[sizes != 0]
    same = taken.size and np.ptp(taken) <= 1e-9 * np.abs(taken).max()
    return Work(
        terms=work,
        numerical=np.asarray(energy - energy[0] - work.sum(axis=0)),
        steps=np.asarray((sizes != 0).sum(axis=0), dtype=np.float64),
        dt=float(np.abs(taken).mean()) if same else math.nan,
        method=str(log.method),
        reason="",
    )


def not_followed(budget: Budget, energy: Floats, reason: str) -> Work:
    """NaN in place of every number, and why."""
    terms = np.full((len(budget.labels), *energy.shape), math.nan)
    blank = np.full(energy.shape, math.nan)
    return Work(terms, blank, np.full(energy.shape[1], math.nan), math.nan, "", reason)


def _reason_against(solution: Any, states: Tensor) -> str:
    log = getattr(solution, "steps", None)
    if log is None or not len(log) or log.method is None:
        return "the solution keeps no steps"
    if states.device.type != "cpu":
        return f"its states lie on {states.device}, and the clock of the steps on the host"
    if log.interruptions is not None:
        return "events interrupt its steps"
    try:
        method = get_method(log.method)
    except OptionError:
        return f"the method {log.method!r} is not known by name"
    if not method.fixed_steps:
        return f"{log.method} chooses its order on the way"
    if not torch.isfinite(states).all():
        return "the solution is not finite"
    starts = log.rows[0][0]
    if not (starts == float(solution.t[0])).all():
        return "its first save point is not its start"
    return ""


@dataclass(frozen=True)
class _Mark:
    """At save point `row` the samples `members` have done `before` whole steps and the piece of that number, if any."""

    row: int
    members: Tensor
    before: int
    piece: int | None


class _Walk:
    """All samples, step by step; what has to be integrated is collected and evaluated in pieces that fit memory."""

    def __init__(self, budget: Budget, method: Method, times: Tensor, states: Tensor) -> None:
        self._budget, self._method, self._times, self._saved = budget, method, times, states
        self._clock = times.cpu().numpy()
        self._y = states[0]
        self._tolerance = max(AGREEMENT, math.sqrt(torch.finfo(self._y.real.dtype).eps)) * float(states.abs().max())
        start = times[0].expand(len(self._y)).clone()
        self._memory = method.start(self._f, start, self._y, self._f(start, self._y))
        self._steps, self._pieces = Quadrature(budget, method), Quadrature(budget, method)
        self._marks: list[_Mark] = []

    def _f(self, t: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            return self._budget.equation(t, y)

    def step(self, t: Tensor, dt: Tensor) -> str:
        """One step of all samples; a sentence when it does not lead to the saved states."""
        with torch.no_grad():
            step = self._method.step(self._f, t, dt, self._y, self._memory, estimate=False)
            whole = self._method.extend(self._f, step)
        done = len(self._steps)
        self._steps.add(whole, torch.ones_like(t))
        moving, end, slack = dt != 0, t + dt, 1e-9 * dt.abs()
        for row in self._rows_within(torch.cat([t, end]), float(slack.max())):
            time = self._times[row]
            ahead = torch.sign(dt) * (time - t)
            inside = moving & (ahead > slack) & (ahead <= dt.abs() - slack)
            at_end = moving & ((time - end).abs() <= slack)
            if inside.any():
                theta = torch.where(inside, (time - t) / dt, 0.0)
                self._marks.append(_Mark(row, inside, done, len(self._pieces)))
                self._pieces.add(whole, theta)
                if self._misses(self._method.interpolate(whole, theta), row, inside):
                    return MISSED
            if at_end.any():
                self._marks.append(_Mark(row, at_end, done + 1, None))
                if self._misses(step.y_new, row, at_end):
                    return MISSED
        self._y, self._memory = step.y_new, step.memory
        return ""

    def _rows_within(self, ends: Tensor, slack: float) -> list[int]:
        """Save points that lie in the step of any sample."""
        low, high = float(ends.min()) - slack, float(ends.max()) + slack
        return [int(row) for row in np.flatnonzero((self._clock >= low) & (self._clock <= high))]

    def work(self) -> Floats:
        """What every term brought until the save points, ``(K, T, B)``."""
        steps, pieces = self._steps.values(), self._pieces.values()
        until = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(dim=1)], dim=1)
        work = torch.zeros(len(steps), len(self._times), steps.shape[2], dtype=torch.float64)
        for mark in self._marks:
            sums = until[:, mark.before] + (0.0 if mark.piece is None else pieces[:, mark.piece])
            work[:, mark.row, mark.members] = sums[:, mark.members]
        return np.asarray(work.numpy())

    def _misses(self, y: Tensor, row: int, members: Tensor) -> bool:
        wanted = self._saved[row][members]
        got = self._budget.equation.project(self._times[row], y)[members]
        return bool((got - wanted).abs().max() > self._tolerance)


class Quadrature:
    """Integrals of the power of every term from the start of a step to a fraction of it, by Gauss and Legendre."""

    def __init__(self, budget: Budget, method: Method) -> None:
        nodes, weights = np.polynomial.legendre.leggauss((method.order + 3) // 2 + 1)
        self._nodes, self._weights = (nodes + 1) / 2, torch.from_numpy(weights / 2)
        self._budget, self._method = budget, method
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self._done: list[Tensor] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, step: Step, theta: Tensor) -> None:
        """One more integral, to the fraction `theta` (B,)."""
        with torch.no_grad():
            at = [theta * float(node) for node in self._nodes]
            states = torch.stack([self._method.interpolate(step, part) for part in at])
        times = torch.stack([step.t + part * step.dt for part in at])
        self._waiting.append((times, states, theta * step.dt))
        self._count += 1
        if sum(states.numel() for _, states, _ in self._waiting) >= CHUNK:
            self._evaluate()

    def values(self) -> Tensor:
        """``(K, N, B)``, in the order in which they were added."""
        if self._waiting:
            self._evaluate()
        return torch.cat(self._done, dim=1) if self._done else torch.zeros(len(self._budget.labels), 0, 1)

    def take(self) -> Tensor:
        """The values, which are forgotten here."""
        values = self.values()
        self._done, self._count = [], 0
        return values

    def _evaluate(self) -> None:
        times, states, lengths = zip(*self._waiting, strict=True)
        powers = self._budget.terms(torch.cat(times), torch.cat(states)).cpu()  # (K, N m, B)
        split = powers.reshape(powers.shape[0], len(times), -1, powers.shape[-1])
        self._done.append((split * self._weights[:, None]).sum(dim=2) * torch.stack(lengths).cpu())
        self._waiting = []
