"""A batch without samples trains like any other: everything is connected, and every gradient is zero."""

import pytest
import torch

import fieldsolver as fs


def layers():
    equation = fs.FieldEquation("du/dt = (I - u)/tau", parameters={"I": 0.0, "tau": fs.Parameter(1.0, positive=True)})
    until = fs.SteadyState(max_time=50.0)
    return {
        "finite": fs.nn.FieldLayer(equation, inputs="I", initial=0.0, dt=0.5),
        "times": fs.nn.FieldLayer(equation, inputs="I", initial=0.0, dt=0.5, save_at=[0.5, 1.0]),
        "recurrent": fs.nn.RecurrentFieldLayer(equation, inputs="I", initial=0.0, dt=0.5),
        "linear": fs.nn.RecurrentFieldLayer(equation, inputs="I", initial=0.0, dt=0.5, forcing="linear"),
        "steady": fs.nn.SteadyFieldLayer(equation, inputs="I", initial=0.0, dt=0.5, until=until),
    }


@pytest.mark.parametrize("kind", layers())
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("follow", [False, True])
def test_the_gradients_are_zero(kind, masked, follow):
    layer, batch = layers()[kind], 3 if masked else 0
    lead = (batch, 4) if kind in ("recurrent", "linear") else (batch,)
    x = torch.ones(*lead, 1, requires_grad=follow)
    result = layer(x, mask=torch.zeros(lead, dtype=torch.bool) if masked else None)
    y = result if isinstance(result, torch.Tensor) else result[0]
    assert not y.any()
    y.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in layer.parameters())
    assert not follow or not x.grad.any()


def test_a_layer_of_no_duration_is_connected_too():
    layer = fs.nn.FieldLayer(layers()["finite"].equation, inputs="I", initial=0.5, duration=0.0)
    layer(torch.ones(2, 1)).sum().backward()
    assert layer.equation.raw["tau"].grad == 0
