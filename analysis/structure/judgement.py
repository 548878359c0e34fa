"""The verdict of an open search and its sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fieldsolver.results import Verdict

from .field_search import FieldSearch
from .found import BOUNDED, CONSERVED, EXACT, STATISTICAL, Found
from .kind import Kind
from .ode_search import OdeSearch

HOW = {EXACT: "by algebra", BOUNDED: "numerically with a margin", STATISTICAL: "on random states"}


def judge(found: Sequence[Found], searched: FieldSearch | OdeSearch, kind: Kind) -> tuple[Verdict, str]:
    """PROVED, PASS, INCONCLUSIVE or NOT_FOUND, with what was found and what kind of system it is."""
    if found:
        return _success(found, kind)
    if isinstance(searched, OdeSearch):
        if searched.null is None:
            return (
                Verdict.INCONCLUSIVE,
                "no family of the library could be asked: too few states with finite rates; pass more states=",
            )
        if not searched.null.clear:
            return (
                Verdict.INCONCLUSIVE,
                f"{searched.family}: singular values between round-off and 1e-9, where noise and law cannot be told "
                "apart; lower degree=, or pass states= of size one",
            )
    return Verdict.NOT_FOUND, _failure(searched, kind)


def _success(found: Sequence[Found], kind: Kind) -> tuple[Verdict, str]:
    kept = [one for one in found if one.kind == CONSERVED]
    falling = [one for one in found if one.kind != CONSERVED]
    parts = [
        f"{word}: {'; '.join(map(_described, ones))}"
        for word, ones in (("conserved", kept), ("decreasing", falling))
        if ones
    ]
    loose = sum(not one.discrete for one in found)
    grid = f"; the discretisation keeps {len(found) - loose} of {len(found)} to round-off" if loose else ""
    verdict = Verdict.PROVED if found[0].certificate == EXACT else Verdict.PASS
    return verdict, f"{', '.join(parts)}{grid}; structure: {kind.sentence}"


def _described(one: Found) -> str:
    return f"{one.expression or one.route} ({HOW[one.certificate]}{', ' + one.domain if one.domain else ''})"


def _failure(searched: FieldSearch | OdeSearch, kind: Kind) -> str:
    words = "no combination of the library is conserved, and no Lyapunov function was found"
    gap = searched.null.gap if searched.null is not None else math.nan
    if math.isfinite(gap):
        words += f" (smallest singular value {gap:.1e} of the largest)"
    if isinstance(searched, OdeSearch) and searched.nearest is not None:
        words += f"; {searched.nearest.text} comes closest, relative rate {searched.nearest.rate:.1e}"
    if isinstance(searched, OdeSearch) and searched.skipped:
        words += f"; too few states with finite rates for the families: {', '.join(searched.skipped)}"
    if isinstance(searched, FieldSearch) and searched.rejected:
        words += f"; without walls it would conserve {', '.join(searched.rejected)}"
    return f"{words}; structure: {kind.sentence}"
