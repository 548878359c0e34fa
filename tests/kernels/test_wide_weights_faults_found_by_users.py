"""False optima that users met where sums come close to the end of int64, against every assignment in fractions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fieldsolver.kernels import partition
from fieldsolver.kernels.partitioning.weights import LARGEST, exact_weights
from fieldsolver.results import Verdict

OBJECTIVES = ("difference", "largest", "smallest")
CASES = 300


@pytest.mark.parametrize(
    ("weights", "objective", "best"),
    [
        ([0.001, 1.5, 20.1, 300.7, 17.3, 440.2], "difference", 103.601),
        (
            [
                2345735092104735903,
                2128407944510958517,
                1875951089034610903,
                4246768968944105153,
                374791117037951405,
                1271246989039389543,
            ],
            "smallest",
            5892807075021446101,
        ),
    ],
)
def test_totals_beyond_int64_do_not_bound_the_parts(weights: list, objective: str, best: float) -> None:
    """The parts were silently kept below 2^62 where no capacities were given."""
    for method in ("auto", "complete_greedy"):
        found = partition(weights, 2, objective=objective, method=method, balanced=True)
        assert found.status is Verdict.OPTIMAL
        assert float(found["value"]) == float(found["lower_bound"]) == pytest.approx(best, rel=1e-14)
        assert float(found["gap"]) == 0


def test_optima_are_optima_whatever_the_size_of_the_weights() -> None:
    """Integers of 50 to 63 bits, totals around 2^62, floats of wide range; all limits, objectives and methods."""
    generator, proved, routes = np.random.default_rng(9), 0, set()
    for case in range(CASES):
        parts = 2 + case % 3
        weights = drawn_weights(generator, int(generator.integers(parts, 7)), case % 4)
        limits = drawn_limits(generator, weights, parts)
        objective = OBJECTIVES[int(generator.integers(3))]
        best = best_value(weights, parts, objective, **limits)
        exact = exact_weights(weights)
        routes.add(exact.fits)
        methods = ["auto", "complete_greedy", "differencing"]
        if not limits["balanced"] and limits["capacities"] is None:
            methods += ["complete_differencing"] + ["four_lists"] * (parts == 2 and exact.fits)
        for method in methods:
            found = partition(weights, parts, objective=objective, method=method, time_limit=1e6, **limits)
            proved += found.status is Verdict.OPTIMAL
            agree_with_brute_force(found, weights, objective, best, searched=method != "differencing")
    assert routes == {True, False}
    assert proved > CASES


def drawn_weights(generator: np.random.Generator, count: int, kind: int) -> list:
    if kind == 0:
        bits = int(generator.integers(50, 64))
        return [int(one) for one in generator.integers(2 ** (bits - 1), 2**bits - 1, count, dtype=np.uint64)]
    if kind == 1:
        return list(generator.lognormal(0, 3, count).tolist())
    if kind == 2:
        return list((10 ** generator.uniform(-6, 0, count)).tolist())
    weights = [int(one) for one in generator.integers(1, 2**59, count)]
    weights[0] += LARGEST - sum(weights) + int(generator.integers(-2, 3))
    return weights


def drawn_limits(generator: np.random.Generator, weights: list, parts: int) -> dict[str, Any]:
    mean = float(sum(map(Fraction, weights)) / parts)
    capacities = [mean * float(share) for share in generator.uniform(0.9, 1.8, parts)]
    return {
        "balanced": bool(generator.integers(2)),
        "capacities": capacities if generator.integers(2) else None,
    }


def best_value(
    weights: list, parts: int, objective: str, *, balanced: bool, capacities: list[float] | None
) -> Fraction | None:
    """The best objective of all assignments, what is made small; None if none keeps the limits."""
    scale, found = max(Fraction(weight).denominator for weight in weights), []
    values = [int(Fraction(weight) * scale) for weight in weights]
    bounds = None if capacities is None else [math.floor(Fraction(one) * scale) for one in capacities]
    for assignment in itertools.product(range(parts), repeat=len(values)):
        sums, counts = [0] * parts, [0] * parts
        for value, part in zip(values, assignment, strict=True):
            sums[part] += value
            counts[part] += 1
        kept = bounds is None or all(total <= most for total, most in zip(sums, bounds, strict=True))
        if kept and not (balanced and max(counts) - min(counts) > 1):
            found.append(value_of(sums, objective))
    return Fraction(min(found), scale) if found else None


def value_of(sums: Sequence[Any], objective: str) -> Any:
    return {"difference": max(sums) - min(sums), "largest": max(sums), "smallest": -min(sums)}[objective]


def agree_with_brute_force(found: Any, weights: list, objective: str, best: Fraction | None, *, searched: bool) -> None:
    if best is None or found.status in (Verdict.NOT_FOUND, Verdict.INCONCLUSIVE):
        assert found.status is Verdict.NOT_FOUND if searched else found.status is not Verdict.OPTIMAL
        assert best is None or found.status is Verdict.INCONCLUSIVE
        return
    sums = [sum((Fraction(weights[item]) for item in items), Fraction(0)) for items in found.parts]
    value, sign = value_of(sums, objective), -1 if objective == "smallest" else 1
    assert found.status is Verdict.OPTIMAL if searched else value >= best
    if found.status is Verdict.OPTIMAL:
        assert value == best
    assert sign * float(found["lower_bound"]) <= float(best)
