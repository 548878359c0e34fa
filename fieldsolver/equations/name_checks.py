"""Names of a declaration: legal, different, declared once, and used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldsolver.errors import EquationError, EquationSyntaxError, ParameterError, listing, nearest

from .graph import Convolution, DefinedSymbol, ModuleCall, Node, ParameterSymbol, walk
from .vocabulary import WORDS


def check_names(declared: Mapping[str, Sequence[str]], axes: Sequence[str]) -> None:
    """Refuse illegal names, words of the language, coordinates, and names declared twice.

    Args:
        declared: names per kind, the kind in the singular: ``{"field": [...], "parameter": [...]}``.
        axes: names of the coordinates.
    """
    seen: dict[str, str] = {}
    for kind, names in declared.items():
        for name in names:
            _check_name(name, kind, axes)
            if name in seen:
                raise EquationError(
                    f"there are two equations for the field {name!r}; add the right sides into one"
                    if kind == seen[name] == "field"
                    else f"{name!r} is declared as a {seen[name]} and as a {kind}; rename one"
                )
            seen[name] = kind


def _check_name(name: Any, kind: str, axes: Sequence[str]) -> None:
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
        raise EquationSyntaxError(f"a {kind} is called {name!r}, which is not a name; use letters, digits and _")
    if name in WORDS - {"e"} or name == "t":
        raise EquationError(f"{name!r} is a word of the equation language and cannot name a {kind}; rename it")
    if name in axes and kind != "field":
        raise EquationError(f"{name!r} is a coordinate of the grid and cannot name a {kind} too; rename it")


def field_sizes(names: Sequence[str], components: Mapping[str, int]) -> dict[str, int]:
    """Number of components per field, 1 where nothing is said."""
    for name, count in components.items():
        if name not in names:
            raise EquationError(f"components names {name!r}, but the fields are {listing(names)}{nearest(name, names)}")
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise EquationError(f"components of {name!r} must be a positive integer, got {count!r}")
    return {name: components.get(name, 1) for name in names}


def check_complex(complex_fields: Sequence[str], names: Sequence[str]) -> None:
    """Refuse complex fields that are no fields."""
    for name in complex_fields:
        if name not in names:
            raise EquationError(
                f"complex_fields names {name!r}, but the fields are {listing(names)}{nearest(name, names)}"
            )


def check_all_used(declared: Mapping[str, Sequence[str]], nodes: Sequence[Node]) -> None:
    """Refuse parameters, modules and kernels that appear nowhere."""
    carriers = (ParameterSymbol, DefinedSymbol, ModuleCall, Convolution)
    used = {node.content[0] for node in walk(*nodes) if isinstance(node, carriers)}
    for kind, names in declared.items():
        for name in names:
            if name not in used:
                error = ParameterError if kind == "parameter" else EquationError
                raise error(f"{kind} {name!r} appears in no equation and no boundary; remove it or use it")
