"""The search among a library: ``A_ki = <grad phi_i(u_k), f(u_k)>`` over random states, and its null space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .formulas import Formulas
from .library import Family, complexity
from .linear_relations import NullSpace, echelon, null_space, rationalised
from .samples import finite, generator_of, positive_states, spread_states
from .system import System

VERIFIED = 1e-11
"""Relative rate at fresh states up to which a quantity counts as conserved."""
RANK = 1e-8
"""Relative size below which a gradient is a combination of the others."""


@dataclass(frozen=True)
class Candidate:
    """A combination of a family that does not change.

    Attributes:
        coefficients: by function, whole numbers where they fit.
        expression: their sum.
        rational: whether whole numbers fitted.
    """

    family: str
    functions: tuple[Any, ...]
    coefficients: Floats
    expression: Any
    rational: bool


@dataclass(frozen=True)
class Search:
    """What one family gave.

    Attributes:
        null: the null space, or None where too few states had finite rates.
        candidates: combinations whose gradient is not zero, from simple to complex.
    """

    family: Family
    null: NullSpace | None
    candidates: list[Candidate]


def search(system: System, formulas: Formulas, family: Family, seed: int, states: Tensor | None = None) -> Search:
    """Look for combinations of a family that no state changes."""
    y, rates = sample(system, 3 * len(family.functions) + 40, seed, positive=family.positive, states=states)
    slopes = formulas.slopes(family.functions, y) if len(y) > len(family.functions) else None
    if slopes is None:
        return Search(family, None, [])
    good = torch.isfinite(slopes).flatten(1).all(1)
    slopes, rates = slopes[good], rates[good]
    matrix, size = rate_matrix(slopes, rates)
    if len(matrix) <= len(family.functions):
        return Search(family, None, [])
    null = null_space(matrix, size)
    if not len(null.vectors):
        return Search(family, null, [])
    weight = np.array([complexity(function) for function in family.functions])
    rows = echelon(null.vectors, np.argsort(-weight, kind="stable"))
    moving = [row for row in rows if row.any() and not _is_constant(row, slopes)]
    ordered = sorted(moving, key=lambda row: int(weight[row != 0].sum()))
    return Search(family, null, [_candidate(family, row) for row in ordered])


def sample(
    system: System, count: int, seed: int, *, positive: bool = False, states: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """States ``(K, n)`` with finite rates ``(K, n)``: the given ones, or random ones."""
    generator = generator_of(seed)
    if states is None:
        drawn = (positive_states if positive else spread_states)(system, count, generator)
    else:
        drawn = states[(states > 0).flatten(1).all(1)] if positive else states
    y, rates = finite(drawn, system(drawn))
    return y.flatten(1), rates.flatten(1)


def rate_matrix(slopes: Tensor, rates: Tensor) -> tuple[Floats, Floats]:
    """A with rows brought to size one, and the size of each column without cancellation."""
    terms = slopes * rates.unsqueeze(1)
    sizes = terms.abs().sum(-1)
    row = sizes.amax(1, keepdim=True).clamp_min(1e-300)
    return (terms.sum(-1) / row).numpy(), ((sizes / row) ** 2).mean(0).sqrt().numpy()


def independent(formulas: Formulas, known: list[Any], new: Any, y: Tensor) -> bool:
    """Whether the gradient of `new` lies outside the span of the others' at some state."""
    slopes = formulas.slopes([*known, new], y)
    slopes = slopes[torch.isfinite(slopes).flatten(1).all(1)]
    lengths = slopes.norm(dim=-1, keepdim=True).clamp_min(1e-300)
    ranks = torch.linalg.svdvals(slopes / lengths)
    return bool(ranks.shape[-1] > len(known) and (ranks[:, len(known)] > RANK).any())


def _is_constant(row: Floats, slopes: Tensor) -> bool:
    """A combination that is the same at all states, such as sin**2 + cos**2."""
    weights = torch.as_tensor(row)
    total = torch.einsum("m,kmn->kn", weights, slopes).abs().sum(-1)
    parts = torch.einsum("m,kmn->kn", weights.abs(), slopes.abs()).sum(-1)
    return bool((total <= VERIFIED * parts).all())


def _candidate(family: Family, row: Floats) -> Candidate:
    import sympy

    whole = rationalised(_simple_last(row))
    if whole is None:
        values = row / np.abs(row).max()
        expression = sympy.Add(*[float(c) * f for c, f in zip(values, family.functions, strict=True) if c])
        return Candidate(family.name, family.functions, values, expression, rational=False)
    numbers = [sympy.Rational(c.numerator, c.denominator) for c in whole]
    expression = sympy.Add(*[c * f for c, f in zip(numbers, family.functions, strict=True)])
    return Candidate(family.name, family.functions, np.array([float(c) for c in whole]), expression, rational=True)


def _simple_last(row: Floats) -> Floats:
    return np.asarray(row / np.abs(row[row != 0]).min())
