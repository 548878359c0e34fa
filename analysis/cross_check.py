"""`cross_check`: the same problem through independent solvers, over a ladder of tolerances."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.solve.progress import ProgressBar

from .crosscheck.dataset import dataset, scalar, versions
from .crosscheck.engines import Engine, EngineRun, UserEngine, chosen_engines
from .crosscheck.problem import CheckedProblem, checked_problem, checked_reference
from .crosscheck.sensitivity import amplification, amplification_on_equal_steps, scaled_difference
from .crosscheck.verdict import EngineVerdict, Evidence, erratic_engine, judge, judge_engine, judged_levels
from .plots.cross_check import draw_cross_check

SCHEMA = "cross_check/1"
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10)

register_plot(SCHEMA)(draw_cross_check)


def cross_check(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float],
    methods: Sequence[str] = ("tsit5",),
    engines: Sequence[str] | Mapping[str, str | UserEngine] | None = None,
    tolerances: Sequence[float] | None = None,
    reference: Any = None,
    args: Sequence[Any] = (),
    factor: float = 100.0,
    scale: float | None = None,
    max_evaluations: int = 100_000,
    progress: bool | None = None,
) -> AnalysisResult:
    """Solve the same problem with independent engines and compare what they say at the end.

    Args:
        f: a declared equation without noise, or a function ``f(t, y, *args)``.
        y0: its initial state in double precision, real or complex.
        t_span: start and end.
        methods: adaptive methods of `fieldsolver.solve` to check.
        engines: names of other engines (``"scipy DOP853"``, ``"scipy RK45"``, ``"scipy Radau"``, ``"scipy LSODA"``,
            ``"torchdiffeq dopri5"``, ``"torchdiffeq dopri8"``), or a dict of names and functions
            ``engine(f, y0, t0, t1, rtol, atol) -> y(t1)``; None takes DOP853, LSODA, which turns implicit where a
            problem is stiff, and torchdiffeq's dopri5.
        tolerances: relative ones from coarse to fine; None takes 1e-4, 1e-6, 1e-8, 1e-10. The absolute ones are
            `scale` times these.
        reference: the exact or published state at the end (a tensor, or a dict of fields). None compares with the most
            converged engine among the two independent ones that agree best.
        args: further arguments of a plain function.
        factor: how many tolerances, times the amplification of the problem, two engines may differ.
        scale: absolute part of the unit of differences, ``|y - reference| / (scale + |reference|)``; None takes the
            largest entry of `y0`, or 1 where it is zero.
        max_evaluations: of the right-hand side, per run; an engine that needs more is INCONCLUSIVE.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``cross_check/1``, dimensions ``engine`` and ``tolerance``: `difference` (largest scaled entry),
        `in_tolerances`, `nfev`, `judged`; per engine `slope` (of the difference over the tolerance), `verdict`, `note`
        and `family`; `amplification`, `factor` and `reference_error`. PASS: all judged differences are at most
        ``factor * amplification * tolerance`` and fall with it. FAIL names the engine, or the reference, that departs
        from the others. INCONCLUSIVE: the problem is chaotic, or sensitive beyond the tolerances, or f jumps.
        `cross_check_verdict` lists all rules. An equation with events is NOT_APPLICABLE: only `solve` has its resets.

    Raises:
        OptionError: an option is out of range, or the equation has noise.
        StateError: the state or the reference does not belong to the problem.
    """
    problem = checked_problem(f, y0, t_span, args)
    known = checked_reference(f, reference, problem.y0)
    levels = _checked_tolerances(tolerances)
    unit = _checked_scale(scale, problem.y0)
    if not (math.isfinite(factor) and factor >= 1):
        raise OptionError(f"factor is a number of at least 1, got {factor!r}")
    if isinstance(max_evaluations, bool) or not isinstance(max_evaluations, int) or max_evaluations < 1:
        raise OptionError(f"max_evaluations is a positive integer, got {max_evaluations!r}")
    chosen = chosen_engines(methods, engines)
    if known is None and len({engine.family for engine in chosen}) < 2:
        raise OptionError("engines that share no code are needed: give two of different origin, or a reference=")
    study = _Study(problem, chosen, levels, unit, factor, max_evaluations, known)
    if getattr(f, "events", ()):
        return study.not_applicable("the equation has events, whose resets the other engines do not know")
    return study.run(progress)


class _Study:
    """The runs, their comparison, and the labelled result."""

    def __init__(
        self,
        problem: CheckedProblem,
        engines: list[Engine],
        tolerances: list[float],
        scale: float,
        factor: float,
        budget: int,
        known: Tensor | None,
    ) -> None:
        self.problem, self.engines, self.scale, self.factor, self.budget = problem, engines, scale, factor, budget
        self.tolerances, self.known = np.array(tolerances), known
        self.refusals = [engine.refusal(problem) for engine in engines]
        self.runs: list[list[EngineRun]] = []
        self.growth, self.erratic = math.nan, False

    def run(self, progress: bool | None) -> AnalysisResult:
        """All engines at all tolerances, and the verdict."""
        total = len(self.engines) * len(self.tolerances)
        with ProgressBar("cross-check", progress) as bar, torch.no_grad():
            for position, (engine, refusal) in enumerate(zip(self.engines, self.refusals, strict=True)):
                row = []
                for level, tolerance in enumerate(self.tolerances.tolist()):
                    absent = EngineRun(None, 0, refusal or "")
                    row.append(self._run(engine, self.problem, tolerance) if refusal is None else absent)
                    bar((position * len(self.tolerances) + level + 1) / total)
                self.runs.append(row)
            return self._compared()

    def _run(self, engine: Engine, problem: CheckedProblem, tolerance: float) -> EngineRun:
        run = engine.run(problem, tolerance, tolerance * self.scale, self.budget)
        if run.end is not None and not torch.isfinite(run.end).all():
            return EngineRun(None, run.nfev, "the end is not finite")
        return run

    def _compared(self) -> AnalysisResult:
        best, distance = self._most_trusted()
        if best is None and self.known is None:
            notes = {note for row in self.runs for note in (row[-1].note,) if note}
            return self._result(
                math.nan, [self._unjudged(i) for i in range(len(self.engines))], "none", *_no_pair(notes)
            )
        self.growth = self._growth(best)
        if math.isinf(self.growth):
            self._look_for_jumps()
        name = "the given reference" if self.known is not None else self.engines[best or 0].name
        reference = self.known if self.known is not None else self.runs[best or 0][-1].end
        floor = 0.0 if self.known is not None else self._reference_error(best or 0)
        difference = self._differences(reference)
        judged = judged_levels(self.tolerances, self.factor, self.growth)
        bound = self.factor * max(1.0, self.growth)
        verdicts = [
            EngineVerdict(Verdict.NOT_APPLICABLE, math.nan, refusal)
            if refusal is not None
            else erratic_engine(row, self.tolerances, floor)
            if self.erratic
            else judge_engine(row, self.tolerances, judged, bound, floor, [run.note for run in runs])
            for row, runs, refusal in zip(difference, self.runs, self.refusals, strict=True)
        ]
        agreeing = int(distance <= bound * self.tolerances[-1])
        evidence = Evidence(
            [engine.name for engine in self.engines], [engine.family for engine in self.engines], verdicts,
            self.known is not None, agreeing, int(judged.sum()), self.growth, float(self.tolerances[-1]), self.factor,
            name, self.erratic,
        )  # fmt: skip
        return self._result(floor, verdicts, name, *judge(evidence), difference=difference, judged=judged)

    def _most_trusted(self) -> tuple[int | None, float]:
        """Of the two independent engines whose finest results are closest the one that moved less; their distance.

        A faulty engine is not one of them as long as two others agree better than it does with any.
        """
        arrived = [i for i, row in enumerate(self.runs) if row[-1].end is not None]
        pairs = [
            (self._between(self.runs[i][-1].end, self.runs[j][-1].end), i, j)
            for i, j in itertools.combinations(arrived, 2)
            if self.engines[i].family != self.engines[j].family
        ]
        if not pairs:
            return (arrived[0] if arrived and self.known is not None else None), math.inf
        distance, i, j = min(pairs)
        return min((i, j), key=self._moved), distance

    def _between(self, a: Tensor | None, b: Tensor | None) -> float:
        return math.inf if a is None or b is None else scaled_difference(a, b, self.scale)

    def _moved(self, i: int) -> float:
        """Difference of the two finest results of an engine."""
        return self._between(self.runs[i][-2].end, self.runs[i][-1].end)

    def _reference_error(self, i: int) -> float:
        """What is left of the last change of the reference's engine if its errors are proportional to the tolerance."""
        return self._moved(i) * float(self.tolerances[-1] / self.tolerances[-2])

    def _growth(self, best: int | None) -> float:
        """Amplification; changes as small as the tolerance allows where larger ones do not stay small."""
        if best is None:
            return math.inf
        finest, trusted = float(self.tolerances[-1]), self.runs[best][-1].end
        close = [i for i, row in enumerate(self.runs) if self._between(row[-1].end, trusted) <= self.factor * finest]
        engine = self.engines[min(close, key=lambda i: self.runs[i][-1].nfev)]  # it is asked a dozen times

        def advance(part: CheckedProblem) -> Tensor | None:
            return self._run(engine, part, finest).end

        for size in (1e4 * finest, 1e2 * finest):
            growth = amplification(self.problem, advance, self.scale, min(size, 1e-3))
            if math.isfinite(growth):
                return growth
        return math.inf

    def _look_for_jumps(self) -> None:
        """Runs that fall apart although, on equal steps, small changes do not grow: their steps miss something."""
        growth = amplification_on_equal_steps(self.problem, float(self.tolerances[-1]), self.scale, self.budget)
        if judged_levels(self.tolerances, self.factor, growth).sum() >= 2:
            self.growth, self.erratic = growth, True

    def _differences(self, reference: Tensor | None) -> np.ndarray:
        found = [[self._between(run.end, reference) for run in row] for row in self.runs]
        return np.where(np.isfinite(found), found, np.nan)

    def _unjudged(self, i: int) -> EngineVerdict:
        refusal = self.refusals[i]
        if refusal is not None:
            return EngineVerdict(Verdict.NOT_APPLICABLE, math.nan, refusal)
        return EngineVerdict(Verdict.INCONCLUSIVE, math.nan, self.runs[i][-1].note if self.runs else "")

    def not_applicable(self, reason: str) -> AnalysisResult:
        """Nothing was run."""
        self.runs = [[EngineRun(None, 0, reason)] * len(self.tolerances) for _ in self.engines]
        rows = [EngineVerdict(Verdict.NOT_APPLICABLE, math.nan, reason) for _ in self.engines]
        return self._result(math.nan, rows, "none", Verdict.NOT_APPLICABLE, reason)

    def _result(
        self,
        floor: float,
        verdicts: list[EngineVerdict],
        reference: str,
        status: Verdict,
        reason: str,
        *,
        difference: np.ndarray | None = None,
        judged: np.ndarray | None = None,
    ) -> AnalysisResult:
        levels = np.zeros(len(self.tolerances), dtype=bool) if judged is None else judged
        apart = np.full((len(self.engines), len(self.tolerances)), np.nan) if difference is None else difference
        table = dataset(self.engines, self.runs, self.tolerances, apart, levels, verdicts).assign(
            amplification=scalar(self.growth, "largest growth of a small change up to the end"),
            factor=scalar(self.factor, "tolerances, times the amplification, that engines may differ"),
            reference_error=scalar(floor, "estimated error of the reference, 0 for a given one"),
        )
        provenance = {"reference": reference, "t0": self.problem.t0, "t1": self.problem.t1, "scale": self.scale}
        return AnalysisResult(table, status, reason, SCHEMA, provenance | versions())


