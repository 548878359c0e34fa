"""What `fieldsolver list` prints."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

from .registry import EXPERIMENTS
from .sample_files import FOLDER, sample_names


def methods() -> dict[str, str]:
    """Integration schemes."""
    from fieldsolver.methods import METHODS

    return {name: f"order {scheme.order}, {scheme.stages} stage(s)" for name, scheme in METHODS.items()}


def equations() -> dict[str, str]:
    """Shipped equation files."""
    return {name: _title(name) for name in sample_names()}


def experiments() -> dict[str, str]:
    """Experiments."""
    return {name: experiment.description for name, experiment in EXPERIMENTS.items()}


def modules() -> dict[str, str]:
    """Module kinds that an equation file may ask for."""
    from fieldsolver.equations.file_format import MODULES

    return {name: (builder.__doc__ or "").splitlines()[0] for name, builder in MODULES.items()}


LISTINGS: dict[str, Callable[[], dict[str, str]]] = {
    "methods": methods,
    "equations": equations,
    "experiments": experiments,
    "modules": modules,
}


def _title(name: str) -> str:
    return str(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")).get("title", ""))
