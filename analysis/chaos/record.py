"""What is measured along the orbit, block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.solve.progress import ProgressBar

from .interval import GROUPS, Floats, groups_of, jackknife
from .orbit import Orbit
from .volume import Volume

TURN = 3.0
"""Tangents are made orthonormal before the fastest of them has grown by about e to this power."""


@dataclass(frozen=True)
class Plan:
    """How long, in which pieces.

    Attributes:
        blocks: number of blocks, a multiple of `GROUPS`.
        steps: of a block.
        every: steps between two orthonormalisations.
        samples: S starts; the members of each are B / S neighbours in the batch.
        tolerance: half-width of the intervals that ends the run before all blocks are done; None: never.
        confidence: of these intervals.
    """

    blocks: int
    steps: int
    every: int
    samples: int
    tolerance: float | None
    confidence: float


@dataclass(frozen=True)
class Record:
    """Local rates per block, of the M members of each of S starts.

    Attributes:
        length: duration of a block.
        growth: (N, S, M, k).
        volume: (N, S, M) mean of tr J or log |det DF|; None where it was not asked for.
        speed: (N, B) norm of f at the end of each block, of a map the distance it moved.
        size: (N, B) norm of the state at the end of each block.
        finite: False when the run ended at a state that is not finite; the blocks before it are kept.
    """

    length: float
    growth: Floats
    volume: Floats | None
    speed: Floats
    size: Floats
    finite: bool


def observe(orbit: Orbit, plan: Plan, volume: Volume | None, bar: ProgressBar) -> Record:
    """Run the blocks."""
    growth, volumes, speeds, sizes, finite = [], [], [], [], True
    length = plan.steps * orbit.dt
    for block in range(plan.blocks):
        logarithms, change = _block(orbit, plan, volume)
        finite = orbit.finite
        if not finite:
            break
        growth.append(_by_start(logarithms / length, plan.samples))
        volumes.append(_by_start(change / length, plan.samples))
        speeds.append(_speed(orbit))
        sizes.append(orbit.y.norm(dim=1).numpy())
        bar((block + 1) / plan.blocks)
        if _precise(growth, plan):
            break
    return Record(
        length, np.array(growth), np.array(volumes) if volume is not None else None, np.array(speeds), np.array(sizes),
        finite,
    )  # fmt: skip


def _block(orbit: Orbit, plan: Plan, volume: Volume | None) -> tuple[Tensor, Tensor]:
    """Sums over the steps of a block: logarithms of the growth (B, k), of the volume (B,)."""
    logarithms = torch.zeros(orbit.frame.shape[:2], dtype=torch.float64)
    change = torch.zeros(orbit.y.shape[0], dtype=torch.float64)
    before = None if volume is None else volume.rate(orbit.t, orbit.y)
    for done in range(0, plan.steps, plan.every):
        steps = min(plan.every, plan.steps - done)
        logarithms += orbit.grow(steps, steps)
        if volume is not None and before is not None:
            after = volume.rate(orbit.t, orbit.y)
            # a map multiplies at the point it leaves; along a flow the trapezoidal rule
            change += before if orbit.method is None else (before + after) / 2 * steps * orbit.dt
            before = after
    return logarithms, change


def _by_start(values: Tensor, samples: int) -> Floats:
    """(B, ...) -> (S, M, ...)."""
    found: Floats = values.reshape(samples, -1, *values.shape[1:]).numpy()
    return found


def _speed(orbit: Orbit) -> Floats:
    rate = orbit.rate()
    moved = rate - orbit.y if orbit.method is None else rate
    found: Floats = moved.norm(dim=1).numpy()
    return found


def _precise(growth: list[Floats], plan: Plan) -> bool:
    """Whether the intervals are narrow enough; looked at whenever the groups have grown by a block."""
    if plan.tolerance is None or len(growth) < 2 * GROUPS or len(growth) % GROUPS:
        return False
    series = np.array(growth)
    if not np.isfinite(series).all():  # a tangent has vanished, and no more blocks will tell anything else
        return True
    groups, ordered = groups_of(series.reshape(len(series), -1, series.shape[-1]))
    return bool((jackknife(groups, np.asarray, plan.confidence, ordered=ordered).half <= plan.tolerance).all())
