"""The config.toml that every training run leaves, and that `fieldsolver train config.toml` repeats."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fieldsolver.errors import FileFormatError, listing, nearest

from .files import Scalar, write_toml

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


def read_run_config(path: Path) -> RunConfig:
    """Read what `write_run_config` wrote; raises `FileFormatError`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {str(path)!r}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read as TOML: {error}") from None
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
