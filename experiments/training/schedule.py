"""The learning rate over a run, and how much of the run is over."""

from __future__ import annotations

import math
from typing import NamedTuple

from .settings import TrainSettings


class Part(NamedTuple):
    """How much of the whole is done, in steps or epochs."""

    done: float
    whole: float

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.done >= self.whole


def part_done(settings: TrainSettings, step: int, steps: int, tokens: float, seconds: float) -> Part:
    """Of epochs and budgets that which is nearest its end; for a budget, as many steps as it would last so far."""
    parts = [Part(step, steps)]
    for spent, budget in ((tokens, settings.budget_tokens), (seconds, settings.budget_seconds)):
        if budget is not None and spent:
            parts.append(Part(step, step * budget / spent))
    return min(parts, key=lambda part: part.whole)


def learning_rate(settings: TrainSettings, done: float, whole: float) -> float:
    """Linear warm-up, then half a cosine or a line to zero."""
    warm = max(1, round(settings.warmup * whole) if settings.warmup < 1 else settings.warmup)
    rise = min(1.0, (done + 1) / warm)
    if settings.schedule == "linear":
        return settings.learning_rate * rise * (1 - done / whole)
    return settings.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * done / whole))
