"""Orders of the coupled methods, with more digits than float64 has, and by their own reference implementation."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.methods import METHODS, ButcherTableau
from fieldsolver.stepping import VectorField, integrate

Rate = Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf]
COUPLED = ["reversible_bosh3", "reversible_rk4", "reversible_tsit5"]


def rate(t: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    """y = exp(sin(3 t))."""
    return 3 * mpmath.cos(3 * t) * y


def digits(row: tuple[Fraction, ...]) -> list[mpmath.mpf]:
    return [mpmath.mpf(x.numerator) / x.denominator for x in row]


def increment(tableau: ButcherTableau, t: mpmath.mpf, y: mpmath.mpf, h: mpmath.mpf) -> mpmath.mpf:
    """Psi_h(t, y)."""
    k: list[mpmath.mpf] = []
    for c, row in zip(digits(tableau.c), tableau.a, strict=True):
        k.append(rate(t + c * h, y + h * sum(a * slope for a, slope in zip(digits(row), k, strict=True))))
    return h * sum(b * slope for b, slope in zip(digits(tableau.b), k, strict=True))


def march(
    tableau: ButcherTableau, coupling: mpmath.mpf, t0: mpmath.mpf, span: mpmath.mpf, steps: int
) -> list[mpmath.mpf]:
    """y at the ends of all steps."""
    h, y = span / steps, mpmath.exp(mpmath.sin(3 * t0))
    z, ends = y, []
    for n in range(steps):
        t = t0 + n * h
        y = coupling * y + (1 - coupling) * z + increment(tableau, t, z, h)
        z = z - increment(tableau, t + h, y, -h)
        ends.append(y)
    return ends


def errors(tableau: ButcherTableau, coupling: mpmath.mpf, t0: float, span: float, steps: int) -> float:
    ends = march(tableau, coupling, mpmath.mpf(t0), mpmath.mpf(span), steps)
    exact = (mpmath.exp(mpmath.sin(3 * (t0 + mpmath.mpf(span) * (n + 1) / steps))) for n in range(steps))
    return float(max(abs(y - x) for y, x in zip(ends, exact, strict=True)))


def slope(steps: list[int], found: list[float]) -> float:
    return float(-np.polyfit(np.log(steps), np.log(found), 1)[0])


@pytest.mark.parametrize("coupling", [Fraction(999, 1000), Fraction(1, 2)], ids=["weak", "strong"])
@pytest.mark.parametrize("name", COUPLED)
def test_the_reference_has_the_order_of_the_base(name: str, coupling: Fraction) -> None:
    """Before and after the error changes its sign, as it does for odd orders after about 1 / (1 - lambda) steps."""
    counts = [64, 96]
    with mpmath.workdps(50):
        found = [errors(METHODS[name].base.tableau, digits((coupling,))[0], 0.3125, 2**-5, count) for count in counts]
    assert slope(counts, found) == pytest.approx(METHODS[name].order, abs=0.15)


@pytest.mark.parametrize("name", COUPLED)
def test_the_method_makes_the_steps_of_the_reference(name: str) -> None:
    """So the order seen there is that of the code that runs."""
    field = VectorField(lambda p, t, y: 3 * torch.cos(3 * t)[:, None] * y)
    saves = torch.linspace(0.0, 2.0, 25, dtype=torch.float64)
    ours = integrate(field, METHODS[name], torch.ones(1, 1).double(), 0.0, 2.0, dt=2 / 24, save_at=saves).saved
    with mpmath.workdps(40):
        ends = march(METHODS[name].base.tableau, mpmath.mpf(999) / 1000, mpmath.mpf(0), mpmath.mpf(2), 24)
    expected = torch.tensor([float(y) for y in ends], dtype=torch.float64)
    torch.testing.assert_close(ours[1:].flatten(), expected, rtol=1e-12, atol=0)


def test_dense_output_of_reversible_tsit5() -> None:
    """Order 5: the error of the steps, and O(h^5) of the interpolant of order 4."""

    def f(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return 3 * torch.cos(3 * t)[:, None] * y

    times, found, counts = torch.linspace(0.0, 2.0, 1237, dtype=torch.float64), [], [64, 96, 128, 192]
    for count in counts:
        y0 = torch.ones(1, 1, dtype=torch.float64)
        saved = integrate(VectorField(f), METHODS["reversible_tsit5"], y0, 0.0, 2.0, dt=2 / count, save_at=times).saved
        found.append(float((saved.flatten() - torch.exp(torch.sin(3 * times))).abs().max()))
    assert slope(counts, found) == pytest.approx(5, abs=0.15)
