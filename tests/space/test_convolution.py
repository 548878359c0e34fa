"""Convolution: both evaluations against the definition, symbols, kernels of every kind, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import GridError, OptionError, ParameterError
from fieldsolver.space import Grid, Kernel, Neumann
from fieldsolver.space.convolution import EDGES, convolve, kernel_symbol
from fieldsolver.space.convolution_methods import direct_is_cheaper, transform_size

F64 = torch.float64


def source(place, n, edge, on_node):
    """Which point is seen at `place` on the line beyond both ends; None for nothing."""
    if 0 <= place < n:
        return place
    match edge:
        case "periodic":
            return place % n
        case "reflect":
            if on_node:
                return -place if place < 0 else 2 * (n - 1) - place
            return -1 - place if place < 0 else 2 * n - 1 - place
    return None


def axis_matrices(grid, axis, half, edge):
    """``A[d, i, j]``: what f_j counts in the result at i through displacement d, along one axis."""
    n, h, on_node = grid.shape[axis], grid.spacing[axis], grid.has_end_nodes(axis)
    A = torch.zeros(2 * half + 1, n, n, dtype=F64)
    for d in range(-half, half + 1):
        for i in range(n):
            j = source(i - d, n, edge, on_node)
            if j is not None:
                cut = edge == "zero" and on_node and j in (0, n - 1)
                A[d + half, i, j] += h / 2 if cut else h
    return A


def naive(values, samples, grid, edge):
    """The sum of the definition as a dense matrix, in O(N^2) and more."""
    matrices = [axis_matrices(grid, axis, count // 2, edge) for axis, count in enumerate(samples.shape)]
    dtype = torch.promote_types(values.dtype, samples.dtype)
    operands = [samples.to(dtype), *(A.to(dtype) for A in matrices), values.to(dtype)]
    equation = {1: "a,aiu,...u->...i", 2: "ab,aiu,bjv,...uv->...ij", 3: "abc,aiu,bjv,ckw,...uvw->...ijk"}
    return torch.einsum(equation[grid.dimension], *operands)


def make_grid(kind, shape, extent=1.3):
    return Grid(
        shape,
        extent=extent,
        centring="cell" if kind == "cell" else "node",
        periodic="xyz"[: len(shape)] if kind == "closed" else (),
    )


CASES = [("cell", edge) for edge in EDGES] + [("node", "zero"), ("node", "reflect"), ("closed", "periodic")]


# -- the definition ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fft", "direct", "auto"])
@pytest.mark.parametrize("half", [0, 1, 3, 8])
@pytest.mark.parametrize("points", [9, 10])
@pytest.mark.parametrize(("kind", "edge"), CASES)
def test_equals_the_definition_on_a_line(kind, edge, points, half, method):
    torch.manual_seed(0)
    grid = make_grid(kind, (points,))
    u, w = torch.randn(2, 3, points, dtype=F64), torch.randn(2 * half + 1, dtype=F64)
    result = convolve(u, Kernel(w, edge).samples(grid), grid, edge, method=method)
    torch.testing.assert_close(result, naive(u, w, grid, edge), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["fft", "direct"])
@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3)])
@pytest.mark.parametrize(("kind", "edge"), CASES)
@pytest.mark.parametrize("widths", [(3, 5, 3), (7, 9, 5)])
def test_equals_the_definition_in_the_plane_and_in_space(kind, edge, shape, widths, method):
    torch.manual_seed(1)
    grid = make_grid(kind, shape)
    u, w = torch.randn(2, *shape, dtype=F64), torch.randn(widths[: len(shape)], dtype=F64)
    result = convolve(u, Kernel(w, edge).samples(grid), grid, edge, method=method)
    torch.testing.assert_close(result, naive(u, w, grid, edge), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["fft", "direct"])
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("types", [(torch.complex128, F64), (F64, torch.complex128), (torch.complex128,) * 2])
def test_complex_fields_and_kernels(types, edge, method):
    torch.manual_seed(2)
    grid = Grid((6, 5), extent=1.0)
    u, w = torch.randn(2, 6, 5, dtype=types[0]), torch.randn(5, 3, dtype=types[1])
    result = convolve(u, w, grid, edge, method=method)
    assert result.dtype == torch.complex128
    torch.testing.assert_close(result, naive(u, w, grid, edge), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["fft", "direct"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_the_field_decides_the_precision(dtype, method):
    torch.manual_seed(3)
    grid, w = Grid(12, extent=1.0, centring="node"), torch.randn(5, dtype=F64)
    u = torch.randn(4, 12, dtype=dtype)
    result = convolve(u, w, grid, "zero", method=method)
    assert result.dtype == dtype
    expected = naive(u, w, grid, "zero")
    torch.testing.assert_close(result.to(expected.dtype), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("method", ["fft", "direct"])
def test_gradients_and_transforms(edge, method):
    torch.manual_seed(4)
    grid = Grid((4, 3), extent=1.0)
    u = torch.randn(2, 4, 3, dtype=F64, requires_grad=True)
    w = torch.randn(5, 3, dtype=F64, requires_grad=True)

    def function(u, w):
        return convolve(u, w, grid, edge, method=method)

    assert torch.autograd.gradcheck(function, (u, w), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (u, w))
    fields, kernels = torch.randn(3, 4, 3, dtype=F64), torch.randn(3, 5, 3, dtype=F64)
    mapped = torch.func.vmap(function)(fields, kernels)
    for sample in range(3):
        torch.testing.assert_close(mapped[sample], function(fields[sample], kernels[sample]), rtol=0, atol=1e-14)
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(u, w), function(u, w), rtol=0, atol=1e-14)


def test_a_short_kernel_is_a_long_one_with_zeros():
    torch.manual_seed(5)
    grid, short = Grid((7, 6), extent=1.0), torch.randn(3, 5, dtype=F64)
    long = torch.zeros(13, 11, dtype=F64)
    long[5:8, 3:8] = short
    u = torch.randn(7, 6, dtype=F64)
    for edge in EDGES:
        torch.testing.assert_close(convolve(u, short, grid, edge), convolve(u, long, grid, edge), rtol=0, atol=1e-14)


# -- which of the two -------------------------------------------------------------------------------------------------


def test_short_kernels_are_summed_and_long_ones_transformed(monkeypatch):
    import fieldsolver.space.convolution as module

    taken = []
    monkeypatch.setattr(module, "by_sum", lambda *_: taken.append("direct"))
    monkeypatch.setattr(module, "by_fft", lambda *_: taken.append("fft"))
    grid = Grid((64, 64), extent=1.0)
    for batch in (1, 1000):  # the company of a sample does not decide
        u = torch.zeros(1, dtype=F64).expand(batch, 64, 64)
        for width in (3, 21):
            convolve(u, torch.zeros(width, width, dtype=F64), grid, "zero")
    assert taken == ["direct", "fft", "direct", "fft"]


@pytest.mark.parametrize("points", [(16,), (4096,), (64, 64), (32, 32, 32)])
@pytest.mark.parametrize("edge", EDGES)
def test_the_choice_is_monotone_in_the_kernel(points, edge):
    def direct(half):
        sizes = tuple(transform_size(edge, n, half, on_node=False) for n in points)
        return direct_is_cheaper(points, (2 * half + 1,) * len(points), sizes)

    choices = [direct(half) for half in range(min(points))]
    assert choices[0]
    assert not choices[-1]
    assert choices == sorted(choices, reverse=True)


def test_lengths_of_transforms():
    assert transform_size("periodic", 101, 7, on_node=False) == 101
    assert transform_size("reflect", 101, 7, on_node=False) == 202
    assert transform_size("reflect", 101, 7, on_node=True) == 200
    for needed in range(3, 2000):
        size = transform_size("zero", needed - 1, 1, on_node=False)
        assert needed <= size <= (1.13 if needed > 75 else 1.2) * needed
        for factor in (2, 3, 5):
            while size % factor == 0:
                size //= factor
        assert size == 1


# -- symbols ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cell", "closed"])
@pytest.mark.parametrize("half", [2, 8])
def test_fourier_modes_are_eigenvectors_on_a_periodic_line(kind, half):
    torch.manual_seed(6)
    grid = make_grid(kind, (9,))
    w = torch.randn(2 * half + 1, dtype=F64)
    k = 2 * np.pi * np.arange(-4, 5) / grid.lengths[0]
    waves = torch.exp(1j * torch.outer(torch.as_tensor(k), grid.coordinate(0)))
    symbol = kernel_symbol(w, grid, k)
    result = convolve(waves, w, grid, "periodic")
    np.testing.assert_allclose(result.numpy(), symbol[:, None] * waves.numpy(), atol=1e-12)


def test_fourier_modes_are_eigenvectors_on_a_torus():
    torch.manual_seed(7)
    grid = Grid((6, 4, 5), bounds=((0, 1), (-1, 1), (2, 5)))
    w = torch.randn(3, 7, 5, dtype=torch.complex128)
    x, y, z = grid.coordinates()
    k = [2 * np.pi * np.array([[1], [2]]) / 1, 2 * np.pi * np.array([0, -1, 1]) / 2, np.array(2 * np.pi * 2 / 3)]
    symbol = kernel_symbol(w, grid, *k)
    assert symbol.shape == (2, 3)
    for index in np.ndindex(2, 3):
        kx, ky, kz = (array[index] for array in np.broadcast_arrays(*k))
        wave = torch.exp(1j * (kx * x + ky * y + kz * z))
        result = convolve(wave, w, grid, "periodic")
        np.testing.assert_allclose(result.numpy(), symbol[index] * wave.numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", ["cell", "node"])
def test_cosines_are_eigenvectors_between_mirrors(kind):
    """For even kernels; on nodes too, where a wall's own value counts with a whole cell."""
    grid = make_grid(kind, (8, 7))
    w = Kernel(lambda dx, dy: torch.exp(-3 * dx.abs() - dy**2), "reflect").samples(grid)
    x, y = grid.coordinates()
    for p, q in [(0, 0), (1, 0), (3, 2), (0, 5)]:
        kx, ky = p * math.pi / 1.3, q * math.pi / 1.3
        wave = torch.cos(kx * x) * torch.cos(ky * y)
        symbol = kernel_symbol(w, grid, kx, ky)
        assert abs(symbol.imag) < 1e-14
        torch.testing.assert_close(convolve(wave, w, grid, "reflect"), symbol.real * wave, rtol=0, atol=1e-12)