def _no_pair(notes: set[str]) -> tuple[Verdict, str]:
    reason = "fewer than two independent engines reached the end at the finest tolerance"
    return Verdict.INCONCLUSIVE, reason + (f" ({'; '.join(sorted(notes))})" if notes else "")


def _checked_tolerances(tolerances: Sequence[float] | None) -> list[float]:
    try:
        levels = [float(value) for value in (TOLERANCES if tolerances is None else tolerances)]
    except (TypeError, ValueError):
        raise OptionError(f"tolerances is a list such as [1e-4, 1e-6, 1e-8], got {tolerances!r}") from None
    if len(levels) < 2 or not all(1e-13 <= value < 1 for value in levels):
        raise OptionError(f"tolerances needs at least two numbers between 1e-13 and 1, got {levels}")
    if any(fine >= coarse for coarse, fine in itertools.pairwise(levels)):
        raise OptionError(f"tolerances run from coarse to fine without repeats, got {levels}")
    return levels


def _checked_scale(scale: float | None, y0: Tensor) -> float:
    if scale is None:
        return float(y0.abs().max()) if y0.numel() and bool(y0.any()) else 1.0
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not (math.isfinite(scale) and scale > 0):
        raise OptionError(f"scale is a positive number, the size of a small state, got {scale!r}")
    return float(scale)
