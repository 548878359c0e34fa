"""What an invariants study found, as a labelled dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..labels import about
from ..orders.models import Floats
from .found import Found
from .kind import Trait
from .linear_relations import NULL, NullSpace

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Contours:
    """The first quantity over the plane of two unknowns.

    Attributes:
        names: of the unknowns.
        first, second: ``(P,)``, ``(Q,)``.
        values: ``(P, Q)``; NaN where it does not exist.
        rates: of both unknowns, ``(2, P, Q)``.
    """

    names: tuple[str, str]
    first: Floats
    second: Floats
    values: Floats
    rates: Floats


@dataclass(frozen=True)
class Asked:
    """The answer about one expression.

    Attributes:
        text: the expression.
        rates: relative rates at fresh states, ``(K,)``.
        worst: the state of the largest, as text.
    """

    text: str
    rates: Floats
    worst: str


@dataclass(frozen=True)
class Record:
    """Everything that goes into the dataset."""

    found: Sequence[Found]
    traits: Sequence[Trait]
    null: NullSpace | None = None
    contours: Contours | None = None
    asked: Asked | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def dataset_of(record: Record) -> xarray.Dataset:
    """Dimensions ``invariant``, ``structure``, ``singular``, and ``first``, ``second``, ``state`` where they exist."""
    import xarray

    found, traits = record.found, record.traits
    values = record.null.singular_values if record.null is not None else np.zeros(0)
    level = {"threshold": NULL}
    variables = {
        "kind": _words("invariant", [one.kind for one in found], "conserved, or decreasing along every solution"),
        "certificate": _words("invariant", [one.certificate for one in found], "exact, bounded or statistical"),
        "route": _words("invariant", [one.route for one in found], "how it was found"),
        "with_numbers": _words("invariant", [one.values for one in found], "the same with values for the parameters"),
        "domain": _words("invariant", [one.domain for one in found], "where it holds, empty for everywhere"),
        "defect": _numbers("invariant", [one.defect for one in found], "largest relative rate at fresh random states"),
        "discrete": _numbers(
            "invariant",
            [int(one.discrete) for one in found],
            "1 where the discrete right-hand side keeps it to round-off",
        ),
        "structure_defect": _numbers("structure", [t.defect for t in traits], "relative miss at the worst probe"),
        "structure_tolerance": _numbers("structure", [t.tolerance for t in traits], "what counts as none"),
        "structure_holds": _numbers("structure", [int(t.holds) for t in traits], "1 where the structure is there"),
        "structure_detail": _words(
            "structure", [t.detail for t in traits], "the matrix, the involution, or the reason"
        ),
        "singular_value": _numbers("singular", values, "relative singular value of the library search", level),
        "null_gap": _scalar(
            record.null.gap if record.null is not None else np.nan,
            "largest singular value that counts as zero over the next; the smallest over the largest where none does",
        ),
        "nullity": _scalar(
            int((values <= NULL).sum()), "combinations of that family that no state changes, dependent ones included"
        ),
    }
    coordinates = {
        "expression": _words("invariant", [_label(one) for one in found], "in the equation language"),
        "structure": _words("structure", [t.name for t in traits], "what was tested"),
        "singular": _numbers("singular", np.arange(1, len(values) + 1), "number of the singular value"),
    }
    if record.asked is not None:
        variables["asked_rate"] = _numbers("state", record.asked.rates, f"relative rate of {record.asked.text}")
    if record.contours is not None:
        plane = record.contours
        variables["contour"] = (("first", "second"), plane.values, about(f"{_label(found[0])} over the plane"))
        variables["flow"] = (("axis", "first", "second"), plane.rates, about("rates of the two unknowns"))
        coordinates["first"] = _numbers("first", plane.first, plane.names[0])
        coordinates["second"] = _numbers("second", plane.second, plane.names[1])
        coordinates["axis"] = _words("axis", list(plane.names), "unknown")
    return xarray.Dataset(variables, coords=coordinates)


def _label(one: Found) -> str:
    return one.expression or f"{one.route}: a line integral without formula"


def _words(dim: str, values: Sequence[str], name: str) -> tuple[Any, ...]:
    return (dim,), np.array(list(values), dtype=np.str_), about(name)


def _numbers(dim: str, values: Any, name: str, more: dict[str, Any] | None = None) -> tuple[Any, ...]:
    return (dim,), np.asarray(values), about(name, **(more or {}))


def _scalar(value: float, name: str) -> tuple[Any, ...]:
    return (), value, about(name)
