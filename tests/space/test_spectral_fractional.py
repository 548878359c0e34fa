"""The fractional Laplacian: a semigroup in its power, with the Laplacian at one."""

from __future__ import annotations

import math

import pytest
import torch

from fieldsolver.errors import GridError, ParameterError
from fieldsolver.space.spectral import SpectralLine, fractional_laplacian

from .test_spectral_transforms import draw

BOXES = {
    "period": [SpectralLine("fourier", 9, 1.3)],
    "walls": [SpectralLine("cosine", 8, 1.3), SpectralLine("sine", 7, 2.0, on_node=True)],
    "mixed": [
        SpectralLine("sine-cosine", 6, 1.3),
        SpectralLine("fourier", 8, 2.0),
        SpectralLine("cosine-sine", 7, 0.9, on_node=True),
    ],
    "torus": [SpectralLine("fourier", 6, 1.0), SpectralLine("anti-fourier", 7, 2.0), SpectralLine("fourier", 5, 1.5)],
}


def field(lines, is_complex=False):
    return draw(2, *(line.points for line in lines), is_complex=is_complex)


def axes(lines):
    return list(range(-len(lines), 0))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("lines", BOXES.values(), ids=BOXES)
def test_one_is_the_laplacian(lines, is_complex):
    values = field(lines, is_complex)
    # Where a node lies on an odd wall the field is zero, which single derivatives along other axes do not know.
    for line, dim in zip(lines, axes(lines), strict=True):
        values = line.multiply(values, dim, torch.ones_like)
    expected = sum(line.derivative(values, dim, 2) for line, dim in zip(lines, axes(lines), strict=True))
    result = fractional_laplacian(values, lines, axes(lines), 1.0)
    assert result.dtype == values.dtype
    torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("lines", BOXES.values(), ids=BOXES)
def test_powers_add_up(lines):
    values, dims = field(lines), axes(lines)
    halves = fractional_laplacian(fractional_laplacian(values, lines, dims, 0.5), lines, dims, 0.5)
    torch.testing.assert_close(halves, -fractional_laplacian(values, lines, dims, 1.0), rtol=1e-10, atol=1e-9)
    parts = fractional_laplacian(fractional_laplacian(values, lines, dims, 0.3), lines, dims, 1.1)
    torch.testing.assert_close(parts, -fractional_laplacian(values, lines, dims, 1.4), rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("s", [0.25, 0.5, 0.9, 1.7])
def test_waves_decay_with_the_power_of_their_wave_number(s):
    x = torch.arange(16, dtype=torch.float64)[:, None] * (2 * math.pi / 16)
    y = (torch.arange(12, dtype=torch.float64) + 0.5) * (math.pi / 12)
    values = torch.cos(3 * x) * torch.sin(4 * y)
    lines = [SpectralLine("fourier", 16, 2 * math.pi), SpectralLine("sine", 12, math.pi)]
    torch.testing.assert_close(fractional_laplacian(values, lines, [-2, -1], s), -(25.0**s) * values)


@pytest.mark.parametrize("s", [1e-3, 0.5, 1.0])
def test_the_mean_is_conserved_exactly(s):
    lines = [SpectralLine("cosine", 8, 1.0), SpectralLine("fourier", 8, 1.0)]
    constant = torch.full((8, 8), 3.0, dtype=torch.float64)
    assert fractional_laplacian(constant, lines, [-2, -1], s).abs().max() < 1e-12
    assert fractional_laplacian(draw(8, 8), lines, [-2, -1], s).mean().abs() < 1e-12


@pytest.mark.parametrize("lines", [BOXES["period"], BOXES["walls"]], ids=["period", "walls"])
def test_the_power_can_be_learned(lines):
    values = draw(*(line.points for line in lines)).requires_grad_()
    power = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    small = [SpectralLine(line.kind, line.points, 5.0, line.on_node) for line in lines]
    assert torch.autograd.gradcheck(lambda v, s: fractional_laplacian(v, small, axes(lines), s), (values, power))
    assert torch.autograd.gradgradcheck(
        lambda v, s: fractional_laplacian(v, small, axes(lines), s).square().sum(), (values, power)
    )


def test_a_power_for_every_sample():
    lines, powers = [SpectralLine("fourier", 9, 1.3)], torch.tensor([0.3, 0.8], dtype=torch.float64)
    values = field(lines)
    both = fractional_laplacian(values, lines, [-1], powers[:, None])
    each = torch.func.vmap(lambda v, s: fractional_laplacian(v, lines, [-1], s))(values, powers)
    torch.testing.assert_close(both, each)
    for sample in range(2):
        one = fractional_laplacian(values[sample], lines, [-1], powers[sample].item())
        torch.testing.assert_close(both[sample], one)
    single = fractional_laplacian(values.float(), lines, [-1], powers[:, None])
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, both.float(), rtol=1e-4, atol=1e-4)


def test_what_cannot_be():
    line = SpectralLine("fourier", 8, 1.0)
    for s in (0, -0.5, math.nan, math.inf):
        with pytest.raises(ParameterError, match="power of a fractional Laplacian is positive"):
            fractional_laplacian(draw(8), [line], [-1], s)
    with pytest.raises(GridError, match="one axis per line"):
        fractional_laplacian(draw(8), [line], [-1, -2], 0.5)
