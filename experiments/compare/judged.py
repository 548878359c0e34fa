"""What a trained model or a fitted classifier says of every text of a split."""

from __future__ import annotations

import numpy as np
import torch

from fieldsolver.experiments.text import EncodedSplit
from fieldsolver.experiments.training.metrics import confusion, scores
from fieldsolver.experiments.training.text_task import answers
from fieldsolver.models.parts import TextModel


def judged_texts(model: TextModel, split: EncodedSplit, batch: int = 256) -> dict[str, np.ndarray]:
    """Per text (n,): answer, correct, margin, tokens, evaluations; the model in evaluation mode."""
    logits = np.empty((len(split), model.config.classes), dtype=np.float32)
    evaluations = np.zeros(len(split), dtype=np.float32)
    for places, answer in answers(model, split, size=batch):
        logits[places], evaluations[places] = answer.logits.float().cpu(), answer.evaluations.float().cpu()
    return {**judged_scores(logits, split.labels), "tokens": split.lengths.astype(np.int32), "evaluations": evaluations}


def judged_scores(given: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Per text (n,): the class with the largest of the scores (n, K), whether it is right, the lead of the right."""
    own = given[np.arange(len(labels)), labels]
    others = given.astype(np.float64)
    others[np.arange(len(labels)), labels] = -np.inf
    answer = given.argmax(1)
    return {
        "answer": answer.astype(np.int16),
        "correct": answer == labels,
        "margin": (own - others.max(1)).astype(np.float32),
    }


def classification_metrics(answers: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, float]:
    """Accuracy and macro means of precision, recall and F1, for answers and labels (n,)."""
    return scores(confusion(torch.from_numpy(answers.astype(np.int64)), torch.from_numpy(labels), classes))
