"""The public test kit: checks of any layer; strategies for grids, boundaries and equations; problems with answers.

Hypothesis is an optional package and is imported when a strategy is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import MissingDependencyError as _MissingDependencyError

from .batch_independence import check_batch_independence
from .causality import check_causality
from .check_layer import LayerChecks, check_layer
from .determinism import check_determinism
from .example import Example
from .gradient_check import check_gradients
from .load_bearing import check_load_bearing
from .padding import check_padding
from .phase_use import check_phase_use
from .round_trip import check_round_trip
from .zero_dynamics import check_zero_dynamics

if TYPE_CHECKING:
    from .exact_problems import prothero_robinson
    from .reference_problem import ReferenceProblem
    from .reference_problems import REFERENCE_PROBLEMS
    from .strategies import boundaries, equation_texts, equations, expressions, grids, scopes

__all__ = [
    "REFERENCE_PROBLEMS",
    "Example",
    "LayerChecks",
    "ReferenceProblem",
    "boundaries",
    "check_batch_independence",
    "check_causality",
    "check_determinism",
    "check_gradients",
    "check_layer",
    "check_load_bearing",
    "check_padding",
    "check_phase_use",
    "check_round_trip",
    "check_zero_dynamics",
    "equation_texts",
    "equations",
    "expressions",
    "grids",
    "prothero_robinson",
    "scopes",
]

_PROBLEM_FILES = {
    "REFERENCE_PROBLEMS": ".reference_problems",
    "ReferenceProblem": ".reference_problem",
    "prothero_robinson": ".exact_problems",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _PROBLEM_FILES:
        return getattr(importlib.import_module(_PROBLEM_FILES[name], __name__), name)
    try:
        strategies = importlib.import_module(".strategies", __name__)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise _MissingDependencyError(
            f"fieldsolver.testing.{name} needs hypothesis; install it with: pip install hypothesis"
        ) from None
    return getattr(strategies, name)


def __dir__() -> list[str]:
    return sorted(__all__)
