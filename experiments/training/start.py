"""`Start`: what a run takes over from one that was trained before."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldsolver.errors import OptionError
from fieldsolver.experiments.files import read_toml
from fieldsolver.experiments.option_text import as_scalar
from fieldsolver.experiments.text import Tokeniser
from fieldsolver.models.parts import TextModel, adopt

from .checkpoint import BEST, CHECKPOINT, checkpoint_settings
from .loaded_run import LoadedRun, load_run
from .outcome import RESULT, result_settings
from .run_file import CONFIG, run_of
from .text_run import TextRun

OF_THE_HEAD = ("head", "classes", "vocabulary")
"""Options that a run and the one that it starts from need not share; the vocabulary is that of the tokeniser."""

STARTED = "started_from"
"""Under this name a run's files keep which weights it began with."""


@dataclass(frozen=True)
class Start:
    """A finished run, and the folder that it is in."""

    folder: str
    loaded: LoadedRun
    weights: str

    @property
    def tokeniser(self) -> Tokeniser:
        """That of the finished run: ids mean the same."""
        return self.loaded.tokeniser

    @property
    def identity(self) -> dict[str, str]:
        """What a checkpoint must agree with."""
        return {STARTED: self.weights}

    def hand_on(self, model: TextModel) -> None:
        """Give the model the parts that do not depend on what is predicted.

        Raises:
            OptionError: they have other shapes; the message names the options that differ.
        """
        try:
            adopt(model, self.loaded.model)
        except OptionError as error:
            remedy = f"; that run has {options}" if (options := self.differences(model)) else ""
            raise OptionError(f"cannot start from {self.folder}: {error}{remedy}") from None

    def words(self, model: TextModel) -> str:
        """One line: what is taken over, and what is not as it was."""
        differs = f"; there were {options}" if (options := self.differences(model)) else ""
        return f"starts with the {' and '.join(model.handed_on)} of {self.folder}{differs}"

    def differences(self, model: TextModel) -> str:
        """Options of the finished run that this one has otherwise, as one types them."""
        now, then = model.described(), self.loaded.model.described()
        names = [name for name in now if name not in OF_THE_HEAD and name in then and now[name] != then[name]]
        return " ".join(f"--set {shlex.quote(f'{name}={as_scalar(then[name])}')}" for name in names)


def find_start(run: TextRun) -> Start | None:
    """What the run starts from, if it does.

    Raises:
        FileFormatError: it is no finished run of a text model.
        OptionError: one of another model, or with another tokeniser.
    """
    if run.start_from is None:
        return None
    folder = Path(run.start_from)
    loaded = load_run(folder)
    if loaded.run.model != run.model:
        raise OptionError(
            f"{folder} is a run of {loaded.run.model}, and {run.model} cannot begin with its weights; start from a run "
            f"of {run.model}"
        )
    for option in ("tokeniser", "vocabulary"):
        then, now = getattr(loaded.run, option), getattr(run, option)
        if then != now:
            raise OptionError(
                f"{folder} was trained with --{option} {then}, and its weights mean nothing with {now}; leave the "
                "option out"
            )
    return Start(run.start_from, loaded, _digest(folder / BEST))


def begun(folder: Path) -> list[str]:
    """Files in a folder that say that a run in it has begun, and can go on; those of a finished run first."""
    return [name for name in (RESULT, CHECKPOINT) if (folder / name).exists()]


def identity_of_start(run: TextRun, start: Start | None, folder: Path) -> dict[str, str]:
    """What a checkpoint must agree with; of a run that goes on (no `start`) what its own files say.

    What it has taken over is in its checkpoint: the run that it came from may be elsewhere, or another one, by now.

    Raises:
        FileFormatError: the files cannot be read.
    """
    if start is not None:
        return start.identity
    if run.start_from is None:
        return {}
    name, *_ = begun(folder)
    stored = (result_settings if name == RESULT else checkpoint_settings)(folder / name)
    return {STARTED: stored.get(STARTED, run.start_from)}


def inherited(folder: Path) -> dict[str, Any]:
    """Tokeniser and vocabulary of a run, which one that starts from it shares; raises `FileFormatError`."""
    run = run_of(folder / CONFIG, read_toml(folder / CONFIG))
    return {"tokeniser": run.tokeniser, "vocabulary": run.vocabulary}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
