"""Texts and labels as a `Task`: cross entropy and penalty while training, scores for evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.experiments.text import EncodedSplit, TokenBatch, batches, collate
from fieldsolver.models.parts import Answer

from .metrics import confusion, scores
from .task import Measured, Task, of_validation
from .world import current_world


def text_task(
    train: EncodedSplit,
    validation: EncodedSplit | None = None,
    test: EncodedSplit | None = None,
    *,
    classes: int,
    label_smoothing: float = 0.0,
    evaluation_batch: int = 256,
    config: Mapping[str, Any] | None = None,
) -> Task:
    """A task for any `TextModel` that answers a text with one class of `classes`.

    Args:
        train, validation, test: encoded texts with labels.
        classes: their number.
        label_smoothing: share of the probability that is spread over all classes (Szegedy et al. 2016).
        evaluation_batch: texts at once where nothing is trained.
        config: what a checkpoint must agree with besides; names of model and data, checksums.
    """
    check_smoothing(label_smoothing)
    for split in (train, validation, test):
        _check_labels(split, classes)

    def loss(model: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        batch = collate(train, indices.numpy()).to(_device(model))
        answer = _answer(model, batch)
        error = nn.functional.cross_entropy(_exact(answer.logits), batch.labels, label_smoothing=label_smoothing)
        return Measured(error + answer.penalty, _counts(batch, answer))

    def epoch(size: int, generator: torch.Generator) -> Sequence[Tensor]:
        return [torch.from_numpy(group) for group in batches(train, size, generator)]

    def tensors(indices: Tensor) -> dict[str, Tensor]:
        batch = collate(train, indices.numpy())
        return {"ids": batch.ids, "mask": batch.mask, "labels": batch.labels}

    def scored(model: nn.Module, split: EncodedSplit | None) -> dict[str, float]:
        return {} if split is None else evaluate_split(model, split, classes=classes, size=evaluation_batch)

    def evaluate(model: nn.Module) -> dict[str, float]:
        return of_validation(scored(model, validation))

    def examine(model: nn.Module) -> dict[str, float]:
        return scored(model, test)

    return Task(
        len(train),
        loss,
        evaluate if validation is not None else None,
        examine if test is not None else None,
        epoch,
        tensors,
        {"label_smoothing": label_smoothing, "classes": classes, **(config or {})},
    )


def evaluate_split(model: nn.Module, split: EncodedSplit, *, classes: int, size: int = 256) -> dict[str, float]:
    """Accuracy, macro precision, recall and F1, loss (cross entropy), right-hand sides evaluated per text.

    Under `torchrun` the processes share the texts; all must call it. The model is in evaluation mode meanwhile.
    """
    world, table, sums = current_world(), torch.zeros(classes, classes, dtype=torch.float64), [0.0, 0.0]
    training = model.training
    model.eval()
    with torch.no_grad():
        for group in batches(split, size, None):
            own, share = world.share(torch.from_numpy(group))
            batch = collate(split, own.numpy()).to(_device(model))
            answer = world.followed(_answer, model, batch)
            if share:
                logits = _exact(answer.logits)
                table += confusion(logits.argmax(1), batch.labels, classes).cpu()
                sums[0] += float(nn.functional.cross_entropy(logits, batch.labels, reduction="sum"))
                sums[1] += float(answer.evaluations.sum())
    model.train(training)
    numbers = world.sums([*sums, *table.flatten().tolist()])
    table = torch.tensor(numbers[2:], dtype=torch.float64).reshape(classes, classes)
    return {**scores(table), "loss": numbers[0] / len(split), "evaluations": numbers[1] / len(split)}


def answers(model: nn.Module, split: EncodedSplit, *, size: int = 256) -> Iterator[tuple[np.ndarray, Answer]]:
    """Places in the split and the `Answer` for the texts there, batch by batch; the model in evaluation mode."""
    model.eval()
    for group in batches(split, size, None):
        with torch.no_grad():
            answer = _answer(model, collate(split, group).to(_device(model)))
        yield group, answer


def predict(model: nn.Module, split: EncodedSplit, *, size: int = 256) -> Tensor:
    """Probabilities (n, K) of each text's classes, on the CPU."""
    rows: list[Tensor] = [torch.empty(0)] * len(split)
    for group, answer in answers(model, split, size=size):
        for index, row in zip(group, answer.logits.float().softmax(1).cpu(), strict=True):
            rows[index] = row
    return torch.stack(rows)


def check_smoothing(label_smoothing: float) -> None:
    """Raises `OptionError` unless it is a share of the target that leaves something of it."""
    if not 0 <= label_smoothing < 1:
        raise OptionError(f"label_smoothing lies in 0 <= s < 1, got {label_smoothing!r}")


def _answer(model: nn.Module, batch: TokenBatch) -> Answer:
    answer: Answer = model(batch.ids, batch.mask, detailed=True)
    if answer.logits.dim() != 2:
        raise OptionError(
            f"texts have one label each, but this model answers at every token (shape {tuple(answer.logits.shape)}); "
            "take another head or preset"
        )
    return answer


def _counts(batch: TokenBatch, answer: Answer) -> dict[str, Tensor | float]:
    return {"tokens": float(batch.mask.sum()), "evaluations": float(answer.evaluations.sum())}


def _exact(logits: Tensor) -> Tensor:
    """In float32 at least, whatever the model computes in."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _check_labels(split: EncodedSplit | None, classes: int) -> None:
    if split is None:
        return
    if not len(split):
        raise OptionError("there is no text in one of the splits; take a larger fraction of the data")
    low, high = int(split.labels.min()), int(split.labels.max())
    if low < 0 or high >= classes:
        raise OptionError(f"labels lie in 0..{classes - 1}, got {low if low < 0 else high}; say classes={high + 1}")


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
