"""`Contractive`: the bound holds for any weights, against eigenvalues and against trajectories."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.nn.contractive import ACTIVATIONS, spectral_norm_bound


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (40, 40), (64, 7)])
@pytest.mark.parametrize("iterations", [0, 1, 3, 6, 10])
def test_the_norm_is_bounded_from_above_and_closely(shape, iterations):
    generator = torch.Generator().manual_seed(0)
    for scale in (1e-8, 1.0, 1e8):
        weight = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        exact = np.linalg.norm(weight.numpy(), 2)
        bound = spectral_norm_bound(weight, iterations).item()
        assert bound >= exact * (1 - 1e-12)
        assert bound <= exact * min(shape) ** (0.5 / 2 ** (iterations + 1)) * (1 + 1e-12)


def test_equal_singular_values_are_the_worst_case_and_zero_is_harmless():
    weight = torch.linalg.qr(torch.randn(128, 128, dtype=torch.float64))[0]
    assert 1.0 - 1e-12 <= spectral_norm_bound(weight).item() <= 1.04
    zero = torch.zeros(3, 3, requires_grad=True)
    net = fs.nn.Contractive(3)
    torch.nn.init.zeros_(net.last.weight)
    net(torch.randn(2, 3)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    assert torch.isfinite(spectral_norm_bound(zero))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (16,), (16, 8, 16)])
@pytest.mark.parametrize("gain", [0.1, 1.0, 30.0])
def test_symmetric_part_of_the_jacobian(activation, hidden, gain):
    """Its largest eigenvalue is at most -margin, at random states, for weights far from their start."""
    torch.manual_seed(3)
    net = fs.nn.Contractive(5, inputs=2, hidden=hidden, margin=0.3, strength=4.0, activation=activation).double()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim():
                parameter.mul_(gain)
    largest = -math.inf
    for scale in (0.01, 1.0, 10.0):
        arguments = scale * torch.randn(20, 7, dtype=torch.float64)
        jacobian = torch.func.vmap(torch.func.jacrev(net))(arguments)[:, :, :5]
        symmetric = 0.5 * (jacobian + jacobian.mT)
        largest = max(largest, torch.linalg.eigvalsh(symmetric).amax().item())
    assert largest <= -0.3 + 1e-12


def test_the_bound_is_not_slack_by_an_order():
    """A rotation as the only layer, with slope 1 at zero, reaches strength itself: the guarantee costs little."""
    net = fs.nn.Contractive(2, hidden=(), margin=0.5, strength=2.0).double()
    with torch.no_grad():
        net.last.weight.copy_(3.0 * torch.eye(2))
    jacobian = torch.func.jacrev(net)(torch.zeros(2, dtype=torch.float64))
    assert torch.linalg.eigvalsh(jacobian).amax().item() == pytest.approx(-0.5, rel=0.02)


@pytest.mark.parametrize("laplacian", ["", "D*laplacian(phi) + "])
def test_trajectories_approach_at_least_as_fast_as_promised(laplacian):
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        f"dphi/dt = {laplacian}net(phi)",
        grid=fs.Grid(8, extent=1.0),
        boundary=fs.Neumann(0),
        components={"phi": 3},
        parameters={"D": 0.01} if laplacian else {},
        modules={"net": fs.nn.Contractive(3, margin=0.7, strength=3.0).double()},
    )
    starts = 3 * torch.randn(2, 3, 8, dtype=torch.float64)
    times = torch.linspace(0, 4, 9)
    run = fs.solve(equation, starts, t_span=(0, 4), save_at=times, rtol=1e-9, atol=1e-12, gradient="none")
    distance = (run.y[:, 0] - run.y[:, 1]).flatten(1).norm(dim=1)
    assert (distance <= distance[0] * torch.exp(-0.7 * times) * (1 + 1e-6)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "positive rates"),
        ({"strength": math.nan}, "positive rates"),
        ({"activation": "gelu"}, "slopes are at most 1"),
        ({"hidden": (0,)}, "positive sizes"),
    ],
)
def test_what_cannot_be_contractive(options, message):
    with pytest.raises(fs.OptionError, match=message):
        fs.nn.Contractive(3, **options)
