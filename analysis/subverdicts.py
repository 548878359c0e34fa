"""The checks inside a study: each with a verdict of its own, the number it rests on, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fieldsolver.results import Verdict

_FROM_BEST = (Verdict.PROVED, Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL)


@dataclass(frozen=True)
class Subverdict:
    """One check.

    Attributes:
        name: two or three words.
        verdict: `Verdict.NOT_APPLICABLE` takes no part in the overall verdict.
        sentence: what was found.
        value: the number that was compared; NaN where there is none.
        threshold: what it was compared with; NaN where there is none.
    """

    name: str
    verdict: Verdict
    sentence: str
    value: float = math.nan
    threshold: float = math.nan


def worst(checks: Iterable[Subverdict]) -> Verdict:
    """The overall verdict: of the checks that apply the worst one; NOT_APPLICABLE when none does."""
    counted = [check.verdict for check in checks if check.verdict is not Verdict.NOT_APPLICABLE]
    return max(counted, key=_badness, default=Verdict.NOT_APPLICABLE)


def first_at(checks: Iterable[Subverdict], verdict: Verdict) -> Subverdict | None:
    """The first check that ended so."""
    return next((check for check in checks if check.verdict is verdict), None)


def subverdict_variables(checks: Sequence[Subverdict]) -> dict[str, Any]:
    """Variables of a dataset over the dimension ``check``, its coordinate included."""

    def column(name: str, values: list[Any]) -> tuple[Any, Any, dict[str, str]]:
        return ("check",), values, {"units": "1", "long_name": name}

    return {
        "check": column("what was checked", [check.name for check in checks]),
        "check_verdict": column("verdict of the check", [check.verdict.value for check in checks]),
        "check_value": column("number that was compared", [check.value for check in checks]),
        "check_threshold": column("what it was compared with", [check.threshold for check in checks]),
        "check_reason": column("what was found", [check.sentence for check in checks]),
    }


def _badness(verdict: Verdict) -> int:
    """Verdicts that are neither good nor plainly bad count as undecided."""
    return _FROM_BEST.index(verdict if verdict in _FROM_BEST else Verdict.INCONCLUSIVE)
