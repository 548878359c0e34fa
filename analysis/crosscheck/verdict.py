"""The rules that turn differences between engines into a verdict.

With F the stated factor, kappa >= 1 the amplification of the problem and tau a tolerance, engines may differ by
F kappa tau. A level is judged when that bound is at most 0.1: beyond it nothing could be seen.

1. Fewer than two levels to judge: INCONCLUSIVE, the problem is too sensitive for the tolerances. So it is where runs
   from states nearby fall apart although, on equal steps, they do not: errors do not follow the tolerance, f may jump.
2. An engine beyond the bound at a judged level: FAIL. Which one departs is decided by the others: those of two
   independent families that agree best are right. When all agree with each other and not with the given reference, it
   is the reference that departs; when no two agree, nobody can tell.
3. Differences above the tolerance that do not fall with it (slope below 1/2): INCONCLUSIVE for that engine.
4. PASS when every method of ours passes and an independent engine, or the given reference, confirms it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldsolver.results import Verdict

JUDGED = 0.1
SMALLEST_SLOPE = 0.5
JUMPS = "Give solve the times of its jumps as restart_at= (land_at= for kinks), and check the spans between them"


@dataclass(frozen=True)
class EngineVerdict:
    """What one engine's row says."""

    verdict: Verdict
    slope: float
    note: str


def judged_levels(tolerances: np.ndarray, factor: float, growth: float) -> np.ndarray:
    """Where the bound is small enough to be a bound."""
    return np.asarray(factor * max(1.0, growth) * tolerances <= JUDGED)


def slope_of(difference: np.ndarray, tolerances: np.ndarray, floor: float) -> float:
    """Of log difference over log tolerance, where the difference is clear of the tolerance and of the floor."""
    clear = np.isfinite(difference) & (difference > tolerances) & (difference > 3 * floor)
    if clear.sum() < 3:
        return math.nan
    return float(np.polyfit(np.log(tolerances[clear]), np.log(difference[clear]), 1)[0])


def judge_engine(
    difference: np.ndarray, tolerances: np.ndarray, judged: np.ndarray, bound: float, floor: float, notes: Sequence[str]
) -> EngineVerdict:
    """One row: `bound` is F kappa, `notes` say why levels are missing."""
    slope = slope_of(difference, tolerances, floor)
    present = judged & np.isfinite(difference)
    missing = next((note for note in notes if note), "")
    if judged.sum() < 2:
        return EngineVerdict(Verdict.INCONCLUSIVE, slope, "the problem is too sensitive for these tolerances")
    if not present.any():
        return EngineVerdict(Verdict.INCONCLUSIVE, slope, missing)
    excess = np.where(present, difference / (bound * tolerances), 0.0)
    worst = int(excess.argmax())
    if excess[worst] > 1:
        return EngineVerdict(
            Verdict.FAIL,
            slope,
            f"differs by {difference[worst]:.2g} at tolerance {tolerances[worst]:.0e}, {excess[worst]:.2g} times the "
            "bound",
        )
    if present.sum() < 2:
        return EngineVerdict(Verdict.INCONCLUSIVE, slope, f"one level alone was reached: {missing}")
    if slope < SMALLEST_SLOPE:
        return EngineVerdict(
            Verdict.INCONCLUSIVE, slope, f"its differences do not follow the tolerance: slope {slope:.2f}"
        )
    largest = float(np.nanmax(np.where(present, difference / tolerances, 0.0)))
    within = f"within {largest:.2g} tolerances"
    return EngineVerdict(Verdict.PASS, slope, within + (f"; not at all levels: {missing}" if missing else ""))


def erratic_engine(difference: np.ndarray, tolerances: np.ndarray, floor: float) -> EngineVerdict:
    """One row of runs whose errors do not follow the tolerance."""
    slope = slope_of(difference, tolerances, floor)
    return EngineVerdict(Verdict.INCONCLUSIVE, slope, "errors of its runs do not fall with the tolerance; f may jump")


