"""Determinism: pure layers pass; dropout left on, memories, reused buffers and changed inputs are found."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import fieldsolver as fs
from fieldsolver.results import Verdict
from fieldsolver.testing import Example, check_determinism

X = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
SEQUENCE = Example(X, "B T D -> B T D")


def failed(result) -> set[str]:
    return set(result["part"].values[result["holds"].values == 0].tolist())


class Layer(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.linear, self.kept = kind, nn.Linear(4, 4), None
        self.register_buffer("memory", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "in place":
            x.add_(1.0)
        y = self.linear(x)
        match self.kind:
            case "dropout":
                return functional.dropout(y)  # training=True is its default
            case "memory":
                y = y + self.memory
                self.memory = 0.9 * self.memory + 0.1 * y.detach().mean((0, 1))
            case "hidden memory":
                y = y if self.kept is None else y + self.kept
                self.kept = y.detach().mean()
            case "first input":  # what was computed for the first input is used for all
                if self.kept is None:
                    self.kept = x.mean()
                y = y + self.kept
            case "reused output":
                if self.kept is None:
                    self.kept = torch.empty_like(y).detach()
                self.kept.copy_(y.detach())
                return self.kept
            case "counter":
                self.memory += 1
            case "fast path":
                return y if torch.is_grad_enabled() else y.half().to(y)
            case "unseeded":
                torch.seed()
                return functional.dropout(y, training=self.training)
        return y


@pytest.mark.parametrize(
    "layer",
    [
        Layer("pure"),
        nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)),
        nn.BatchNorm1d(5),
        nn.Sequential(nn.LayerNorm(4), nn.GELU()),
    ],
)
def test_calls_that_repeat(layer: nn.Module) -> None:
    result = check_determinism(layer, SEQUENCE)
    assert result.status is Verdict.PASS, result.reason
    assert result["part"].size == 10


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("dropout", {"with other random numbers"}),
        ("memory", {"again", "with other random numbers", "after another input", "the state dict, afterwards"}),
        ("hidden memory", {"again", "after another input"}),
        ("first input", set()),
        ("reused output", {"first output after further calls"}),
        ("in place", {"the input, afterwards"}),
        ("counter", {"the state dict, afterwards"}),
        ("fast path", {"without gradients"}),
        ("unseeded", {"training, again"}),
    ],
)
def test_calls_that_do_not_repeat(kind: str, parts: set[str]) -> None:
    result = check_determinism(Layer(kind), SEQUENCE)
    assert (result.status is Verdict.FAIL) == bool(parts)
    assert parts <= failed(result)
    if kind in ("dropout", "counter", "fast path", "reused output", "in place"):
        assert failed(result) == parts
    assert torch.equal(X, torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)))


def test_fields_repeat() -> None:
    equation = fs.FieldEquation("dx/dt = -k*x**3", parameters={"k": fs.Parameter(1.0)})
    layer = fs.nn.FieldLayer(equation, duration=1.0)
    assert check_determinism(layer, Example(X[:, :1, 0], "B C -> B C")).status is Verdict.PASS
