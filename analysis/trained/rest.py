"""Where the dynamics lead: time scales at the end of the run, rest, and what happens when it goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldsolver.nn import SteadyFieldLayer
from fieldsolver.results import Verdict
from fieldsolver.solve import solve

from ..spectra import Spectrum
from ..subverdicts import Subverdict
from .visit import Visit

Floats = NDArray[np.float64]
LATER = 41
"""Times within the continued run."""
SLOW = 1e-2
"""A state that changes by less than this share in a time as long as the run is at rest."""
RUNAWAY = 1e3
"""Growth beyond the size at the end of the run, by which a continued run counts as unbounded."""


@dataclass(frozen=True)
class Continued:
    """The run, continued.

    Attributes:
        times: (L,) from 0.
        speed: (L, B) norm of f times the duration of the run over the norm of the state; NaN where it is lost.
        size: (L, B) root mean square of the state.
        rest: (B,) when it comes to rest for good, NaN where it does not.
    """

    times: Floats
    speed: Floats
    size: Floats
    rest: Floats


def continued(visit: Visit, beyond: float) -> Continued:
    """Run from the start to `beyond` durations."""
    times = torch.linspace(0.0, beyond * visit.duration, LATER, dtype=torch.float64)
    settings = visit.settings | {"max_steps": int(visit.settings["max_steps"] * max(1.0, beyond))}
    run = solve(
        visit.equation, visit.solution.y[0], t_span=(0.0, float(times[-1])), save_at=times, gradient="none",
        on_failure="keep", **settings,
    )  # fmt: skip
    states = run.y.reshape(LATER, -1, *visit.equation.state_shape)
    with torch.no_grad():
        rates = torch.stack([visit.equation(t, row) for t, row in zip(times, states, strict=True)])
    size = _rms(states)
    speed = (_rms(rates) * visit.duration / size.clamp_min(1e-12)).numpy()
    return Continued(times.numpy(), speed, size.numpy(), _rest(times.numpy(), speed))


def _rms(values: Tensor) -> Tensor:
    """(L, B, ...) -> (L, B)."""
    return values.abs().square().flatten(2).mean(2).sqrt()


def _rest(times: Floats, speed: Floats) -> Floats:
    moving = ~(speed <= SLOW)
    last = np.where(moving.any(0), len(times) - 1 - np.argmax(moving[::-1], 0), -1)
    return np.array([times[place + 1] if place + 1 < len(times) else math.nan for place in last])


def boundedness(visit: Visit, run: Continued) -> Subverdict:
    """Does the field stay bounded beyond the duration it was trained for, and does it come to rest?"""
    name, beyond = "beyond the run", run.times[-1] / visit.duration
    at_end = np.interp(visit.duration, run.times, np.arange(LATER))
    scale = run.size[: math.ceil(at_end) + 1].max(0)
    growth = float(np.nan_to_num(run.size / np.maximum(scale, 1e-12), nan=math.inf).max())
    resting = int(np.isfinite(run.rest).sum())
    early = int((run.rest <= visit.duration * (1 + 1e-9)).sum())
    count = run.rest.size
    if growth > RUNAWAY:
        lost = "is lost" if math.isinf(growth) else f"grows {growth:.1e}-fold"
        return Subverdict(
            name, Verdict.FAIL, f"within {beyond:g} durations a state {lost}: do not run it for longer", growth, RUNAWAY
        )
    if isinstance(visit.layer, SteadyFieldLayer):
        return Subverdict(name, Verdict.PASS, f"it stays bounded for {beyond:g} times as long", growth, RUNAWAY)
    rest = f"{early} of {count} samples are at rest at the end of the run, {resting} within {beyond:g} durations"
    return Subverdict(name, Verdict.PASS, f"it stays bounded for {beyond:g} durations; {rest}", growth, RUNAWAY)


def time_scales(visit: Visit, spectra: Sequence[Sequence[Spectrum]]) -> tuple[dict[str, Floats], Subverdict]:
    """Slowest decay, fastest rate and highest frequency at the end of the run of each sample."""
    ends = [row[-1].values for row in spectra]
    slowest = np.array([_slowest(values) for values in ends])
    fastest = np.array([float(np.abs(values).max()) for values in ends])
    frequency = np.array([float(values.imag.max()) / (2 * math.pi) for values in ends])
    turns = float(fastest.max()) * visit.duration
    text = f"from {1 / fastest.max():.3g}" if fastest.max() > 0 else "none"
    text += f" to {np.nanmax(slowest):.3g}" if np.isfinite(slowest).any() else ", nothing decays slowly"
    verdict = Verdict.PASS if turns >= 0.1 else Verdict.FAIL
    sentence = f"time constants at the end {text}, the run takes {visit.duration:g}"
    if verdict is Verdict.FAIL:
        sentence += ": too short for anything to happen"
    numbers = {"time_slowest": slowest, "rate_fastest": fastest, "frequency": frequency}
    return numbers, Subverdict("time scales", verdict, sentence, turns, 0.1)


def _slowest(values: NDArray[np.complex128]) -> float:
    """-1 / Re of the slowest decaying mode, NaN if none decays."""
    decaying = values.real[values.real < -1e-9 * max(1e-300, float(np.abs(values).max()))]
    return float(-1 / decaying.max()) if decaying.size else math.nan


def rest_stability(visit: Visit, spectra: Sequence[Sequence[Spectrum]]) -> Subverdict:
    """At a state of rest nothing may grow."""
    name = "rest is stable"
    if not isinstance(visit.layer, SteadyFieldLayer):
        return Subverdict(name, Verdict.NOT_APPLICABLE, "the layer runs for a time, it does not look for rest")
    right = max(float(row[-1].values.real.max()) for row in spectra)
    verdict = Verdict.PASS if right < 0 else Verdict.FAIL
    return Subverdict(name, verdict, f"the rightmost eigenvalue at the states of rest is {right:.3g}", right, 0.0)
