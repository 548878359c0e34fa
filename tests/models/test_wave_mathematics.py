"""The mathematics of waves: the polar form, safe gradients, interference, modulation, energies, prefix sums."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.models.wave_network import Columns, Wave, global_semantics, represent
from fieldsolver.models.wave_network.energy import conserving_interference, conserving_modulation, energy
from fieldsolver.models.wave_network.phase_diversity import phase_concentration
from fieldsolver.models.wave_network.superposition import interference, mixture, modulation, normalised
from fieldsolver.models.wave_network.wave import as_complex, as_wave, intensity, magnitude, phase

N, D = 9, 5


def tokens(seed: int = 0, n: int = N, batch: int = 2) -> Tensor:
    return torch.randn(batch, n, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def everyone(w: Tensor, **options) -> Columns:
    return Columns(torch.ones(w.shape[:2], dtype=torch.bool), **options)


def waves(seed: int = 0) -> tuple[Wave, Wave, Columns]:
    one, other = tokens(seed), tokens(seed + 1)
    columns = everyone(one)
    return represent(one, columns, eps=1e-12), represent(other, columns, eps=1e-12), columns


def close(one: Tensor, other: Tensor, within: float = 1e-12) -> None:
    torch.testing.assert_close(one, other, rtol=within, atol=within)


def test_the_closed_form_is_the_polar_form_of_the_paper() -> None:
    w = tokens()
    semantics = w.square().sum(1, keepdim=True).sqrt()
    angle = torch.atan2((1 - (w / semantics).square()).sqrt(), w / semantics)
    z = represent(w, everyone(w), eps=1e-12)
    close(as_complex(z), semantics * torch.exp(1j * angle))
    close(global_semantics(w, everyone(w)), semantics)
    close(magnitude(z), semantics.expand_as(w))
    close(phase(z), angle)
    assert 0 <= phase(z).min() <= phase(z).max() <= math.pi


def test_what_the_others_are_is_no_difference_of_large_numbers() -> None:
    w = torch.full((1, 4, 1), 1e-6)
    w[0, 1] = 1.0  # G^2 - w^2 is 0 in float32, and 3e-12 is right
    s = represent(w, everyone(w), eps=1e-9).imaginary
    torch.testing.assert_close(s[0, 1, 0].item(), math.sqrt(3) * 1e-6, rtol=1e-5, atol=0)
    torch.testing.assert_close(s[0, 0, 0].item(), 1.0, rtol=1e-6, atol=0)


def spoilt(kind: str) -> Tensor:
    w = tokens(n=1 if kind == "one token" else 4)
    if kind == "a column of zeros":
        w[:, :, 2] = 0
    elif kind == "a dominated column":
        w[:, 1:, 2] *= 1e-9
    elif kind == "a column of one token":
        w[:, 1:, 2] = 0
    elif kind == "nothing but zeros":
        w = torch.zeros_like(w)
    return w


KINDS = ["as it comes", "one token", "a column of zeros", "a dominated column", "a column of one token"]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("amplitude", ["norm", "rms"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree_with_differences(kind: str, amplitude: str, causal: bool) -> None:
    w = spoilt(kind).requires_grad_()
    columns = everyone(w, causal=causal)
    # eps is large against the step of the differences: at zero s is |w|, smoothed over eps
    torch.autograd.gradcheck(lambda w: represent(w, columns, amplitude=amplitude, eps=0.05), w, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [*KINDS, "nothing but zeros"])
def test_gradients_are_finite_where_the_polar_form_has_none(kind: str, dtype: torch.dtype) -> None:
    w = spoilt(kind).to(dtype).requires_grad_()
    one, other = represent(w, everyone(w)), represent(2 * w, everyone(w))
    for z in (one, modulation(one, other), normalised(modulation(one, other), everyone(w)),
              conserving_interference(one, other, everyone(w)), conserving_modulation(one, other)):  # fmt: skip
        (slope,) = torch.autograd.grad(
            magnitude(z).sum() + phase_concentration(z, everyone(w)).sum(), w, retain_graph=True
        )
        assert torch.isfinite(slope).all()


def test_the_context_moves_no_faster_than_the_token() -> None:
    w = tokens(batch=1, n=4)
    jacobian = torch.autograd.functional.jacobian(lambda w: represent(w, everyone(w)).imaginary, w)
    assert jacobian.abs().max() <= 1 + 1e-12
    assert all(jacobian[0, j, k, 0, j, k].abs() < 1e-6 for j in range(4) for k in range(D))


def test_padding_has_no_part_in_the_sums() -> None:
    w, columns = tokens(), everyone(tokens())
    rubbish = torch.full((2, 3, D), torch.nan, dtype=torch.float64)
    padded, mask = torch.cat([w, rubbish], 1), torch.arange(N + 3).expand(2, -1) < N
    for causal in (False, True):
        expected = represent(w, everyone(w, causal=causal))
        got = represent(padded, Columns(mask, causal))
        close(got.imaginary[:, :N], expected.imaginary)
        assert torch.isfinite(as_complex(got)).all()
    close(global_semantics(padded, Columns(mask)), global_semantics(w, columns))


def test_interference_has_the_term_of_the_textbook() -> None:
    one, other, _ = waves()
    first, second = magnitude(one), magnitude(other)
    expected = first**2 + second**2 + 2 * first * second * torch.cos(phase(one) - phase(other))
    close(intensity(interference(one, other)), expected)
    cross = 2 * (one.real * other.real + one.imaginary * other.imaginary)
    close(expected - first**2 - second**2, cross, 1e-11)


def test_modulation_multiplies_magnitudes_and_adds_phases() -> None:
    one, other, columns = waves()
    product = modulation(one, other)
    close(as_complex(product), as_complex(one) * as_complex(other))
    semantics = [global_semantics(z.real, columns) for z in (one, other)]
    close(magnitude(product), (semantics[0] * semantics[1]).expand_as(product.real))  # why |Z| forgets the tokens
    close(torch.cos(phase(product) - phase(one) - phase(other)), torch.ones_like(product.real))


def test_energies_are_what_they_are_said_to_be() -> None:
    one, other, columns = waves()
    first, second = (global_semantics(z.real, columns).square() for z in (one, other))
    close(energy(one, columns), N * first)
    close(columns.total(one.real.square()), first)
    close(energy(modulation(one, other), columns), N * first * second)
    cross = columns.total(one.real * other.real + one.imaginary * other.imaginary)
    close(energy(interference(one, other), columns), N * (first + second) + 2 * cross)


def test_conserved_energies_are_conserved_and_tokens_still_differ() -> None:
    one, other, columns = waves()
    total = conserving_interference(one, other, columns)
    close(energy(total, columns), energy(one, columns) + energy(other, columns))
    ratio = magnitude(total) / magnitude(interference(one, other))
    close(ratio, ratio[:, :1].expand_as(ratio))
    assert magnitude(total).std(1).min() > 1e-3
    turned = conserving_modulation(one, other)
    close(magnitude(turned), magnitude(one))
    close(as_complex(turned), as_complex(modulation(one, other)) / magnitude(other))


def test_a_mixture_goes_from_one_mode_to_the_other() -> None:
    one, other, columns = waves()
    ends = [mixture(one, other, torch.tensor(weight, dtype=torch.float64), columns) for weight in (0.0, 1.0)]
    for z, alone in zip(ends, (interference(one, other), modulation(one, other)), strict=True):
        close(as_complex(z), as_complex(normalised(alone, columns)))
        close(columns.mean(intensity(z)), torch.ones(2, 1, D, dtype=torch.float64))
    small = mixture(one.times(torch.tensor(1e-3)), other, torch.tensor(0.5), columns)
    large = mixture(one.times(torch.tensor(1e3)), other, torch.tensor(0.5), columns)
    shares = [columns.mean(intensity(z)).mean().item() for z in (small, large)]
    assert 0.2 < shares[0] / shares[1] < 5  # without the norms: 1e-12


def test_phases_that_are_alike_are_penalised() -> None:
    unit = torch.polar(torch.ones(1, 8, 1), torch.arange(8.0).reshape(1, 8, 1) * math.pi / 4)
    columns = Columns(torch.ones(1, 8, dtype=torch.bool))
    assert phase_concentration(as_wave(unit), columns).item() < 1e-12
    assert phase_concentration(as_wave(torch.ones(1, 8, 1) + 0j), columns).item() == pytest.approx(1.0)
    assert phase_concentration(as_wave(3 * unit), columns).item() < 1e-12  # magnitudes have no part in it
    padded = Columns(torch.arange(8).reshape(1, 8) < 2)
    assert phase_concentration(as_wave(unit), padded).item() == pytest.approx((2 + 2**0.5) / 4)


@pytest.mark.parametrize("forgetting", [1.0, 0.9])
def test_causal_sums_are_those_of_a_loop(forgetting: float) -> None:
    squares = tokens().square()
    mask = torch.tensor([[True] * N, [False, True, True, False, True, True, True, False, False]])
    columns = Columns(mask, causal=True, forgetting=forgetting)
    totals, others = columns.total(squares), columns.others(squares)
    for row in range(2):
        p = torch.zeros(D, dtype=torch.float64)
        for j in range(N):
            if mask[row, j]:
                close(others[row, j], forgetting * p)
                p = forgetting * p + squares[row, j]
                close(totals[row, j], p)


def test_causal_waves_see_nothing_of_the_future_and_all_of_the_past() -> None:
    w = tokens(batch=1)
    for forgetting in (1.0, 0.8):

        def context(w: Tensor, forgetting: float = forgetting) -> Tensor:
            return represent(w, everyone(w, causal=True, forgetting=forgetting)).imaginary[0, :, 0]

        seen = torch.autograd.functional.jacobian(context, w)[:, 0, :, 0].abs()
        assert torch.equal(seen.triu(1), torch.zeros(N, N, dtype=torch.float64))
        assert (seen.tril(-1) + torch.ones(N, N).triu() > 0).all()
    assert (represent(w, everyone(w)).imaginary - represent(w, everyone(w, causal=True)).imaginary).abs().max() > 0.1


def test_forgetting_is_the_declared_equation_of_a_leak() -> None:
    """``dP/dt = w^2 - gamma P``, one token per unit of time: rho = exp(-gamma), and a factor for its own time."""
    gamma = 0.3
    leak = fs.FieldEquation(
        "dP/dt = x - gamma*P", components={"P": D}, parameters={"x": torch.zeros(D), "gamma": gamma}
    )
    layer = fs.nn.RecurrentFieldLayer(leak, inputs="x", interval=1.0, dt=0.01, method="rk4", initial=0.0)
    squares = tokens().square()
    rho = math.exp(-gamma)
    sums = Columns(torch.ones(2, N, dtype=torch.bool), causal=True, forgetting=rho).total(squares)
    with torch.no_grad():
        close(layer(squares)[0], sums * (1 - rho) / gamma, 1e-9)