@dataclass(frozen=True)
class Evidence:
    """All rows and what they are measured against.

    Attributes:
        names, families: of the engines.
        verdicts: their rows, against the reference.
        given: the reference was the user's.
        agreeing: families, other than that of the reference's engine, that agree with it (or, with a given reference,
            the engines agree with each other when there are two of them).
        judged: number of levels judged.
        growth: amplification.
        finest: smallest tolerance.
        factor: F.
        reference: its name.
        erratic: runs from states nearby fall apart, but not on equal steps.
    """

    names: Sequence[str]
    families: Sequence[str]
    verdicts: Sequence[EngineVerdict]
    given: bool
    agreeing: int
    judged: int
    growth: float
    finest: float
    factor: float
    reference: str
    erratic: bool = False


def judge(evidence: Evidence) -> tuple[Verdict, str]:
    """The verdict and one sentence of reason."""
    rows = list(zip(evidence.names, evidence.families, evidence.verdicts, strict=True))
    if all(row.verdict is Verdict.NOT_APPLICABLE for _, _, row in rows):
        return Verdict.NOT_APPLICABLE, f"no engine can take this problem: {rows[0][2].note}"
    if evidence.erratic:
        return Verdict.INCONCLUSIVE, (
            f"errors do not fall with the tolerance, although on equal steps a small change of the state grows "
            f"{evidence.growth:.2g}-fold: f may be discontinuous. {JUMPS}"
        )
    if evidence.judged < 2:
        grown = f"{evidence.growth:.2g}-fold" if math.isfinite(evidence.growth) else "until it is small no more"
        return Verdict.INCONCLUSIVE, (
            f"a small change of the state grows {grown} by the end, beyond what tolerances down to "
            f"{evidence.finest:.0e} can tell; shorten t_span or tighten the tolerances"
        )
    failed = [(name, row) for name, _, row in rows if row.verdict is Verdict.FAIL]
    passed = [(name, family) for name, family, row in rows if row.verdict is Verdict.PASS]
    if failed:
        return Verdict.FAIL, _who_departs(evidence, failed, [name for name, _ in passed])
    open_ours = [(n, r) for n, f, r in rows if f == "fieldsolver" and r.verdict is not Verdict.PASS]
    if open_ours:
        name, row = open_ours[0]
        return Verdict.INCONCLUSIVE, f"{name} could not be judged: {row.note}"
    if len({family for _, family in passed}) < (1 if evidence.given else 2):
        others = "; ".join(f"{name}: {row.note}" for name, _, row in rows if row.verdict is not Verdict.PASS)
        return Verdict.INCONCLUSIVE, f"no independent engine confirms the result ({others or 'there is only one'})"
    left_out = [f"{name} ({row.note})" for name, _, row in rows if row.verdict is not Verdict.PASS]
    return Verdict.PASS, (
        f"{len(passed)} engines stay within {evidence.factor:g} x amplification {max(1.0, evidence.growth):.2g} of the "
        f"tolerances from {evidence.reference}" + (f"; without {', '.join(left_out)}" if left_out else "")
    )


def _who_departs(evidence: Evidence, failed: list[tuple[str, EngineVerdict]], passed: list[str]) -> str:
    name, row = failed[0]
    if evidence.given and not passed and evidence.agreeing:
        return f"the reference departs from all engines, which agree with each other: {name} {row.note}"
    if not evidence.given and not (evidence.agreeing and passed):
        names = " and ".join(n for n, v in zip(evidence.names, evidence.verdicts, strict=True) if v.note)
        where = " at all tolerances" if evidence.agreeing else ""
        return (
            f"no two independent engines agree{where} ({names}), so it cannot be told which one departs: {name} "
            f"{row.note}. Is f discontinuous? {JUMPS}"
        )
    departing = ", ".join(n for n, _ in failed)
    agree = f", while {' and '.join(passed)} agree" if passed else ""
    return f"{departing} departs{agree}: {name} {row.note}"
