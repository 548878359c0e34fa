"""`Task`: what to train on, as functions of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Measured(NamedTuple):
    """What one batch gave.

    Attributes:
        loss: scalar, mean over the samples of the batch.
        counts: sums over the samples, such as ``tokens`` and ``evaluations``; they are added up over an epoch.
    """

    loss: Tensor
    counts: Mapping[str, Tensor | float] = {}


@dataclass(frozen=True)
class Task:
    """What to train on.

    Attributes:
        samples: number of training samples.
        loss: ``loss(model, indices, generator)``; random augmentation draws from the generator only.
        evaluate: numbers to log after an epoch, or None.
        test: numbers to measure once, when training is over, with the weights that are kept.
        batches: ``batches(size, generator)``, the indices of every batch of an epoch; None: any order, the last is
            short.
        tensors: what a batch consists of, for a file, should its loss not be finite.
        config: what else a checkpoint must agree with, as plain data.
    """

    samples: int
    loss: Callable[[Any, Tensor, torch.Generator], Measured]
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None
    test: Callable[[nn.Module], dict[str, float]] | None = None
    batches: Callable[[int, torch.Generator], Sequence[Tensor]] | None = None
    tensors: Callable[[Tensor], dict[str, Tensor]] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def epoch(self, size: int, generator: torch.Generator) -> Sequence[Tensor]:
        """Indices of every batch of an epoch; each sample once."""
        if self.batches is not None:
            return self.batches(size, generator)
        return torch.randperm(self.samples, generator=generator).split(size)


def of_validation(found: Mapping[str, float]) -> dict[str, float]:
    """Numbers of the validation part by the names that tell them from those of training."""
    return {f"validation_{name}" if name in ("loss", "evaluations") else name: value for name, value in found.items()}
