"""Discrete cosine, sine and Fourier series against their definitions, SciPy, and the modes of the equation room."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.fft
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.knowledge import spectra
from fieldsolver.errors import GridError
from fieldsolver.space import Dirichlet, Grid, Neumann, Periodic
from fieldsolver.space.spectral import KINDS, SpectralLine

LENGTH = 1.7
SIZES = (2, 3, 4, 5, 8, 9, 15)
WALL_KINDS = ("cosine", "sine", "sine-cosine", "cosine-sine")


def lines(sizes=SIZES, kinds=KINDS):
    return [
        SpectralLine(kind, points, LENGTH, on_node)
        for kind in kinds
        for on_node in (False, True)
        for points in sizes
        if points >= 3 or (kind, on_node) != ("sine", True)
    ]


def positions(line):
    """Distance from the low wall (from the first point on periodic axes)."""
    step = line.length / line.intervals
    return (np.arange(line.points) + (0.0 if line.on_node or line.periodic else 0.5)) * step


def functions(line, x, m=0):
    """``d^m phi_k/dx^m`` at `x`, shape ``(M, len(x))``."""
    k = line.wave_numbers().numpy()[:, None]
    if line.periodic:
        return (1j * k) ** m * np.exp(1j * k * x)
    wave = np.sin if line.kind.startswith("sine") else np.cos
    return k**m * wave(k * x + m * np.pi / 2)


def draw(*shape, seed=0, is_complex=False):
    generator = torch.Generator().manual_seed(seed)
    dtype = torch.complex128 if is_complex else torch.float64
    return torch.randn(shape, generator=generator, dtype=dtype)


def without_walls(line, values, dim):
    """The values with zeros at the nodes on odd walls."""
    values = values.clone()
    if line.on_node and not line.periodic:
        if line.kind.startswith("sine"):
            values.select(dim, 0).zero_()
        if line.kind in ("sine", "cosine-sine"):
            values.select(dim, -1).zero_()
    return values


@pytest.mark.parametrize("line", lines(), ids=repr)
def test_coefficients_are_those_of_the_series(line):
    phi = torch.from_numpy(functions(line, positions(line)))
    coefficients = draw(3, phi.shape[0], is_complex=True)
    values = coefficients @ phi.to(torch.complex128)
    torch.testing.assert_close(line.inverse(coefficients, -1), values, rtol=0, atol=1e-12)
    torch.testing.assert_close(line.forward(values, -1), coefficients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("line", lines(), ids=repr)
@pytest.mark.parametrize("half", [False, True])
def test_inverse_undoes_forward(line, half):
    values = draw(2, line.points, 3)
    coefficients = line.forward(values, -2, half=half)
    assert coefficients.shape[-2] == line.wave_numbers(half=half).numel()
    assert coefficients.is_complex() == line.periodic
    back = line.inverse(coefficients, -2, half=half)
    assert back.is_complex() == (line.periodic and not half)
    torch.testing.assert_close(back.real, without_walls(line, values, -2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("line", lines(kinds=("fourier", "anti-fourier")), ids=repr)
def test_the_half_spectrum_is_the_part_of_the_whole_with_positive_wave_numbers(line):
    values = draw(line.points)
    whole, half = line.forward(values, -1), line.forward(values, -1, half=True)
    torch.testing.assert_close(half, whole[: half.numel()], rtol=0, atol=1e-13)
    k, k_half = line.wave_numbers(), line.wave_numbers(half=True)
    assert (k_half >= 0).all()
    torch.testing.assert_close(k_half, k[: half.numel()].abs())  # the Nyquist mode stands for both signs


def scipy_coefficients(line, u):
    """From the unnormalised transforms: all have the factor 2 in front of the sums, but not for lone terms."""
    intervals = line.intervals
    match line.kind, line.on_node:
        case "fourier", _:
            return scipy.fft.fft(u) / intervals
        case "cosine", False:
            return scipy.fft.dct(u, 2) / intervals / np.where(np.arange(line.points) == 0, 2, 1)
        case "cosine", True:
            return scipy.fft.dct(u, 1) / intervals / np.where(np.arange(line.points) % intervals == 0, 2, 1)
        case "sine", False:
            return scipy.fft.dst(u, 2) / intervals / np.where(np.arange(1, line.points + 1) == line.points, 2, 1)
        case "sine", True:
            return scipy.fft.dst(u[1:-1], 1) / intervals
        case "sine-cosine", False:
            return scipy.fft.dst(u, 4) / intervals
        case "sine-cosine", True:
            return scipy.fft.dst(u[1:], 3) / intervals
        case "cosine-sine", False:
            return scipy.fft.dct(u, 4) / intervals
        case "cosine-sine", True:
            return scipy.fft.dct(u[:-1], 3) / intervals
    raise AssertionError(line)


@pytest.mark.parametrize("line", lines(sizes=(8, 9, 33), kinds=("fourier", *WALL_KINDS)), ids=repr)
def test_scipy_has_the_same_coefficients(line):
    u = draw(line.points).numpy()
    np.testing.assert_allclose(line.forward(torch.from_numpy(u), -1).numpy(), scipy_coefficients(line, u), atol=1e-13)


CONDITIONS = {
    "fourier": (Periodic(), Periodic()),
    "cosine": (Neumann(0), Neumann(0)),
    "sine": (Dirichlet(0), Dirichlet(0)),
    "sine-cosine": (Dirichlet(0), Neumann(0)),
    "cosine-sine": (Neumann(0), Dirichlet(0)),
}


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", CONDITIONS)
@pytest.mark.parametrize("points", [8, 9])
def test_modes_agree_with_those_of_the_discrete_operators(kind, centring, points):
    low, high = CONDITIONS[kind]
    closed = ("x",) if kind == "fourier" and centring == "node" else ()
    grid = Grid(points, extent=LENGTH, centring=centring, periodic=closed)
    boundary = {"x": low} if kind == "fourier" else {"x-": low, "x+": high}
    layout = FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=boundary).layout
    assert spectra.transform_of(layout, "u", 0) == kind
    line = SpectralLine(kind, points, LENGTH, grid.has_end_nodes(0))
    expected = spectra.wave_numbers(layout, "u", 0) / grid.spacing[0]
    np.testing.assert_allclose(line.wave_numbers().numpy(), expected, rtol=1e-14)
    assert line.largest_wave_number == pytest.approx(np.pi / grid.spacing[0], rel=1e-14)


@pytest.mark.parametrize("line", lines(sizes=(5, 6)), ids=repr)
@pytest.mark.parametrize("is_complex", [False, True])
def test_gradients(line, is_complex):
    values = draw(line.points, is_complex=is_complex, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: line.forward(v, -1), values)
    assert torch.autograd.gradgradcheck(lambda v: line.inverse(line.forward(v, -1) ** 2, -1), values)


@pytest.mark.parametrize("line", lines(sizes=(6, 7)), ids=repr)
def test_function_transforms(line):
    values = draw(4, line.points, 3, seed=2)

    def there_and_back(v):
        return line.inverse(line.forward(v, -2, half=True), -2, half=True)

    torch.testing.assert_close(torch.func.vmap(there_and_back)(values), there_and_back(values), rtol=0, atol=1e-14)
    derivative, directional = torch.func.jvp(there_and_back, (values,), (values.flip(0),))
    torch.testing.assert_close(derivative, there_and_back(values))
    torch.testing.assert_close(directional, there_and_back(values.flip(0)))
    per_sample = torch.func.vmap(torch.func.grad(lambda v: there_and_back(v).square().sum()))(values)
    torch.testing.assert_close(per_sample, 2 * without_walls(line, values, -2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("line", lines(sizes=(9,)), ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_single_precision_stays_single(line, dtype, device):
    exact = draw(2, line.points, is_complex=dtype.is_complex)
    coefficients = line.forward(exact.to(device, dtype), -1)
    assert coefficients.dtype == (torch.complex64 if line.periodic else dtype)
    reference = line.forward(exact, -1)
    torch.testing.assert_close(coefficients.cpu(), reference.to(coefficients.dtype), rtol=0, atol=1e-6)
    back = line.inverse(coefficients, -1)
    assert back.dtype == coefficients.dtype
    assert line.derivative(exact.to(device, dtype), -1, 1).dtype == dtype


@pytest.mark.parametrize("line", lines(sizes=(8,)), ids=repr)
def test_tables_survive_other_modes(line):
    """A table first made in inference mode or under fake tensors must not be kept for training."""
    with torch.inference_mode():
        line.derivative(draw(8), -1, 1)
        line.forward(draw(8), -1)
    with FakeTensorMode():
        for place in ("cpu", "cuda"):
            fake = torch.empty(8, dtype=torch.float32, device=place)
            assert line.inverse(line.forward(fake, -1, half=True), -1, half=True).device.type == place
            assert line.derivative(fake, -1, 1).device.type == place
    values = draw(8).requires_grad_()
    for other in (line, copy.deepcopy(line), pickle.loads(pickle.dumps(line))):
        assert other == line
        (gradient,) = torch.autograd.grad((other.forward(values, -1).abs() ** 2).sum(), values)
        assert gradient.isfinite().all()
        single = other.derivative(values.detach().float(), -1, 1)
        torch.testing.assert_close(single, other.derivative(values.detach(), -1, 1).float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_in_one_graph_once_the_tables_are_there(kind):
    line, values = SpectralLine(kind, 8, LENGTH), draw(2, 8)

    def slope_and_modes(v):
        return line.derivative(v, -1, 1), line.inverse(line.forward(v, -1, half=True), -1, half=True)

    expected = slope_and_modes(values)
    compiled = torch.compile(slope_and_modes, backend="eager", fullgraph=True)(values)
    torch.testing.assert_close(compiled, expected)


def test_what_cannot_be():
    with pytest.raises(GridError, match="one of fourier, anti-fourier"):
        SpectralLine("hartley", 8, 1.0)
    with pytest.raises(GridError, match="at least 2; got 1"):
        SpectralLine("cosine", 1, 1.0)
    with pytest.raises(GridError, match="at least 3; got 2"):
        SpectralLine("sine", 2, 1.0, on_node=True)
    with pytest.raises(GridError, match="positive number, got 0"):
        SpectralLine("sine", 8, 0.0)
    line = SpectralLine("sine", 8, 1.0)
    with pytest.raises(GridError, match="has 8 points, but dim=-1 of the values has 9"):
        line.forward(draw(9), -1)
    with pytest.raises(GridError, match="counts the axes from the end"):
        line.derivative(draw(8), 0, 1)
