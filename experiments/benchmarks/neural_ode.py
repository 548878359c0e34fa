"""Benchmark `train`, neural ODE: one training step of an MLP 2-64-64-2 as right-hand side, 256 samples, float32.

Solve, loss, gradient of the weights. Against torchdiffeq with the same method, wall time per evaluation of f: the two
choose steps by different rules, and a step saved by a larger error is no speed. Against diffrax, which compiles, wall
time as it is. Our batch is solved twice: with one step size for all samples, as torchdiffeq does, and with steps of
their own, which are more passes of the loop for fewer evaluations a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .comparison import Comparison, Measurement, Quantity
from .diffrax_training import diffrax
from .result import OTHER, OURS
from .settings import BenchSettings
from .solvers import absent, is_installed
from .timing import measure_alternately
from .training_sides import TrainingTask, count_ours, count_torchdiffeq, ours, reference_gradient, torchdiffeq

TORCHDIFFEQ_BAR = 1 / 0.7
"""At most 0.7 of the time."""
DIFFRAX_BAR = 1.0
SAMPLES, WIDTH = 256, 64


@dataclass(frozen=True)
class Case:
    """What meets what.

    Attributes:
        name: of the case.
        gradient: our mode.
        own_steps: whether our samples have steps of their own.
        adjoint: torchdiffeq's continuous adjoint; None where the other side is diffrax.
    """

    name: str
    gradient: str
    own_steps: bool
    adjoint: bool | None


CASES = (
    Case("all steps kept, one step size", "direct", False, adjoint=False),
    Case("all steps kept, own steps", "direct", True, adjoint=False),
    Case("bounded memory, one step size", "checkpointed", False, adjoint=True),
    Case("bounded memory, own steps", "checkpointed", True, adjoint=True),
    Case("all steps kept, one step size, diffrax", "direct", False, adjoint=None),
    Case("checkpoints, one step size, diffrax", "checkpointed", False, adjoint=None),
    Case("checkpoints, own steps, diffrax", "checkpointed", True, adjoint=None),
)


def compare(settings: BenchSettings) -> list[Comparison]:
    """All cases."""
    task = mlp_task()
    reference = reference_gradient(task)
    return [compared(case, task, reference, settings) for case in CASES]


def mlp_task(samples: int = SAMPLES, width: int = WIDTH) -> TrainingTask:
    """A freshly initialised network and normal initial states, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)]
        return TrainingTask(nn.Sequential(*layers), torch.randn(samples, 2))


def compared(case: Case, task: TrainingTask, reference: Tensor, settings: BenchSettings) -> Comparison:
    """One case: timed in turns, counted before."""
    settings.say(f"neural ODE, {case.name}")
    method = "tsit5" if case.adjoint is None else "dopri5"
    mine = count_ours(task, method, case.gradient, own_steps=case.own_steps, reference=reference)
    sides: dict[str, Callable[[], Any]] = {OURS: ours(task, method, case.gradient, own_steps=case.own_steps)}
    step, theirs = _other(case, task, reference, settings)
    if step is not None:
        sides[OTHER] = step
    times = measure_alternately(sides, settings)
    quantity = Quantity.SECONDS if case.adjoint is None else Quantity.SECONDS_PER_EVALUATION
    bar = DIFFRAX_BAR if case.adjoint is None else TORCHDIFFEQ_BAR
    return Comparison(case.name, quantity, mine.with_times(times[OURS]), _timed(theirs, times), bar)


def _timed(side: Measurement, times: Mapping[str, Any]) -> Measurement:
    return side.with_times(times[OTHER]) if OTHER in times else side


def _other(
    case: Case, task: TrainingTask, reference: Tensor, settings: BenchSettings
) -> tuple[Callable[[], Any] | None, Measurement]:
    """The other side's training step and its cost; no step where the package is not there."""
    if case.adjoint is None:
        if not is_installed("diffrax"):
            return None, absent("diffrax", "tsit5")
        step, count = diffrax(task, own_steps=case.own_steps, threads=settings.threads)
        return step, count(reference)
    if not is_installed("torchdiffeq"):
        return None, absent("torchdiffeq", "dopri5")
    step = torchdiffeq(task, "dopri5", adjoint=case.adjoint)
    return step, count_torchdiffeq(task, "dopri5", adjoint=case.adjoint, reference=reference)
