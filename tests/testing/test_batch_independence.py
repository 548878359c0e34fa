"""Batch independence: right layers pass in both modes; coupling by statistics, steps or gradients is found."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict
from fieldsolver.testing import Example, check_batch_independence

B, T, D = 4, 6, 5
X = torch.randn(B, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SEQUENCE = Example(X, "B T D -> B T D")


class Function(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def field_layer(**options) -> nn.Module:
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + u - u**3",
        grid=fs.Grid(shape=(8,), extent=4.0),
        boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(0.1, positive=True)},
    )
    return fs.nn.FieldLayer(equation, duration=0.5, **options)


FIELD = Example(torch.randn(3, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), "B C X -> B C X")


@pytest.mark.parametrize(
    ("layer", "example"),
    [
        (nn.Sequential(nn.LayerNorm(D), nn.Linear(D, D), nn.GELU(), nn.Dropout(0.5), nn.Linear(D, D)), SEQUENCE),
        (nn.MultiheadAttention(D, 1, batch_first=True), SEQUENCE),
        (nn.InstanceNorm1d(T), SEQUENCE),
        (field_layer(rtol=1e-6, atol=1e-9), FIELD),
        (field_layer(method="rk4", dt=0.1), FIELD),
    ],
    ids=["LayerNorm and dropout", "attention", "InstanceNorm", "adaptive field", "fixed field"],
)
def test_independent_layers_pass(layer: nn.Module, example: Example) -> None:
    if isinstance(layer, nn.MultiheadAttention):
        example = Example(X, "B T D -> B T D", call=lambda layer, x: layer(x, x, x)[0])
    result = check_batch_independence(layer.double(), example)
    assert result.status is Verdict.PASS, result.reason
    assert {name.rsplit("(")[-1] for name in result["part"].values.tolist()} == {"evaluation)", "training)"}


class CoupledGradient(torch.autograd.Function):
    """Passes values on, and the gradient clipped by the norm of the whole batch."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient / gradient.norm().clamp(min=1.0)


class ClippedWeight(nn.Module):
    """Values and gradients of samples are their own, but the gradient of the weight is clipped for all together."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(D))

    def forward(self, x: Tensor) -> Tensor:
        return x * CoupledGradient.apply(self.weight)


class SharedSteps(nn.Module):
    """dx/dt = -x^3 with Euler steps for the largest error in the batch; the sizes carry no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        steps = int(10 * x.detach().abs().max()) + 1
        for _ in range(steps):
            x = x - x**3 / steps / 10
        return x


class FirstComesFirst(nn.Module):
    """An expert with room for a number of samples: the others get nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((2 * x[:4], x[4:]))


COUPLINGS = {
    "BatchNorm": (nn.BatchNorm1d(T), {"training"}),
    "mean of the batch": (Function(lambda x: x - x.mean(0)), {"evaluation", "training"}),
    "detached scale": (Function(lambda x: x / x.detach().std()), {"evaluation", "training"}),
    "shared steps": (SharedSteps(), {"evaluation", "training"}),
    "gradient of the batch": (Function(CoupledGradient.apply), {"evaluation", "training"}),
    "gradient of a weight": (ClippedWeight(), {"evaluation", "training"}),
    "limited room": (FirstComesFirst(), {"evaluation", "training"}),
}


@pytest.mark.parametrize("name", COUPLINGS)
def test_coupled_samples_are_found(name: str) -> None:
    layer, modes = COUPLINGS[name]
    result = check_batch_independence(layer.double(), SEQUENCE)
    assert result.status is Verdict.FAIL
    failed = result["part"].values[result["holds"].values == 0].tolist()
    assert {part.rsplit("(")[-1].rstrip(")") for part in failed} == modes
    if name.startswith("gradient"):
        assert all(part.startswith("gradient") for part in failed)


def test_what_needs_company_is_not_independent() -> None:
    """BatchNorm refuses a single sample of one number per channel."""
    result = check_batch_independence(nn.BatchNorm1d(D).double(), Example(X[:, 0], "B D -> B D"))
    assert result.status is Verdict.FAIL
    assert "alone, where the layer raises ValueError" in result.reason
    assert math.isinf(float(result["measured"]))


def test_a_small_sample_beside_a_large_one() -> None:
    """The deviation is that of the sample, not of the batch: 1e-9 of the neighbour is all of a sample of size 1e-9."""
    leak = Function(lambda x: x + 1e-9 * x.mean(0))
    quiet = X.clone()
    quiet[0] *= 1e-9
    result = check_batch_independence(leak, Example(quiet, "B T D -> B T D"))
    assert float(result["measured"]) > 0.1


def test_token_ids() -> None:
    ids = torch.randint(9, (B, T), generator=torch.Generator().manual_seed(2))
    example = Example(ids, "B T -> B T D", vocabulary=9)
    assert check_batch_independence(nn.Embedding(9, D), example).status is Verdict.PASS
    mixed = nn.Sequential(nn.Embedding(9, D), Function(lambda x: x - x.mean(0)))
    assert check_batch_independence(mixed, example).status is Verdict.FAIL


class RoomForEight(nn.Module):
    """Samples are their own until a batch is larger than eight: each then sees its neighbour."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * x.roll(1, 0) if len(x) > 8 else x


def test_neighbours_that_matter_in_large_batches_only() -> None:
    result = check_batch_independence(RoomForEight(), Example(X[:2], "B T D -> B T D"))
    assert result.status is Verdict.FAIL
    failed = set(result["part"].values[result["holds"].values == 0].tolist())
    assert failed == {"in a batch of 33 (evaluation)", "in a batch of 33 (training)"}
    small = check_batch_independence(RoomForEight(), Example(X[:2], "B T D -> B T D"), crowd=1)
    assert small.status is Verdict.PASS
    with pytest.raises(OptionError, match="crowd is a number of samples, such as 33; got 0"):
        check_batch_independence(RoomForEight(), SEQUENCE, crowd=0)


def test_random_layers_and_nan_are_not_called_dependent() -> None:
    noisy = check_batch_independence(Function(lambda x: x + 0.1 * torch.randn_like(x)), SEQUENCE)
    assert noisy.status is Verdict.INCONCLUSIVE
    assert "not deterministic" in noisy.reason
    undefined = check_batch_independence(Function(lambda x: x * math.nan), SEQUENCE)
    assert undefined.status is Verdict.INCONCLUSIVE
    assert "the output is not finite" in undefined.reason


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) if self.training else x


def test_random_numbers_in_training_are_told() -> None:
    result = check_batch_independence(Noise(), SEQUENCE)
    assert result.status is Verdict.PASS
    assert "compared in evaluation mode only, since it draws random numbers" in result.reason


def test_neighbours_that_a_layer_refuses_are_told() -> None:
    result = check_batch_independence(field_layer(method="rk4", dt=0.1).double(), FIELD, neighbours=30.0)
    assert result.status is Verdict.PASS
    assert "neighbours 30 times as large were refused with SolveFailed" in result.reason


def test_one_sample_is_completed() -> None:
    result = check_batch_independence(nn.LayerNorm(D).double(), Example(X[:1], "B T D -> B T D"))
    assert result.status is Verdict.PASS
