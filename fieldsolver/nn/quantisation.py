"""Layers with the weights of their modules in eight bits, and what that costs in accuracy, measured."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError

from .int8_layers import Int8Convolution, Int8Linear

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class QuantisationReport:
    """What `quantised` did.

    Attributes:
        converted: names of the modules with weights of eight bits now.
        kept: names of those of the same kind that were left alone, because their weights are computed or shared.
        bytes_before, bytes_after: parameters and buffers of the whole layer.
        change: (B,) for each sample of the example the change of the output over the output, in Euclidean norms.
        score_before, score_after: what `score` said about both; NaN without it.
    """

    converted: tuple[str, ...]
    kept: tuple[str, ...]
    bytes_before: int
    bytes_after: int
    change: Tensor
    score_before: float
    score_after: float

    def __str__(self) -> str:
        size = f"{self.bytes_before:,} -> {self.bytes_after:,} bytes ({self.bytes_after / self.bytes_before:.0%})"
        lines = [
            f"int8 weights in {len(self.converted)} module(s): {', '.join(self.converted)}",
            *([f"left alone: {', '.join(self.kept)}"] if self.kept else []),
            f"size: {size}",
            f"relative change of the output: median {self.change.median().item():.2e}, "
            f"largest {self.change.max().item():.2e} of {self.change.numel()} sample(s)",
        ]
        if self.score_before == self.score_before:
            lines.append(f"score: {self.score_before:.6g} -> {self.score_after:.6g}")
        return "\n".join(lines)


def quantised(
    layer: nn.Module, *example: Any, score: Callable[[nn.Module], float] | None = None
) -> tuple[nn.Module, QuantisationReport]:
    """A copy with eight-bit weights in its `nn.Linear` and convolutions, for inference, and a report of the drop.

    The coefficients of equations, kernels, biases and the state keep their precision.

    Args:
        layer: a layer or any module; it stays as it is.
        *example: arguments of a call, which the change of the output is measured with; choose typical ones.
        score: a figure of merit of a module, such as its accuracy on held-out data, to be reported for both.

    Raises:
        OptionError: there is nothing to quantise.
    """
    converted, kept = _sorted_out(layer)
    if not converted:
        raise OptionError(
            f"there is no nn.Linear or convolution with a weight of its own to quantise in {type(layer).__name__}"
        )
    small = copy.deepcopy(layer).eval()
    for name in converted:
        parent, _, last = name.rpartition(".")
        part = small.get_submodule(name)
        smaller = Int8Linear(part) if isinstance(part, nn.Linear) else Int8Convolution(part)  # type: ignore[arg-type]  # sorted out
        setattr(small.get_submodule(parent), last, smaller.eval())
    return small, QuantisationReport(
        tuple(converted), tuple(kept), _bytes(layer), _bytes(small), _change(layer, small, example),
        *((score(layer), score(small)) if score is not None else (float("nan"), float("nan"))),
    )  # fmt: skip


def _sorted_out(layer: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the modules to convert, and of those to leave alone."""
    owners: dict[int, int] = {}
    for part in layer.modules():
        for parameter in part.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    converted: list[str] = []
    kept: list[str] = []
    for name, part in layer.named_modules():
        if not isinstance(part, (nn.Linear, *CONVOLUTIONS)):
            continue
        own = type(part) in (nn.Linear, *CONVOLUTIONS) and owners.get(id(part.weight)) == 1 and name != ""
        (converted if own else kept).append(name or type(part).__name__)
    return converted, kept


def _bytes(module: nn.Module) -> int:
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _change(layer: nn.Module, small: nn.Module, example: tuple[Any, ...]) -> Tensor:
    training = {part: part.training for part in layer.modules()}
    layer.eval()
    try:
        with torch.no_grad():
            before, after = layer(*example), small(*example)
    finally:
        for part, mode in training.items():
            part.training = mode
    difference, size = ((x.reshape(x.shape[0], -1)).abs().square().sum(1).sqrt() for x in (after - before, before))
    return (difference / size).cpu()
