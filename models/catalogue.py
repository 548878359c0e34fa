"""The architectures by name; each is imported when it is asked for.

A package of this room offers ``Config`` (a frozen dataclass), ``PRESETS`` and ``build(config) -> TextModel``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from fieldsolver.errors import OptionError, listing, nearest

from .parts import Preset, TextModel, configured


@dataclass(frozen=True)
class Architecture:
    """One line of the catalogue.

    Attributes:
        module: import path of its package.
        description: one line for `fieldsolver list models`.
    """

    module: str
    description: str

    def load(self) -> ModuleType:
        """Import the package."""
        return importlib.import_module(self.module)

    def presets(self) -> Mapping[str, Preset]:
        """Its named configurations."""
        return cast("Mapping[str, Preset]", self.load().PRESETS)


MODELS: dict[str, Architecture] = {
    "wavenet_neuro": Architecture(
        "fieldsolver.models.wavenet_neuro", "tokens as a reaction-diffusion field on a line, run until it rests"
    ),
    "wave_network": Architecture(
        "fieldsolver.models.wave_network", "tokens as complex waves whose amplitude is the whole text's"
    ),
}


def find_model(name: str) -> Architecture:
    """The architecture of this name; raises `OptionError` with the nearest one."""
    if name not in MODELS:
        raise OptionError(f"there is no model {name!r}; known: {listing(MODELS)}{nearest(name, MODELS)}")
    return MODELS[name]


def build(name: str, preset: str | None = None, **changes: Any) -> TextModel:
    """A model with fresh weights, drawn from torch's generator.

    Args:
        name: of an architecture, such as ``"wave_network"``.
        preset: of its named configurations; None: the defaults.
        changes: options of its configuration; `vocabulary` and `classes` usually.

    Raises:
        OptionError: unknown names, or values that the configuration refuses.
    """
    package = find_model(name).load()
    return cast("TextModel", package.build(configured(package.Config, package.PRESETS, preset, **changes)))
