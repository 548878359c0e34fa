"""The verdict on step limits, and the sentence that justifies it."""

from __future__ import annotations

import math

import numpy as np

from fieldsolver.methods import METHODS, ReversibleMethod
from fieldsolver.results import Verdict

from .limits import Limit
from .study import Row, Study

ROUNDING = 1e-9
"""A step this close to its limit, relatively, is at it."""
PROOFS = {"exact": "exactly", "bounded": "to rounding"}


def judge(study: Study, named: bool, dt: float | None) -> tuple[Verdict, str]:
    """The verdict.

    Args:
        study: the limits.
        named: the user named the methods, so that all of them count; else the best one does.
        dt: a step to be judged, or None.
    """
    known = [row for row in study.rows if not math.isnan(row.limit.dt)]
    if not known:
        return Verdict.NOT_APPLICABLE, f"no step limit is known: {study.rows[0].limit.note or 'no method applies'}"
    verdict, reason = _without_step(study, known, named) if dt is None else _with_step(study, known, named, dt)
    missing = [row.limit for row in study.rows if math.isnan(row.limit.dt)]
    if not (named and missing):
        return verdict, reason
    notes = "; ".join(f"of {found.scheme.name} no limit is known: {found.note}" for found in missing)
    return (verdict if verdict is Verdict.FAIL else Verdict.INCONCLUSIVE), f"{notes}; {reason}"


def _without_step(study: Study, rows: list[Row], named: bool) -> tuple[Verdict, str]:
    row = best(rows)
    judged = [one.limit for one in (rows if named else [row])]
    certified = all(found.is_certified for found in judged)
    proved = all(found.certificate == "exact" for found in judged) and study.rates.is_linear
    verdict = Verdict.PROVED if proved else Verdict.PASS if certified else Verdict.INCONCLUSIVE
    sentence = _limit_sentence(study, row)
    if len(rows) > 1:
        sentence = f"of {len(rows)} methods {row.limit.scheme.name} costs least per unit of time; {sentence}"
    return verdict, sentence + _premise(study, proved) + _growing(study, row)


def _with_step(study: Study, rows: list[Row], named: bool, dt: float) -> tuple[Verdict, str]:
    stable = [row for row in rows if dt <= row.limit.dt * (1 + ROUNDING)]
    sure = [row for row in stable if row.limit.is_certified and dt <= row.limit.lo * (1 + ROUNDING)]
    unstable = [row for row in rows if row not in stable]
    if named and unstable:
        row = next((one for one in unstable if one.limit.is_certified), unstable[0])
        failed = row.limit.is_certified
        text = f"dt = {dt:g} is beyond what {row.limit.scheme.name} can take: {_limit_sentence(study, row)}"
        return (Verdict.FAIL if failed else Verdict.INCONCLUSIVE), text + _premise(study, False) + _growing(study, row)
    if not stable:
        row = max(rows, key=lambda one: one.limit.dt)
        failed = all(one.limit.is_certified for one in rows)
        text = f"no method is stable at dt = {dt:g}; furthest goes {_limit_sentence(study, row)}"
        return (Verdict.FAIL if failed else Verdict.INCONCLUSIVE), text + _premise(study, False) + _growing(study, row)
    # what grows by more than e in one step is not resolved: that no mode grows faster then means little
    resolved = dt * study.growing(rows[0].limit)[1] <= 1 + ROUNDING
    enough = resolved and (len(sure) == len(rows) if named else bool(sure))
    row = min(sure or stable, key=lambda one: _work(one, study))
    text = f"dt = {dt:g} is stable: {_limit_sentence(study, row)}"
    if not named and len(rows) > 1:
        count = f"{len(stable)} of {len(rows)} methods"
        text = f"dt = {dt:g} is stable with {count}, cheapest with {_limit_sentence(study, row)}"
    return (Verdict.PASS if enough else Verdict.INCONCLUSIVE), text + _premise(study, False) + _growing(study, row)


def headline(study: Study) -> str:
    """The method that the verdict speaks of first."""
    known = [row for row in study.rows if not math.isnan(row.limit.dt)] or study.rows
    return best(known).limit.scheme.name


