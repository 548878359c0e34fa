"""The energy of states over time, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .budget import Budget, BudgetSample
from .drift import Drift, linear_drift

CHUNK = 2**18
"""Numbers of state analysed at once; long solutions are cut into pieces along time."""


@dataclass(frozen=True)
class EnergyRecord:
    """An energy over time; arrays are ``(T, B)``, `budget` and `boundary` are ``(K, T, B)``.

    Attributes:
        by_component: `budget` by component of the state, ``(K, C, T, B)``.
        boundary: the part of `budget` that comes through the walls.
        scale: size of the summed contributions, against which round-off is measured.
        reference: integral of the magnitude of the density at the start, ``(B,)``: the energy itself may be round-off,
            where its parts cancel as in a momentum. The largest one of a sample that starts at zero; 1 where all are.
        is_zero: there is no energy at any save point of any sample.
        drift_rel: ``(E - E(0))/reference``.
        drifts: linear drift of `drift_rel`, one per sample.
        rise: increase since the save point before.
        epsilon: machine epsilon of the state.
    """

    t: Floats
    energy: Floats
    rate: Floats
    budget: Floats
    by_component: Floats
    boundary: Floats
    scale: Floats
    reference: Floats
    is_zero: bool
    drift_rel: Floats
    drifts: list[Drift]
    rise: Floats
    epsilon: float
    confidence: float

    @property
    def closure(self) -> Floats:
        """Sum of the budget minus the rate."""
        return np.asarray(self.budget.sum(axis=0) - self.rate)

    @property
    def closure_tolerance(self) -> float:
        """Relative to `scale`: two thirds of the digits, room for the sums over large grids."""
        return self.epsilon ** (2 / 3)


def observe(
    budget: Budget, times: Tensor, states: Tensor, confidence: float, progress: Callable[[float], None]
) -> EnergyRecord:
    """Run a budget over times ``(T,)`` and states ``(T, B, C, *grid)``, in pieces that fit into memory."""
    pieces: list[BudgetSample] = []
    for piece in _chunks(times, states):
        pieces.append(budget(*piece))
        progress(sum(part.energy.shape[0] for part in pieces) / times.numel())

    def joined(name: str, dim: int = 0) -> Floats:
        return np.asarray(torch.cat([getattr(piece, name) for piece in pieces], dim=dim).cpu().numpy())

    t, values = times.cpu().numpy(), joined("energy")
    sizes = joined("size")
    reference = _reference(sizes)
    drift_rel = (values - values[0]) / reference
    drifts = [linear_drift(t, column, confidence) for column in drift_rel.T]
    rise = np.zeros_like(values)
    rise[1:] = np.maximum(np.diff(values, axis=0), 0.0)
    return EnergyRecord(
        t=t,
        energy=values,
        rate=joined("rate"),
        budget=joined("terms", dim=1),
        by_component=joined("by_component", dim=2),
        boundary=joined("boundary", dim=1),
        scale=joined("scale"),
        reference=reference,
        is_zero=not np.abs(sizes).max() > 0,
        drift_rel=drift_rel,
        drifts=drifts,
        rise=rise,
        epsilon=_epsilon(states),
        confidence=confidence,
    )


def _reference(sizes: Floats) -> Floats:
    """The size at the start, or the largest one of a sample that starts at zero; 1 where all are zero."""
    start, largest = sizes[0], np.nan_to_num(sizes).max(axis=0)
    reference = np.where(start > 1e-12 * largest, start, largest)
    return np.where(reference > 0, reference, 1.0)


def _chunks(times: Tensor, states: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Times ``(K, 1)`` and states ``(K, B, C, *grid)``."""
    rows = max(1, CHUNK // max(1, states[0].numel()))
    for t, y in zip(times.split(rows), states.split(rows), strict=True):
        yield t.to(y.device).unsqueeze(-1), y


def _epsilon(states: Tensor) -> float:
    return float(torch.finfo(states.real.dtype if states.is_complex() else states.dtype).eps)
