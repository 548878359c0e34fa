"""``[solve]`` and ``[output]``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import listing

from ..field_equation import FieldEquation
from .document import Document

_DTYPES = {"float64": torch.float64, "float32": torch.float32}


def read_solve(document: Document) -> tuple[dict[str, Any], torch.dtype]:
    """Keyword arguments of `fieldsolver.solve`, and the precision of the state."""
    table = document.table("solve")
    start, end = map(float, table["t_span"])
    options: dict[str, Any] = {"t_span": (start, end), "save_at": _save_at(table, start, end)}
    options["max_steps"] = table.get("max_steps", 1_000_000)
    options |= {key: float(table[key]) for key in ("dt", "rtol", "atol") if key in table}
    options |= {key: table[key] for key in ("method", "check") if key in table}
    return options, _DTYPES[table.get("dtype", "float64")]


def _save_at(table: dict[str, Any], start: float, end: float) -> Tensor:
    if "save_at" in table:
        return torch.tensor([float(time) for time in table["save_at"]], dtype=torch.float64)
    return torch.linspace(start, end, table.get("saves", 101), dtype=torch.float64)


def read_output(document: Document, equation: FieldEquation) -> dict[str, Any]:
    """``field`` and ``fps`` of the animation, where given."""
    table = document.table("output")
    field = table.get("field")
    if field is not None and field not in equation.fields:
        known = listing(equation.fields)
        raise document.refuse(("output", "field"), f"needs one of the fields {known} for 'field', got {field!r}")
    return dict(table)
