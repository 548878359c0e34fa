"""Adams methods of variable order on a given grid, as torchdiffeq starts and iterates them.

With f_j at the last k grid points and the step h from t_n to t_(n+1)::

    predictor   y_p = y_n + h sum_j w_j f_j,                     the integral of the polynomial through k values of f
    corrector   y   = y_n + h (v_0 f(t_(n+1), y) + sum_j v_j f_j)    likewise with the new one, by fixed-point iteration

The order grows by one in each step, from 3, once Kutta's 3/8 rule has made the first two. The weights are computed for
the grid that there is, so uneven grids are as accurate as even ones.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section III.1, eqs. (1.5), (1.9).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, OptionError
from fieldsolver.methods import Memory, MethodSummary, Step, get_method
from fieldsolver.methods.protocol import Function, per_sample
from fieldsolver.stepping.error_norm import Tolerance

from .errors import OdeintOptionError

LARGEST_ORDER = 12
FIRST_ORDER = 3
"""Values of f that the first multistep needs."""


Weights = Sequence[float | Tensor]
"""One for each value of f: numbers, or scalars with the graph of the times."""


class Adams:
    """Adams-Bashforth, or Adams-Bashforth-Moulton if `implicit`; see `Method`.

    Args:
        grid: (N + 1,) the times of the steps.
        implicit: iterate the corrector.
        max_order: largest order of the corrector; the predictor stays one below.
        max_iters: evaluations of the corrector in one step.
        rtol: relative tolerance of the iteration.
        atol: absolute tolerance of the iteration.
        live: the grid with its graph, where the weights shall carry the gradient of the times; None: they are numbers.

    Raises:
        OdeintOptionError: an order beyond 12.
        OptionError: no iterations.
    """

    order = 4
    error_order = None
    interpolant_order = None
    stages = 1
    extra_stages = 0
    fsal = False
    fixed_steps = True

    def __init__(
        self, grid: np.ndarray, *, implicit: bool, max_order: int, max_iters: int, rtol: Tolerance, atol: Tolerance,
        live: Tensor | None = None,
    ) -> None:  # fmt: skip
        if max_order > LARGEST_ORDER:
            raise OdeintOptionError(f"max_order = {max_order}, expected at most {LARGEST_ORDER}")
        if max_iters < 1:
            raise OptionError(f"max_iters = {max_iters}, expected at least 1")
        if max_order <= FIRST_ORDER:
            warnings.warn(
                f"max_order = {max_order} is below {FIRST_ORDER + 1}, so the method is rk4", FieldSolverWarning,
                stacklevel=4,
            )  # fmt: skip
        self.name = "implicit_adams" if implicit else "explicit_adams"
        self._grid, self._implicit = grid, implicit
        self._live = None if live is None else live.double()
        self._values = max(max_order - 1, 1)
        self._max_iters, self._rtol, self._atol = max_iters, rtol, atol
        self._direction = 1.0 if grid[-1] >= grid[0] else -1.0

    def describe(self) -> MethodSummary:
        """That of the starting method, which also bounds the order here."""
        return get_method("rk38").describe()

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """No earlier points: their number (n,) is 0, and the values are place holders."""
        return (torch.zeros_like(t), *(torch.zeros_like(y),) * (self._values - 1))

    def saved_evaluations(self, memory: Memory) -> int:
        """None."""
        return 0

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """One step; `memory` holds the number of earlier points and f there, the last one first."""
        if not memory:
            memory = self.start(f, t, y, y)
        count, *earlier = memory
        history = (f(t, y), *earlier)  # at most _values of them
        known = min(1 + int(count[0]), self._values)
        if known < FIRST_ORDER:
            y_new = get_method("rk38").step(f, t, dt, y, history[:1], estimate=False).y_new
        else:
            change, converged = self._multistep(f, t, dt, y, history[:known])
            y_new, known = y + change, known if converged else known - 1
        kept = (torch.full_like(count, known), *history[: len(earlier)])
        return Step(t, dt, y, y_new, None, [history[0]], kept)

    def extend(self, f: Function, step: Step) -> Step:
        """The same step."""
        return step

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """There is none of its own; `GridInterpolant` gives it one."""
        raise OptionError(f"method {self.name!r} has no interpolant; save only at step ends")

    def _multistep(self, f: Function, t: Tensor, dt: Tensor, y: Tensor, past: Memory) -> tuple[Tensor, bool]:
        """The change of y, and whether the corrector converged (true without one)."""
        times, h = self._direction * self._grid, per_sample(dt, y)
        n = int(np.searchsorted(times, self._direction * float(t.detach()[0]), side="right")) - 1
        change = h * _combined(self._weights(n, len(past), new=False), past)
        if not self._implicit:
            return change, True
        return self._corrected(f, t + dt, h, y, change, self._weights(n, len(past), new=True), past)

    def _weights(self, n: int, known: int, *, new: bool) -> Weights:
        """For the last grid points up to the n-th one, which is 0 in units of the step; `new`: for its end 1, too."""
        first, last = n - known + 1, n + 1 if new else n
        if self._live is None:
            past = self._grid[first : last + 1][::-1]
            return integration_weights(tuple(((past - self._grid[n]) / (self._grid[n + 1] - self._grid[n])).tolist()))
        points = self._live[first : last + 1].flip(0)
        return live_weights((points - self._live[n]) / (self._live[n + 1] - self._live[n]))

    def _corrected(
        self, f: Function, t_new: Tensor, h: Tensor, y: Tensor, change: Tensor, weights: Weights, past: Memory
    ) -> tuple[Tensor, bool]:
        """The corrector's fixed point, and whether the iteration found it."""
        implicit, *explicit = weights
        known = h * _combined(explicit, past)
        for _ in range(self._max_iters):
            before, change = change, known + implicit * h * f(t_new, y + change)
            scale = self._atol + self._rtol * before.detach().abs().maximum(change.detach().abs())
            if bool(((change - before).detach().abs() < scale).all()):
                return change, True
        warnings.warn(
            "The fixed-point iteration of the Adams corrector did not converge; take smaller steps or raise max_iters",
            FieldSolverWarning,
            stacklevel=2,
        )
        return change, False


