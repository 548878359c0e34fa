"""Where the numbers of a run go: always a CSV file; TensorBoard and Weights & Biases when asked."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from fieldsolver.errors import MissingDependencyError
from fieldsolver.experiments.files import write_text

LOG = "log.csv"


class Logs:
    """Context manager.

    Args:
        folder: of the run.
        settings: of the run, as plain data.
        tensorboard: write events into ``folder/tensorboard``.
        wandb: project to write to; None: none. Whether it goes over the network is for ``WANDB_MODE`` to say.
        step: number of steps that are already done.
        say: gets a line of words after every epoch.

    Raises:
        MissingDependencyError: a package that was asked for is not there.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        tensorboard: bool,
        wandb: str | None,
        step: int,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._say = say
        self._path = folder / LOG
        self._writer = _tensorboard(folder / "tensorboard", step) if tensorboard else None
        self._wandb = _wandb(wandb, folder, settings) if wandb is not None else None

    def __enter__(self) -> Logs:
        return self

    def step(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers of one step."""
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(f"step/{name}", value, step)
        if self._wandb is not None:
            self._wandb.log({f"step/{name}": value for name, value in numbers.items()}, step=step)

    def epoch(self, step: int, history: Sequence[Mapping[str, Any]]) -> None:
        """All rows so far; the last one is new."""
        write_text(self._path, _csv(history))
        if self._say is not None:
            self._say(_line(history[-1]))
        if self._writer is not None:
            for name, value in history[-1].items():
                self._writer.add_scalar(f"epoch/{name}", value, step)
            self._writer.flush()
        if self._wandb is not None:
            self._wandb.log({f"epoch/{name}": value for name, value in history[-1].items()}, step=step)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._wandb is not None:
            self._wandb.finish(exit_code=0 if kind is None else 1)


SAID = ("epoch", "loss", "validation_loss", "accuracy", "f1", "evaluations", "tokens_per_second", "seconds")


def _line(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {row[name]:.5g}" for name in SAID if name in row)


def _csv(history: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in history for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingDependencyError("--tensorboard needs the package tensorboard: pip install tensorboard") from None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)  # what an interrupted run wrote ahead


def _wandb(project: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    try:
        wandb = importlib.import_module("wandb")
    except ImportError:
        raise MissingDependencyError("--wandb needs the package wandb: pip install wandb") from None
    return wandb.init(project=project, dir=str(folder), name=folder.name, config=dict(settings))
