"""Runs without the loop, where it has nothing to decide: the same numbers, and the same refusals."""

import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.methods import METHODS
from fieldsolver.nn import run as module

FIXED = [name for name, method in METHODS.items() if method.fixed_steps]


def layer(module_inside=None, **options):
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + net(phi) + cos(t)*drive",
        grid=fs.Grid(6, extent=6.0, centring="node"),
        boundary={"x-": fs.Dirichlet("sin(t)"), "x+": fs.Neumann(0)},
        components={"phi": 2},
        parameters={"D": fs.Parameter(0.1, positive=True), "drive": torch.zeros(2)},
        modules={"net": module_inside or nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))},
    ).double()
    defaults = {"duration": 0.37, "dt": 0.05, "inputs": "drive", "initial": 0.3, "gradient": "direct"}
    return fs.nn.FieldLayer(equation, **{**defaults, **options})


@pytest.mark.parametrize("method", FIXED)
def test_the_loop_gives_the_same_bits(method, monkeypatch):
    x, results = torch.randn(3, 2, dtype=torch.float64), []
    for few in (16, 0):
        monkeypatch.setattr(module, "FEW", few)
        made = layer(method=method, save_at=[0.0, 0.13, 0.37], check="off")
        output = made(x)
        output.pow(2).sum().backward()
        results.append([output.detach(), *(p.grad for p in made.parameters())])
    assert torch.equal(results[0][0], results[1][0])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


def calls_of_the_loop(monkeypatch):
    calls, real = [], module.solve
    monkeypatch.setattr(module, "solve", lambda *args, **options: calls.append(1) or real(*args, **options))
    return calls


def test_when_the_loop_runs(monkeypatch):
    calls, x = calls_of_the_loop(monkeypatch), torch.ones(1, 2, dtype=torch.float64)
    for options, loops in (
        ({}, 0),
        ({"gradient": "checkpointed"}, 1),
        ({"dt": None}, 1),
        ({"dt": 0.01}, 1),
        ({"max_steps": 8}, 0),
    ):
        layer(**options)(x)
        assert len(calls) == loops, options
        calls.clear()
    with torch.no_grad():
        layer(gradient="checkpointed")(x)
    assert not calls


def test_failures_are_raised_as_by_the_loop():
    blows_up = fs.FieldEquation("du/dt = exp(u)")
    made = fs.nn.FieldLayer(blows_up, dt=0.5, gradient="direct")
    with pytest.raises(fs.SolveFailed, match="1 of 2 sample"):
        made(torch.tensor([[0.0], [100.0]]))
    with pytest.raises(fs.SolveFailed, match="max_steps"):
        layer(max_steps=3)(torch.ones(1, 2, dtype=torch.float64))


def test_a_module_that_writes_over_the_state_is_refused():
    declared = fs.FieldEquation("dphi/dt = net(phi)", components={"phi": 3}, modules={"net": nn.ReLU(inplace=True)})
    with pytest.raises(fs.StateError, match="changes y in place"):
        fs.nn.FieldLayer(declared, dt=0.5, gradient="direct")(-torch.ones(2, 3))


def test_inference_mode():
    x = torch.ones(1, 2, dtype=torch.float64)
    with torch.no_grad():
        expected = layer()(x)
    with torch.inference_mode():
        torch.testing.assert_close(layer()(x), expected, rtol=1e-12, atol=1e-13)
