"""Mutants of schemes and operators: every coefficient scaled, every sign turned. The analyser must not pass them.

What passes all the same must be equivalent: a coefficient that does not enter what is computed. Those are told apart
beforehand, by the tableau alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import convergence
from fieldsolver.equations.lowering.axes.ghost_layers import GhostLayers
from fieldsolver.methods import METHODS, ExplicitRungeKutta
from fieldsolver.results import Verdict
from fieldsolver.space.advection_schemes import ADVECTION_SCHEMES
from fieldsolver.space.advection_schemes.scheme import LinearScheme

SCHEMES = ("heun", "bosh3", "rk4", "ssprk33", "dopri5")
CHANGES = {"scaled by 1.05": 1.05, "of the other sign": -1.0}
SHARE = 0.95

# --------------------------------------------------------------------------------------------------- schemes


END = 1.5


def growth(t, y):
    """y' = (1 + 2 t) y (1 - y), y(0) = 1/4, y = 1/(1 + 3 exp(-t - t^2)): neither autonomous nor linear."""
    return y * (1 - y) * (1 + 2 * t).unsqueeze(-1)


def end_error(method, steps):
    t, y = torch.zeros(1, dtype=torch.float64), torch.full((1, 1), 0.25, dtype=torch.float64)
    step, memory = torch.full_like(t, END / steps), ()
    for _ in range(steps):
        made = method.step(growth, t, step, y, memory, estimate=False)
        t, y, memory = t + step, made.y_new, made.memory
    return float((y[0, 0] - 1 / (1 + 3 * math.exp(-END - END**2))).abs())


class Mutant(NamedTuple):
    """A tableau with one entry changed; `entry` is (array, stage, place), `enters` tells whether it is used."""

    name: str
    method: ExplicitRungeKutta
    enters: bool


def used_stages(a, b):
    """Stages that reach y_new, directly or through others."""
    used = {i for i, weight in enumerate(b) if weight}
    for i in reversed(range(len(b))):
        if i in used:
            used |= {j for j, weight in enumerate(a[i]) if weight}
    return used


def changed(name, field, position, factor):
    """A tableau object whose validation has been passed by the original; numbers stay exact fractions."""
    tableau = copy.copy(METHODS[name].tableau)
    for cached in ("b_error", "b_coarse_error", "real_interval", "imaginary_interval"):
        tableau.__dict__.pop(cached, None)
    rows = [list(row) for row in tableau.a]
    weights, nodes = list(tableau.b), list(tableau.c)
    target = {"a": lambda: rows[position[0]], "b": lambda: weights, "c": lambda: nodes}[field]()
    target[position[-1]] *= type(target[position[-1]])(factor)
    for key, value in (("a", tuple(map(tuple, rows))), ("b", tuple(weights)), ("c", tuple(nodes))):
        object.__setattr__(tableau, key, value)
    return tableau


def scheme_mutants(name) -> Iterator[Mutant]:
    tableau = METHODS[name].tableau
    used = used_stages(tableau.a, tableau.b)
    places = [("a", (i, j)) for i, row in enumerate(tableau.a) for j, weight in enumerate(row) if weight]
    places += [("b", (i,)) for i, weight in enumerate(tableau.b) if weight]
    places += [("c", (i,)) for i, node in enumerate(tableau.c) if node]
    for field, position in places:
        # the last stage of a first-same-as-last method is y_new itself, and only its evaluation is not used
        enters = position[0] in used or field == "b"
        for change, factor in CHANGES.items():
            mutated = ExplicitRungeKutta(changed(name, field, position, factor))
            yield Mutant(f"{name}: {field}{list(position)} {change}", mutated, enters)


def judged(error: Callable[[float], float], order: float, ladder) -> Verdict:
    return convergence(error, ladder, expected=order, progress=False).status


HALVINGS = (8, 16, 32, 64, 128)
CLOSER = (6, 9, 14, 20, 30, 46)
"""Order 5 meets round-off after three halvings."""


def scheme_verdict(method, order):
    ladder = [END / steps for steps in (CLOSER if order > 4 else HALVINGS)]
    return judged(lambda dt: end_error(method, round(END / dt)), order, ladder)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_schemes_themselves_pass(name):
    assert scheme_verdict(METHODS[name], METHODS[name].order) is Verdict.PASS


def survivors_of(mutants, verdict):
    """Those that pass, and the number that were tried."""
    tried = [mutant for mutant in mutants if mutant.enters]
    return [mutant.name for mutant in tried if verdict(mutant) is Verdict.PASS], len(tried)


@pytest.mark.parametrize("name", ["heun", "bosh3"])
def test_mutants_of_short_schemes_do_not_pass(name):
    survivors, tried = survivors_of(
        scheme_mutants(name), lambda mutant: scheme_verdict(mutant.method, METHODS[name].order)
    )
    assert len(survivors) <= (1 - SHARE) * tried, survivors


