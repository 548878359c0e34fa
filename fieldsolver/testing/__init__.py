"""The public test kit: Hypothesis strategies for grids, boundaries, expressions and equations.

Hypothesis is an optional package and is imported when a strategy is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import MissingDependencyError as _MissingDependencyError

if TYPE_CHECKING:
    from .strategies import boundaries, equation_texts, equations, expressions, grids, scopes

__all__ = ["boundaries", "equation_texts", "equations", "expressions", "grids", "scopes"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
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
