"""Load-bearing: what is used passes; cancelled, detached, underflowing and dead parts are found, and gates are not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict
from fieldsolver.testing import Example, check_load_bearing

B, T, D = 2, 5, 4
X = torch.randn(B, T, D, generator=torch.Generator().manual_seed(0))
SEQUENCE = Example(X, "B T D -> B T K")


class Layer(nn.Module):
    """A linear layer with a part `p` that enters by one of several ways."""

    def __init__(self, way: str, start: float | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way, self.linear = way, nn.Linear(D, D)
        self.p = nn.Parameter(torch.randn(D) if start is None else torch.full((D,), start))
        if way == "zero times zero":
            self.q = nn.Parameter(torch.zeros(D))

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        match self.way:
            case "used" | "gate":
                return y + self.p * torch.tanh(x)
            case "unused":
                return y
            case "cancelled":  # the gate of a row is divided out again, as by a softmax; round-off is left
                weights = torch.softmax(y, -1) * torch.exp((x * self.p).sum(-1, keepdim=True))
                return weights / (weights.sum(-1, keepdim=True) + 1e-8)
            case "detached":
                return y + self.p.detach() * torch.tanh(x)
            case "underflow":  # logits 0 and -8 at temperature 0.05, Sinkhorn's start in hyper-connections
                return y + torch.exp(self.p / 0.05) * torch.tanh(x)
            case "zero times zero":
                return y + self.p * self.q * torch.tanh(x)
            case "zero gradient":
                return y + torch.where(self.p > 0, 1.0, 0.0) * torch.tanh(x)
            case "square":
                return y + self.p**2 * torch.tanh(x)
            case "too small":
                return y + 1e-5 * self.p * torch.tanh(x)
            case "infinite gradient":
                return y + (self.p - self.p.detach()).abs().sqrt()
        raise ValueError(self.way)


def failed(result) -> set[str]:
    return set(result["part"].values[result["holds"].values == 0].tolist())


def test_what_is_used_passes() -> None:
    result = check_load_bearing(Layer("used"), SEQUENCE)
    assert result.status is Verdict.PASS, result.reason
    assert result["part"].values.tolist() == [
        *(f"gradient of {name}" for name in ("p", "linear.weight", "linear.bias")),
        *(f"ablation of {name}" for name in ("p", "linear.weight", "linear.bias")),
    ]


@pytest.mark.parametrize(
    ("way", "start", "parts"),
    [
        ("unused", None, {"gradient of p", "ablation of p"}),
        ("cancelled", None, {"gradient of p", "ablation of p"}),
        ("detached", None, {"gradient of p"}),
        ("underflow", -8.0, {"gradient of p"}),  # without p, exp(0) = 1: it would matter
        ("zero times zero", 0.0, {"gradient of p", "gradient of q", "ablation of p", "ablation of q"}),
        ("zero gradient", None, {"gradient of p"}),
        ("square", 0.0, {"gradient of p"}),
        ("too small", None, {"ablation of p"}),
        ("infinite gradient", None, {"gradient of p", "ablation of p"}),
    ],
)
def test_what_does_not_matter_is_found(way: str, start: float | None, parts: set[str]) -> None:
    result = check_load_bearing(Layer(way, start), SEQUENCE)
    assert result.status is Verdict.FAIL
    assert failed(result) == parts


def test_a_cancelled_gate_has_a_gradient_that_is_not_zero() -> None:
    """Which is why `grad.abs().sum() > 0` proves nothing."""
    layer = Layer("cancelled")
    (layer(X) * torch.arange(D)).sum().backward()
    assert layer.p.grad.abs().max() > 0
    gradient = check_load_bearing(layer, SEQUENCE)["value"].sel(part="gradient of p")
    assert 0 < float(gradient) < 1e-5


def test_a_gate_that_training_opens_is_alive_and_so_is_what_it_hides() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.linear, self.branch, self.gate = nn.Linear(D, D), nn.Linear(D, D), nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) + self.gate * self.branch(x)

    layer = Gated()
    layer(X).sum().backward()
    assert not layer.branch.weight.grad.any()
    result = check_load_bearing(layer, SEQUENCE)
    assert result.status is Verdict.PASS, result.reason


class Switched(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Linear(D, D)
        self.inner.scale = 2.0
        self.use_filter, self.use_memory = True, True

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x) * self.inner.scale
        return y - y.mean(1, keepdim=True) if self.use_filter else y


def test_switches() -> None:
    good = {"use_filter": False, "inner.scale": 1.0, "no filter": lambda layer: setattr(layer, "use_filter", False)}
    layer = Switched()
    assert layer(X).abs().max() > 0
    # A bias that the mean takes away again is found as well.
    assert failed(check_load_bearing(layer, SEQUENCE, switches=good)) == {
        "gradient of inner.bias",
        "ablation of inner.bias",
    }
    layer.inner.bias = None
    assert check_load_bearing(layer, SEQUENCE, switches=good).status is Verdict.PASS
    assert failed(check_load_bearing(layer, SEQUENCE, switches={"use_memory": False})) == {"switch use_memory"}
    assert layer.use_filter
    assert layer.inner.scale == 2.0
    with pytest.raises(OptionError, match=r"no attribute 'use_filtr' to switch; did you mean 'use_filter'\?"):
        check_load_bearing(layer, SEQUENCE, switches={"use_filtr": False})
    with pytest.raises(OptionError, match=r"no attribute 'outer\.scale' to switch"):
        check_load_bearing(layer, SEQUENCE, switches={"outer.scale": 1.0})


def test_the_bias_of_attention_keys_does_nothing() -> None:
    """Scores that share a number in each row have the same softmax: known, and found."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.queries, self.keys, self.values = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, D)

        def forward(self, x: Tensor) -> Tensor:
            return (self.queries(x) @ self.keys(x).mT).softmax(-1) @ self.values(x)

    assert failed(check_load_bearing(Attention(), SEQUENCE)) == {"gradient of keys.bias", "ablation of keys.bias"}


