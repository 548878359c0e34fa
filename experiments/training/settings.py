"""`TrainSettings`: every number that decides how a training run ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fieldsolver.errors import OptionError

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes:
        epochs, batch: passes over the data, and samples per step, over all processes and pieces together.
        learning_rate: at its highest, after `warmup`; then it falls to zero.
        warmup: a fraction of all steps, or from 1 on their number.
        schedule: how it falls, as half a cosine or as a line.
        weight_decay: of AdamW, decoupled (Loshchilov and Hutter 2019).
        clip: largest norm of the gradient.
        seed: of the batches and of dropout.
        patience: stop after this many epochs without a better `monitor`; None trains to the end.
        monitor: name of the number that `evaluate` returns and that patience watches, larger is better.
        keep: the weights of the last epoch, or those of the epoch with the best `monitor`.
        accumulate: pieces that a batch is computed in, one after the other; the gradient is that of the whole.
        precision: of products and activations, by autocast; weights and their updates stay in float32.
        groups: vectors do not decay, and rates of equations learn slower (`fieldsolver.nn.param_groups`); False treats
            all parameters alike.
        embedding_rate: learning rate of `nn.Embedding` tables, as a multiple.
        lazy_embeddings: update only those rows of the tables that occur in the batch (see `LazyAdamW`).
        budget_tokens: tokens after which the run ends, in the middle of an epoch if need be; the schedule covers them.
        budget_seconds: the same in seconds of training steps; where it ends depends on the machine.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.05
    clip: float = 1.0
    seed: int = 0
    patience: int | None = None
    monitor: str = "accuracy"
    keep: Literal["last", "best"] = "last"
    schedule: Literal["cosine", "linear"] = "cosine"
    accumulate: int = 1
    precision: Precision = "float32"
    groups: bool = True
    embedding_rate: float = 1.0
    lazy_embeddings: bool = False
    budget_tokens: int | None = None
    budget_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "learning_rate", "clip"):
            value = getattr(self, name)
            if not value > 0:
                raise OptionError(f"{name} must be positive, got {value!r}")
        if math.isinf(self.learning_rate):
            raise OptionError("learning_rate must be positive and finite, got inf")
        if not self.warmup >= 0:
            raise OptionError(f"warmup is a fraction of all steps, or from 1 on their number, got {self.warmup!r}")
        if not self.weight_decay >= 0:
            raise OptionError(f"weight_decay is not negative, got {self.weight_decay!r}")
        if not 1 <= self.accumulate <= self.batch:
            raise OptionError(f"accumulate is between 1 and the batch ({self.batch}), got {self.accumulate!r}")
        if not self.embedding_rate > 0:
            raise OptionError(f"embedding_rate is positive, got {self.embedding_rate!r}")
        for name, known in (
            ("precision", ("float32", "bfloat16", "float16")),
            ("keep", ("last", "best")),
            ("schedule", ("cosine", "linear")),
        ):
            if getattr(self, name) not in known:
                raise OptionError(f"{name} is one of {', '.join(known)}, got {getattr(self, name)!r}")
        for name in ("patience", "budget_tokens", "budget_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise OptionError(f"{name} is positive or None, got {value!r}")
        if (self.lazy_embeddings or self.embedding_rate != 1) and not self.groups:
            raise OptionError("groups=False treats all parameters alike, so embeddings cannot have their own rate")
