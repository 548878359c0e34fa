"""``div(D grad u)`` against the Hessian of its energy, and the laws that follow from it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sympy as sp
import torch

from fieldsolver.errors import ParameterError
from fieldsolver.space import Dirichlet, Grid, Neumann, Robin
from fieldsolver.space.closure import ghost_block, ghost_rule
from fieldsolver.space.operators import Wall, diffusion, diffusion_weights
from fieldsolver.space.tensor_diffusion import TensorWall, tensor_diffusion

D0, N0 = Dirichlet(0), Neumann(0)
LAYOUTS = {
    "P": ([None], (5,)),
    "DN": ([(D0, N0)], (4,)),
    "PP": ([None, None], (3, 4)),
    "NN-P": ([(N0, N0), None], (3, 4)),
    "DD-P": ([(D0, D0), None], (4, 3)),
    "NN-NN": ([(N0, N0), (N0, N0)], (3, 4)),
    "ND-DN": ([(N0, D0), (D0, N0)], (3, 3)),
    "RN-RR": ([(Robin(1.0, 2.0), N0), (Robin(3.0, 1.0), Robin(0.5, 1.5))], (3, 2)),
    "NN-P-NN": ([(N0, N0), None, (N0, N0)], (2, 3, 3)),
    "NN-NN-NN": ([(N0, N0), (N0, N0), (N0, N0)], (2, 3, 2)),
    "NR-DN-NR": ([(N0, Robin(1.0, 0.5)), (D0, N0), (N0, Robin(2.0, 1.0))], (3, 2, 2)),
}
CLOSED = [name for name in LAYOUTS if not set(name) - set("PN-")]
SPACING = (0.5, 0.3, 0.7)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_tensor(dimension, shape, seed=0, rank=None):
    """Random positive (semi)definite matrices, ``(d, d, *shape)``."""
    root = torch.randn(dimension, rank or dimension, *shape, dtype=torch.float64, generator=generator(seed))
    return torch.einsum("ik...,jk...->ij...", root, root)


def keyed(D):
    return {(i, j): D[i, j] for i in range(len(D)) for j in range(i, len(D))}


def as_walls(conditions, centring):
    def wall(condition):
        robin = condition.a / condition.b if isinstance(condition, Robin) else 0.0
        return TensorWall(centring == "node", isinstance(condition, Dirichlet), robin)

    return [None if ends is None else (wall(ends[0]), wall(ends[1])) for ends in conditions]


def extended(values, conditions, spacing, centring, data=None):
    """One ghost layer, axis after axis; `data` per ``(axis, end)``, already of the extended shape."""
    on_node = centring == "node"
    for axis, ends in enumerate(conditions):
        if ends is not None:
            dim = axis - len(conditions)
            blocks = [
                ghost_block(values, dim, end, ghost_rule(ends[end], 1, spacing[axis], on_node=on_node),
                            None if data is None else data(axis, end, values), on_node=on_node)
                for end in (0, 1)
            ]  # fmt: skip
            values = torch.cat([blocks[0], values, blocks[1]], dim)
    return values


def operator(D, conditions, centring, spacing=SPACING):
    spacing = spacing[: len(conditions)]
    coefficients = D if isinstance(D, dict) else keyed(D)
    walls = as_walls(conditions, centring)
    return lambda u: tensor_diffusion(coefficients, extended(u, conditions, spacing, centring), spacing, walls)


def matrix(apply, shape):
    size = math.prod(shape)
    return apply(torch.eye(size, dtype=torch.float64).reshape(size, *shape)).reshape(size, size).T


def volumes(shape, conditions, centring, spacing=SPACING):
    total = torch.ones(shape, dtype=torch.float64) * math.prod(spacing[: len(shape)])
    for axis, ends in enumerate(conditions):
        if centring == "node" and ends is not None:
            for end in (0, -1):
                total.select(axis, end).mul_(0.5)
    return total


def held(shape, conditions, centring):
    mask = torch.zeros(shape, dtype=torch.bool)
    for axis, ends in enumerate(conditions):
        for end, condition in enumerate(ends or ()):
            if centring == "node" and isinstance(condition, Dirichlet):
                mask.select(axis, -end).fill_(True)
    return mask.flatten()


# -- the specification ------------------------------------------------------------------------------------------------


def quadrants(shape, conditions, centring, spacing):
    """Every cell and choice of signs: index of the cell, and per axis what is subtracted from what, by which factor.

    Unknowns are the points, then the values on natural walls of a cell-centred grid; the last entry is a held zero.
    """
    size = math.prod(shape)
    number = {cell: index for index, cell in enumerate(itertools.product(*(range(n) for n in shape)))}
    on_wall = {}
    for cell, signs in itertools.product(number, itertools.product((-1, 1), repeat=len(shape))):
        slopes = []
        for axis, sign in enumerate(signs):
            there, h = list(cell), spacing[axis]
            there[axis] += sign
            if conditions[axis] is None:
                there[axis] %= shape[axis]
            if tuple(there) in number:
                slopes.append((number[tuple(there)], sign / h))
            elif centring == "cell":
                natural = not isinstance(conditions[axis][sign > 0], Dirichlet)
                key = (cell, axis, int(sign > 0))
                slopes.append((on_wall.setdefault(key, size + len(on_wall)) if natural else -1, 2 * sign / h))
        if len(slopes) == len(shape):  # else a quadrant beyond a wall of nodes
            yield number[cell], slopes, on_wall


def on_walls(D_nn, axis, end, centring):
    """D_nn extrapolated to the wall, for the points next to it: ``2 D_0^2/(D_0 + D_1)``; itself on nodes."""
    inwards = D_nn.roll(1 if end else -1, axis)
    return D_nn if centring == "node" else 2 * D_nn**2 / (D_nn + inwards)


def energy_hessian(D, conditions, centring, shape, spacing=SPACING):
    """``d²E/du²`` by automatic differentiation, with the values on natural walls eliminated."""
    parts = list(quadrants(shape, conditions, centring, spacing))
    here = torch.tensor([cell for cell, _, _ in parts])
    there = torch.tensor([[index for index, _ in slopes] for _, slopes, _ in parts])
    factor = torch.tensor([[factor for _, factor in slopes] for _, slopes, _ in parts], dtype=torch.float64)
    size, on_wall = math.prod(shape), parts[-1][2]
    D_wall = {(axis, end): on_walls(D[axis, axis], axis, end, centring) for axis in range(len(shape)) for end in (0, 1)}
    D_flat, weights = D.flatten(2), volumes(shape, conditions, centring, spacing).flatten()

    def energy(unknowns):
        values = torch.cat([unknowns, unknowns.new_zeros(1)])
        slope = factor * (values[there] - values[here, None])
        quadrant_volume = math.prod(spacing[: len(shape)]) / 2 ** len(shape)
        E = quadrant_volume / 2 * torch.einsum("ki,ijk,kj->", slope, D_flat[..., here], slope)
        for cell, axis, end, w in wall_places(values):
            condition = conditions[axis][end]
            if isinstance(condition, Robin):
                area = weights[cell] / spacing[axis] * (2 if centring == "node" else 1)
                E = E + area * D_wall[axis, end].flatten()[cell] * condition.a / condition.b * w**2 / 2
        return E

    def wall_places(values):
        """Points next to natural walls, with the value on the wall."""
        cells = torch.arange(size).reshape(shape)
        for axis, ends in enumerate(conditions):
            for end in () if ends is None else (0, 1):
                for cell in cells.select(axis, -end).flatten().tolist():
                    key = (tuple(np.unravel_index(cell, shape)), axis, end)
                    yield cell, axis, end, values[on_wall.get(key, cell) if centring == "cell" else cell]

    H = torch.autograd.functional.hessian(energy, torch.zeros(size + len(on_wall), dtype=torch.float64))
    uu, uw, ww = H[:size, :size], H[:size, size:], H[size:, size:]
    return uu - uw @ torch.linalg.solve(ww, uw.T) if on_wall else uu


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_is_minus_the_hessian_of_the_energy(name, centring):
    conditions, shape = LAYOUTS[name]
    D = random_tensor(len(shape), shape)
    A = matrix(operator(D, conditions, centring), shape)
    H = energy_hessian(D, conditions, centring, shape)
    expected = -H / volumes(shape, conditions, centring).flatten()[:, None]
    expected[held(shape, conditions, centring)] = 0
    torch.testing.assert_close(A, expected, atol=1e-12 * H.abs().max().item(), rtol=1e-12)


# -- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [None, 1])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_symmetry_and_sign(name, centring, rank):
    """Also of semidefinite matrices, some of which vanish altogether."""
    conditions, shape = LAYOUTS[name]
    D = random_tensor(len(shape), shape, seed=1, rank=rank)
    if rank == 1:
        D[(..., *[0] * len(shape))] = 0
    free = ~held(shape, conditions, centring)
    A = matrix(operator(D, conditions, centring), shape)
    A = (volumes(shape, conditions, centring).flatten()[:, None] * A)[free][:, free]
    torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max().item(), rtol=0)
    assert torch.linalg.eigvalsh((A + A.T) / 2).max() < 1e-12 * A.abs().max()


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("name", CLOSED)
def test_closed_domains_conserve_mass_and_keep_constants(name, centring):
    conditions, shape = LAYOUTS[name]
    apply = operator(random_tensor(len(shape), shape), conditions, centring)
    u = torch.randn(3, *shape, dtype=torch.float64, generator=generator())
    rates = (apply(u) * volumes(shape, conditions, centring)).flatten(1)
    assert (rates.sum(1).abs() < 1e-12 * rates.abs().sum(1)).all()
    assert apply(torch.full(shape, 1.7, dtype=torch.float64)).abs().max() < 1e-12 * rates.abs().max()


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_mass_changes_by_the_flux_through_the_walls(centring):
    """``Σ area D_nn g``, whatever the field and the other entries of D."""
    conditions, shape, spacing = LAYOUTS["NN-NN-NN"][0], (3, 4, 2), SPACING
    D, weights = random_tensor(3, shape), volumes(shape, conditions, centring)
    data, flow = {}, 0.0
    for axis, end in itertools.product(range(3), (0, 1)):
        g = torch.randn(weights.select(axis, -end).shape, dtype=torch.float64, generator=generator(axis + 3 * end))
        data[axis, end] = g.unsqueeze(axis)
        area = weights.select(axis, -end) / spacing[axis] * (2 if centring == "node" else 1)
        flow = flow + (area * on_walls(D[axis, axis], axis, end, centring).select(axis, -end) * g).sum()

    def on_extended(axis, end, values):
        """Data beside ghost layers are never used in the interior: any number does."""
        wanted = [1 if k == axis else n for k, n in enumerate(values.shape)]
        padded = torch.full(wanted, 7.0, dtype=torch.float64)
        inner = tuple(slice(None) if k >= axis else slice(1, -1) for k in range(3))
        padded[inner] = data[axis, end]
        return padded

    u = torch.randn(shape, dtype=torch.float64, generator=generator(9))
    ghosted = extended(u, conditions, spacing, centring, on_extended)
    rate = tensor_diffusion(keyed(D), ghosted, spacing, as_walls(conditions, centring))
    assert (rate * weights).sum().item() == pytest.approx(flow.item(), rel=1e-12)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_isotropic_tensors_are_the_scalar_operator(name, centring):
    conditions, shape = LAYOUTS[name]
    # The scalar operator takes the coefficient on a Robin wall from its ghosts.
    d = torch.rand([1] * len(shape) if "R" in name else shape, dtype=torch.float64, generator=generator()) + 0.2
    u = torch.randn(2, *shape, dtype=torch.float64, generator=generator(1))
    expected = torch.zeros_like(u)
    for axis, (ends, h) in enumerate(zip(conditions, SPACING, strict=False)):
        dim, only = axis - len(shape), [c if k == axis else None for k, c in enumerate(conditions)]
        walls = None if ends is None else tuple(Wall(centring == "node", isinstance(c, Dirichlet)) for c in ends)
        mirrored = d if "R" in name else extended(d, [ends and (N0, N0) for ends in only], SPACING, centring)
        expected += diffusion(mirrored, extended(u, only, SPACING, centring), dim, diffusion_weights(2, h), walls=walls)
    expected.flatten(1)[:, held(shape, conditions, centring)] = 0
    actual = operator({(i, i): d for i in range(len(shape))}, conditions, centring)(u)
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=1e-12)


def test_quadratic_moments_and_a_spreading_gaussian():
    """Second moments grow by exactly ``2 D t``; the field is a Gaussian along the rotated axes to second order."""
    n, t, h = 36, 0.04, 1 / 36
    angle = torch.tensor(0.6, dtype=torch.float64)
    R = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]], dtype=torch.float64)
    D = R @ torch.diag(torch.tensor([0.1, 0.01], dtype=torch.float64)) @ R.T
    A = matrix(operator(keyed(D), [None, None], "cell", (h, h)), (n, n))
    x = Grid((n, n), bounds=((-0.5, 0.5), (-0.5, 0.5))).coordinates()
    position = torch.stack(x)

    def gaussian(covariance):
        exponent = torch.einsum("i...,ij,j...->...", position, torch.linalg.inv(covariance), position)
        return torch.exp(-exponent / 2) / (2 * math.pi * torch.linalg.det(covariance).sqrt())

    start = 0.003 * torch.eye(2, dtype=torch.float64)
    eigenvalues, modes = torch.linalg.eigh(A)
    u = modes @ (torch.exp(eigenvalues * t) * (modes.T @ gaussian(start).flatten()))
    moments = torch.einsum("ixy,jxy,xy->ij", position, position, u.reshape(n, n)) * h**2
    torch.testing.assert_close(moments, start + 2 * t * D, atol=3e-6, rtol=0)  # tails at the edge of the domain
    exact = gaussian(start + 2 * t * D)
    assert (u.reshape(n, n) - exact).abs().max() < 0.02 * exact.max()


# -- order ------------------------------------------------------------------------------------------------------------

x, y = sp.symbols("x y")
FIELD = sp.exp(x / 2) * sp.cos(y + x / 3) + x * y**2
TENSOR = sp.Matrix([[1 + x**2, sp.sin(x + y) / 2], [sp.sin(x + y) / 2, sp.Rational(3, 2) + sp.cos(y) / 2]])
FLUX = TENSOR * sp.Matrix([sp.diff(FIELD, x), sp.diff(FIELD, y)])
SOURCE = sp.diff(FLUX[0], x) + sp.diff(FLUX[1], y)
SYMMETRIC = {"N": N0, "D": D0, "R": Robin(2.0, 1.5)}


def evaluate(expression, X, Y):
    return torch.as_tensor(sp.lambdify((x, y), expression, "numpy")(X.numpy(), Y.numpy())) + torch.zeros_like(X)


def boundary_error(kinds, centring, points):
    """Root mean square error of the solution of ``div(D grad u) = f`` with data on all four walls."""
    conditions = [tuple(SYMMETRIC[kind] for kind in pair) for pair in kinds]
    grid = Grid((points, points + 1), bounds=((0, 1.0), (0, 1.2)), centring=centring)
    X, Y = grid.coordinates()
    D = {key: evaluate(TENSOR[key], X, Y) for key in [(0, 0), (0, 1), (1, 1)]}

    def data(axis, end, values):
        below_above = [(1, 1) if axis > k else (0, 0) for k in range(2)]
        along = 1 - axis
        line = grid.coordinate(along, below=below_above[along][0], above=below_above[along][1])
        place = torch.full_like(line, grid.bounds[axis][end])
        position = (place, line) if axis == 0 else (line, place)
        condition, normal = conditions[axis][end], 1 if end else -1
        u = evaluate(FIELD, *position)
        slope = normal * evaluate(FLUX[axis] / TENSOR[axis, axis], *position)  # n·D∇u = D_nn g
        match condition:
            case Dirichlet():
                g = u
            case Neumann():
                g = slope
            case Robin(a=a, b=b):
                g = a * u + b * slope
        return g.unsqueeze(axis)

    walls, h, shape = as_walls(conditions, centring), grid.spacing, grid.shape
    zero = torch.zeros(shape, dtype=torch.float64)
    known = tensor_diffusion(D, extended(zero, conditions, h, centring, data), h, walls)
    A = matrix(operator(D, conditions, centring, h), shape)
    exact, fixed = evaluate(FIELD, X, Y).flatten(), held(shape, conditions, centring)
    right = (evaluate(SOURCE, X, Y) - known).flatten()
    # Nodes on held walls are known: they are moved to the right, coupled to their neighbours by A.
    u = exact.clone()
    free = ~fixed
    u[free] = torch.linalg.solve(A[free][:, free], right[free] - A[free][:, fixed] @ exact[fixed])
    return (u - exact).square().mean().sqrt().item()


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", ["DD DD", "DN DN", "NN DN", "RN ND", "RR RN"])
def test_second_order_with_data_on_the_walls(kinds, centring):
    """In the mean square; in the corners of natural walls of cells the error is ``h^2 log(1/h)``."""
    errors = [boundary_error(kinds.split(), centring, points) for points in (16, 32)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_second_order_on_periodic_grids(dimension):
    k = torch.arange(1, dimension + 1, dtype=torch.float64)
    errors = []
    for points in (16, 32):
        position = torch.stack(Grid((points,) * dimension, extent=2 * math.pi).coordinates())
        phase = torch.einsum("i,i...->...", k, position)
        # D = (2 + sin(x + y + z)) K:  div(D∇u) = K:∇D∇u + (2 + sin) K:∇∇u
        K = torch.eye(dimension, dtype=torch.float64) + 0.3
        total, ones = position.sum(0), torch.ones(dimension, dtype=torch.float64)
        exact = -total.cos() * phase.sin() * (ones @ K @ k) - (2 + total.sin()) * phase.cos() * (k @ K @ k)
        D = {(i, j): (2 + total.sin()) * K[i, j] for i in range(dimension) for j in range(i, dimension)}
        rate = tensor_diffusion(D, phase.cos(), [2 * math.pi / points] * dimension, [None] * dimension)
        errors.append((rate - exact).abs().max().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


# -- as a torch function ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("name", ["ND-DN", "RN-RR"])
def test_gradients_of_field_and_tensor(name, centring):
    conditions, shape = LAYOUTS[name][0], (2, 3)
    root = torch.randn(2, 2, *shape, dtype=torch.float64, generator=generator()).requires_grad_()
    u = torch.randn(shape, dtype=torch.float64, generator=generator(1)).requires_grad_()

    def rate(u, root):
        return operator(torch.einsum("ik...,jk...->ij...", root, root), conditions, centring)(u)

    assert torch.autograd.gradcheck(rate, (u, root), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(rate, (u, root), fast_mode=True)


def test_gradients_where_the_tensor_vanishes():
    conditions, shape = LAYOUTS["NN-NN"]
    D = torch.zeros(2, 2, *shape, dtype=torch.float64, requires_grad=True)
    u = torch.randn(shape, dtype=torch.float64, generator=generator())
    (gradient,) = torch.autograd.grad(operator(D, conditions, "cell")(u).sum(), D)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("name", ["ND-DN", "RN-RR", "NN-NN-NN"])
def test_batches_and_vmap_are_loops(name, centring):
    conditions, shape = LAYOUTS[name]
    d = len(shape)
    D = torch.stack([random_tensor(d, shape, seed) for seed in (0, 1)], dim=2)
    u = torch.randn(2, *shape, dtype=torch.float64, generator=generator())
    looped = torch.stack([operator(D[:, :, k], conditions, centring)(u[k]) for k in (0, 1)])
    torch.testing.assert_close(operator(D, conditions, centring)(u), looped)
    one = torch.func.vmap(lambda D, u: operator(D, conditions, centring)(u), in_dims=(2, 0))
    torch.testing.assert_close(one(D, u), looped)
    only_tensor = torch.func.vmap(lambda D: operator(D, conditions, centring)(u[0]), in_dims=2)(D)
    torch.testing.assert_close(only_tensor[0], looped[0])


@pytest.mark.parametrize("name", ["ND-DN", "RN-RR", "NN-NN-NN", "PP"])
def test_entries_broadcast(name):
    conditions, shape = LAYOUTS[name]
    d = len(shape)
    along_last = random_tensor(d, (1,) * (d - 1) + shape[-1:])
    u = torch.randn(3, *shape, dtype=torch.float64, generator=generator())
    for D in (along_last, random_tensor(d, ())):
        full = D.reshape(d, d, *[1] * (d + 2 - D.dim()), *D.shape[2:]).expand(d, d, *shape)
        expected = operator(full, conditions, "cell")(u)
        torch.testing.assert_close(operator(D, conditions, "cell")(u), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_precision_is_kept(dtype):
    conditions, shape = LAYOUTS["RN-RR"]
    D = random_tensor(2, shape)
    u = torch.randn(2, *shape, dtype=dtype, generator=generator())
    real = D.float() if dtype in (torch.float32, torch.complex64) else D
    rate = operator(real, conditions, "cell")(u)
    assert rate.dtype == dtype
    expected = operator(D, conditions, "cell")(u.real.double())
    torch.testing.assert_close(rate.real.double(), expected, rtol=1e-4, atol=1e-4)


def test_missing_entries_are_zero():
    conditions, shape = LAYOUTS["NN-NN"]
    u = torch.randn(shape, dtype=torch.float64, generator=generator())
    d = torch.rand(shape, dtype=torch.float64, generator=generator(1))
    zero = torch.zeros_like(d)
    expected = operator({(0, 0): d, (0, 1): zero, (1, 1): zero}, conditions, "cell")(u)
    torch.testing.assert_close(operator({(0, 0): d}, conditions, "cell")(u), expected)
    assert not operator({}, conditions, "cell")(u).any()


@pytest.mark.parametrize(
    ("keys", "message"),
    [([(1, 0)], r"D\[1, 0\] was given, but .* 0 <= i <= j < 2"), ([(0, 2)], r"D\[0, 2\] was given"),
     ([(0, 1), (0, 0)], r"needs D\[0, 0\] and D\[1, 1\]")],
)  # fmt: skip
def test_tensors_that_cannot_be(keys, message):
    conditions, shape = LAYOUTS["PP"]
    with pytest.raises(ParameterError, match=message):
        operator(dict.fromkeys(keys, torch.ones(())), conditions, "cell")(torch.zeros(shape))
