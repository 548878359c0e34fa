"""Runs one cell: data, model, training, costs."""

from __future__ import annotations

import math
import platform
import shutil
import time
from typing import Any, cast

import numpy as np
import torch

from fieldsolver._version import __version__
from fieldsolver.errors import FieldSolverError, SolveFailed, StabilityError
from fieldsolver.experiments.baselines import find_classifier, matched_transformer
from fieldsolver.experiments.benchmarks.machine import processor
from fieldsolver.experiments.text import batches, collate
from fieldsolver.experiments.training import TrainingFailed, TrainSettings, train
from fieldsolver.experiments.training.text_task import text_task
from fieldsolver.models.parts import TextModel, configured
from fieldsolver.threads import one_thread

from .cell import Cell
from .cell_result import CellResult
from .costs import model_costs
from .judged import classification_metrics, judged_scores, judged_texts
from .recipe import Recipe
from .splits import Encoded, encoded, test_split, texts_of
from .store import CellStore

NO_LIMIT = 10_000
"""Epochs of a run that its tokens or seconds end."""
READ_FROM = 64
"""Texts from which a model's readings are taken."""


def run_cell(cell: Cell, store: CellStore) -> CellResult:
    """The result of a cell, computed on one thread; an interrupted run goes on from its checkpoint.

    A run whose loss is not finite, or whose field overflows, is a result too: it failed, and would fail again.
    """
    with one_thread():
        if not cell.recipe.is_network:
            return _fitted(cell)
        return _trained(cell, store)


def build_model(recipe: Recipe, vocabulary: int, classes: int) -> TextModel:
    """The recipe's network with fresh weights; a matched transformer gets its sizes from the other model."""
    package = recipe.architecture.load()
    given = {**recipe.options, "vocabulary": vocabulary, "classes": classes}
    if recipe.like is None:
        return cast("TextModel", package.build(configured(package.Config, package.PRESETS, recipe.preset, **given)))
    with torch.random.fork_rng(devices=[]):
        other = build_model(recipe.like, vocabulary, classes)
    return cast("TextModel", package.build(matched_transformer(other, **recipe.options)))


def _fitted(cell: Cell) -> CellResult:
    data, judged_by = texts_of(cell), test_split(cell)
    classifier = find_classifier(cell.recipe.model).make(len(data.classes), **cell.recipe.options)
    started = time.perf_counter()
    texts, labels = data.train.texts, data.train.labels
    if cell.purpose == "final":  # nothing is chosen here, so the validation split is free to learn from
        texts, labels = texts + data.validation.texts, np.concatenate((labels, data.validation.labels))
    classifier.fit(texts, labels)
    seconds = time.perf_counter() - started
    samples = judged_scores(classifier.scores(judged_by.texts), judged_by.labels)
    metrics = classification_metrics(samples["answer"], judged_by.labels, len(data.classes))
    parameters = {"embedding": 0, "rest": classifier.parameters, "total": classifier.parameters}
    return CellResult(metrics, seconds, 0, parameters, {}, len(texts), data.note, machine(), samples=samples)


def _trained(cell: Cell, store: CellStore) -> CellResult:
    splits, data = encoded(cell, store.folder / "texts"), texts_of(cell)
    torch.manual_seed(cell.seed)
    model = build_model(cell.recipe, splits.tokeniser.size, len(data.classes))
    folder = store.run_folder(cell)
    about = {"fingerprint": cell.fingerprint, "tokeniser": splits.tokeniser.checksum}
    task = text_task(
        splits.train, splits.validation, None, classes=len(data.classes), label_smoothing=cell.recipe.label_smoothing,
        config=about,
    )  # fmt: skip
    common: dict[str, Any] = {
        "parameters": model.parameter_table(),
        "rows": len(splits.train),
        "note": data.note,
        "machine": machine(),
    }
    try:
        run = train(model, task, train_settings(cell, len(splits.train)), folder, resume=True, label=cell.title)
    except TrainingFailed as error:
        return CellResult({}, 0.0, 0, costs={}, failed=str(error), **common)
    metrics: dict[str, float] = dict(run.best)
    costs: dict[str, float] = {}
    samples: dict[str, np.ndarray] = {}
    missing = ""
    if cell.purpose == "final":
        try:
            samples = judged_texts(model, splits.test)
        except (SolveFailed, StabilityError) as error:
            return CellResult({}, run.seconds, run.tokens, costs={}, failed=str(error), **common)
        metrics = classification_metrics(samples["answer"], splits.test.labels, len(data.classes))
        metrics["evaluations"] = float(samples["evaluations"].mean())
        costs, missing = _beside(model, splits, cell.recipe.batch)
        costs["peak_memory_mb"] = run.best.get("peak_memory_mb", float("nan"))
    shutil.rmtree(folder, ignore_errors=True)  # the result says the rest; weights of hundreds of cells fill a disk
    return CellResult(metrics, run.seconds, run.tokens, costs=costs, samples=samples, missing=missing, **common)


def train_settings(cell: Cell, texts: int) -> TrainSettings:
    """The trainer's options for a cell; the weights of the best epoch by the validation split are kept.

    Args:
        cell: whose recipe may say ``warmup_steps`` in place of the trainer's fraction; of a run that tokens or seconds
            end the number of steps is not known, and the trainer's own fraction is taken.
        texts: of the training split.
    """
    budget, wanted = cell.budget, dict(cell.recipe.training)
    limits = {"budget_tokens": budget.tokens, "budget_seconds": budget.seconds}
    warmup = wanted.pop("warmup_steps", None)
    if warmup is not None and budget.epochs is not None:
        wanted["warmup"] = min(0.5, warmup / (budget.epochs * math.ceil(texts / cell.recipe.batch)))
    return TrainSettings(
        **{
            "epochs": budget.epochs or NO_LIMIT,
            "batch": cell.recipe.batch,
            "learning_rate": cell.rate,
            "seed": cell.seed,
            "keep": "best",
            **{name: value for name, value in limits.items() if value is not None},
            **wanted,
        }
    )


def machine() -> dict[str, Any]:
    """Where and with what a cell was computed."""
    return {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "fieldsolver": __version__,
    }


def _beside(model: TextModel, splits: Encoded, batch: int) -> tuple[dict[str, float], str]:
    """Costs and readings; the words say which could not be measured, and why: they spoil no accuracy."""
    found: dict[str, float] = {}
    reasons = []
    measures = {"costs": lambda: _costs(model, splits, batch), "readings": lambda: _readings(model, splits)}
    for name, measure in measures.items():
        model.eval()  # one that failed may have left it otherwise
        try:
            found |= measure()
        except FieldSolverError as error:
            reasons.append(f"no {name}: {error}")
    return found, "; ".join(reasons)


def _readings(model: TextModel, splits: Encoded) -> dict[str, float]:
    """What the trained model says of itself, from texts of the test split that lie evenly in it."""
    number = min(READ_FROM, len(splits.test))
    tokens = collate(splits.test, np.linspace(0, len(splits.test) - 1, number).astype(np.int64))
    return model.readings(tokens.ids, tokens.mask)


def _costs(model: TextModel, splits: Encoded, batch: int) -> dict[str, float]:
    tokens = collate(splits.train, batches(splits.train, batch, None)[-1])
    return model_costs(model, tokens.ids, tokens.mask)
