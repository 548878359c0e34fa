"""What the analysers are told about a file: the equation, where it starts, and how it is to be solved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation


@dataclass(frozen=True)
class Problem:
    """A declared equation with a start and a span.

    Attributes:
        equation: the equation.
        initial: per field, ``(*grid)`` or ``(c, *grid)``.
        t_span: start and end.
        method: the method to be judged; ``"auto"`` leaves it to the analyser.
        dt: a fixed step to be judged, or None.
        settings: further keyword arguments of `fieldsolver.solve`: rtol, atol, ...
        name: what the report calls it.
        progress: show bars: True, False, or None for only on a terminal.
    """

    equation: FieldEquation
    initial: Mapping[str, Tensor]
    t_span: tuple[float, float]
    method: str = "auto"
    dt: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = "equation"
    progress: bool | None = None

    @property
    def start(self) -> Tensor:
        """The state at the start, ``(*batch, C, *grid)``."""
        return self.equation.pack(self.initial)
