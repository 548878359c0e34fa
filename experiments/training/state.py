"""`TrainingState`: everything that the rest of a run depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .optimisers import Optimisers


@dataclass
class TrainingState:
    """Everything that the rest of a run depends on.

    Attributes:
        model, optimisers, scaler: restored in place; the scaler is of float16.
        order: draws the batches.
        noise: draws augmentation; the same as `order` where one process trains. Torch's global generator (dropout) is
            kept beside it.
        began: state of `order` when the epoch began.
        epoch, position: numbers of finished epochs, and of finished steps in the next.
        totals: sums over the finished steps of that epoch: loss, samples, seconds, and what the task counts.
        tokens, seconds, steps: of all training steps so far.
        rate: learning rate of the last step.
        history: one row of numbers per finished epoch.
        saved: what the checkpoint holds, in words; empty without one.
    """

    model: nn.Module
    optimisers: Optimisers
    scaler: torch.amp.GradScaler | None
    order: torch.Generator
    noise: torch.Generator
    began: Tensor
    epoch: int = 0
    position: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    tokens: float = 0.0
    seconds: float = 0.0
    steps: int = 0
    rate: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    saved: str = ""

    NUMBERS = ("epoch", "position", "tokens", "seconds", "steps", "rate")

    def numbers(self) -> dict[str, Any]:
        """What is no tensor, as plain data."""
        scaler = None if self.scaler is None else self.scaler.state_dict()
        rows = [list(row.items()) for row in self.history]  # pairs, for files sort the keys of mappings
        numbers = {name: getattr(self, name) for name in self.NUMBERS}
        return {**numbers, "history": rows, "totals": list(self.totals.items()), "scaler": scaler}

    def set_numbers(self, numbers: dict[str, Any]) -> None:
        """Restore what `numbers` gave."""
        for name in self.NUMBERS:
            setattr(self, name, numbers[name])
        self.history = [dict(row) for row in numbers["history"]]
        self.totals = dict(numbers["totals"])
        if self.scaler is not None:
            self.scaler.load_state_dict(numbers["scaler"])

    def reached(self) -> str:
        """How far the run is, in words."""
        return (f"{self.position} steps after " if self.position else "") + f"epoch {self.epoch}"


def add_up(totals: dict[str, float], more: Mapping[str, float]) -> None:
    """Add number to number, by name."""
    for name, value in more.items():
        totals[name] = totals.get(name, 0.0) + value