@pytest.mark.slow
def test_mutants_of_all_schemes_do_not_pass():
    survivors, tried = [], 0
    for name in SCHEMES:
        found, count = survivors_of(
            scheme_mutants(name), lambda mutant, name=name: scheme_verdict(mutant.method, METHODS[name].order)
        )
        survivors, tried = survivors + found, tried + count
    print(f"{len(survivors)} of {tried} mutants pass: {survivors}")
    assert len(survivors) <= (1 - SHARE) * tried, survivors


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bosh3", "dopri5"])
def test_mutants_that_do_not_enter_the_solution_are_equivalent(name):
    """The last stage of a first-same-as-last method serves the error estimate and the next step only.

    Its row is y_new; changed, the package computes y_new from b, which is right.
    """
    equivalent = [mutant for mutant in scheme_mutants(name) if not mutant.enters]
    assert equivalent
    for mutant in equivalent:
        assert end_error(mutant.method, 20) == pytest.approx(end_error(METHODS[name], 20), rel=1e-9), mutant.name


# -------------------------------------------------------------------------------------------------- operators

TWO_PI = 2 * math.pi


class Operator(NamedTuple):
    """An operator on a periodic line, the order of its scheme and its own, and the derivative whose stencil it is."""

    text: str
    space_order: int
    order: int
    derivative: int | None
    advection: str = "central"


OPERATORS = {
    "laplacian, order 2": Operator("laplacian(u)", 2, 2, 2),
    "d_dx, order 2": Operator("d_dx(u)", 2, 2, 1),
    "d_dx, order 4": Operator("d_dx(u)", 4, 4, 1),
    "biharmonic, order 2": Operator("d4_dx4(u)", 2, 2, 4),
    "upwind3": Operator("advection(1 + 0*x, u)", 2, 3, None, "upwind3"),
}


def field(x):
    return torch.exp(torch.sin(x))


def true_value(operator, x):
    """Derivatives of exp(sin x)."""
    s, c, u = torch.sin(x), torch.cos(x), torch.exp(torch.sin(x))
    if operator.derivative in (1, None):
        return c * u
    if operator.derivative == 2:
        return (c**2 - s) * u
    return (c**4 - 6 * s * c**2 + 3 * s**2 - 4 * c**2 + s) * u


def operator_error(operator, points):
    scheme = fs.FiniteDifference(operator.space_order, advection=operator.advection)
    grid = fs.Grid(points, extent=TWO_PI)
    equation = fs.FieldEquation(f"du/dt = {operator.text}", grid=grid, boundary=fs.Periodic(), scheme=scheme)
    (x,) = grid.coordinates()
    with torch.no_grad():
        rate = equation(0.0, equation.pack({"u": field(x)}))
    return float((rate[0] - true_value(operator, x)).abs().max())


def operator_verdict(operator):
    sizes = (16, 24, 32, 48, 64, 96) if operator.order == 4 else (24, 32, 48, 64, 96, 128)
    ladder = [TWO_PI / n for n in sizes]
    return judged(lambda h: operator_error(operator, round(TWO_PI / h)), operator.order, ladder)


def stencil(operator):
    """The weights that are mutated, offsets from left to right."""
    if operator.derivative is None:
        return [float(c) for c in ADVECTION_SCHEMES[operator.advection].coefficients]
    from fieldsolver.space.stencils import central_stencil

    return [float(c) for c in central_stencil(operator.derivative, operator.space_order)]


def mutate(operator, place, factor, monkeypatch):
    """Change one weight of the stencil where the package reads it."""
    if operator.derivative is None:
        scheme = ADVECTION_SCHEMES[operator.advection]
        coefficients = list(scheme.coefficients)
        coefficients[place] *= type(coefficients[place])(factor)
        mutant = LinearScheme(scheme.name, scheme.order, coefficients, scheme.stencil)
        monkeypatch.setitem(ADVECTION_SCHEMES, operator.advection, mutant)
        return
    right = GhostLayers.weights

    def weights(self, m):
        found = list(right(self, m))
        if m == operator.derivative:
            found[place] *= factor
        return tuple(found)

    monkeypatch.setattr(GhostLayers, "weights", weights)


@pytest.mark.parametrize("name", OPERATORS)
def test_the_operators_themselves_pass(name):
    assert operator_verdict(OPERATORS[name]) is Verdict.PASS


@pytest.mark.parametrize("name", ["laplacian, order 2", "d_dx, order 2", "upwind3"])
def test_mutants_of_small_stencils_do_not_pass(name):
    survivors, _ = operator_survivors([name])
    assert not survivors


@pytest.mark.slow
def test_mutants_of_all_stencils_do_not_pass():
    survivors, equivalent = operator_survivors(OPERATORS)
    assert not survivors
    # Of an odd stencil the package reads the right half and whether the halves differ.
    assert equivalent == [
        "d_dx, order 2: weight 0 scaled by 1.05",
        "d_dx, order 4: weight 0 scaled by 1.05",
        "d_dx, order 4: weight 1 scaled by 1.05",
    ]


def operator_survivors(names):
    """Mutants that pass, and those that compute the same numbers as the original."""
    survivors, equivalent = [], []
    for name in names:
        operator = OPERATORS[name]
        right = operator_error(operator, 32)
        for place, weight in enumerate(stencil(operator)):
            for change, factor in CHANGES.items() if weight else ():
                with pytest.MonkeyPatch.context() as patch:
                    mutate(operator, place, factor, patch)
                    if operator_error(operator, 32) == right:
                        equivalent.append(f"{name}: weight {place} {change}")
                    elif operator_verdict(operator) is Verdict.PASS:
                        survivors.append(f"{name}: weight {place} {change}")
    print(f"{len(survivors)} mutants pass: {survivors}; equivalent: {equivalent}")
    return survivors, equivalent