def test_symbol_approaches_the_transform_of_the_kernel():
    """exp(-|x|)/2 has the transform 1/(1 + k^2)."""
    grid, k = Grid(4000, extent=60.0), np.linspace(0, 3, 7)
    w = Kernel(lambda d: torch.exp(-d.abs()) / 2, "periodic").samples(grid)
    np.testing.assert_allclose(kernel_symbol(w, grid, k), 1 / (1 + k**2), atol=1e-4)


def test_symbol_needs_one_wavenumber_per_axis():
    with pytest.raises(GridError, match="one array of wavenumbers per axis, 2; got 1"):
        kernel_symbol(torch.ones(3, 3), Grid((4, 4), extent=1.0), np.zeros(3))


# -- kernels ----------------------------------------------------------------------------------------------------------


def gauss(*displacements):
    return torch.exp(-sum(d**2 for d in displacements) / 0.08)


def test_radius_cuts_a_function_to_a_ball():
    grid = Grid((20, 10), extent=(2.0, 1.0))  # spacing 0.1
    samples = Kernel(gauss, "zero", radius=0.3).samples(grid)
    assert samples.shape == (7, 7)
    whole = Kernel(gauss, "zero").samples(grid)
    assert whole.shape == (39, 19)
    i, j = torch.meshgrid(torch.arange(-3, 4), torch.arange(-3, 4), indexing="ij")
    expected = torch.where(i**2 + j**2 <= 9, whole[16:23, 6:13], 0.0)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-16)
    assert samples[0, 3] != 0  # |d| = radius is inside, whatever the rounding of 3 * 0.1


