"""The gradient with respect to the output times.

The loop integrates over fixed numbers. With the initial time t_0 = s_0 + delta, delta = 0 as a number, it solves the
shifted problem dy/ds = f(s + delta, y), whose value at s_i is y(s_i + delta). From there one midpoint step of the size
t_i - (s_i + delta), which is 0 as a number, leads to t_i. It changes no value, and its first and second derivatives
are those of the solution.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .problem import Problem


def start_shift(t: Tensor) -> Tensor:
    """delta: zero, with the gradient of the initial time; float64."""
    start = t[0].double()
    return start - start.detach()


def moved_to(problem: Problem, t: Tensor, shift: Tensor, saved: Tensor) -> Tensor:
    """The states at t[1:], differentiable in t; the first one is the initial state, wherever it is.

    Args:
        problem: what is solved.
        t: (T,) output times with a graph.
        shift: from `start_shift`.
        saved: (T, *state), from the shifted problem.
    """
    moved = [saved[0]]
    for time, y in zip(t[1:].double(), saved[1:], strict=True):
        reached = time.detach() + shift
        size = (time - reached).to(problem.real)
        half = y + 0.5 * size * problem.rate(reached, y)
        moved.append(y + size * problem.rate(reached + 0.5 * (time - reached), half))
    return torch.stack(moved)
