"""The ``config.toml`` of a text model's run: what `fieldsolver train config.toml` repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from fieldsolver.errors import FieldSolverError, FileFormatError
from fieldsolver.experiments.files import write_toml
from fieldsolver.experiments.option_text import as_scalar, parse_options

from .settings import TrainSettings
from .text_run import TextRun, find_net

CONFIG = "config.toml"
SCHEMA = 1
_TABLES = ("options", "settings")


def write_run(path: Path, run: TextRun) -> Path:
    """Write the run; what is None is left out."""
    head = {one.name: getattr(run, one.name) for one in fields(run) if one.name not in _TABLES}
    options = {name: as_scalar(value) for name, value in run.options.items()}
    return write_toml(
        path, {"schema": SCHEMA, **_given(head), "options": options, "settings": _given(asdict(run.settings))}
    )


def run_of(path: Path, content: Mapping[str, Any]) -> TextRun:
    """The run that `write_run` wrote, from the TOML's content.

    Raises:
        FileFormatError: keys or values that no run has.
    """
    if content.get("schema", SCHEMA) != SCHEMA:
        raise FileFormatError(f"{path} has schema {content['schema']!r}, this fieldsolver reads {SCHEMA}; upgrade it")
    head = {key: value for key, value in content.items() if key not in (*_TABLES, "schema")}
    missing = {"model", "data"} - head.keys()
    if missing or not isinstance(content.get("settings"), dict):
        raise FileFormatError(f"{path} lacks {', '.join(sorted(missing)) or 'the table [settings]'}")
    try:
        package = find_net(str(head["model"])).load()
        return TextRun(
            **parse_options(TextRun, _texts(head)),
            settings=TrainSettings(**parse_options(TrainSettings, _texts(content["settings"]))),
            options=parse_options(package.Config, _texts(content.get("options", {}))),
        )
    except (FieldSolverError, TypeError) as error:
        raise FileFormatError(f"{path}: {error}") from None


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in table.items()}


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: as_scalar(value) for key, value in table.items() if value is not None}
