"""Derivatives of resolved functions are exact; symbols; functions of the wave numbers of several axes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fieldsolver.errors import GridError, ParameterError
from fieldsolver.space.spectral import SpectralLine, multiply

from .test_spectral_transforms import LENGTH, draw, functions, lines, positions, without_walls


@pytest.mark.parametrize("line", lines(sizes=(3, 4, 9, 16)), ids=repr)
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("is_complex", [False, True])
def test_derivatives_of_resolved_functions_are_analytic(line, m, is_complex):
    x = positions(line)
    phi, target = functions(line, x), functions(line, x, m)
    coefficients = draw(2, len(phi), seed=m, is_complex=True).numpy()
    if line.periodic:
        k = line.wave_numbers().numpy()
        coefficients[:, np.isclose(abs(k), line.largest_wave_number)] = 0  # the points cannot tell its two signs apart
    values, expected = coefficients @ phi, coefficients @ target
    if not is_complex:
        values, expected = values.real, expected.real
    result = line.derivative(torch.from_numpy(values), -1, m)
    assert result.is_complex() == is_complex
    scale = line.largest_wave_number**m
    np.testing.assert_allclose(result.numpy() / scale, expected / scale, rtol=0, atol=1e-12)


@pytest.mark.parametrize("line", lines(sizes=(4, 5, 8, 9)), ids=repr)
def test_every_function_of_the_series_is_an_eigenfunction(line):
    phi = torch.from_numpy(functions(line, positions(line)))
    k = line.wave_numbers()[:, None]
    torch.testing.assert_close(line.derivative(phi, -1, 2), -(k**2) * phi, rtol=0, atol=1e-10)
    torch.testing.assert_close(line.derivative(phi, -1, 4), k**4 * phi, rtol=0, atol=1e-7)


def has_sawtooth(line):
    return np.isclose(line.wave_numbers().abs().max().item(), line.largest_wave_number)


@pytest.mark.parametrize("line", [line for line in lines(sizes=(8, 9)) if has_sawtooth(line)], ids=repr)
@pytest.mark.parametrize("m", [1, 3])
def test_odd_derivatives_of_the_sawtooth_vanish(line, m):
    """exp(i pi x/h) is cos(pi x/h) on the points, whose slope is zero there."""
    at = line.wave_numbers().abs().argmax()
    phi = torch.from_numpy(functions(line, positions(line)))[at]
    assert line.derivative(phi, -1, m).abs().sum() < 1e-11 * line.largest_wave_number**m
    assert line.derivative(phi.real.contiguous(), -1, m).abs().sum() < 1e-11 * line.largest_wave_number**m


@pytest.mark.parametrize("line", lines(sizes=(8, 9)), ids=repr)
def test_the_derivative_has_the_symmetry_of_the_derived_line(line):
    values = draw(2, line.points)
    slope = line.derivative(values, -1, 1)
    assert torch.equal(slope, without_walls(line.derived, slope, -1))
    assert torch.equal(line.derivative(values, -1, 2), without_walls(line, line.derivative(values, -1, 2), -1))
    modes = line.multiply(values, -1, lambda k: (k.abs() < 0.9 * line.largest_wave_number).double())
    twice = line.derived.derivative(line.derivative(modes, -1, 1), -1, 1)
    torch.testing.assert_close(twice, line.derivative(modes, -1, 2), rtol=0, atol=1e-10)


def test_nothing_is_read_from_a_node_on_an_odd_wall():
    line = SpectralLine("sine-cosine", 9, LENGTH, on_node=True)
    values = draw(9)
    other = values.clone()
    other[0] = 1e6
    for m in (1, 2):
        assert torch.equal(line.derivative(values, -1, m), line.derivative(other, -1, m))


def test_an_analytic_function_converges_faster_than_any_power():
    errors = []
    for points in (8, 16, 32):
        line = SpectralLine("cosine", points, math.pi)
        x = torch.from_numpy(positions(line))
        slope = -torch.sin(x) * torch.exp(torch.cos(x))
        errors.append((line.derivative(torch.exp(torch.cos(x)), -1, 1) - slope).abs().max().item())
    assert errors[0] < 1e-4
    assert errors[1] < 1e-12
    assert errors[2] < 1e-12


@pytest.mark.parametrize("line", lines(sizes=(7, 8)), ids=repr)
@pytest.mark.parametrize("is_complex", [False, True])
def test_gradients_of_derivatives(line, is_complex):
    values = draw(line.points, 1, is_complex=is_complex).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: line.derivative(v, -2, 1), values)
    assert torch.autograd.gradgradcheck(lambda v: line.derivative(v, -2, 1) * line.derivative(v, -2, 2), values)
    values = draw(2, line.points, 2, is_complex=is_complex)
    mapped = torch.func.vmap(lambda v: line.derivative(v, -2, 3))(values)
    torch.testing.assert_close(mapped, line.derivative(values, -2, 3), rtol=0, atol=1e-9)
    _, tangent = torch.func.jvp(lambda v: line.derivative(v, -2, 1), (values,), (values,))
    torch.testing.assert_close(tangent, line.derivative(values, -2, 1))


@pytest.mark.parametrize("line", lines(sizes=(8, 9)), ids=repr)
@pytest.mark.parametrize("is_complex", [False, True])
def test_the_symbol_minus_k_squared_is_the_second_derivative(line, is_complex):
    values = draw(2, line.points, 3, is_complex=is_complex)
    result = line.multiply(values, -2, lambda k: -(k**2))
    torch.testing.assert_close(result, line.derivative(values, -2, 2), rtol=0, atol=1e-9)


@pytest.mark.parametrize("line", lines(sizes=(8, 9), kinds=("fourier", "anti-fourier")), ids=repr)
def test_complex_symbols_on_periodic_axes(line):
    """Real values and their copy as complex ones agree, Nyquist mode included; so do shifts by whole points."""
    values, step = draw(3, line.points), LENGTH / line.points
    for symbol in (lambda k: 1j * k**3, lambda k: torch.exp(1j * k * step), lambda k: torch.exp(0.3j * k)):
        result = line.multiply(values, -1, symbol)
        assert not result.is_complex()
        copy = line.multiply(values.to(torch.complex128), -1, symbol)
        torch.testing.assert_close(copy, result.to(torch.complex128), rtol=0, atol=1e-10)
    shifted = line.multiply(values, -1, lambda k: torch.exp(1j * k * step))
    expected = values.roll(-1, -1)
    expected[:, -1] *= -1 if line.kind == "anti-fourier" else 1
    torch.testing.assert_close(shifted, expected, rtol=0, atol=1e-12)


def test_a_free_particle_between_walls_keeps_its_norm():
    """A complex function of k^2 makes real values complex: exp(-i k^2 t)."""
    line = SpectralLine("sine", 16, LENGTH)
    values = draw(16)
    result = line.multiply(values, -1, lambda k: torch.exp(-1j * k**2))
    assert result.dtype == torch.complex128
    torch.testing.assert_close(result.abs().square().sum(), values.square().sum())


def test_a_symbol_may_differ_between_samples():
    line = SpectralLine("cosine", 8, LENGTH)
    values, rate = draw(3, 8, 2), torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    whole = line.multiply(values, -2, lambda k: torch.exp(-rate[:, None, None] * k**2))
    for sample in range(3):
        one = line.multiply(values[sample], -2, lambda k: torch.exp(-rate[sample] * k**2))  # noqa: B023  # used at once
        torch.testing.assert_close(whole[sample], one)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(
    "kinds",
    [
        ("fourier", "fourier"),
        ("cosine", "fourier", "sine"),
        ("anti-fourier", "fourier"),
        ("sine-cosine", "cosine-sine"),
    ],
)
def test_functions_of_all_wave_numbers(kinds, is_complex):
    """exp(-(a k_x^2 + b k_y^2 + ...)) is the product of the factors along each axis."""
    axes = [SpectralLine(kind, 7 + axis, LENGTH, on_node=axis == 0) for axis, kind in enumerate(kinds)]
    dims = list(range(-len(kinds), 0))
    values = draw(2, *(line.points for line in axes), is_complex=is_complex)
    result = multiply(values, axes, dims, lambda *k: torch.exp(-0.01 * sum((a + 1) * q**2 for a, q in enumerate(k))))
    assert result.dtype == values.dtype
    expected = values
    for axis, (line, dim) in enumerate(zip(axes, dims, strict=True)):
        expected = line.multiply(expected, dim, lambda k: torch.exp(-0.01 * (axis + 1) * k**2))  # noqa: B023 - used at once
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


def test_what_cannot_be_asked_for():
    line = SpectralLine("fourier", 8, LENGTH)
    for m in (0, -1, 1.0, True):
        with pytest.raises(ParameterError, match="positive integer"):
            line.derivative(draw(8), -1, m)
    with pytest.raises(GridError, match="one axis per line"):
        multiply(draw(8, 8), [line, line], [-1, -1], lambda k, q: k + q)
