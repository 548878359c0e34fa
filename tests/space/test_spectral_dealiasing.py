"""Products against the exact convolution of their coefficients, by padding and by truncation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fieldsolver.errors import GridError, ParameterError
from fieldsolver.space.spectral import KINDS, Resampling, SpectralLine, padded, truncate

from .test_spectral_transforms import LENGTH, draw, functions, lines, positions

PARITIES = {"cosine": (1, 1), "sine": (-1, -1), "sine-cosine": (-1, 1), "cosine-sine": (1, -1)}


def product_kind(*kinds):
    """Symmetry of a product."""
    if kinds[0] in ("fourier", "anti-fourier"):
        return "anti-fourier" if sum(kind == "anti-fourier" for kind in kinds) % 2 else "fourier"
    signs = tuple(math.prod(PARITIES[kind][end] for kind in kinds) for end in (0, 1))
    return next(kind for kind, pair in PARITIES.items() if pair == signs)


def random_values(line, seed, is_complex=False):
    """Values without the mode of ``k = pi/h``, whose own powers may come back to it."""
    coefficients = draw(line.wave_numbers().numel(), seed=seed, is_complex=True).numpy()
    coefficients[np.isclose(line.wave_numbers().abs(), line.largest_wave_number)] = 0
    values = coefficients @ functions(line, positions(line))
    return torch.from_numpy(values if is_complex else values.real)


def exact_product(inputs, fields, output):
    """Coefficients by quadrature of the product of the trigonometric interpolants on a grid four times as fine."""
    intervals = 4 * output.intervals
    product = 1.0
    for line, values in zip(inputs, fields, strict=True):
        x = (np.arange(intervals) + (0.0 if line.periodic else 0.5)) * (LENGTH / intervals)
        whole = line.forward(values.to(torch.complex128), -1).numpy()
        product = product * (whole @ functions(line, x))
    phi = functions(output, x)
    norms = (abs(phi) ** 2).sum(1)
    return product @ phi.conj().T / norms


CASES = [
    (on_node, points, kinds)
    for on_node in (False, True)
    for points in (8, 9)
    for kinds in (
        ("fourier", "fourier"),
        ("anti-fourier", "anti-fourier"),
        ("fourier", "anti-fourier"),
        ("cosine", "cosine"),
        ("sine", "sine"),
        ("sine", "cosine"),
        ("sine-cosine", "sine-cosine"),
        ("sine-cosine", "cosine-sine"),
        ("cosine-sine", "sine"),
        ("fourier", "fourier", "fourier"),
        ("anti-fourier", "anti-fourier", "anti-fourier"),
        ("cosine", "cosine", "cosine"),
        ("sine", "sine", "sine"),
        ("sine-cosine", "sine-cosine", "sine-cosine"),
        ("sine", "cosine-sine", "cosine-sine"),
    )
]


def product_error(on_node, points, kinds, factor, is_complex):
    inputs = [SpectralLine(kind, points, LENGTH, on_node) for kind in kinds]
    output = SpectralLine(product_kind(*kinds), points, LENGTH, on_node)
    fields = [random_values(line, seed, is_complex) for seed, line in enumerate(inputs)]
    result = padded(
        lambda *parts: math.prod(parts[1:], start=parts[0]),
        *fields, lines=[[line] for line in inputs], dims=[-1], factor=factor, output_lines=[output],
    )  # fmt: skip
    assert result.is_complex() == is_complex
    error = abs(output.forward(result.to(torch.complex128), -1).numpy() - exact_product(inputs, fields, output))
    if output.periodic and points % 2 == (output.kind == "anti-fourier"):
        error[np.isclose(output.wave_numbers().abs(), output.largest_wave_number)] = 0  # two wave numbers in one
    return error.max()


@pytest.mark.parametrize(("on_node", "points", "kinds"), CASES)
@pytest.mark.parametrize("is_complex", [False, True])
def test_padded_products_have_no_aliases(on_node, points, kinds, is_complex):
    assert product_error(on_node, points, kinds, (len(kinds) + 1) / 2, is_complex) < 1e-12


@pytest.mark.parametrize(("on_node", "points", "kinds"), CASES)
def test_products_on_the_grid_itself_have_them(on_node, points, kinds):
    assert product_error(on_node, points, kinds, 1, is_complex=False) > 1e-3


def test_cubes_need_twice_the_points():
    line = [SpectralLine("fourier", 32, LENGTH)]
    values = random_values(line[0], 0)
    exact = exact_product(line * 3, [values] * 3, line[0])
    errors = [
        abs(line[0].forward(padded(lambda u: u**3, values, lines=line, dims=[-1], factor=factor), -1).numpy() - exact)
        for factor in (1.5, 2)
    ]
    assert np.delete(errors[0], 16).max() > 1e-2
    assert np.delete(errors[1], 16).max() < 1e-12


@pytest.mark.parametrize("line", lines(sizes=(4, 9, 12)), ids=repr)
@pytest.mark.parametrize(("fraction", "power"), [(2 / 3, 2), (1 / 2, 3)])
def test_truncated_fields_have_products_without_aliases_in_what_is_kept(line, fraction, power):
    """Sizes divisible by 3 and 4 have a mode exactly at the limit."""
    values = truncate(draw(line.points), [line], [-1], fraction)
    output = SpectralLine(product_kind(*[line.kind] * power), line.points, LENGTH, line.on_node)
    result = truncate(values**power, [output], [-1], fraction)
    kept = output.wave_numbers().abs().numpy() < fraction * line.largest_wave_number - 1e-9
    exact = exact_product([line] * power, [values] * power, output) * kept
    np.testing.assert_allclose(output.forward(result, -1).numpy(), exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("line", lines(sizes=(8, 9)), ids=repr)
@pytest.mark.parametrize("is_complex", [False, True])
def test_truncation_is_a_projection_on_the_low_modes(line, is_complex):
    values = draw(2, line.points, 3, is_complex=is_complex)
    once = truncate(values, [line], [-2])
    assert once.dtype == values.dtype
    torch.testing.assert_close(truncate(once, [line], [-2]), once, rtol=0, atol=1e-13)
    kept = line.wave_numbers().abs() < 2 / 3 * line.largest_wave_number - 1e-9
    expected = line.forward(values, -2) * kept[:, None]
    torch.testing.assert_close(line.forward(once, -2), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("line", lines(sizes=(8, 9)), ids=repr)
@pytest.mark.parametrize("points", [12, 13, 24])
@pytest.mark.parametrize("is_complex", [False, True])
def test_resampling_evaluates_the_series_elsewhere(line, points, is_complex):
    fine = SpectralLine(line.kind, points, LENGTH, line.on_node)
    values = random_values(line, 3, is_complex)
    coefficients = line.forward(values.to(torch.complex128), -1).numpy()
    expected = torch.from_numpy(coefficients @ functions(line, positions(fine)))
    finer = Resampling(line, fine)(values, -1)
    torch.testing.assert_close(finer, expected if is_complex else expected.real, rtol=0, atol=1e-12)


@pytest.mark.parametrize("line", lines(sizes=(8, 9)), ids=repr)
def test_there_and_back_is_the_identity_with_the_sawtooth(line):
    values = line.inverse(line.forward(draw(2, line.points), -1, half=True), -1, half=True)  # odd walls are zero
    back = padded(lambda u: u, values, lines=[line], dims=[-1])
    torch.testing.assert_close(back, values, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kinds", [("fourier", "cosine"), ("sine", "anti-fourier", "cosine-sine")])
def test_several_axes(kinds):
    """A product of functions of one variable each is treated axis by axis."""
    axes = [SpectralLine(kind, 6 + axis, LENGTH) for axis, kind in enumerate(kinds)]
    squares = [SpectralLine(product_kind(kind, kind), 6 + axis, LENGTH) for axis, kind in enumerate(kinds)]
    dims = list(range(-len(kinds), 0))
    profiles = [draw(line.points, seed=axis) for axis, line in enumerate(axes)]
    names = "xyz"[: len(kinds)]
    values = torch.einsum(",".join(names) + "->" + names, *profiles)
    result = padded(torch.square, values, lines=axes, dims=dims, output_lines=squares)
    each = [
        padded(torch.square, profile, lines=[line], dims=[-1], output_lines=[square])
        for profile, line, square in zip(profiles, axes, squares, strict=True)
    ]
    expected = torch.einsum(",".join(names) + "->" + names, *each)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    line = SpectralLine(kind, 5, LENGTH)
    square = SpectralLine(product_kind(kind, kind), 5, LENGTH)

    def energy(u, v):
        return padded(torch.mul, u, v, lines=[line], dims=[-1], output_lines=[square])

    u, v = draw(5, seed=1).requires_grad_(), draw(5, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(energy, (u, v))
    assert torch.autograd.gradgradcheck(energy, (u, v))
    batch = draw(3, 5)
    mapped = torch.func.vmap(lambda one: energy(one, v.detach()))(batch)
    torch.testing.assert_close(mapped, energy(batch, v.detach().expand(3, 5)))
    assert padded(torch.exp, batch.float(), lines=[line], dims=[-1]).dtype == torch.float32


def test_what_cannot_be():
    line, other = SpectralLine("cosine", 8, 1.0), SpectralLine("sine", 9, 1.0)
    with pytest.raises(ParameterError, match=r"between 0 and 1, got 1\.5"):
        truncate(draw(8), [line], [-1], 1.5)
    with pytest.raises(ParameterError, match=r"at least 1, got 0\.5"):
        padded(torch.square, draw(8), lines=[line], dims=[-1], factor=0.5)
    with pytest.raises(GridError, match="one list for each, got 1 entries"):
        padded(torch.mul, draw(8), draw(8), lines=[[line]], dims=[-1])
    with pytest.raises(GridError, match="have the same points"):
        padded(torch.square, draw(8), lines=[line], dims=[-1], output_lines=[other])
    with pytest.raises(GridError, match="only `points` may differ"):
        Resampling(line, other)
