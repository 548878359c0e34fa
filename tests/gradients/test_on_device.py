"""Values and gradients on the device under test are those of the host. On a CPU this compares a run with itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.testing import Example, check_layer

MODES = ("direct", "checkpointed")
STEPS = {"fixed": {"method": "rk4", "dt": 0.05}, "adaptive": {"method": "tsit5", "rtol": 1e-9, "atol": 1e-11}}


def layer(gradient: str, steps: dict) -> nn.Module:
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + u - u**3 + net(u)",
        grid=fs.Grid(shape=(8,), extent=4.0),
        boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(0.1, positive=True)},
        modules={"net": nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))},
    )
    return fs.nn.FieldLayer(equation, duration=0.5, gradient=gradient, **steps).double()


def values_and_gradients(mode: str, steps: dict, device: torch.device) -> list[Tensor]:
    module = layer(mode, steps).to(device)
    u = torch.randn(3, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(device)
    u.requires_grad_()
    y = module(u)
    found = torch.autograd.grad(y.square().sum(), [u, *module.parameters()])
    assert {x.device.type for x in (y, *found)} == {device.type}
    return [x.detach().cpu() for x in (y, *found)]


@pytest.mark.parametrize("speed", STEPS)
@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_those_of_the_host(mode: str, speed: str, device: torch.device) -> None:
    there = values_and_gradients(mode, STEPS[speed], device)
    here = values_and_gradients(mode, STEPS[speed], torch.device("cpu"))
    for a, b in zip(there, here, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_plain_functions_and_save_points(device: torch.device) -> None:
    found = {}
    for mode in MODES:
        for where in (device, torch.device("cpu")):
            y0 = torch.linspace(-1, 1, 6, dtype=torch.float64, device=where).reshape(3, 2).requires_grad_()
            rate = torch.tensor(0.7, dtype=torch.float64, device=where, requires_grad=True)
            run = fs.solve(
                lambda t, y, k: -k * y**3, y0, args=(rate,), t_span=(0, 1), save_at=torch.linspace(0, 1, 5),
                batch_dims=1, gradient=mode, rtol=1e-9, atol=1e-11,
            )  # fmt: skip
            found[mode, where] = torch.autograd.grad(run.y.square().sum(), (y0, rate))
    reference = found["direct", torch.device("cpu")]
    for gradients in found.values():
        for a, b in zip(gradients, reference, strict=True):
            torch.testing.assert_close(a.cpu(), b, rtol=1e-9, atol=1e-11)


def test_a_layer_passes_the_checks(device: torch.device) -> None:
    u = torch.randn(3, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(device)
    module = layer("checkpointed", STEPS["fixed"]).to(device)
    report = check_layer(module, Example(u, "B C X -> B C X"))
    assert report.holds, str(report)
