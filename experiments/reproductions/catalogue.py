"""The reproductions by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from fieldsolver.errors import OptionError, listing, nearest

from .declaration import Reproduction


@dataclass(frozen=True)
class Known:
    """A module with ``declared(quick: bool) -> Reproduction``.

    Attributes:
        module: its import path.
        description: one line.
    """

    module: str
    description: str

    def load(self) -> Callable[[bool], Reproduction]:
        """Import the module and return its `declared`."""
        declared: Callable[[bool], Reproduction] = importlib.import_module(self.module).declared
        return declared


REPRODUCTIONS: dict[str, Known] = {
    "wave_network": Known(
        "fieldsolver.experiments.reproductions.wave_network",
        "Wave Network on AG News, IMDB and DBpedia: the paper, its variants, its controls",
    ),
    "wavenet_neuro": Known(
        "fieldsolver.experiments.reproductions.wavenet_neuro",
        "WaveNetNeuro on IMDB: the original, its ablations, adaptive against fixed, costs",
    ),
    "wavenet_neuro_scaling": Known(
        "fieldsolver.experiments.reproductions.wavenet_neuro_scaling",
        "WaveNetNeuro on 10 % of IMDB: size, steps, diffusivity, rest, geometry",
    ),
}


def find_reproduction(name: str) -> Known:
    """The reproduction of this name; raises `OptionError` with the nearest one."""
    if name not in REPRODUCTIONS:
        raise OptionError(
            f"there is no reproduction {name!r}; known: {listing(REPRODUCTIONS)}{nearest(name, REPRODUCTIONS)}"
        )
    return REPRODUCTIONS[name]