def test_parameters_that_are_not_trained_are_ablated_only() -> None:
    layer = nn.Linear(D, D)
    layer.weight.requires_grad_(False)
    result = check_load_bearing(layer, SEQUENCE)
    assert result["part"].values.tolist() == ["gradient of bias", "ablation of weight", "ablation of bias"]
    assert result.status is Verdict.PASS


def test_complex_parameters() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rotation = nn.Parameter(torch.exp(1j * torch.arange(4.0)))

        def forward(self, x: Tensor) -> Tensor:
            return torch.view_as_real(torch.complex(x, x) * self.rotation)

    assert check_load_bearing(Turned(), Example(X, "B T D -> B T D R")).status is Verdict.PASS


@pytest.mark.parametrize("options", [{}, {"method": "rk4", "dt": 0.05}])
def test_fields(options: dict) -> None:
    """An adaptive solve takes other steps when a parameter moves; a diffusivity of a constant state does nothing."""
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + a*u - u**3",
        grid=fs.Grid(shape=(8,), extent=4.0),
        boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(0.1, positive=True), "a": fs.Parameter(1.0)},
    )
    layer = fs.nn.FieldLayer(equation, duration=0.5, **options)
    rough = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))
    assert check_load_bearing(layer, Example(rough, "B C X -> B C X")).status is Verdict.PASS
    flat = check_load_bearing(layer, Example(torch.full((2, 1, 8), 0.5), "B C X -> B C X"))
    assert failed(flat) == {"gradient of equation.raw.D", "ablation of equation.raw.D"}


def test_nothing_to_examine() -> None:
    assert check_load_bearing(nn.Identity(), SEQUENCE).status is Verdict.NOT_APPLICABLE
    zero = nn.Linear(D, D)
    nn.init.zeros_(zero.weight)
    nn.init.zeros_(zero.bias)
    assert check_load_bearing(zero, SEQUENCE).status is Verdict.DEGENERATE


def test_the_numbers() -> None:
    """y = (a, b) x with a = 3, b = 4, and equal columns x: leaving b out takes 4/5 of the norm away."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([4.0]))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat((self.a * x, self.b * x), -1)

    values = check_load_bearing(Two(), Example(X, "B T D -> B T K"))["value"]
    assert float(values.sel(part="ablation of b")) >= 0.8 - 1e-6
    assert math.isfinite(float(values.sel(part="gradient of b")))
