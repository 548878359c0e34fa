"""`stochastic_convergence`: strong and weak orders of a scheme for stochastic differential equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.solve.progress import ProgressBar

from .orders.dataset import convergence_result, levels, scalar
from .orders.fit_order import OrderFit, fit_order
from .orders.ladder import checked_divisors
from .orders.models import Floats
from .orders.monte_carlo import MonteCarlo, Step, StochasticProblem
from .provenance import Provenance

BATCHES = 20
PILOT = 100
"""Paths of a batch of the first, exploring round."""

SHARE = 0.1
"""Largest Monte Carlo half-width, relative to the error it belongs to."""

SPARE = 1.3
"""The needed number of paths is itself estimated, so a little more is run."""

STORED = 2e7
"""Random numbers held at a time."""


def stochastic_convergence(
    step: Step,
    y0: Tensor,
    *,
    t_span: Sequence[float],
    dts: Sequence[float],
    exact: Callable[[Tensor], Tensor] | float,
    kind: str,
    seed: int,
    observable: Callable[[Tensor], Tensor] | None = None,
    noise_shape: Sequence[int] | None = None,
    paths: int | None = None,
    max_paths: int = 1_000_000,
    expected: float | None = None,
    confidence: float = 0.95,
    progress: bool | None = None,
) -> AnalysisResult:
    """Step the same Brownian paths with several step sizes and measure the order of the mean error at the end.

    Strong error: ``E |Y - X|``, path by path. Weak error: ``|E g(Y) - E g(X)|`` (Kloeden and Platen 1992, sections 9.6
    and 9.7).

    Args:
        step: ``step(t, y, dt, dW)``, one step of M paths: `y` ``(M, *state)``, `dW` ``(M, *noise)``, float64.
        y0: ``(*state)``, where every path starts.
        t_span: start and end.
        dts: step sizes from coarse to fine, each dividing the span and a multiple of the finest.
        exact: ``exact(W)``, the solution ``(M, *state)`` at the end as a function of ``W(t1) - W(t0)``, ``(M,
            *noise)``; or, for weak errors only, the number ``E g(X)``, which needs many more paths.
        kind: ``"strong"`` or ``"weak"``.
        seed: of the paths.
        observable: g of weak errors, ``(M, *state) -> (M,)``; None is the state itself where it is one number.
        noise_shape: of the Brownian motion of one path; None takes that of the state.
        paths: how many, or None: as many as keep every Monte Carlo interval within 10 % of its error.
        max_paths: at most so many when they are chosen.
        expected: the claimed order, or None to measure it.
        confidence: of all intervals.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``convergence/1``, see `convergence`, with `error_lo` and `error_hi` of every level, `paths`, and
        `paths_needed`. The interval of the order holds the Monte Carlo error. INCONCLUSIVE, with the number of paths
        that would do, where a Monte Carlo interval exceeds 10 % of its error.

    Raises:
        OptionError: steps that do not fit together, or an option out of range.
        StateError: `step` changes the shape of the state.
    """
    steps = _checked_steps(dts, t_span)
    _check(kind, exact, paths, max_paths, confidence)
    start = torch.as_tensor(y0, dtype=torch.float64)
    shape = tuple(start.shape) if noise_shape is None else tuple(noise_shape)
    score = _strong(exact) if kind == "strong" else _weak(exact, observable)
    ends = (float(t_span[0]), float(t_span[-1]))
    problem = StochasticProblem(step, start, ends, steps, shape, score)
    origin = Provenance(step, start, kind=kind, seed=seed, t_span=ends)
    sampled = _run(problem, paths, max_paths, confidence, seed, progress)
    errors, half = np.abs(sampled.signed), sampled.half_width
    fit = fit_order(steps, errors, expected=expected, confidence=confidence)
    noise = sampled.order_noise(np.array(steps), fit.used)
    fit = fit_order(steps, errors, expected=expected, confidence=confidence, order_noise=noise)
    result = convergence_result(fit, "dt", reference="exact solution", provenance=origin.attributes())
    return _with_intervals(result, fit, errors, half, sampled)


def _run(
    problem: StochasticProblem, paths: int | None, max_paths: int, confidence: float, seed: int, progress: bool | None
) -> MonteCarlo:
    """Batches of the asked number of paths; or a first round that tells how many are needed, and these."""
    generator = torch.Generator().manual_seed(seed)
    t0, t1 = problem.ends
    per_path = round((t1 - t0) / problem.steps[-1]) * max(1, int(np.prod(problem.noise_shape)))

    def batches(count: int, each: int, bar: ProgressBar) -> Floats:
        """`count` batch means of at least `each` paths, taken in parts that fit in memory."""
        parts = max(1, int(np.ceil(each * per_path / STORED)))
        size = int(np.ceil(each / parts))
        means = []
        for batch in range(count):
            means.append(np.mean([problem.sample(size, generator) for _ in range(parts)], axis=0))
            bar((batch + 1) / count)
        return np.array(means)

    with ProgressBar("stochastic convergence", progress) as bar:
        if paths is not None:
            each = max(1, paths // BATCHES)
            return MonteCarlo(batches(BATCHES, each, bar), each, confidence)
        pilot = MonteCarlo(batches(BATCHES, PILOT, bar), PILOT, confidence)
        needed = min(max_paths, int(SPARE * pilot.needed(SHARE)))
        if needed <= pilot.paths:
            return pilot
        each = max(1, needed // BATCHES)
        return MonteCarlo(batches(BATCHES, each, bar), each, confidence)


def _strong(exact: Any) -> Callable[[Tensor, Tensor], Tensor]:
    def score(y: Tensor, W: Tensor) -> Tensor:
        return (y - exact(W)).reshape(len(y), -1).norm(dim=1)

    return score


def _weak(exact: Any, observable: Callable[[Tensor], Tensor] | None) -> Callable[[Tensor, Tensor], Tensor]:
    g = observable if observable is not None else _single

    def score(y: Tensor, W: Tensor) -> Tensor:
        return g(y) - (g(exact(W)) if callable(exact) else exact)

    return score


def _single(y: Tensor) -> Tensor:
    if y[0].numel() != 1:
        raise OptionError(
            f"the state has {y[0].numel()} entries; pass observable=, such as lambda y: y[:, 0], whose mean is judged"
        )
    return y.reshape(-1)


def _with_intervals(
    result: AnalysisResult, fit: OrderFit, errors: Floats, half: Floats, sampled: MonteCarlo
) -> AnalysisResult:
    """Add the intervals of the levels; too wide ones decide the verdict."""
    level = {"confidence": fit.confidence}
    lower, upper = levels(np.maximum(errors - half, 0), "lower end of the interval"), levels(errors + half, "upper end")
    needed = max(sampled.paths, int(SPARE * sampled.needed(SHARE)))
    dataset = result.dataset.assign(
        error_lo=(*lower[:2], {**lower[2], **level}),
        error_hi=(*upper[:2], {**upper[2], **level}),
        paths=scalar(sampled.paths, "Brownian paths"),
        paths_needed=scalar(needed, "paths that keep every Monte Carlo interval within 10 % of its error"),
    )
    status, reason = result.status, f"{result.reason} ({sampled.paths} paths)"
    wide = half > SHARE * errors
    if wide.any():
        worst = int(np.argmax(half / np.maximum(errors, 1e-300)))
        status = Verdict.INCONCLUSIVE
        reason = (
            f"the error {errors[worst]:.2g} at dt = {fit.h[worst]:.3g} is known to +-{half[worst]:.1g} only, from "
            f"{sampled.paths} paths; about {needed} are needed: pass paths={needed}; without that: {result.reason}"
        )
    return AnalysisResult(dataset, status, reason, result.schema)


def _checked_steps(dts: Sequence[float], t_span: Sequence[float]) -> list[float]:
    steps = checked_divisors(dts, float(t_span[0]), float(t_span[-1]))
    for dt in steps:
        if abs(dt / steps[-1] - round(dt / steps[-1])) > 1e-9:
            raise OptionError(
                f"dt = {dt:g} is no multiple of the finest step {steps[-1]:g}, so their paths cannot be the same; "
                "take halvings"
            )
    return steps


def _check(kind: str, exact: Any, paths: int | None, max_paths: int, confidence: float) -> None:
    if kind not in ("strong", "weak"):
        raise OptionError(f"kind is 'strong' or 'weak', got {kind!r}")
    if kind == "strong" and not callable(exact):
        raise OptionError(f"a strong error compares paths: exact is a function of W, got {exact!r}")
    if max_paths < BATCHES or (paths is not None and paths < BATCHES):
        raise OptionError(f"at least {BATCHES} paths are needed for an interval, got paths={paths}, {max_paths=}")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence lies between 0 and 1, such as 0.95; got {confidence!r}")
