"""Conserved and decreasing functions of the state of a system without a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .forms import Form
from .formulas import Formulas
from .found import CONSERVED, DECREASING, EXACT, STATISTICAL, Found
from .functionals import density_of_gradient, forced
from .jets import Jets
from .library import Family, families
from .linear_relations import NullSpace, rationalised
from .proof import prove, vanishes
from .rates import ROUND_OFF
from .search import Candidate, independent, rate_matrix, sample, search
from .system import System

FRESH = 200
"""Fresh states on which a candidate is tested."""
SLOW = 1e-2
"""Relative rate below which the combination that comes closest is worth a word."""


@dataclass(frozen=True)
class Nearest:
    """The combination that comes closest where nothing is conserved.

    Attributes:
        text: the combination.
        rate: its largest relative rate at fresh states.
    """

    text: str
    rate: float


@dataclass(frozen=True)
class OdeSearch:
    """What was found.

    Attributes:
        found: from trusted to less trusted.
        expressions: the same as SymPy expressions.
        null: of the family that found most, or of the largest family.
        family: its name.
        nearest: where nothing is conserved; only one that changes slowly.
        skipped: families for which there were too few states with finite rates.
    """

    found: list[Found]
    expressions: list[Any]
    null: NullSpace | None
    family: str
    nearest: Nearest | None
    skipped: tuple[str, ...]


def search_unknowns(
    system: System,
    formulas: Formulas,
    forms: Sequence[Form],
    seed: int,
    *,
    degree: int | None = None,
    candidates: Sequence[Any] | None = None,
    states: Tensor | None = None,
) -> OdeSearch:
    """Search all families, then add what the structure brings."""
    library = families(formulas, degree) if candidates is None else [Family("candidates", tuple(candidates))]
    y, rates = sample(system, FRESH, seed + 1, positive=states is None, states=states)
    found: list[Found] = []
    expressions: list[Any] = []
    if candidates is None:
        _add_structural(found, expressions, formulas, forms, y, rates)
    best: tuple[int, NullSpace, str] | None = None
    least: tuple[float, Family, NullSpace] | None = None
    skipped: list[str] = []
    for family in library:
        if best and _conserved(found) >= system.components - 1 and candidates is None:
            break  # as many as an autonomous system can have
        result = search(system, formulas, family, seed, states)
        if result.null is None:
            skipped.append(family.name)
            continue
        for candidate in result.candidates:
            _take(found, expressions, formulas, candidate, y, rates)
        if result.candidates and (best is None or len(result.candidates) > best[0]):
            best = (len(result.candidates), result.null, family.name)
        if least is None or result.null.singular_values[-1] <= least[0]:
            least = (float(result.null.singular_values[-1]), family, result.null)
    null, name = (best[1], best[2]) if best else (least[2], least[1].name) if least else (None, "")
    nearest = (
        None if _conserved(found) or least is None else _nearest(system, formulas, least[1], seed, y, rates, states)
    )
    order = sorted(range(len(found)), key=lambda k: found[k].order)
    ordered = [found[k] for k in order], [expressions[k] for k in order]
    return OdeSearch(*ordered, null, name, nearest, tuple(skipped))


def _conserved(found: Sequence[Found]) -> int:
    return sum(one.kind == CONSERVED for one in found)


def relative_rates(formulas: Formulas, expression: Any, y: Tensor, rates: Tensor) -> Tensor:
    """``dI/dt`` over its size without cancellation at every state, ``(K,)``."""
    terms = formulas.slopes([expression], y)[:, 0] * rates
    relative = terms.sum(-1) / terms.abs().sum(-1).clamp_min(1e-300)
    return relative[torch.isfinite(relative)]


def potential_of(formulas: Formulas, matrix: Floats) -> Any | None:
    """``H`` with ``grad H = K f`` as a formula; None where SymPy finds none.

    Parameters stay symbols where K has no numbers that hang on them.
    """
    from sympy import powsimp

    if formulas.rates is None:
        return None
    jets = Jets((), len(formulas.unknowns))
    there = {u: jets.symbol(index) for index, u in enumerate(formulas.unknowns)}
    for rates in (formulas.rates, [rate.subs(formulas.numbers) for rate in formulas.rates]):
        density = density_of_gradient(jets, forced([rate.xreplace(there) for rate in rates], matrix))
        if density is not None:
            return powsimp(density.xreplace({jet: u for u, jet in there.items()}))
    return None


def _take(
    found: list[Found], expressions: list[Any], formulas: Formulas, candidate: Candidate, y: Tensor, rates: Tensor
) -> None:
    """Keep a candidate that is new and passes at fresh states."""
    relative = relative_rates(formulas, candidate.expression, y, rates)
    if not relative.numel() or float(relative.abs().max()) > ROUND_OFF:
        return
    known = [e for e, one in zip(expressions, found, strict=True) if one.kind == CONSERVED]
    if not independent(formulas, known, candidate.expression, y):
        return
    proof = prove(formulas, candidate)
    expression = signed(formulas, candidate.expression if proof is None else proof, y)
    found.append(
        Found(
            formulas.text(expression),
            CONSERVED,
            STATISTICAL if proof is None else EXACT,
            candidate.family,
            float(relative.abs().max()),
            discrete=True,
            values=formulas.text(signed(formulas, candidate.expression, y)),
            domain="where its logarithms exist" if "log(" in str(expression) else "",
        )
    )
    expressions.append(expression)


def signed(formulas: Formulas, expression: Any, y: Tensor) -> Any:
    """The sign in which the expression is positive far out, or its first term is."""
    far = formulas.values([expression], 3 * torch.cat([y, -y]))[:, 0]
    far = far[torch.isfinite(far)]
    mean = far.mean() if far.numel() else torch.tensor(0.0)
    if far.numel() and mean.abs() > 0.2 * far.abs().mean():
        return expression if mean > 0 else -expression
    return -expression if expression.as_ordered_terms()[0].could_extract_minus_sign() else expression


def _add_structural(
    found: list[Found],
    expressions: list[Any],
    formulas: Formulas,
    forms: Sequence[Form],
    y: Tensor,
    rates: Tensor,
) -> None:
    """The Hamiltonian and the potentials, where they have a formula."""
    for form in forms:
        if form.kind == "skew-gradient":
            continue
        expression = potential_of(formulas, form.matrix)
        if expression is None:
            continue
        kind = CONSERVED if form.kind == "Hamiltonian" else DECREASING
        relative = relative_rates(formulas, expression, y, rates)
        defect = float((relative.abs() if kind == CONSERVED else relative.clamp_min(0)).max())
        if not defect <= ROUND_OFF:
            continue
        expression = signed(formulas, expression, y) if kind == CONSERVED else expression
        proved = kind == DECREASING or vanishes(formulas.along(expression))
        certificate = EXACT if proved else STATISTICAL
        found.append(Found(formulas.text(expression), kind, certificate, form.kind, defect, discrete=True))
        expressions.append(expression)


def _nearest(
    system: System, formulas: Formulas, family: Family, seed: int, y: Tensor, rates: Tensor, states: Tensor | None
) -> Nearest | None:
    """The combination of the smallest singular value."""
    import sympy

    sampled, speed = sample(system, 3 * len(family.functions) + 40, seed, positive=family.positive, states=states)
    matrix, size = rate_matrix(formulas.slopes(family.functions, sampled), speed)
    good = np.isfinite(matrix).all(axis=1)
    scaled = matrix[good] / np.where(size > 0, size, 1.0)
    vector = np.linalg.svd(scaled)[2][-1] / np.where(size > 0, size, 1.0)
    vector = np.where(np.abs(vector) < 1e-3 * np.abs(vector).max(), 0.0, vector / np.abs(vector).max())
    kept = vector[vector != 0]
    whole = rationalised(np.round(kept / np.abs(kept).min(), 2), 10)
    numbers = [float(np.round(v, 3)) for v in kept] if whole is None else [sympy.Rational(f) for f in whole]
    used = [f for f, v in zip(family.functions, vector, strict=True) if v]
    expression = sympy.Add(*[c * f for c, f in zip(numbers, used, strict=True)])
    relative = relative_rates(formulas, expression, y, rates)
    rate = float(relative.abs().max())
    return Nearest(formulas.text(expression), rate) if rate < SLOW else None
