"""Comparisons with matched effort: cells that are never run twice, statistics over seeds, verdicts on claims."""

from .cell import Cell
from .cell_result import CellResult
from .claims import (
    Claim,
    Computed,
    Evidence,
    Exceeds,
    Finding,
    Judgement,
    Measured,
    NotMeasured,
    Reaches,
    TimesSmaller,
    verdicts,
)
from .outcome import Comparison, Outcome, Row, collected, run_study
from .recipe import Budget, Recipe
from .runner import Running
from .store import CellStore
from .study import Entry, Pair, Study

__all__ = [
    "Budget",
    "Cell",
    "CellResult",
    "CellStore",
    "Claim",
    "Comparison",
    "Computed",
    "Entry",
    "Evidence",
    "Exceeds",
    "Finding",
    "Judgement",
    "Measured",
    "NotMeasured",
    "Outcome",
    "Pair",
    "Reaches",
    "Recipe",
    "Row",
    "Running",
    "Study",
    "TimesSmaller",
    "collected",
    "run_study",
    "verdicts",
]
