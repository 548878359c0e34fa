"""`TrainingRun`: how a run ended, as a value and as a small file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldsolver.errors import FileFormatError
from fieldsolver.experiments.files import write_text

from .checkpoint import refuse_other_run

RESULT = "result.json"
SCHEMA = 1


@dataclass(frozen=True)
class TrainingRun:
    """How a run ended.

    Attributes:
        history: one row of numbers per epoch.
        best: the row of the weights that were kept.
        test: what `Task.test` measured with them; empty without a test.
        seconds: of training steps, without evaluation.
        tokens, steps: that were trained on.
    """

    history: list[dict[str, float]]
    best: dict[str, float]
    test: dict[str, float]
    seconds: float
    tokens: int
    steps: int


def write_result(path: Path, run: TrainingRun, settings: Mapping[str, Any]) -> Path:
    """Write a finished run's numbers; the file says that there is nothing left to do."""
    content = {"schema": SCHEMA, "settings": dict(settings), **asdict(run)}
    return write_text(path, json.dumps(content, indent=1) + "\n")


def read_result(path: Path, settings: Mapping[str, Any] | None) -> TrainingRun:
    """Read what `write_result` wrote; raises `FileFormatError` for that of another run."""
    run, then = _read(path)
    if settings is not None:
        refuse_other_run(path, then, settings)
    return run


def result_settings(path: Path) -> dict[str, Any]:
    """What a finished run said of itself; raises `FileFormatError`."""
    return _read(path)[1]


def _read(path: Path) -> tuple[TrainingRun, dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("schema") != SCHEMA:
            raise ValueError(f"this version reads schema {SCHEMA}")
        then = dict(content.pop("settings"))
        return TrainingRun(**content), then
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{path} is not the result of a training run: {error}") from None


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be when it was written and read: tuples are lists."""
    content: dict[str, Any] = json.loads(json.dumps(settings))
    return content
