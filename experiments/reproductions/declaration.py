"""`Reproduction`: what is run, what is measured apart from it, and which claims are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fieldsolver.experiments.compare import Claim, Study
from fieldsolver.experiments.compare.outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Measurement:
    """Numbers that are no training run: times, memory, counts.

    Attributes:
        name: under which they are kept, and under which claims ask for them.
        title: heading of their section.
        compute: the numbers, as plain data; the argument says whether the run is a short one.
        lines: Markdown of the section.
        drawings: figures of the section, by name.
    """

    name: str
    title: str
    compute: Callable[[bool], dict[str, Any]]
    lines: Callable[[Numbers], list[str]]
    drawings: Mapping[str, Callable[[Numbers], Figure]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """A section that is read from the runs themselves.

    Attributes:
        name: under which claims ask for its numbers.
        title: heading.
        read: plain numbers, or None while the runs are missing.
        lines, drawings: as of a `Measurement`.
    """

    name: str
    title: str
    read: Callable[[Outcome], dict[str, Any] | None]
    lines: Callable[[Numbers], list[str]]
    drawings: Mapping[str, Callable[[Numbers], Figure]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reproduction:
    """Everything that a page of results is made from.

    Attributes:
        title: of the page.
        about: its first lines.
        study: the rows.
        claims: of the source document.
        measurements, readings: sections.
    """

    title: str
    about: Sequence[str]
    study: Study
    claims: Sequence[Claim]
    measurements: Sequence[Measurement] = ()
    readings: Sequence[Reading] = ()