@pytest.mark.parametrize(("radius", "count"), [(0.05, 1), (0.1, 3), (0.7, 15), (0.95, 19), (1.0, 19)])
def test_number_of_samples_within_the_radius(radius, count):
    samples = Kernel(gauss, "periodic", radius=radius).samples(Grid(10, extent=1.0))
    assert samples.shape == (count,)


def bump(width):
    return lambda dx: torch.exp(-((dx / width) ** 2)) * (1 + dx)


class Bump(nn.Module):
    def __init__(self):
        super().__init__()
        self.width = nn.Parameter(torch.tensor(0.3, dtype=F64))

    def forward(self, dx):
        return bump(self.width)(dx)


@pytest.mark.parametrize("radius", [None, 0.35])
@pytest.mark.parametrize("normalise", [None, "sum", "absolute"])
@pytest.mark.parametrize("method", ["fft", "direct"])
def test_gradients_reach_what_a_kernel_is_made_of(radius, normalise, method):
    grid, u = Grid(12, extent=1.0), torch.linspace(-1, 1, 12, dtype=F64) ** 3

    def convolved(values):
        samples = Kernel(values, "reflect", radius=radius, normalise=normalise).samples(grid)
        return convolve(u, samples, grid, "reflect", method=method)

    module = Bump()
    assert torch.autograd.gradcheck(lambda width: convolved(bump(width)), module.width)
    of_function = torch.autograd.grad(convolved(bump(module.width))[3], module.width)
    of_module = torch.autograd.grad(convolved(module)[3], module.width)
    assert of_module == of_function


