"""The weights of Adams formulas, against published fractions and against exact arithmetic on random times."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsolver.methods.adams_coefficients import AdamsTables, AdamsWeights, combine, scaled_times
from fieldsolver.methods.adams_stability import adams_bashforth_weights

# Hairer, Norsett, Wanner I (1993), section III.1: (1.5) and the formulas below it, (1.8) and those below it.
BASHFORTH = {
    1: ["1"],
    2: ["3/2", "-1/2"],
    3: ["23/12", "-16/12", "5/12"],
    4: ["55/24", "-59/24", "37/24", "-9/24"],
}
MOULTON = {
    1: ["1/2", "1/2"],
    2: ["5/12", "8/12", "-1/12"],
    3: ["9/24", "19/24", "-5/24", "1/24"],
    4: ["251/720", "646/720", "-264/720", "106/720", "-19/720"],
}
GAMMA_STAR = ["-1/2", "-1/12", "-1/24", "-19/720", "-3/160", "-863/60480"]  # table III.1.2, from j = 1

Steps = list[Fraction]
"""The present step and those before it, the latest first."""
steps_of_history = st.lists(st.fractions(Fraction(1, 5), 2, max_denominator=20), min_size=12, max_size=12)


def weights_of(steps: Steps, size: int, theta: float | None = None) -> AdamsWeights:
    tables = AdamsTables(size)
    dt = torch.tensor([float(steps[0])], dtype=torch.float64)
    past = torch.tensor([[float(step) for step in steps[1:size]]], dtype=torch.float64)
    tau = scaled_times(tables, dt, past, torch.tensor([size - 1]))
    return AdamsWeights(tables, tau, None if theta is None else torch.tensor([theta], dtype=torch.float64))


def explicit(weights: AdamsWeights, order: int) -> torch.Tensor:
    k = torch.tensor([order])
    return (weights.implicit(k)[1] - weights.correction(k)[1])[0]


def implicit(weights: AdamsWeights, order: int) -> torch.Tensor:
    of_end, of_past = weights.implicit(torch.tensor([order]))
    return torch.cat([of_end, of_past[0]])


def lagrange_integrals(times: list[Fraction], end: Fraction) -> list[Fraction]:
    """int_0^end L_i for the Lagrange polynomials of these times: the weights by definition."""
    integrals = []
    for i, own in enumerate(times):
        polynomial = [Fraction(1)]
        for other in times[:i] + times[i + 1 :]:
            shifted, scaled = [Fraction(0), *polynomial], [*(-other * c for c in polynomial), Fraction(0)]
            polynomial = [(a + b) / (own - other) for a, b in zip(shifted, scaled, strict=True)]
        integrals.append(sum((c * end ** (n + 1) / (n + 1) for n, c in enumerate(polynomial)), Fraction(0)))
    return integrals


def times_of(steps: Steps, k: int) -> list[Fraction]:
    """x_0 = h, x_1 = 0, x_2, ..., x_k."""
    times = [steps[0], Fraction(0)]
    for step in steps[1:k]:
        times.append(times[-1] - step)
    return times


@pytest.mark.parametrize("order", BASHFORTH)
def test_equal_steps_give_the_published_explicit_formulas(order: int) -> None:
    published = [Fraction(value) for value in BASHFORTH[order]]
    assert adams_bashforth_weights(order) == published
    padded = torch.tensor([float(value) for value in published] + [0.0] * (6 - order), dtype=torch.float64)
    torch.testing.assert_close(explicit(weights_of([Fraction(1, 7)] * 6, 6), order), padded, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("order", MOULTON)
def test_equal_steps_give_the_published_implicit_formulas(order: int) -> None:
    padded = torch.tensor([float(Fraction(v)) for v in MOULTON[order]] + [0.0] * (6 - order), dtype=torch.float64)
    torch.testing.assert_close(implicit(weights_of([Fraction(1, 7)] * 6, 6), order), padded, rtol=1e-14, atol=1e-15)


def test_local_errors_on_equal_steps_are_gamma_star_times_backward_differences() -> None:
    orders = torch.arange(1, 7).unsqueeze(0)
    of_end, of_past = weights_of([Fraction(1, 7)] * 6, 6).local_errors(orders)
    for row, (j, gamma) in enumerate(zip(range(1, 7), GAMMA_STAR, strict=True)):
        expected = [float(Fraction(gamma) * (-1) ** i * comb(j, i)) for i in range(7)]
        found = [float(of_end[0, row]), *of_past[0, row].tolist()]
        assert found == pytest.approx(expected, rel=1e-13, abs=1e-15)


@settings(deadline=None, max_examples=30)
@given(steps_of_history, st.integers(1, 12), st.sampled_from([None, 0.0, 0.3, 0.75]))
def test_unequal_steps_give_the_integrals_of_the_interpolating_polynomial(
    steps: Steps, k: int, theta: float | None
) -> None:
    weights, times = weights_of(steps, 12, theta), times_of(steps, k)
    end = steps[0] * (1 if theta is None else Fraction(theta))
    for found, nodes in ((explicit(weights, k)[:k], times[1:]), (implicit(weights, k)[: k + 1], times)):
        expected = torch.tensor([float(w / steps[0]) for w in lagrange_integrals(nodes, end)], dtype=torch.float64)
        size = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11 * size)


@settings(deadline=None, max_examples=20)
@given(steps_of_history, st.integers(1, 4))
def test_polynomials_below_the_order_are_integrated_exactly(steps: Steps, p: int) -> None:
    """f = t^m with m < p for the explicit formula of order p, m <= p for the implicit one of order p + 1."""
    weights, times = weights_of(steps, 12), times_of(steps, 12)
    for m in range(p + 1):
        values = torch.tensor([float(x**m) for x in times], dtype=torch.float64)
        exact = float(steps[0] ** m / (m + 1))
        assert float(implicit(weights, p) @ values) == pytest.approx(exact, rel=1e-11)
        if m < p:
            assert float(explicit(weights, p) @ values[1:]) == pytest.approx(exact, rel=1e-11)


@settings(deadline=None, max_examples=20)
@given(steps_of_history)
def test_the_recurrences_of_the_book_give_the_same(steps: Steps) -> None:
    """beta_j, Phi_j, Phi*_j and c_jq of section III.5, eqs. (5.8)-(5.10), in exact arithmetic, for f = 1 / (5 + t)."""
    size, h = 6, steps[0]
    times = times_of(steps, 12)
    c = {(0, q): Fraction(1, q) for q in range(1, size + 3)} | {(1, q): Fraction(1, q * (q + 1)) for q in range(1, 9)}
    for j in range(2, size + 1):
        for q in range(1, size + 2 - j):
            c[j, q] = c[j - 1, q] - c[j - 1, q + 1] * h / (times[0] - times[j])
    g = [c[j, 1] for j in range(size + 1)]
    assert weights_of(steps, size).g[0].tolist() == pytest.approx([float(value) for value in g], rel=1e-13)
    f = [1 / (40 + x) for x in times]
    differences = [f[1]]  # Phi_j(n)
    table = f[1:]
    for j in range(1, size):
        table = [(table[i] - table[i + 1]) / (times[1 + i] - times[1 + i + j]) for i in range(len(table) - 1)]
        scale = Fraction(1)
        for i in range(1, j + 1):
            scale *= times[1] - times[1 + i]
        differences.append(scale * table[0])
    beta, starred = Fraction(1), [differences[0]]
    for j in range(1, size):
        beta *= (times[0] - times[j]) / (times[1] - times[j + 1])
        starred.append(beta * differences[j])
    for k in range(1, size + 1):
        expected = float(sum((g[j] * starred[j] for j in range(k)), Fraction(0)))
        values = torch.tensor([float(v) for v in f[1 : size + 1]], dtype=torch.float64)
        found = float(explicit(weights_of(steps, size), k) @ values)
        assert found == pytest.approx(expected, rel=1e-12)


def test_unknown_times_and_resting_samples_have_finite_weights() -> None:
    tables = AdamsTables(12)
    dt = torch.tensor([0.0, 1e-9, -2.0, 0.0], dtype=torch.float64)
    past = torch.zeros(4, 11, dtype=torch.float64)
    past[3] = -1.0
    tau = scaled_times(tables, dt, past, torch.tensor([0, 0, 0, 11]))
    weights = AdamsWeights(tables, tau)
    assert torch.isfinite(weights.C).all()
    assert torch.isfinite(weights.g).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128])
def test_sums_of_small_and_large_states_agree(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weights = torch.randn(3, 2, 5, dtype=torch.float64)
    weights[:, :, 2] = 0.0
    derivatives = [torch.randn(3, 10, 20, dtype=dtype) for _ in range(5)]
    large = combine(weights, derivatives)
    small = combine(weights, [d[:, :2, :3] for d in derivatives])
    for row in range(2):
        assert large[row].dtype == dtype
        expected = sum(
            weights[:, row, j].to(derivatives[0].real.dtype).view(3, 1, 1) * derivatives[j] for j in range(5)
        )
        torch.testing.assert_close(large[row], expected)
        torch.testing.assert_close(small[row], expected[:, :2, :3])
