"""A finished run from its folder: model, tokeniser, names of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldsolver.errors import FileFormatError
from fieldsolver.experiments.files import read_toml
from fieldsolver.experiments.text import Tokeniser, load_tokeniser
from fieldsolver.models.parts import TextModel

from .checkpoint import BEST, best_settings, load_best
from .device import find_device
from .outcome import plain
from .run_file import CONFIG, run_of
from .text_run import TOKENISER, TextRun, build_net


@dataclass(frozen=True)
class LoadedRun:
    """What `load_run` found.

    Attributes:
        run: how it was trained.
        model: with the best weights, in evaluation mode.
        tokeniser: which the model was trained with.
        classes: their names.
    """

    run: TextRun
    model: TextModel
    tokeniser: Tokeniser
    classes: tuple[str, ...]


def load_run(folder: Path, device: str = "cpu") -> LoadedRun:
    """Read the folder that `fieldsolver train` wrote.

    Raises:
        FileFormatError: something is missing, damaged, or belongs to another run.
        OptionError: this machine has no such device.
    """
    place = find_device(device)
    run, tokeniser = run_of(folder / CONFIG, read_toml(folder / CONFIG)), load_tokeniser(folder / TOKENISER)
    settings = best_settings(folder / BEST)
    expected = {"model": run.model, "tokeniser_checksum": tokeniser.checksum}
    _refuse_other(folder, settings, expected)
    model = build_net(run, tokeniser.size, len(settings["class_names"]))
    _refuse_other_shape(folder, settings.get("model_config", {}), model.described())
    load_best(folder / BEST, model, None)
    return LoadedRun(run, model.to(place).eval(), tokeniser, tuple(settings["class_names"]))


def _refuse_other_shape(folder: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    for key, value in plain(now).items():
        if key in then and then[key] != value:
            raise FileFormatError(
                f"{folder / BEST} was trained with {key} = {then[key]!r}, but {CONFIG} gives {value!r}; "
                f"restore the preset and the options of {folder / CONFIG}"
            )


def _refuse_other(folder: Path, settings: dict[str, Any], expected: dict[str, str]) -> None:
    for key, value in expected.items():
        if settings.get(key) != value:
            raise FileFormatError(
                f"{folder / BEST} was trained with {key.replace('_', ' ')} {settings.get(key)!r}, but the folder's "
                f"other files say {value!r}; take the files of one run"
            )