@pytest.mark.parametrize("radius", [None, 0.2])
def test_learned_kernels_in_an_equation(radius):
    grid, module = Grid(12, extent=1.0), Bump()
    kernel = Kernel(module, "zero", radius=radius, normalise="absolute")
    equation = FieldEquation("du/dt = convolve(w, u)", grid=grid, boundary=Neumann(0), kernels={"w": kernel})
    u = torch.rand(2, 1, 12, dtype=F64)
    rate = equation(0.0, u)
    torch.testing.assert_close(rate, naive(u, kernel.samples(grid).detach(), grid, "zero"), rtol=0, atol=1e-14)
    rate.square().sum().backward()
    assert module.width.grad.abs() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_network_is_a_kernel_in_its_own_precision(dtype):
    class Radial(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))

        def forward(self, dx, dy):
            return self.net(torch.hypot(dx, dy).unsqueeze(-1)).squeeze(-1)

    network = Radial().to(dtype)
    samples = Kernel(network, "zero", radius=0.5).samples(Grid((8, 8), extent=1.0))
    assert samples.dtype == dtype
    convolve(torch.rand(2, 8, 8, dtype=dtype), samples, Grid((8, 8), extent=1.0), "zero").sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_samples_of_a_module_need_not_be_looked_at():
    """Looking makes the host wait for a device, and cannot be done under vmap over the parameters."""

    class Sampled(nn.Module):
        def __init__(self):
            super().__init__()
            self.bump = Bump()

        def forward(self, check):
            return Kernel(self.bump, "zero", normalise="sum").samples(Grid(6, extent=1.0), check=check)

    widths = torch.tensor([0.2, 0.5], dtype=F64)
    model = Sampled()

    def sampled(width, check=False):
        return torch.func.functional_call(model, {"bump.width": width}, (check,))

    mapped = torch.func.vmap(sampled)(widths)
    torch.testing.assert_close(mapped, torch.stack([sampled(width, check=True) for width in widths]))


@pytest.mark.parametrize("kind", ["cell", "node"])
def test_normalised_by_the_sum_a_constant_stays(kind):
    grid = make_grid(kind, (10, 8))
    kernel = Kernel(gauss, "reflect", normalise="sum")
    ones = torch.ones(10, 8, dtype=F64)
    torch.testing.assert_close(convolve(ones, kernel.samples(grid), grid, "reflect"), ones, rtol=0, atol=1e-14)
    total = kernel.samples(grid).sum() * math.prod(grid.spacing)
    assert total.item() == pytest.approx(1, abs=1e-15)


def test_normalised_by_the_absolute_value_no_maximum_grows():
    torch.manual_seed(8)
    grid = Grid(16, extent=2.0)
    for w in (torch.randn(9, dtype=F64), torch.randn(9, dtype=torch.complex128)):
        samples = Kernel(w, "periodic", normalise="absolute").samples(grid)
        assert samples.abs().sum().item() * grid.spacing[0] == pytest.approx(1, abs=1e-15)
        u = torch.randn(100, 16, dtype=F64)
        assert (convolve(u, samples, grid, "periodic").abs().amax(-1) <= u.abs().amax(-1)).all()
        direction = samples.flip(0).conj().sgn()
        worst = torch.cat([direction, direction.new_zeros(7)])  # the bound is reached: it cannot be smaller
        assert convolve(worst, samples, grid, "periodic").abs().max().item() == pytest.approx(1, abs=1e-14)


