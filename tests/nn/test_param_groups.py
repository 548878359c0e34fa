"""Groups for optimisers and starting values of time scales."""

import math

import pytest
import torch
from torch import nn

import fieldsolver as fs


def model():
    equation = fs.FieldEquation(
        """
        dv/dt = (I - v)/tau + diffusion(D, v) + K @ v + net(v) + F - g*v**3
        dw/dt = -slow*w + tanh(v[0])/scale
        """,
        grid=fs.Grid(6, extent=1.0),
        boundary=fs.Neumann(0),
        components={"v": 2},
        parameters={
            "I": 0.0,
            "tau": fs.Parameter(torch.tensor([1.0, 5.0]), positive=True),
            "D": fs.Parameter(0.1, positive=True),
            "K": fs.Parameter(torch.eye(2)),
            "F": fs.Parameter(0.3),
            "g": fs.Parameter(0.2),
            "slow": "1/long",
            "long": fs.Parameter(30.0, positive=True),
            "scale": fs.Parameter(2.0),
        },
        modules={"net": nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Linear(4, 2))},
    )
    layer = fs.nn.FieldLayer(equation, inputs="I", initial=0.1, learn_initial=True)
    return nn.Sequential(nn.Linear(3, 1), layer, nn.Flatten(), nn.Linear(18, 2, bias=False))


def names(whole, group):
    by_identity = {id(parameter): name for name, parameter in whole.named_parameters()}
    return {by_identity[id(parameter)].removeprefix("1.") for parameter in group["params"]}


def test_every_parameter_exactly_once_in_the_right_group():
    whole = model()
    groups = {group["name"]: group for group in fs.nn.param_groups(whole, 1e-2, 0.1)}
    found = {name: names(whole, group) for name, group in groups.items()}
    raw, net = "equation.raw.", "equation.submodules.net."
    assert found == {
        "weights": {"0.weight", "3.weight", raw + "K", net + "0.weight", net + "2.weight"},
        "vectors": {"0.bias", "initial", net + "0.bias", net + "1.weight", net + "1.bias", net + "2.bias"},
        "coefficients": {raw + "F", raw + "g"},
        "rates": {raw + "tau", raw + "D", raw + "long", raw + "scale"},
    }
    assert sum(len(group["params"]) for group in groups.values()) == len(list(whole.parameters()))
    assert {name: (group["lr"], group["weight_decay"]) for name, group in groups.items()} == {
        "weights": (1e-2, 0.1),
        "vectors": (1e-2, 0.0),
        "coefficients": (1e-2, 0.0),
        "rates": (1e-3, 0.0),
    }


def test_optimisers_take_them_and_decay_nothing_else():
    whole = model()
    optimiser = torch.optim.AdamW(fs.nn.param_groups(whole, 1e-2, 0.5))
    before = {name: value.detach().clone() for name, value in whole.named_parameters()}
    for parameter in whole.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    moved = {
        name.removeprefix("1.") for name, value in whole.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved == names(whole, fs.nn.param_groups(whole, 1.0)[0])


def test_of_one_layer():
    layer = model()[1]
    groups = layer.param_groups(1.0, rate_lr=0.3)
    assert sum(len(group["params"]) for group in groups) == len(list(layer.parameters()))
    assert {group["name"]: group["lr"] for group in groups}["rates"] == pytest.approx(0.3)
    with pytest.raises(fs.OptionError, match="weight_decay is not negative"):
        layer.param_groups(1.0, -0.1)


def test_log_uniform_covers_every_order_of_magnitude():
    values = fs.nn.log_uniform(30_000, 1e-3, 1e3, torch.Generator().manual_seed(0))
    assert values.dtype == torch.float64
    assert 1e-3 <= values.min() < 1.01e-3
    assert 0.99e3 < values.max() <= 1e3
    per_decade = torch.histc(values.log10(), 6, -3, 3)
    assert ((per_decade - 5000).abs() < 4 * math.sqrt(5000)).all()
    again = fs.nn.log_uniform(30_000, 1e-3, 1e3, torch.Generator().manual_seed(0))
    assert torch.equal(values, again)


def test_drawing_a_parameter_anew_in_place():
    layer = model()[1]
    stored = layer.equation.raw["tau"]
    values = fs.nn.log_uniform_(layer, "tau", 2.0, 8.0, torch.Generator().manual_seed(1))
    assert layer.equation.raw["tau"] is stored
    assert ((values > 2) & (values < 8)).all()
    torch.testing.assert_close(layer.equation.parameter_values()["tau"], values)
    for name, message in (("I", "no trainable parameter 'I'"), ("taus", "did you mean 'tau'")):
        with pytest.raises(fs.OptionError, match=message):
            fs.nn.log_uniform_(layer, name, 2.0, 8.0)


def test_time_constants_reach_from_the_interval_to_the_horizon():
    tau = fs.nn.time_constants(5, 10_000.0)
    torch.testing.assert_close(tau, torch.tensor([1.0, 10.0, 100.0, 1000.0, 10000.0], dtype=torch.float64))
    assert fs.nn.time_constants(1, 100.0).item() == pytest.approx(10.0)
    for arguments in ((0, 10.0), (3, 1.0), (3, math.inf), (3, 10.0, -1.0)):
        with pytest.raises(fs.OptionError, match="time_constants needs"):
            fs.nn.time_constants(*arguments)
    for low, high in ((0.0, 1.0), (2.0, 1.0), (1.0, math.inf)):
        with pytest.raises(fs.OptionError, match="log_uniform needs"):
            fs.nn.log_uniform(3, low, high)
