"""Metrics against the flat operators and the metrics of coordinates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fieldsolver.errors import ParameterError
from fieldsolver.space import Dirichlet, Grid, Neumann
from fieldsolver.space.closure import ghost_block, ghost_rule
from fieldsolver.space.metric import LearnedMetric, Metric, laplace_beltrami
from fieldsolver.space.orthogonal import OrthogonalCells, orthogonal_laplacian
from fieldsolver.space.tensor_diffusion import TensorWall, tensor_diffusion

TAU = 2 * math.pi
N0, D0 = Neumann(0), Dirichlet(0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=generator(seed))


def extended(values, grid, conditions, *, on_node=False):
    """Ghosts; `conditions` per axis, None if periodic."""
    for axis, ends in enumerate(conditions):
        if ends is not None:
            dim = axis - grid.dimension
            low, high = (
                ghost_block(values, dim, end, ghost_rule(ends[end], 1, grid.spacing[axis], on_node=on_node),
                            None, on_node=on_node)
                for end in (0, 1)
            )  # fmt: skip
            values = torch.cat([low, values, high], dim)
    return values


def matrix(apply, grid):
    basis = torch.eye(grid.size, dtype=torch.float64).reshape(grid.size, *grid.shape)
    return apply(basis).reshape(grid.size, grid.size).T


# -- any metric -------------------------------------------------------------------------------------------------------


def wavy(x, y):
    """Of the coordinates ``X = x + 0.15 sin(x + y)``, ``Y = y + 0.1 sin(x)`` of the flat plane."""
    a, b = 0.15 * torch.cos(x + y), 0.1 * torch.cos(x)
    # J = [[1 + a, a], [b, 1]],  g = Jᵀ J
    return [[(1 + a) ** 2 + b**2, (1 + a) * a + b], [(1 + a) * a + b, a**2 + 1]]


def test_other_coordinates_give_the_flat_laplacian():
    """The same function of the plane in wavy coordinates, to second order."""
    errors = []
    for points in (24, 48):
        grid = Grid((points, points), extent=TAU)
        x, y = grid.coordinates()
        X, Y = x + 0.15 * torch.sin(x + y), y + 0.1 * torch.sin(x)
        rate = laplace_beltrami(Metric(wavy, grid).fields(), torch.sin(X) * torch.cos(2 * Y), grid.spacing, [None] * 2)
        errors.append((rate + 5 * torch.sin(X) * torch.cos(2 * Y)).abs().max().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


def test_stretched_coordinates_on_a_line():
    errors = []
    for points in (32, 64):
        grid = Grid(points, extent=TAU)
        (x,) = grid.coordinates()
        metric = Metric(lambda x: [[(1 + 0.4 * torch.cos(x)) ** 2]], grid)
        X = x + 0.4 * torch.sin(x)
        rate = laplace_beltrami(metric.fields(), torch.sin(2 * X), grid.spacing, [None])
        errors.append((rate + 4 * torch.sin(2 * X)).abs().max().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_flat_metric_is_the_plain_laplacian(dimension):
    grid = Grid((4, 5, 3)[:dimension], extent=(1.3, 2.1, 0.9)[:dimension])
    identity = [[float(i == j) for j in range(dimension)] for i in range(dimension)]
    walls = [(TensorWall(False, True), TensorWall(False, False))] * dimension
    u = extended(randn(2, *grid.shape), grid, [(D0, N0)] * dimension)
    one = torch.ones((), dtype=torch.float64)
    plain = tensor_diffusion({(i, i): one for i in range(dimension)}, u, grid.spacing, walls)
    actual = laplace_beltrami(Metric(lambda *_: identity, grid).fields(), u, grid.spacing, walls)
    torch.testing.assert_close(actual, plain, atol=1e-12, rtol=1e-12)


def random_metric(grid, seed=0):
    d = grid.dimension
    root = randn(d, d, *grid.shape, seed=seed)
    return torch.einsum("ik...,jk...->ij...", root, root) + 0.1 * torch.eye(d).double().reshape(d, d, *[1] * d)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_density_and_inverse_against_linear_algebra(dimension):
    grid = Grid((4, 5, 3)[:dimension], extent=1)
    g = random_metric(grid)
    metric, points = Metric(g, grid), g.movedim((0, 1), (-2, -1))
    torch.testing.assert_close(metric.volume_density(), torch.linalg.det(points).sqrt())
    torch.testing.assert_close(metric.inverse(), torch.linalg.inv(points).movedim((-2, -1), (0, 1)))
    torch.testing.assert_close(metric.components(), g)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_symmetric_and_conservative_in_the_volumes_of_the_metric(dimension, centring):
    grid = Grid((4, 5, 3)[:dimension], extent=(1.3, 2.1, 0.9)[:dimension], centring=centring)
    metric, node = Metric(random_metric(grid), grid), centring == "node"
    fields, walls = metric.fields(), [(TensorWall(node, False), TensorWall(node, False))] * dimension

    def apply(u):
        ghosted = extended(u, grid, [(N0, N0)] * dimension, on_node=node)
        return laplace_beltrami(fields, ghosted, grid.spacing, walls)

    V = (metric.volume_density() * grid.weights()).flatten()
    A = V[:, None] * matrix(apply, grid)
    torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max().item(), rtol=0)
    assert torch.linalg.eigvalsh((A + A.T) / 2).max() < 1e-12 * A.abs().max()
    rate = apply(randn(3, *grid.shape))
    assert (metric.integral(rate).abs() < 1e-12 * metric.integral(rate.abs())).all()
    assert apply(torch.full(grid.shape, 1.7).double()).abs().max() < 1e-12 * rate.abs().max()


def test_a_sphere_by_its_metric_agrees_with_the_finite_volumes():
    """On a belt around the equator, to second order."""
    differences = []
    for points in (16, 32):
        grid = Grid((points, 2 * points), bounds=((1.0, 2.0), (0, TAU)))
        theta, phi = grid.coordinates()
        u = extended(torch.cos(3 * theta) * torch.sin(phi), grid, [(N0, N0), None])
        metric = Metric(lambda t, p: [[1.0, 0.0], [0.0, torch.sin(t) ** 2]], grid)
        wall = TensorWall(False, False)
        curved = laplace_beltrami(metric.fields(), u, grid.spacing, [(wall, wall), None])
        sphere = Grid(grid.shape, bounds=grid.bounds, coordinates="sphere")
        volumes = orthogonal_laplacian(u, OrthogonalCells(sphere, periodic=("phi",)))
        differences.append((curved - volumes)[1:-1].abs().max().item())
    assert np.log2(differences[0] / differences[1]) == pytest.approx(2, abs=0.2)


class Network(torch.nn.Module):
    def __init__(self, d, scale=1.0):
        super().__init__()
        self.weight = torch.nn.Parameter(scale * randn(d, d * (d + 1) // 2))

    def forward(self, x):
        return torch.sin(x) @ self.weight


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_learned_metrics_are_positive_definite(dimension):
    grid = Grid((4, 5, 3)[:dimension], extent=1)
    for scale in (1.0, 10.0):
        g = Metric(LearnedMetric(Network(dimension, scale), dimension), grid).components()
        assert torch.linalg.eigvalsh(g.detach().movedim((0, 1), (-2, -1))).min() > 0
    flat = Metric(LearnedMetric(Network(dimension, 0.0), dimension), grid).components()
    identity = torch.eye(dimension).double().reshape(dimension, dimension, *[1] * dimension).expand(flat.shape)
    torch.testing.assert_close(flat, identity)


def test_gradients_reach_a_learned_metric():
    grid = Grid((3, 4), extent=1)
    network = Network(2)
    metric, u = Metric(LearnedMetric(network, 2), grid), randn(3, 4)
    assert dict(metric.named_parameters()).keys() == {"source.network.weight"}

    def loss(weight):
        g = torch.func.functional_call(metric.source, {"network.weight": weight}, grid.coordinates())
        return laplace_beltrami(Metric(lambda *_: g, grid).fields(), u, grid.spacing, [None, None]).square().sum()

    assert torch.autograd.gradcheck(loss, (network.weight.detach().clone().requires_grad_(),))
    total = laplace_beltrami(metric.fields(), u, grid.spacing, [None, None]).square().sum()
    total.backward()
    (expected,) = torch.autograd.grad(loss(weight := network.weight.detach().clone().requires_grad_()), weight)
    torch.testing.assert_close(network.weight.grad, expected)


def test_gradients_of_a_tensor_are_symmetric():
    grid = Grid((3, 4), extent=1)
    g, u = random_metric(grid).requires_grad_(), randn(3, 4)

    def rate(g, u):
        return laplace_beltrami(Metric(g, grid).fields(), u, grid.spacing, [None, None])

    (gradient,) = torch.autograd.grad(rate(g, u).square().sum(), g)
    torch.testing.assert_close(gradient, gradient.transpose(0, 1))
    root = randn(2, 2, 3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda root, u: rate(torch.einsum("ik...,jk...->ij...", root, root), u), (root, u.clone().requires_grad_())
    )


def test_networks_in_single_precision():
    grid = Grid((3, 4), extent=1)
    metric = Metric(LearnedMetric(torch.nn.Linear(2, 3), 2), grid)
    assert metric.volume_density().dtype == torch.float32


def test_metrics_that_cannot_be():
    grid = Grid((3, 4), extent=1)
    with pytest.raises(ParameterError, match=r"has the shape \(2, 2, 3, 4\), got \(2, 3, 4\)"):
        Metric(torch.ones(2, 3, 4), grid)
    with pytest.raises(ParameterError, match="2 rows of 2 entries"):
        Metric(lambda x, y: [[x]], grid)
    with pytest.raises(ParameterError, match=r"g_ij and g_ji differ by 0.1; write"):
        Metric(lambda x, y: [[1.0, 0.1], [0.0, 1.0]], grid)
    with pytest.raises(ParameterError, match=r"smallest eigenvalue is -0.167 at x = 0.833333, y = 0.125"):
        Metric(lambda x, y: [[1.0, 0.0], [0.0, torch.where(y < 0.2, 2 / 3 - x, 1.0)]], grid)
    with pytest.raises(ParameterError, match="smallest eigenvalue is 0 at"):
        Metric(lambda x, y: [[1.0, 1.0], [1.0, 1.0]], grid)
    with pytest.raises(ParameterError, match="NaN or infinite"):
        Metric(lambda x, y: [[x / 0, 0.0], [0.0, 1.0]], grid)
    with pytest.raises(ParameterError, match="returns 3 numbers per point, got 2"):
        Metric(LearnedMetric(torch.nn.Linear(2, 2), 2), grid)
    with pytest.raises(ParameterError, match="pass a LearnedMetric"):
        Metric(torch.nn.Parameter(random_metric(grid)), grid)
    with pytest.raises(ParameterError, match="floor lies between 0 and 1"):
        LearnedMetric(torch.nn.Linear(2, 3), 2, floor=0)
