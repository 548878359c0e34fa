"""``[parameters]``: numbers, lists, matrices, expressions, values on the grid, values per sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from fieldsolver.errors import ParameterError
from fieldsolver.space.grid import Grid

from ..graph import Node
from ..parameters import Parameter, PerSample, Spatial
from .document import Document
from .events import event_texts
from .expressions import fixed_values, names_in, with_definitions
from .values import as_tensor, is_plain, plain_number

_COMMENT = re.compile(r"#.*")


def read_parameters(document: Document, grid: Grid | None, known: Mapping[str, Node]) -> dict[str, Any]:
    """The parameters as `FieldEquation` takes them; `known` are those whose value the file fixes."""
    given = document.table("parameters")
    return {name: _parameter(document, name, value, grid, known) for name, value in given.items()}


def only_aside(document: Document) -> set[str]:
    """Parameters that the equation does not use, but something evaluated when the file is read.

    Raises:
        FileFormatError: one of them is no plain number and no expression, which would never get a value.
    """
    parameters = document.table("parameters")
    text = _COMMENT.sub("", document.table("equation")["text"])
    inside = with_definitions(names_in([text, document.table("boundary"), event_texts(document)]), parameters)
    spatial = [value["spatial"] for value in parameters.values() if isinstance(value, dict) and "spatial" in value]
    users = {"[initial]": document.table("initial"), "[kernels]": document.table("kernels"), "[parameters]": spatial}
    used = {place: with_definitions(names_in(users[place]), parameters) - inside for place in users}
    aside = {name for name in parameters if any(name in names for names in used.values())}
    for name in sorted(aside):
        if not is_plain(parameters[name]) and not isinstance(parameters[name], str):
            places = " and ".join(place for place in used if name in used[place])
            raise document.refuse(
                ("parameters", name),
                f"has {name!r}, which only {places} uses; make it a plain number or an expression",
            )
    return aside


def _parameter(document: Document, name: str, value: Any, grid: Grid | None, known: Mapping[str, Node]) -> Any:
    if isinstance(value, str):
        return value
    if is_plain(value):
        number = plain_number(value)
        return number if isinstance(number, complex) else float(number)
    what = f"parameter {name!r}"
    if not isinstance(value, dict):
        return as_tensor(value, what)
    if "spatial" in value:
        field = _on_grid(document, name, value["spatial"], grid, known)
        return Spatial(_ranged(what, field, value, trainable=False))
    if "per_sample" in value:
        return PerSample(_ranged(what, as_tensor(value["per_sample"], what), value, trainable=False))
    return _ranged(what, as_tensor(value["value"], what), value, trainable=True)


def _ranged(what: str, value: torch.Tensor, table: Mapping[str, Any], *, trainable: bool) -> Any:
    """A `Parameter`, or the bare value when it is not to be trained; its range is checked in both cases."""
    bounds = table.get("bounds")
    try:
        checked = Parameter(
            value, positive=table.get("positive", False), bounds=None if bounds is None else tuple(bounds)
        )
    except ParameterError as error:
        raise ParameterError(f"{what}: {error}") from None
    return checked if table.get("trainable", trainable) else value


def _on_grid(
    document: Document, name: str, given: str | list[str], grid: Grid | None, known: Mapping[str, Node]
) -> torch.Tensor:
    keys = ("parameters", name, "spatial")
    if grid is None:
        raise document.refuse(keys, f"{name!r} is spatial, but the file has no [grid]")
    points = grid.coordinates()
    if isinstance(given, str):
        return fixed_values(document, keys, given, known, grid.axes, points)
    return torch.stack([fixed_values(document, keys, text, known, grid.axes, points) for text in given])
