"""``[equation] scheme``: how derivatives are taken, for all axes or per axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldsolver.errors import GridError
from fieldsolver.space.grid import Grid
from fieldsolver.space.schemes import FiniteDifference, Scheme, SchemeDeclaration, Spectral, resolve_schemes

from .document import Document

KINDS: dict[str, type[Scheme]] = {"finite_difference": FiniteDifference, "spectral": Spectral}


def read_scheme(document: Document, grid: Grid | None) -> SchemeDeclaration:
    """The scheme as `FieldEquation` takes it; raises `FileFormatError` where it cannot be, or does not fit the axes."""
    table = document.table("equation").get("scheme")
    if table is None:
        return None
    try:
        scheme = _scheme(table) if "kind" in table else {axis: _scheme(own) for axis, own in table.items()}
        resolve_schemes(scheme, None, grid.axes if grid else ())
    except GridError as error:
        raise document.refuse(("equation", "scheme"), f"'scheme': {error}") from None
    return scheme


def _scheme(table: Mapping[str, Any]) -> Scheme:
    return KINDS[table["kind"]](**{key: value for key, value in table.items() if key != "kind"})
