"""Do the dynamics do anything, and does an energy fall as it should?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.results import Verdict
from fieldsolver.testing import check_zero_dynamics

from ..energy import energy
from ..subverdicts import Subverdict
from .visit import Visit

MOVED = 1e-3
"""Smallest distance between start and end, relative to the larger of them, that counts as a motion."""


def dynamics_matter(visit: Visit, loss: Callable[[Tensor], Tensor] | None) -> Subverdict:
    """With a loss: is it larger when the field stands still? Without: how far does the field move?"""
    name = "dynamics matter"
    if loss is not None:
        found = check_zero_dynamics(
            visit.layer, lambda layer: _scores(visit, layer, loss), ablated=_Still(visit), better="lower", margin=0.0
        )
        gain = float(found["measured"])
        return Subverdict(name, found.status, f"the loss is {found.reason}", gain, 0.0)
    first, last = visit.states[0].flatten(1), visit.states[-1].flatten(1)
    size = torch.maximum(first.abs().square().sum(1), last.abs().square().sum(1)).sqrt().clamp_min(1e-300)
    moved = float(((last - first).abs().square().sum(1).sqrt() / size).min())
    verdict = Verdict.PASS if moved > MOVED else Verdict.FAIL
    return Subverdict(name, verdict, f"start and end differ by at least {moved:.2g} of their size", moved, MOVED)


class _Still(nn.Module):
    """The layer whose field stands still: it reads out the start."""

    def __init__(self, visit: Visit) -> None:
        super().__init__()
        lead = visit.solution.y.shape[1 : visit.solution.y.dim() - len(visit.equation.state_shape)]
        read = visit.layer.readout(visit.states[0])
        self.output = read.reshape(*lead, *read.shape[1:])

    def forward(self, *_: Any) -> Tensor:
        """The same whatever comes in."""
        return self.output


def _scores(visit: Visit, layer: Any, loss: Callable[[Tensor], Tensor]) -> list[float]:
    with torch.no_grad():
        scores: list[float] = torch.as_tensor(loss(layer(*visit.inputs))).reshape(-1).tolist()
    return scores


def energy_falls(visit: Visit, density: str | None) -> Subverdict:
    """Does the integral of the density fall along the run?"""
    name = "energy falls"
    if density is None:
        return Subverdict(name, Verdict.NOT_APPLICABLE, "no density= was given")
    found = energy(visit.equation, visit.solution, density=density, expect="decreasing", progress=False)
    return Subverdict(name, found.status, found.reason)
