"""The experiments that `fieldsolver train` knows; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fieldsolver.errors import OptionError, listing, nearest

from .options import RunOptions

Run = Callable[[RunOptions], Path]


@dataclass(frozen=True)
class Experiment:
    """An experiment: a module with ``run(options: RunOptions) -> Path``, which returns the path of its report.

    Attributes:
        module: its import path.
        description: one line for `fieldsolver list experiments`.
    """

    module: str
    description: str

    def load(self) -> Run:
        """Import the module and return its `run`."""
        run: Run = importlib.import_module(self.module).run
        return run


EXPERIMENTS: dict[str, Experiment] = {
    "digits": Experiment(
        "fieldsolver.experiments.digits",
        "handwritten digits, classified by a reaction-diffusion field of 16 components",
    ),
    "lynx_hare": Experiment(
        "fieldsolver.experiments.lynx_hare", "Lotka-Volterra fitted to the Hudson Bay pelt counts, 1900 to 1920"
    ),
}


def find_experiment(name: str) -> Experiment:
    """The experiment of that name; raises `OptionError` with the nearest one."""
    if name not in EXPERIMENTS:
        raise OptionError(f"there is no experiment {name!r}; known: {listing(EXPERIMENTS)}{nearest(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]
