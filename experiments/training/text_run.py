"""`TextRun`: a model, data and settings as plain values; from them to a trained model in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import torch

from fieldsolver.errors import FileFormatError, OptionError, listing, nearest
from fieldsolver.experiments.baselines import NETS
from fieldsolver.experiments.data import TextData, find_dataset, load_text
from fieldsolver.experiments.text import EncodedSplit, Tokeniser, encode_split, fit_tokeniser, load_tokeniser
from fieldsolver.models.catalogue import MODELS, Architecture
from fieldsolver.models.parts import TextModel, configured

from .device import find_device
from .outcome import TrainingRun
from .settings import TrainSettings
from .task import Task
from .text_task import text_task
from .trainer import train
from .world import Parallel, joined

TOKENISER = "tokeniser.json"
SETTLED = ("vocabulary", "classes")
"""Options that tokeniser and data settle."""


@dataclass(frozen=True)
class TextRun:
    """What is trained on what.

    Attributes:
        model, preset, options: architecture, one of its named configurations, and changes to it.
        data, fraction, validation: data set, share of its training texts, share of those that is kept for choices.
        tokeniser, vocabulary, max_length: its kind, its number of ids at most, tokens of a text that are read.
        label_smoothing: share of the target that is spread over all classes.
        settings: of the training.
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


def build_net(run: TextRun, vocabulary: int, classes: int) -> TextModel:
    """The run's model with fresh weights, drawn from the run's seed.

    Raises:
        OptionError: unknown names, or values that the configuration refuses.
    """
    config = config_of(run, vocabulary, classes)
    torch.manual_seed(run.settings.seed)
    return cast("TextModel", find_net(run.model).load().build(config))


def config_of(run: TextRun, vocabulary: int, classes: int) -> Any:
    """The configuration of the run's model; raises like `build_net`."""
    package = find_net(run.model).load()
    changes = {**run.options, "vocabulary": vocabulary, "classes": classes}
    preset = package.PRESETS[run.preset].changes if run.preset in package.PRESETS else {}
    if "max_length" in {one.name for one in fields(package.Config)} and "max_length" not in {*changes, *preset}:
        changes["max_length"] = run.max_length
    return configured(package.Config, package.PRESETS, run.preset, **changes)


def data_of(run: TextRun) -> TextData:
    """The part of the data set that the run is trained on.

    Raises:
        OptionError, FileFormatError, DataUnavailable: it cannot be had, or a class would not be learned.
    """
    return load_text(run.data, validation=run.validation).for_training().part(run.fraction)


def train_text(
    run: TextRun,
    folder: Path,
    *,
    resume: bool = False,
    data: TextData | None = None,
    device: str = "cpu",
    parallel: Parallel | None = None,
    **how: Any,
) -> tuple[TextModel, TrainingRun]:
    """Load, tokenise, build, train.

    Args:
        run: what.
        folder: of this run alone; it gets the tokeniser, and what `train` writes.
        resume: go on with what is there.
        data: what `data_of` gave, if it is loaded already; None loads it.
        device: where the model is trained.
        parallel, how: see `train`.

    Raises:
        OptionError, FileFormatError, DataUnavailable: what the run names cannot be had, the device included.
        TrainingFailed, Interrupted, NotSaved: see `train`.
    """
    config_of(run, run.vocabulary, len(find_dataset(run.data).classes))  # refused before anything is read
    place = find_device(device)
    data = data_of(run) if data is None else data
    with joined(parallel) as world:
        tokeniser = _tokeniser(run, data, folder, resume=resume, write=world.rank == 0)
        model = build_net(run, tokeniser.size, len(data.classes)).to(place)
        task = _task(run, data, tokeniser, model)
        title = f"{run.model} on {run.data}"
        return model, train(
            model, task, run.settings, folder, resume=resume, parallel=parallel, **{"label": title, **how}
        )


def identity(run: TextRun, data: TextData, tokeniser: Tokeniser, model: TextModel) -> dict[str, Any]:
    """What the files of a run say of it, as plain data."""
    return {
        "model": run.model,
        "model_config": model.described(),
        "data": run.data,
        "data_fingerprint": data.fingerprint,
        "class_names": list(data.classes),
        "tokeniser": tokeniser.kind,
        "tokeniser_checksum": tokeniser.checksum,
        "max_length": run.max_length,
    }


def _task(run: TextRun, data: TextData, tokeniser: Tokeniser, model: TextModel) -> Task:
    def encoded(part: Any) -> EncodedSplit:
        return encode_split(tokeniser, part, run.max_length)

    return text_task(
        encoded(data.train), encoded(data.validation), encoded(data.test), classes=len(data.classes),
        label_smoothing=run.label_smoothing, config=identity(run, data, tokeniser, model),
    )  # fmt: skip


def _tokeniser(run: TextRun, data: TextData, folder: Path, *, resume: bool, write: bool) -> Tokeniser:
    """Fitted to the training texts, never to others; a run that goes on has its own."""
    path = folder / TOKENISER
    if resume and path.is_file():
        found = load_tokeniser(path)
        if found.kind != run.tokeniser:
            raise FileFormatError(f"{path} is of the kind {found.kind!r}, this run wants {run.tokeniser!r}")
        return found
    tokeniser = fit_tokeniser(run.tokeniser, data.train.texts, run.vocabulary)
    if write:
        folder.mkdir(parents=True, exist_ok=True)
        tokeniser.save(path)
    return tokeniser