def best(rows: list[Row]) -> Row:
    """The cheapest method per unit of time; without prices, the one with the longest step.

    Reversible methods are for those who know why they want one: a little friction more, and they are stable no longer.
    """
    plain = [row for row in rows if not isinstance(METHODS.get(row.limit.scheme.name), ReversibleMethod)] or rows
    # splitting methods take the exact flows of their parts, whose work nobody knows
    priced = [row for row in plain if math.isfinite(row.cost.per_time) and row.cost.per_time > 0]
    if priced:
        return min(priced, key=lambda row: row.cost.per_time)
    return max(plain, key=lambda row: row.limit.dt)


def _work(row: Row, study: Study) -> float:
    return row.limit.scheme.evaluations + study.solve_cost * row.limit.scheme.solves


def _limit_sentence(study: Study, row: Row) -> str:
    found, name = row.limit, row.limit.scheme.name
    if found.dt == math.inf:
        return f"{name} is stable for every dt" + (f" ({found.note})" if found.note else "")
    if found.dt == 0:
        speed = f", at dt = {row.beyond:.3g} a mode grows at the rate {row.growth:.3g}" if row.growth > 0 else ""
        return f"{name} is unstable for every dt{speed}"
    guess = " about" if found.certificate not in PROOFS else ""
    return f"{name} is stable up to{guess} dt = {found.dt:.6g}{_cause(row)}{_weakness(study, found)}"


def _weakness(study: Study, found: Limit) -> str:
    """Why the limit is less certain than the eigenvalues; empty if it is not."""
    if found.certificate in PROOFS or found.certificate == study.modes.certificate or found.binding < 0:
        return ""
    return f" ({found.note})" if found.note else f" (the region of {found.scheme.name} was scanned, not proved)"


def _cause(row: Row) -> str:
    binding = row.binding
    if binding.position < 0:
        return f" ({row.limit.note})" if row.limit.note else ""
    theta = np.abs(binding.theta)
    wave = ""
    if theta.size and np.isfinite(theta).all():
        longest = theta.max()
        wave = " by a uniform mode" if longest == 0 else f" by waves of {2 * math.pi / longest:.3g} points"
    term = f" and the term {binding.term}" if binding.term else ""
    return f", set{wave or ' by the mode'} with the eigenvalue {_number(binding.eigenvalue)}{term}"


def _number(value: complex) -> str:
    if value.imag == 0:
        return f"{value.real:.4g}"
    if value.real == 0:
        return f"{value.imag:.4g}i"
    return f"{value.real:.4g}{value.imag:+.4g}i"


def _premise(study: Study, proved: bool) -> str:
    modes = study.modes
    if proved:
        return f" (linear equation; {modes.reason})"
    if study.decided is not None:
        return ""
    linear = "" if study.rates.is_linear else ", linearised at this state"
    if modes.certificate in PROOFS:
        return f" ({modes.reason}{linear})"
    why = "; ".join(f"no {name} because {reason}" for name, reason in study.found.skipped.items() if name == "symbol")
    return f" ({modes.certificate}: {modes.reason}{linear}{'; ' + why if why else ''})"


def _growing(study: Study, row: Row) -> str:
    """What the equation itself does to growing modes, and what steps may do to them."""
    count, fastest = study.growing(row.limit)
    if not count:
        return ""
    modes = "1 mode grows" if count == 1 else f"{count} modes grow"
    if "noise" in row.limit.scheme.parts:
        text = f"; in the mean square {modes} in the equation itself, at up to {fastest:.3g}; only the mean is judged"
    else:
        text = f"; {modes} in the equation itself, at up to {fastest:.3g}, and may grow up to twice as fast in steps"
    return text + (f"; only steps up to {1 / fastest:.3g} resolve that" if row.limit.dt > 1 / fastest else "")


def disagreement(found: Limit, values: np.ndarray) -> float:
    """Largest relative difference between the deciding limit and those by eigenvalues, NaN for none."""
    other = values[np.isfinite(values)]
    if not (0 < found.dt < math.inf) or other.size < 2:
        return math.nan
    return float(np.abs(other / found.dt - 1).max())
