"""The analysers that `fieldsolver analyze` knows; each is imported when it is asked for.

A new one is a file with a function ``study(problem: Problem) -> AnalysisResult`` and a line here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.results import AnalysisResult

from .problem import Problem

Study = Callable[[Problem], AnalysisResult]


@dataclass(frozen=True)
class Analyser:
    """An analyser of a whole problem.

    Attributes:
        module: where its `study` lives.
        question: what it answers, in one line.
    """

    module: str
    question: str

    def load(self) -> Study:
        """Import the module and return its `study`."""
        study: Study = importlib.import_module(self.module).study
        return study


ANALYSERS: dict[str, Analyser] = {
    "convergence": Analyser(
        "fieldsolver.analysis.convergence_study", "whether the method shows its order in time on this problem"
    ),
    "dispersion": Analyser(
        "fieldsolver.analysis.dispersion", "which waves grow on uniform steady states, and how fast"
    ),
    "energy": Analyser("fieldsolver.analysis.energy", "what changes the energy, term by term, and what the steps add"),
    "invariants": Analyser(
        "fieldsolver.analysis.invariants", "what is conserved, what decreases, and what kind of system it is"
    ),
    "lyapunov": Analyser("fieldsolver.analysis.lyapunov", "how fast neighbouring solutions part: chaos, cycle or rest"),
    "stability": Analyser(
        "fieldsolver.analysis.stability", "the largest stable step of every method, and what sets it"
    ),
    "work_precision": Analyser(
        "fieldsolver.analysis.precision.study", "which method is fastest for which error, by timed runs"
    ),
}


def find_analyser(name: str) -> Analyser:
    """The analyser of that name; raises `OptionError` with the nearest one."""
    if name not in ANALYSERS:
        raise OptionError(f"there is no analyser {name!r}; known: {listing(ANALYSERS)}{nearest(name, ANALYSERS)}")
    return ANALYSERS[name]
