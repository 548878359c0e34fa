"""Energy of q'' = -q: its relative change in one step is an exact polynomial, E(y) = |R(iy)|^2 - 1 with y the step.

Methods with as many stages as orders have the Taylor polynomial sum z^k / k! for R, so that their E is known from the
order alone; the others have it from their tableaus, in exact arithmetic.
"""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

import fieldsolver as fs
from fieldsolver.methods import METHODS, ExplicitRungeKutta
from fieldsolver.methods.polynomial import Polynomial, add, evaluate, multiply, polynomial

EXPLICIT = [name for name in METHODS if isinstance(METHODS[name], ExplicitRungeKutta)]


def energy_gain(r: Polynomial) -> Polynomial:
    """|R(iy)|^2 - 1 in powers of w = y^2: (sum (-w)^k r_2k)^2 + w (sum (-w)^k r_2k+1)^2 - 1."""
    even, odd = (polynomial((-1) ** k * c for k, c in enumerate(r[start::2])) for start in (0, 1))
    return add(add(multiply(even, even), multiply(polynomial([0, 1]), multiply(odd, odd))), polynomial([-1]))


def w_times(power: int, factor: list[int], denominator: int) -> Polynomial:
    return polynomial([0] * power + [Fraction(c, denominator) for c in factor])


TAYLOR = {  # order: E in powers of w = y^2
    1: w_times(1, [1], 1),  # y^2
    2: w_times(2, [1], 4),  # y^4/4
    3: w_times(2, [-3, 1], 36),  # y^4 (y^2 - 3)/36
    4: w_times(3, [-8, 1], 576),  # y^6 (y^2 - 8)/576
    5: w_times(3, [40, -15, 1], 14400),  # y^6 (y^4 - 15 y^2 + 40)/14400
    6: w_times(4, [180, -24, 1], 518400),  # y^8 (y^4 - 24 y^2 + 180)/518400
}
AS_MANY_STAGES_AS_ORDERS = ["euler", "heun", "midpoint", "ralston", "ssprk33", "bosh3", "rk4", "rk38"]
"""bosh3's fourth stage serves the estimate and the next step."""


@pytest.mark.parametrize("order", TAYLOR)
def test_taylor_polynomials_gain_what_is_known(order: int) -> None:
    assert energy_gain(polynomial(Fraction(1, math.factorial(k)) for k in range(order + 1))) == TAYLOR[order]


@pytest.mark.parametrize("name", AS_MANY_STAGES_AS_ORDERS)
def test_methods_without_further_stages_gain_the_same(name: str) -> None:
    method = METHODS[name]
    assert energy_gain(method.tableau.stability_polynomial()) == TAYLOR[method.order]


def test_dopri5_and_the_ssp_methods_by_their_known_stability_polynomials() -> None:
    taylor = {p: [Fraction(1, math.factorial(k)) for k in range(p + 1)] for p in (3, 5)}
    dopri5 = energy_gain(METHODS["dopri5"].tableau.stability_polynomial())
    assert dopri5 == energy_gain(polynomial([*taylor[5], Fraction(1, 600)]))
    assert dopri5[:5] == (0, 0, 0, Fraction(-1, 1800), Fraction(1, 1600))
    ssprk43 = energy_gain(METHODS["ssprk43"].tableau.stability_polynomial())
    assert ssprk43 == energy_gain(polynomial([*taylor[3], Fraction(1, 48)]))
    assert ssprk43[:4] == (0, 0, Fraction(-1, 24), Fraction(1, 144))


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_gain_begins_beyond_the_order(name: str) -> None:
    """|R|^2 = |e^iy|^2 + O(y^(p+1)), and odd powers of y do not occur."""
    method = METHODS[name]
    gain = energy_gain(method.tableau.stability_polynomial())
    vanishing = (method.order + 2) // 2
    assert gain[:vanishing] == (0,) * vanishing
    assert any(gain)


def rotation(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.stack((y[..., 1], -y[..., 0]), -1)


@pytest.mark.parametrize("dt", [0.25, 0.75, 1.0, 1.5])
@pytest.mark.parametrize("name", EXPLICIT)
def test_every_step_multiplies_the_energy_by_one_plus_the_gain(name: str, dt: float) -> None:
    steps = 8
    start = torch.tensor([0.6, 0.8], dtype=torch.float64)
    times = [n * dt for n in range(steps + 1)]
    y = fs.solve(rotation, start, t_span=(0, times[-1]), dt=dt, save_at=times, method=name, gradient="none").y
    energy = y.square().sum(-1)
    gain = float(evaluate(energy_gain(METHODS[name].tableau.stability_polynomial()), Fraction(dt) ** 2))
    torch.testing.assert_close(
        energy[1:] / energy[:-1], torch.full((steps,), 1 + gain, dtype=torch.float64), rtol=2e-13, atol=0
    )
    assert math.isclose(float(energy[-1]), (1 + gain) ** steps, rel_tol=1e-12)


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_energy_stays_bounded_up_to_the_imaginary_limit_alone(name: str) -> None:
    tableau = METHODS[name].tableau
    gain, limit = energy_gain(tableau.stability_polynomial()), Fraction(tableau.imaginary_interval)
    assert all(evaluate(gain, (limit * k / 16) ** 2) <= 0 for k in range(17 - (limit > 0)))
    assert evaluate(gain, (limit * Fraction(1001, 1000) + Fraction(1, 1000)) ** 2) > 0
