"""`TextRun`: a model, data and settings as plain values, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

import torch

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.experiments.baselines import NETS
from fieldsolver.experiments.data import CORPORA, DATASETS, PlainTexts, TextData, find_dataset, load_plain, load_text
from fieldsolver.experiments.data.plain import refuse_unknown
from fieldsolver.models.catalogue import MODELS, Architecture
from fieldsolver.models.parts import CLASSES, TextModel, configured, prediction_of

from .settings import TrainSettings

TOKENISER = "tokeniser.json"
SETTLED = ("vocabulary", "classes")
"""Options that tokeniser and data settle."""


@dataclass(frozen=True)
class TextRun:
    """What is trained on what.

    Attributes:
        model, preset, options: architecture, one of its named configurations, and changes to it.
        data, fraction, validation: data set, or corpus for a model that predicts tokens; share of its training texts;
            share of those that is kept for choices.
        tokeniser, vocabulary, max_length: its kind, its number of ids at most, tokens of a text that are read (of a
            window of text, for a model that predicts tokens).
        label_smoothing: share of the target that is spread over all classes.
        settings: of the training.
        start_from: folder of a finished run whose tokeniser, embedding and encoder this one begins with.
    """

    model: str
    data: str
    settings: TrainSettings
    preset: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    fraction: float = 1.0
    validation: float = 0.1
    tokeniser: str = "words"
    vocabulary: int = 30_000
    max_length: int = 256
    label_smoothing: float = 0.0
    start_from: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise OptionError(f"the fraction of the training texts lies in 0 < f <= 1, got {self.fraction!r}")
        if not 0 < self.validation < 1:
            raise OptionError(f"the validation part, which picks the epoch, lies in 0 < v < 1, got {self.validation!r}")
        for name in SETTLED:
            if name in self.options:
                raise OptionError(f"{name!r} is settled by the data; the option --vocabulary is the tokeniser's size")


def nets() -> dict[str, Architecture]:
    """The models of the catalogue, and the networks among the baselines."""
    return {**MODELS, **NETS}


def find_net(name: str) -> Architecture:
    """A model of the catalogue or a network among the baselines; raises `OptionError` with the nearest name."""
    known = nets()
    if name not in known:
        raise OptionError(f"there is no model {name!r}; known: {listing(known)}{nearest(name, known)}")
    return known[name]


def build_net(run: TextRun, vocabulary: int, classes: int = 0) -> TextModel:
    """The run's model with fresh weights, drawn from the run's seed; `classes` 0: of a model that predicts tokens.

    Raises:
        OptionError: unknown names, or values that the configuration refuses.
    """
    config = config_of(run, vocabulary, classes)
    torch.manual_seed(run.settings.seed)
    return cast("TextModel", find_net(run.model).load().build(config))


def config_of(run: TextRun, vocabulary: int, classes: int = 0) -> Any:
    """The configuration of the run's model; raises like `build_net`."""
    package = find_net(run.model).load()
    changes = {**run.options, "vocabulary": vocabulary, **({"classes": classes} if classes else {})}
    preset = package.PRESETS[run.preset].changes if run.preset in package.PRESETS else {}
    if "max_length" in {one.name for one in fields(package.Config)} and "max_length" not in {*changes, *preset}:
        changes["max_length"] = run.max_length
    return configured(package.Config, package.PRESETS, run.preset, **changes)


def data_of(run: TextRun) -> TextData | PlainTexts:
    """The part of the data set or corpus that the run is trained on: without labels, if the model predicts tokens.

    Raises:
        OptionError, FileFormatError, DataUnavailable: it cannot be had, or a class would not be learned.
    """
    if predicted_by(run) != CLASSES:
        return load_plain(run.data, validation=run.validation, fraction=run.fraction)
    return load_text(run.data, validation=run.validation).for_training().part(run.fraction)


def predicted_by(run: TextRun) -> str:
    """What the run's model predicts: classes, or tokens; raises `OptionError` for an unknown model or head."""
    return prediction(run.model, run.preset, run.options)


def prediction(model: str, preset: str | None, options: Mapping[str, Any]) -> str:
    """What a model with these options predicts; raises like `predicted_by`."""
    package = find_net(model).load()
    changes = package.PRESETS[preset].changes if preset in package.PRESETS else {}
    return prediction_of(package.Config, {**changes, **options})


def refuse_wrong(run: TextRun) -> None:
    """Refuse what can be refused before anything is read.

    Raises:
        OptionError: unknown names, values that the configuration refuses, labels wanted of a corpus.
    """
    if predicted_by(run) != CLASSES:
        refuse_unknown(run.data)
        config_of(run, run.vocabulary)
        return
    if run.data in CORPORA:
        presets = find_net(run.model).load().PRESETS
        heads = [name for name, one in presets.items() if one.changes.get("head", CLASSES) != CLASSES]
        instead = f"take --preset {' or '.join(heads)}, or " if heads else ""
        raise OptionError(
            f"{run.data} is running text without labels, and {run.model}"
            f"{f' (preset {run.preset})' if run.preset else ''} answers with classes; {instead}take a data set with "
            f"labels: {listing(DATASETS)}"
        )
    config_of(run, run.vocabulary, len(find_dataset(run.data).classes))
