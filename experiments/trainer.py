"""A small plain trainer: AdamW, warm-up and cosine, clipping, a checkpoint every epoch, exact resumption."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import FieldSolverError, OptionError
from fieldsolver.solve.progress import ProgressBar

from .checkpoint import TrainingState, load_checkpoint, save_checkpoint
from .files import write_text
from .options import Interrupted

CHECKPOINT, LOG = "checkpoint.safetensors", "log.csv"


class TrainingFailed(FieldSolverError, RuntimeError):
    """The loss became NaN or infinite; the last checkpoint is from before."""


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes:
        epochs, batch: passes over the data, and samples per step.
        learning_rate: at its highest, after `warmup` (a fraction of all steps); then it falls as a cosine to zero.
        weight_decay: of AdamW, decoupled.
        clip: largest norm of the gradient.
        seed: of the batches and of dropout.
        patience: stop after this many epochs without a better `monitor`; None trains to the end.
        monitor: name of the number that `evaluate` returns and that patience watches, larger is better.
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

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or not self.learning_rate > 0 or not self.clip > 0:
            raise OptionError(f"epochs, batch, learning_rate and clip must be positive, got {self}")


@dataclass(frozen=True)
class Task:
    """What to train on.

    Attributes:
        samples: number of training samples.
        loss: ``loss(model, indices, generator) -> scalar``; random augmentation draws from the generator only.
        evaluate: numbers to log after an epoch, or None.
        config: what else a checkpoint must agree with, as plain data.
    """

    samples: int
    loss: Callable[[nn.Module, Tensor, torch.Generator], Tensor]
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


def train(
    model: nn.Module,
    task: Task,
    settings: TrainSettings,
    folder: Path,
    *,
    resume: bool = False,
    label: str = "training",
    progress: bool | None = None,
) -> list[dict[str, float]]:
    """Train in place and return one row per epoch; `folder` gets the checkpoint and the log after each.

    On one machine, a run that was interrupted and resumed ends with bitwise the same weights as one that was not.

    Raises:
        TrainingFailed: the loss is not finite.
        Interrupted: Ctrl-C; the message names the checkpoint.
        FileFormatError: `resume`, and the checkpoint does not belong to this run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = _fresh(model, settings)
    stored = {**task.config, **dataclasses.asdict(settings), "samples": task.samples}
    if resume and (folder / CHECKPOINT).is_file():
        load_checkpoint(folder / CHECKPOINT, state, stored)
    try:
        with ProgressBar(label, progress) as bar:
            while state.epoch < settings.epochs and not _exhausted(state.history, settings):
                _one_epoch(state, task, settings, bar)
                save_checkpoint(folder / CHECKPOINT, state, stored)
                _write_log(folder / LOG, state.history)
    except KeyboardInterrupt:
        kept = folder / CHECKPOINT
        what = f"{kept} holds epoch {state.epoch} of {settings.epochs}" if kept.is_file() else "no epoch was finished"
        raise Interrupted(f"{what}; continue with the same command and --resume") from None
    return state.history


def _fresh(model: nn.Module, settings: TrainSettings) -> TrainingState:
    torch.manual_seed(settings.seed)  # dropout
    generator = torch.Generator().manual_seed(settings.seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, foreach=True
    )
    return TrainingState(model, optimiser, generator, 0, [])


def _one_epoch(state: TrainingState, task: Task, settings: TrainSettings, bar: ProgressBar) -> None:
    started = time.perf_counter()
    state.model.train()
    batches = torch.randperm(task.samples, generator=state.generator).split(settings.batch)
    total = 0.0
    for position, indices in enumerate(batches):
        rate = learning_rate(settings, state.epoch * len(batches) + position, settings.epochs * len(batches))
        total += _one_step(state, task, settings, indices, rate) * len(indices)
        bar((state.epoch + (position + 1) / len(batches)) / settings.epochs)
    row: dict[str, float] = {"epoch": state.epoch + 1, "loss": total / task.samples, "learning_rate": rate}
    state.model.eval()
    if task.evaluate is not None:
        with torch.no_grad():
            row |= task.evaluate(state.model)
    state.history.append(row | {"seconds": round(time.perf_counter() - started, 3)})
    state.epoch += 1


def _one_step(state: TrainingState, task: Task, settings: TrainSettings, indices: Tensor, rate: float) -> float:
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    loss = task.loss(state.model, indices, state.generator)
    state.optimiser.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip)
    value, size = float(loss.detach()), float(norm)
    if not (math.isfinite(value) and math.isfinite(size)):
        raise TrainingFailed(
            f"in epoch {state.epoch + 1} the loss is {value:g} and the norm of its gradient {size:g}; lower the "
            f"learning rate ({settings.learning_rate:g}); the checkpoint of the epoch before is kept"
        )
    state.optimiser.step()
    return value


def learning_rate(settings: TrainSettings, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine to zero."""
    warm = max(1, round(settings.warmup * steps))
    rise = min(1.0, (step + 1) / warm)
    return settings.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / steps))


def _exhausted(history: Sequence[dict[str, float]], settings: TrainSettings) -> bool:
    if settings.patience is None or not history:
        return False
    values = [row[settings.monitor] for row in history]
    return len(values) - 1 - values.index(max(values)) >= settings.patience


def _write_log(path: Path, history: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(history), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())


def _columns(history: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in history for key in row))
