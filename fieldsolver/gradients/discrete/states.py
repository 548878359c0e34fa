"""How the backward pass gets at the states at the starts of rows."""

from __future__ import annotations

from typing import Protocol

from .rows import RowStart


class StateSource(Protocol):
    """Hands out the starts of rows, from the last row to the first.

    Attributes:
        peak: the states that it held at most.
    """

    @property
    def peak(self) -> int: ...

    def before(self, number: int) -> RowStart:
        """The start of a row, for the samples `row.rows`.

        The numbers fall from call to call, and some are left out: rows that nothing depends on.
        """
        ...
