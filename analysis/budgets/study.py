"""Everything that an energy study finds out, before it is labelled and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..orders.fit_order import OrderFit
from ..orders.models import Floats
from .growth import Growth
from .record import EnergyRecord
from .repairs import Repair
from .steps import Work


@dataclass(frozen=True)
class EnergyStudy:
    """The parts of a study.

    Attributes:
        density: the energy density in words.
        labels, roles: of the terms.
        components: names of the components of the state.
        record: energy, rate, budget and drift at the save points.
        work: what terms and steps brought between them.
        growth: of the modes, for linear equations.
        repairs: remedies for a drift that the steps made.
        closure: order in dt of what the steps add; None when no ladder was run.
        scales: wave numbers and transfer ``(K, S, T, B)``; None when not asked for.
    """

    density: str
    labels: Sequence[str]
    roles: Sequence[str]
    components: Sequence[str]
    record: EnergyRecord
    work: Work
    growth: Growth | None
    repairs: Sequence[Repair]
    closure: OrderFit | None
    scales: tuple[Floats, Floats] | None

    @property
    def numerical_drift(self) -> float:
        """Largest relative change of the energy that the steps made; NaN when they were not followed."""
        return _largest(self.work.numerical, self.record.reference)

    @property
    def physical_drift(self) -> float:
        """Largest relative change that the terms of the equation made."""
        return _largest(self.work.terms.sum(axis=0), self.record.reference)

    @property
    def strongest_term(self) -> str:
        """The term whose work contributes most to the largest change that all of them made."""
        total = self.work.terms.sum(axis=0)
        row, sample = np.unravel_index(np.argmax(np.abs(total)), total.shape)
        shares = self.work.terms[:, row, sample] * np.sign(total[row, sample])
        return self.labels[int(np.argmax(shares))]


def component_names(equation: Any) -> list[str]:
    """``u``, ``v[0]``, ``v[1]``, ..., in the order of the state."""
    return [
        name if size == 1 else f"{name}[{index}]"
        for name, (_, size) in equation.layout.fields.items()
        for index in range(size)
    ]


def _largest(values: Floats, reference: Floats) -> float:
    return float(np.abs(values / reference).max())
