"""The result of one check of a layer: what was measured in each part, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from fieldsolver.results import AnalysisResult, Verdict


class Part(NamedTuple):
    """One comparison.

    Attributes:
        name: what was compared.
        measured: a number relative to the scale of the output.
        threshold: its limit.
        above: whether it must exceed the limit; otherwise it must not.
    """

    name: str
    measured: float
    threshold: float
    above: bool = False

    @property
    def holds(self) -> bool:
        """Whether the number is on the right side; NaN is on none."""
        return self.measured > self.threshold if self.above else self.measured <= self.threshold

    @property
    def badness(self) -> float:
        """Grows towards failure, and is 1 at the limit."""
        if math.isnan(self.measured):
            return math.inf
        part, whole = (self.threshold, self.measured) if self.above else (self.measured, self.threshold)
        return part / whole if whole else (math.inf if part else 0.0)

    def __str__(self) -> str:
        limit = "needed: more than" if self.above else "allowed:"
        return f"{self.name} {self.measured:.2g}, {limit} {self.threshold:.2g}"


def judged(check: str, parts: Sequence[Part], good: str, bad: str, about: dict[str, Any]) -> AnalysisResult:
    """PASS when every part holds, else FAIL.

    Args:
        check: its name; the schema is ``check/1``.
        parts: at least one.
        good: what is then shown, the beginning of a sentence.
        bad: what is wrong, likewise.
        about: provenance.
    """
    failed = sum(not part.holds for part in parts)
    extreme = max(parts, key=lambda part: (not part.holds, part.badness))
    if not failed:
        # Which of many round-offs is the largest says nothing; which part matters least does.
        shown = f"least of {len(parts)}: {extreme}" if extreme.above else f"{len(parts)} comparisons"
        return result(check, parts, Verdict.PASS, f"{good} ({shown})", about)
    count = f" ({failed} of {len(parts)} parts fail)" if len(parts) > 1 else ""
    return result(check, parts, Verdict.FAIL, f"{bad}: {extreme}{count}", about)


def result(
    check: str, parts: Sequence[Part], status: Verdict, reason: str, about: dict[str, Any] | None = None
) -> AnalysisResult:
    """The table of parts with a verdict.

    Dimension ``part``: `value`, `limit`, `holds`; scalars `measured` and `threshold`, those of the worst part.
    """
    import xarray

    extreme = max(parts, key=lambda part: (not part.holds, part.badness), default=Part("", math.nan, math.nan))

    def numbers(dims: tuple[str, ...], values: Any, name: str) -> tuple[Any, Any, dict[str, str]]:
        return dims, values, {"units": "1", "long_name": name}

    dataset = xarray.Dataset(
        {
            "measured": numbers((), extreme.measured, f"largest deviation: {extreme.name}"),
            "threshold": numbers((), extreme.threshold, "its limit"),
            "value": numbers(("part",), [part.measured for part in parts], "measured, relative to the output"),
            "limit": numbers(("part",), [part.threshold for part in parts], "limit of the measured number"),
            "above": numbers(("part",), [int(part.above) for part in parts], "1 where the limit must be exceeded"),
            "holds": numbers(("part",), [int(part.holds) for part in parts], "1 where the part holds"),
        },
        coords={"part": ("part", [part.name for part in parts], {"units": "1", "long_name": "what was compared"})},
    )
    return AnalysisResult(dataset, status, reason, f"{check}/1", about)


def not_applicable(check: str, reason: str) -> AnalysisResult:
    """The check has no meaning here."""
    return result(check, [], Verdict.NOT_APPLICABLE, reason)
