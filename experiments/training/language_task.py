"""Predicting tokens as a `Task`: cross entropy while training, perplexity and bits per byte for evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldsolver.experiments.text import batches
from fieldsolver.models.parts import IGNORED, MASKED_TOKEN, NEXT_TOKEN, Answer, masked_batch
from fieldsolver.models.parts.masking import SHARE

from .questions import Questions
from .task import Measured, Task, of_validation
from .text_task import check_smoothing
from .world import current_world

MONITOR = "log_likelihood"
"""What the choice of an epoch is made by: minus the validation loss, for larger is better."""
LOGITS = 2**26
"""Numbers at once where nothing is trained: a quarter of a gigabyte."""


def language_task(
    train: Questions,
    validation: Questions | None = None,
    test: Questions | None = None,
    *,
    predicts: str,
    vocabulary: int,
    label_smoothing: float = 0.0,
    known: Mapping[str, float] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Task:
    """A task for any `TextModel` that predicts tokens.

    The loss of a batch is the sum over its tokens, divided by the number of tokens that as many windows have on the
    average: every token of an epoch counts alike, in whatever batch, piece or process it is.

    Args:
        train: of a masked model without hidden tokens; they are drawn anew every time.
        validation, test: with hidden tokens.
        predicts: ``"next_token"`` or ``"masked_token"``.
        vocabulary: number of ids.
        label_smoothing: share of the probability that is spread over all ids while training.
        known: numbers to stand beside those of the test, such as the losses of counts.
        config: what a checkpoint must agree with besides.
    """
    check_smoothing(label_smoothing)
    per_window = train.asked / len(train) * (SHARE if predicts == MASKED_TOKEN else 1.0)

    def batch_of(indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        ids, mask, labels = train.drawn(indices.numpy())
        if predicts == MASKED_TOKEN:
            ids, labels = masked_batch(ids, mask, vocabulary, generator)
        return ids, mask, labels

    def loss(model: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        ids, mask, labels = (one.to(_device(model)) for one in batch_of(indices, generator))
        answer, asked = _answered(model, ids, mask, labels, predicts)
        error = _sum_of_errors(answer.logits, asked, label_smoothing)
        counts = {"tokens": float(mask.sum()), "evaluations": float(answer.evaluations.sum())}
        return Measured(error / (per_window * len(indices)) + answer.penalty, counts)

    def epoch(size: int, generator: torch.Generator) -> Sequence[Tensor]:
        return [torch.from_numpy(group) for group in batches(train.seen, size, generator)]

    def tensors(indices: Tensor) -> dict[str, Tensor]:
        return dict(zip(("ids", "mask", "labels"), train.drawn(indices.numpy()), strict=True))

    def evaluate(model: nn.Module) -> dict[str, float]:
        if validation is None:
            return {}
        found = evaluate_questions(model, validation, predicts=predicts)
        return {**of_validation(found), MONITOR: -found["loss"]}

    def examine(model: nn.Module) -> dict[str, float]:
        found = {} if test is None else evaluate_questions(model, test, predicts=predicts)
        return {**found, **(known or {})}

    return Task(
        len(train),
        loss,
        evaluate if validation is not None else None,
        examine if test is not None else None,
        epoch,
        tensors,
        {"label_smoothing": label_smoothing, "predicts": predicts, **(config or {})},
    )


def evaluate_questions(model: nn.Module, questions: Questions, *, predicts: str) -> dict[str, float]:
    """Loss in nats per token, perplexity, share of tokens that are thought likeliest; bits per byte of a text.

    A masked model gives no code of a text, and so no bits per byte. Under `torchrun` the processes share the windows;
    all must call it. The model is in evaluation mode meanwhile.
    """
    world, sums, training = current_world(), [0.0, 0.0, 0.0], model.training
    model.eval()
    with torch.no_grad():
        for group in _groups(model, questions):
            own, share = world.share(torch.from_numpy(group))
            ids, mask, labels = (one.to(_device(model)) for one in questions.drawn(own.numpy()))
            answer, asked = world.followed(_answered, model, ids, mask, labels, predicts)
            if share:
                sums[0] += float(_sum_of_errors(answer.logits, asked))
                sums[1] += float((answer.logits.argmax(-1) == asked).sum())
                sums[2] += float(answer.evaluations.sum())
    model.train(training)
    errors, right, evaluations = world.sums(sums)
    loss = errors / questions.asked
    found = {"loss": loss, "perplexity": perplexity(loss)}
    if predicts == NEXT_TOKEN:
        found["bits_per_byte"] = bits_per_byte(loss, questions)
    return {**found, "accuracy": right / questions.asked, "evaluations": evaluations / len(questions)}


def perplexity(loss: float) -> float:
    """exp of the loss: as unsure as of so many tokens that are equally likely."""
    return math.exp(loss) if loss < math.log(np.finfo(np.float64).max) else math.inf


def bits_per_byte(loss: float, questions: Questions) -> float:
    """The loss of all tokens in bits over all bytes; the first token of a text, which is not asked, as the mean."""
    return loss / math.log(2) * questions.tokens / questions.size


def _groups(model: nn.Module, questions: Questions) -> list[np.ndarray]:
    """Batches whose logits fit in memory."""
    longest = int(questions.seen.lengths.max())
    vocabulary = int(getattr(getattr(model, "config", None), "vocabulary", 1))
    return batches(questions.seen, min(256, max(1, LOGITS // (longest * vocabulary))), None)


def _answered(model: nn.Module, ids: Tensor, mask: Tensor, labels: Tensor, predicts: str) -> tuple[Answer, Tensor]:
    """The answer and the labels that it is compared with; of a masked model at the hidden tokens alone."""
    if predicts == NEXT_TOKEN:
        whole: Answer = model(ids, mask, detailed=True)
        return whole._replace(logits=whole.logits.flatten(0, 1)), labels.flatten()
    places = labels != IGNORED
    part: Answer = model(ids, mask, detailed=True, places=places)
    return part, labels[places]


def _sum_of_errors(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropies of (M, V) and (M,), added up in float32 at least."""
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(exact, labels, ignore_index=IGNORED, label_smoothing=label_smoothing, reduction="sum")


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
