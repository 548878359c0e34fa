"""The config.toml that every training run leaves, and that `fieldsolver train config.toml` repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldsolver.errors import FileFormatError, listing, nearest

from .files import Scalar, read_toml, write_toml

if TYPE_CHECKING:
    from .training.text_run import TextRun

SCHEMA = 1
_KEYS = {"schema": int, "experiment": str, "quick": bool, "seeds": int, "epochs": int, "settings": dict}


@dataclass(frozen=True)
class RunConfig:
    """What is needed to repeat a run: the experiment and the options that change its numbers."""

    experiment: str
    quick: bool
    seeds: int | None
    epochs: int | None


def write_run_config(
    path: Path, experiment: str, *, quick: bool, seeds: int, epochs: int, settings: Mapping[str, Scalar]
) -> Path:
    """Write a run's config; `settings` is for the reader, the experiment itself knows them."""
    head: dict[str, Scalar | Mapping[str, Scalar]] = {
        "schema": SCHEMA, "experiment": experiment, "quick": quick, "seeds": seeds, "epochs": epochs,
    }  # fmt: skip
    return write_toml(path, {**head, "settings": settings})


def read_run_config(path: Path) -> RunConfig | TextRun:
    """Read what `write_run_config`, or the run of a text model, wrote; raises `FileFormatError`."""
    content = read_toml(path)
    if "model" in content:
        from .training.run_file import run_of

        return run_of(path, content)
    if "equation" in content:
        raise FileFormatError(
            f"{path} is an equation file, which declares no data to train on; run 'fieldsolver solve {path}', or fit "
            "it to your data in Python with fs.fit(load_equation(path).equation, data)"
        )
    for key, value in content.items():
        if key not in _KEYS:
            raise FileFormatError(f"{path} has the unknown key {key!r}; known: {listing(_KEYS)}{nearest(key, _KEYS)}")
        if not isinstance(value, _KEYS[key]) or (isinstance(value, bool) and _KEYS[key] is int):
            raise FileFormatError(f"{path}: {key!r} must be of type {_KEYS[key].__name__}, got {value!r}")
    if content.get("schema", SCHEMA) > SCHEMA:
        raise FileFormatError(
            f"{path} has schema {content['schema']}, this fieldsolver reads up to {SCHEMA}; upgrade it"
        )
    if "experiment" not in content:
        raise FileFormatError(f'{path} does not say which experiment it belongs to; add experiment = "digits"')
    return RunConfig(content["experiment"], content.get("quick", False), content.get("seeds"), content.get("epochs"))
