"""What part a term plays: does it pass energy around, take it away, or bring it?

A term is judged between insulated walls (what crosses a wall is an entry of its own), and as an exchange also between
the real ones, where a membrane that is held passes energy around as a free one does; at states of the solution and at
states around them in which every component is multiplied by a number of its own. A balance that holds at the states of
a solution alone, such as a forcing that a damping cancels at rest, is then no exchange.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .budget import OWN_TIME, Budget
from .record import EnergyRecord

CONSERVATIVE, DISSIPATIVE, FORCING, BOUNDARY = "conservative", "dissipative", "forcing", "boundary"

TOLERANCE = 1e-3
"""Of the size of what is summed: an exchange that the discretisation respects only approximately counts as one."""

SPREAD = 0.3
"""Relative size of the changes around the states."""

STATES, PROBES = 3, 4
MOST_TERMS, MOST_TOGETHER = 12, 4
"""Exchanges are looked for among groups of at most four of at most twelve terms."""


def roles(budget: Budget, record: EnergyRecord, times: Tensor, states: Tensor, seed: int) -> list[str]:
    """One role per label of the budget.

    Args:
        budget: splits the energy by terms.
        record: what it gave at the save points.
        times: ``(T,)``, the save points.
        states: ``(T, B, C, *grid)``.
        seed: of the changes around the states.

    Returns:
        ``"conservative"``: nothing, alone or together with a few terms of other equations, at any state;
        ``"dissipative"``: never positive; ``"forcing"``: positive somewhere; ``"boundary"``: a density or a wall that
        changes with time.
    """
    powers, sizes = _probed(budget, times, states, seed, insulated=True)
    found: dict[int, str] = {}
    walls = [(powers, sizes)]
    if budget.has_walls:
        walls.append(_probed(budget, times, states, seed, insulated=False))
    for between in walls:
        found |= dict.fromkeys(_exchanges(budget, *between, found), CONSERVATIVE)
    for k in range(len(powers)):
        loses = (powers[k] <= TOLERANCE * sizes[k]).all() and not _gains(record, k)
        found.setdefault(k, DISSIPATIVE if loses else FORCING)
    named = [found[k] for k in range(len(powers))]
    return [*named, *[BOUNDARY for label in budget.labels[len(named) :] if label == OWN_TIME]]


def _exchanges(budget: Budget, powers: Floats, sizes: Floats, known: Collection[int]) -> set[int]:
    """Terms, besides the known ones, that bring nothing alone, or together with a few of other equations."""
    left = [k for k in range(len(powers)) if k not in known]
    found = {k for k in left if _vanishes(powers[k], sizes[k])}
    for group in _groups([k for k in left if k not in found]):
        several = len({budget.owners[k] for k in group}) > 1
        if several and not found & set(group) and _vanishes(powers[list(group)].sum(0), _size(sizes, group)):
            found |= set(group)
    return found


def _gains(record: EnergyRecord, k: int) -> bool:
    """Whether a term brings energy at any save point, apart from what comes through the walls."""
    inner = record.budget[k] - np.nan_to_num(record.boundary[k])
    inner = inner[np.isfinite(inner)]
    return bool(inner.size and inner.max() > TOLERANCE * np.abs(inner).max())


def _probed(budget: Budget, times: Tensor, states: Tensor, seed: int, *, insulated: bool) -> tuple[Floats, Floats]:
    """Powers and their sizes, ``(K, P)``, at the probes at which all of them are finite."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.linspace(0, len(times) - 1, min(STATES, len(times))).round().long().tolist()
    powers, sizes = [], []
    for row in rows:
        for probe in range(1 + PROBES):
            y = states[row]
            noise = torch.randn(y.shape[1], dtype=torch.float64, generator=generator) * (SPREAD if probe else 0.0)
            factor = (1 + noise).reshape(-1, *[1] * (y.dim() - 2)).to(y.device, y.real.dtype)
            power, size = budget.probed_terms(times[row].to(y.device).reshape(1), y * factor, insulated=insulated)
            good = torch.isfinite(power).all(dim=0)
            powers.append(power[:, good].cpu().numpy())
            sizes.append(size[:, good].cpu().numpy())
    return np.concatenate(powers, axis=1), np.concatenate(sizes, axis=1)


def _groups(terms: Sequence[int]) -> list[tuple[int, ...]]:
    if len(terms) > MOST_TERMS:
        return []
    return [group for size in range(2, MOST_TOGETHER + 1) for group in combinations(terms, size)]


def _size(sizes: Floats, group: tuple[int, ...]) -> Floats:
    return np.asarray(sizes[list(group)].sum(axis=0))


def _vanishes(power: Floats, size: Floats) -> bool:
    return bool((np.abs(power) <= TOLERANCE * size).all())