def test_without_a_norm_nothing_is_divided_out():
    w = torch.tensor([1, 2, 5])
    samples = Kernel(w, "zero").samples(Grid(4, extent=1.0))
    assert torch.equal(samples, w.double())
    assert torch.equal(Kernel(w, "zero", normalise="sum").samples(Grid(4, extent=1.0)), w.double() / 2)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Kernel(gauss), r"one of \('zero', 'periodic', 'reflect'\), got none; write .*edge='zero'"),
        (lambda: Kernel(gauss, "wrap"), "one of .*, got 'wrap'"),
        (lambda: Kernel(2.0, "zero"), "a function of the displacement or a tensor, got 2.0"),
        (lambda: Kernel(gauss, "zero", normalise="max"), "normalise is one of .*'sum', 'absolute'.*, got 'max'"),
        (lambda: Kernel(gauss, "zero", radius=0), "positive finite number, got 0"),
        (lambda: Kernel(gauss, "zero", radius=math.inf), "positive finite number, got inf"),
        (lambda: Kernel(gauss, "zero", radius=True), "positive finite number, got True"),
        (lambda: Kernel(gauss, "zero", radius="1"), "positive finite number, got '1'"),
        (lambda: Kernel(torch.ones(3), "zero", radius=1.0), "radius= cuts a function"),
    ],
)
def test_impossible_kernels(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("kernel", "error", "message"),
    [
        (Kernel(torch.ones(4), "zero"), GridError, r"has shape \(4,\), expected \(15,\) or an odd number"),
        (Kernel(torch.ones(17), "zero"), GridError, r"has shape \(17,\), expected \(15,\) or .* as long as the domain"),
        (Kernel(torch.ones(3, 3), "zero"), GridError, r"has shape \(3, 3\), expected \(15,\)"),
        (Kernel(torch.ones(0), "zero"), GridError, r"has shape \(0,\)"),
        (Kernel(gauss, "zero", radius=1.1), GridError, "radius=1.1, but the domain is 1 long along 'x'"),
        (Kernel(lambda d: d[1:], "zero"), GridError, r"shape of its arguments, \(15,\)"),
        (Kernel(lambda d: 1 / d, "zero"), ParameterError, "NaN or infinity"),
        (Kernel(torch.tensor([0.0, torch.nan, 0.0]), "zero"), ParameterError, "NaN or infinity"),
        (Kernel(lambda d: d, "zero", normalise="sum"), ParameterError, "0 up to rounding; use normalise='absolute'"),
        (Kernel(torch.tensor([0.1, -0.3, 0.2]), "zero", normalise="sum"), ParameterError, "0 up to rounding"),
        (Kernel(torch.zeros(3), "zero", normalise="absolute"), ParameterError, "values other than 0"),
    ],
)
def test_kernels_that_do_not_fit_a_grid(kernel, error, message):
    with pytest.raises(error, match=message):
        kernel.samples(Grid(8, extent=1.0))


def test_edges_that_a_grid_does_not_have():
    with pytest.raises(GridError, match=r"a node on each; write Grid\(\.\.\., centring='node', periodic=\('y',\)\)"):
        Kernel(gauss, "periodic").samples(Grid((8, 8), extent=1.0, centring="node", periodic="x"))
    with pytest.raises(GridError, match=r"needs walls, but the grid has periodic=\('x',\); drop 'x'"):
        Kernel(gauss, "reflect").samples(Grid(8, extent=1.0, centring="node", periodic="x"))


def test_unequal_spacing():
    with pytest.raises(GridError, match="equal spacing, but the axis 'x' has nodes="):
        Kernel(gauss, "zero").samples(Grid(4, extent=1.0, nodes={"x": [0.1, 0.2, 0.5, 0.8]}))


def test_unknown_method():
    with pytest.raises(OptionError, match=r"one of \('auto', 'fft', 'direct'\), got 'sum'"):
        convolve(torch.ones(4), torch.ones(3), Grid(4, extent=1.0), "zero", method="sum")
