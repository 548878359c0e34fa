"""The public test kit: Hypothesis strategies for grids, boundaries, expressions and equations; problems with answers.

Hypothesis is an optional package and is imported when a strategy is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import MissingDependencyError as _MissingDependencyError

if TYPE_CHECKING:
    from .exact_problems import prothero_robinson
    from .reference_problem import ReferenceProblem
    from .reference_problems import REFERENCE_PROBLEMS
    from .strategies import boundaries, equation_texts, equations, expressions, grids, scopes

__all__ = [
    "REFERENCE_PROBLEMS",
    "ReferenceProblem",
    "boundaries",
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