@lru_cache(maxsize=256)
def integration_weights(nodes: tuple[float, ...]) -> tuple[float, ...]:
    """w_j with int_0^1 p(s) ds = sum_j w_j p(s_j) for polynomials p of degree below the number of nodes s_j.

    Each w_j is the integral of the Lagrange polynomial of its node, by a Gauss rule that is exact for it.
    """
    s = np.array(nodes)
    points, weights = np.polynomial.legendre.leggauss((s.size + 1) // 2)
    x = 0.5 * (points + 1.0)
    ratios = (x[:, None, None] - s) / (s[:, None] - s + np.eye(s.size))  # (point, j, m), m = j is left out
    ratios[:, np.arange(s.size), np.arange(s.size)] = 1.0
    return tuple((0.5 * weights @ ratios.prod(axis=2)).tolist())


def live_weights(nodes: Tensor) -> tuple[Tensor, ...]:
    """`integration_weights` of nodes (N,) with a graph: the same rule, whose points do not depend on the nodes."""
    points, rule = (torch.from_numpy(x).to(nodes) for x in np.polynomial.legendre.leggauss((len(nodes) + 1) // 2))
    same = torch.eye(len(nodes), dtype=torch.bool, device=nodes.device)
    between = torch.where(same, 1.0, nodes[:, None] - nodes)
    ratios = torch.where(same, 1.0, (0.5 * (points + 1.0)[:, None, None] - nodes) / between)
    return tuple((0.5 * rule @ ratios.prod(dim=2)).unbind())


def _combined(weights: Weights, values: Memory) -> Tensor:
    """sum_j w_j f_j."""
    total = weights[0] * values[0]
    for weight, value in zip(weights[1:], values[1:], strict=False):
        total = total + weight * value
    return total
