"""What a tolerance means: global errors in proportion to it, local errors below their estimates."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.methods import METHODS, ExplicitRungeKutta, ReversibleMethod, adaptive_methods
from fieldsolver.testing import REFERENCE_PROBLEMS, ReferenceProblem

DISSIPATIVE = [
    "linear",
    "y' = -2 t y",
    "Prothero-Robinson, rate -10",
    "Hairer-Wanner 1.1",
    "Kvaerno-Prothero-Robinson",
]
STABLE = [name for name in adaptive_methods() if not isinstance(METHODS[name], ReversibleMethod)]
"""Reversible methods let errors grow where these solutions decay; their own tests say by how much."""
LARGEST = 1e3
SMALLEST = {"vern7": 1e-3, "vern9": 1e-3}
"""1e-2 but for two: their estimates are of one order less than the solutions that they advance with, on steps so long
that it makes a difference of a thousand; they are more accurate than asked (measured: 0.002 at the least)."""


TIGHTEST = {2: 6, 3: 7}
"""Exponents that methods of low order reach in a thousand steps; the others go on to 10."""


def largest_error(problem: ReferenceProblem, method: str, tolerance: float) -> float:
    """Over the whole time span, in units of 1 + |y| (at one time alone errors may cancel)."""
    times = torch.linspace(*problem.t_span, 33, dtype=torch.float64)
    options = {"rtol": tolerance, "atol": tolerance, "save_at": times, "gradient": "none", "max_steps": 1_000_000}
    exact = problem.exact(times)
    y = fs.solve(problem.f, problem.y0, t_span=problem.t_span, method=method, **options).y
    return float(((y - exact).abs() / (1 + exact.abs())).max())


def check(method: str, name: str, exponents: Iterable[int]) -> None:
    for exponent in exponents:
        ratio = largest_error(REFERENCE_PROBLEMS[name], method, 10.0**-exponent) * 10.0**exponent
        assert SMALLEST.get(method, 1e-2) <= ratio <= LARGEST, (exponent, ratio)


@pytest.mark.parametrize("name", DISSIPATIVE[:2])
@pytest.mark.parametrize("method", STABLE)
def test_errors_are_proportional_to_the_tolerance(method: str, name: str) -> None:
    tightest = TIGHTEST.get(METHODS[method].order, 10)
    check(method, name, {3, (3 + tightest) // 2, tightest})


@pytest.mark.slow
@pytest.mark.parametrize("name", DISSIPATIVE)
@pytest.mark.parametrize("method", STABLE)
def test_errors_are_proportional_to_the_tolerance_at_every_level(method: str, name: str) -> None:
    """Down to 1e-10; methods of low order, which need 10^5 steps for that, on one of the problems."""
    whole = name == "y' = -2 t y"
    check(method, name, range(3, 11 if whole else 1 + TIGHTEST.get(METHODS[method].order, 10)))


SMOOTH = ["y' = -2 t y", "y' = y cos t", "linear", "Kvaerno-Prothero-Robinson", "Kepler, eccentricity 0.6", "y' = y^2"]
ROUNDING = 5e-15


def local_errors(problem: ReferenceProblem, method: str, tolerance: float) -> tuple[Tensor, Tensor, Tensor]:
    """RMS of the estimates, of the true local errors, and the latter in units of the tolerance: (steps,) each.

    The steps are those that the solver chose, all taken at once from the exact solution, so that what they miss at
    their ends is their local error and nothing else.
    """
    options = {"rtol": tolerance, "atol": tolerance, "gradient": "none"}
    solution = fs.solve(problem.f, problem.y0, t_span=problem.t_span, method=method, **options)
    t, dt = torch.cat(solution.steps.t), torch.cat(solution.steps.dt)
    y, y_end = problem.exact(t), problem.exact(t + dt)

    def f(t: Tensor, y: Tensor) -> Tensor:
        return problem.f(t.unsqueeze(-1), y)

    step = METHODS[method].step(f, t, dt, y, METHODS[method].start(f, t, y, f(t, y)), estimate=True)
    estimate, missed = rms(step.error), step.y_new - y_end
    if step.coarse_error is not None:  # dop853: e^2 / sqrt(e^2 + 0.01 c^2)
        estimate = estimate**2 / torch.hypot(estimate, 0.1 * rms(step.coarse_error))
    measurable = rms(missed) > ROUNDING * (1 + rms(y))
    scaled = rms(missed / (tolerance * (1 + torch.maximum(y.abs(), y_end.abs()))))
    return estimate[measurable], rms(missed)[measurable], scaled[measurable]


def rms(values: Tensor) -> Tensor:
    return values.square().mean(-1).sqrt()


@pytest.mark.parametrize("method", [m for m in adaptive_methods() if isinstance(METHODS[m], ExplicitRungeKutta)])
def test_the_estimate_bounds_the_true_local_error(method: str) -> None:
    """On at least nine of ten steps over six smooth problems; the rest is where the estimate passes through zero.

    dop853 is allowed 15 %: its estimate is of the order of the error itself, to be close to it and not above it.
    """
    tolerance = 1e-5 if METHODS[method].order < 4 else 1e-8
    found = [local_errors(REFERENCE_PROBLEMS[name], method, tolerance) for name in SMOOTH]
    estimate, missed, scaled = (torch.cat(values) for values in zip(*found, strict=True))
    assert len(missed) > 70
    assert float((estimate >= missed).double().mean()) >= (0.85 if method == "dop853" else 0.9)
    assert float((scaled <= 1).double().mean()) >= 0.95
