"""A text model from the options of the command line: what is left out comes from the model's preset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.models.parts import CLASSES

from .data import CORPORA, DATASETS
from .files import writable_folder
from .language_report import language_summary
from .option_text import parse_options, split_options
from .registry import EXPERIMENTS
from .training import TrainingRun, TrainSettings
from .training.device import find_device
from .training.language_task import MONITOR
from .training.run_file import CONFIG, write_run
from .training.start import begun, inherited
from .training.text_run import TextRun, data_of, find_net, nets, predicted_by, prediction
from .training.text_training import checked_start, train_text

DEFAULTS: dict[str, Any] = {"epochs": 5, "batch": 64, "learning_rate": 1e-3, "keep": "best"}
OF_LANGUAGE: dict[str, Any] = {"monitor": MONITOR, "lazy_embeddings": False, "label_smoothing": 0.0}
"""What packages recommend for classifiers and what is wrong for tokens: every step moves all rows of a table that is
the last layer too, and a likelihood is what is measured."""
_HOW = ("save_seconds", "compile", "parallel", "tensorboard", "wandb")


def train_text_model(name: str, given: Mapping[str, Any], out: Path, *, resume: bool) -> int:
    """Train the model of this name; `given` are the options of the command that were given."""
    _refuse_unknown(name)
    if "data" not in given:
        raise OptionError(f"say what {name} is trained on: --data {' | '.join([*DATASETS, *CORPORA])}")
    package = find_net(name).load()
    options = parse_options(package.Config, split_options(given.get("set_", ())))
    preset = given.get("preset")
    recommended = _recommended(package, preset)
    if given.keys() & {"compile", "parallel", "dense_embeddings"}:
        recommended.pop("lazy_embeddings", None)  # a recommendation that these exclude; a wish for both is refused
    settled = {**DEFAULTS, **recommended, **_of_tokens(name, preset, options), **given}
    settled |= _start(given, out / name, resume=resume)
    run = TextRun(
        name, options=options, settings=TrainSettings(**_part(TrainSettings, settled)),
        **_part(TextRun, {key: value for key, value in settled.items() if key not in ("model", "options", "settings")}),
    )  # fmt: skip
    return _train(run, given, out / name, resume=resume)


def repeat_text_model(run: TextRun, given: Mapping[str, Any], out: Path, *, resume: bool) -> int:
    """Train what a config.toml says, with the changes that were given."""
    package = find_net(run.model).load()
    options = parse_options(package.Config, split_options(given.get("set_", ())))
    dense: dict[str, Any] = {"lazy_embeddings": False} if "dense_embeddings" in given else {}
    settings = replace(run.settings, **dense, **_part(TrainSettings, given))
    changes = {**_part(TextRun, given), **_start(given, out / run.model, resume=resume)}
    changed = replace(run, settings=settings, options={**run.options, **options}, **changes)
    return _train(changed, given, out / run.model, resume=resume)


def _train(run: TextRun, given: Mapping[str, Any], folder: Path, *, resume: bool) -> int:
    if "dense_embeddings" in given and run.settings.lazy_embeddings:
        raise OptionError("--lazy-embeddings and --dense-embeddings exclude one another; give one of them")
    writable_folder(folder)
    held = begun(folder)
    if held and not resume:
        raise OptionError(
            f"{folder} holds a run already ({held[0]}); go on with it by --resume, or choose another folder with --out"
        )
    checked_start(run, goes_on=bool(held))
    first = int(os.environ.get("RANK", "0")) == 0
    say = print if first else lambda line: None
    device = given.get("device", _device())
    find_device(device)
    data = data_of(run)
    if first and not held:
        write_run(folder / CONFIG, run)
    say(f"{run.model}{f' (preset {run.preset})' if run.preset else ''} on {run.data}: {data.note}")
    how = {"device": device, **{key: given[key] for key in _HOW if key in given}}
    model, done = train_text(run, folder, resume=resume, data=data, say=say, **how)
    sizes = model.parameter_table()
    say(f"{sizes['total']:,} parameters, {sizes['embedding']:,} of them in embeddings")
    say(_summary(done) if predicted_by(run) == CLASSES else language_summary(done))
    say(str(folder))
    return 0


def _recommended(package: Any, preset: str | None) -> dict[str, Any]:
    """How the package says that this preset is trained, if it does."""
    training = getattr(package, "TRAINING", {}).get(preset)
    return {one.name: getattr(training, one.name) for one in fields(training)} if is_dataclass(training) else {}


def _of_tokens(name: str, preset: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    return {} if prediction(name, preset, options) == CLASSES else OF_LANGUAGE


def _start(given: Mapping[str, Any], own: Path, *, resume: bool) -> dict[str, Any]:
    """The folder as it is written into a file, and what is shared with the run in it; a run that goes on has both."""
    if "start_from" not in given:
        return {}
    folder = Path(given["start_from"]).absolute()
    known = inherited(own if resume and begun(own) else folder)
    return {**{key: value for key, value in known.items() if key not in given}, "start_from": str(folder)}


def _part(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that are fields of the dataclass."""
    return {one.name: given[one.name] for one in fields(kind) if one.name in given}


def _refuse_unknown(name: str) -> None:
    known = [*nets(), *EXPERIMENTS]
    if name not in known:
        raise OptionError(f"there is no model or experiment {name!r}; known: {listing(known)}{nearest(name, known)}")


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _summary(done: TrainingRun) -> str:
    best = f"validation accuracy {done.best['accuracy']:.4f}"
    kept = f"weights of epoch {done.best['epoch']:.0f} of {len(done.history)} ({best})"
    numbers = ", ".join(f"{name} {done.test[name]:.4f}" for name in ("accuracy", "precision", "recall", "f1", "loss"))
    return f"{kept}\ntest: {numbers}\n{done.tokens:,} tokens in {done.seconds:.0f} s of training"
