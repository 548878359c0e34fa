"""One study from start to end: transient, step, blocks, resolution, laws, verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import get_method
from fieldsolver.results import Verdict
from fieldsolver.solve.progress import ProgressBar
from fieldsolver.threads import one_thread

from ..subverdicts import Subverdict
from . import checks
from .dataset import as_dataset
from .dynamics import Dynamics
from .interval import Floats, Interval
from .orbit import Orbit
from .record import TURN, Plan, Record, observe
from .resolution import Resolution, resolution
from .spectrum import Spectrum, spectrum
from .step_size import accurate_step, settled
from .tangents import Tangents, orthonormal, tangents
from .verdict import judge
from .volume import Volume, volume

if TYPE_CHECKING:
    import xarray

SPREAD = 1e-2
"""Relative distance of the members of an ensemble at the start, which the transient turns into independence."""
SAME_ENERGY = 1e-6
"""The same for Hamiltonian flows, whose members stay on the energy surfaces that they start on."""
MEMBERS = 64
ENTRIES = 4096
"""Numbers that an ensemble with its tangents may have before it gets fewer members: beyond, nothing is gained."""
ROUNDING = 64 * 2.0**-52
"""Round-off of a step relative to a tangent, generously, for the few dozens of operations in it."""
DENSE = 400
"""Coordinates up to which all eigenvalues at a fixed point are computed."""


@dataclass(frozen=True)
class Settings:
    """The arguments of `lyapunov`, under the same names."""

    duration: float
    transient: float
    count: int | None
    method: str
    dt: float | None
    rtol: float
    members: int | None
    blocks: int
    tolerance: float | None
    confidence: float
    hamiltonian: bool
    seed: int


@dataclass(frozen=True)
class Findings:
    """What `lyapunov` returns, in parts."""

    dataset: xarray.Dataset
    status: Verdict
    reason: str
    counts: dict[str, int]
    facts: dict[str, Any]


def run_study(dynamics: Dynamics, settings: Settings, bar: ProgressBar) -> Findings:
    """All of it.

    Raises:
        SolveFailed: the orbit ends during the transient.
    """
    count = dynamics.size if settings.count is None else settings.count
    if not 1 <= count <= dynamics.size:
        raise OptionError(f"count is between 1 and {dynamics.size}, the coordinates that move; got {count}")
    with torch.no_grad(), one_thread():
        y = _ensemble(dynamics, settings, count)
        orbit, counters = _after_transient(dynamics, settings, y, count)
        steepness = orbit.steepness()
        plan = _plan(settings, orbit, dynamics, steepness)
        change = volume(dynamics, settings.seed) if count == dynamics.size else None
        record = observe(orbit, plan, change, bar)
        if not record.finite:
            return _lost(count, dynamics.discrete, counters, record.length * len(record.growth))
        fastest = float(record.growth.mean((0, 1, 2)).max())
        resolved = resolution(orbit, plan.steps, plan.every, fastest, autonomous=dynamics.autonomous)
    record, resolved = _descending(record, resolved)
    rounding = ROUNDING * (1 / orbit.dt + steepness)
    found = spectrum(record, resolved, dynamics.size, settings.confidence, rounding, discrete=dynamics.discrete)
    laws = _laws(found, resolved, dynamics, settings, orbit, change, steepness)
    status, reason = judge(
        found, laws, discrete=dynamics.discrete, hamiltonian=settings.hamiltonian, steepness=steepness
    )
    if not orbit.function.exact:
        reason += "; tangents by differences, since f has no derivatives"
    dataset = as_dataset(found, resolved, laws, record.length, settings.confidence, discrete=dynamics.discrete)
    facts = {
        "certificate": "statistical" if orbit.function.exact else "empirical", "members_used": len(y) // plan.samples,
        "dt_used": orbit.dt, "steps_per_block": plan.steps, "duration_used": record.length * len(record.growth),
        "intervals_from": "stretches of time" if found.ordered else "independent members",
    }  # fmt: skip
    return Findings(dataset, status, reason, _counts(counters), facts)


def nothing_found(count: int, *, discrete: bool) -> xarray.Dataset:
    """The dataset of a study without numbers."""
    nan = np.full(count, math.nan)
    empty, one = Interval(nan, nan), Interval(np.full(1, math.nan), np.full(1, math.nan))
    found = Spectrum(
        exponents=empty, samples=nan[None], samples_half=nan[None], history=nan[None], growth=nan[None], volume=None,
        dimension=one, pairs=empty, at_rest=False, growing=False, drift=math.nan,
        vanished=np.zeros(count), zero=np.zeros(count, dtype=bool), size=count, ordered=True,
    )  # fmt: skip
    return as_dataset(found, Resolution(nan, math.nan), [], math.nan, math.nan, discrete=discrete)


def _ensemble(dynamics: Dynamics, settings: Settings, count: int) -> Tensor:
    """(S * members, n); at fixed points, whose neighbours are none, the starts alone."""
    starts = dynamics.starts
    rate = dynamics.rate(torch.zeros(len(starts), dtype=torch.float64), starts)
    moved = rate - starts if dynamics.discrete else rate
    if dynamics.autonomous and not bool(moved.any()):
        return starts
    room = ENTRIES // (starts.shape[1] * (1 + count) * len(starts))
    members = settings.members or min(MEMBERS, max(1, room))
    generator = torch.Generator().manual_seed(settings.seed)
    noise = torch.randn(len(starts), members, starts.shape[1], generator=generator, dtype=torch.float64)
    noise[:, 0] = 0.0
    scale = starts.norm(dim=1).reshape(-1, 1, 1) / math.sqrt(starts.shape[1])
    scale = torch.where(scale == 0, 1.0, scale)
    spread = SAME_ENERGY if settings.hamiltonian else SPREAD
    return (starts.unsqueeze(1) + spread * scale * noise * dynamics.moving).flatten(0, 1)


def _after_transient(dynamics: Dynamics, settings: Settings, y: Tensor, count: int) -> tuple[Orbit, list[Tangents]]:
    """The ensemble at the start of the average, its tangents turned to the directions that grow.

    States alone run for the first half of the transient, tangents join them for the second.
    """
    plain, full = tangents(dynamics, len(y), 0), tangents(dynamics, len(y), count)
    frame = orthonormal(len(y), dynamics.moving, count, settings.seed)
    start = torch.zeros(len(y), dtype=torch.float64)
    half = settings.transient / 2
    method = None if dynamics.discrete else get_method(settings.method)
    if method is None or settings.dt is not None:
        before = Orbit(plain, method, settings.dt or 1.0, start, y, frame[:, :0])
        before.advance(round(half / before.dt))
        orbit = Orbit(full, method, before.dt, before.t, before.y, frame)
    else:
        if method.error_order is None:
            raise OptionError(f"{settings.method!r} has no error estimate to choose a step by; pass dt=")
        places = settled(plain, y, settings.transient, method, settings.rtol)
        longest = settings.duration / settings.blocks
        dt = accurate_step(full, places, frame, half, longest, method, settings.rtol)
        orbit = Orbit(full, method, dt, start + half, places[0], frame)
    orbit.grow(round(half / orbit.dt), _turn(orbit, orbit.steepness()))
    return orbit, [plain, full]


def _turn(orbit: Orbit, steepness: float) -> int:
    """Steps until the fastest tangent has grown by `TURN`; of a map every iteration."""
    if orbit.method is None:
        return 1
    return max(1, int(TURN / max(steepness * orbit.dt, 1e-3)))


def _plan(settings: Settings, orbit: Orbit, dynamics: Dynamics, steepness: float) -> Plan:
    steps = max(1, round(settings.duration / settings.blocks / orbit.dt))
    every = min(steps, _turn(orbit, steepness))
    return Plan(settings.blocks, steps, every, len(dynamics.starts), settings.tolerance, settings.confidence)


def _descending(record: Record, resolved: Resolution) -> tuple[Record, Resolution]:
    """The frame puts the exponents in order in the long run; a short one may leave neighbours the wrong way round."""
    order = np.argsort(-record.growth.mean((0, 1, 2)))
    return replace(record, growth=record.growth[..., order]), replace(resolved, error=resolved.error[order])


def _laws(
    found: Spectrum, resolved: Resolution, dynamics: Dynamics, settings: Settings, orbit: Orbit,
    change: Volume | None, steepness: float,
) -> list[Subverdict]:  # fmt: skip
    discrete = dynamics.discrete
    why_not = "the sum rule needs all exponents; leave count= away"
    if found.exponents.value.size == dynamics.size and change is None:
        why_not = "f has no reverse derivatives, or the determinant is too large"
    return [
        checks.eigenvalues(found, _rightmost(dynamics, orbit, found)),
        checks.sum_rule(found, discrete=discrete, why_not=why_not),
        checks.zero_exponent(found, autonomous=dynamics.autonomous, discrete=discrete),
        checks.transport(resolved),
        checks.pairing(found, resolved, hamiltonian=settings.hamiltonian),
        checks.agreement(found),
        checks.step_size(found, resolved, None if discrete else orbit.dt, steepness),
    ]


def _rightmost(dynamics: Dynamics, orbit: Orbit, found: Spectrum) -> Floats | None:
    """Largest real parts of the eigenvalues of J at the end of the first member."""
    if not found.at_rest or dynamics.size > DENSE:
        return None

    def rate(y: Tensor) -> Tensor:
        return dynamics.rate(orbit.t[:1], y.unsqueeze(0))[0]

    rate(orbit.y[0])  # a fault of f itself ends the study here
    try:
        rows = torch.func.jacrev(rate)(orbit.y[0])
    except (RuntimeError, NotImplementedError):  # no reverse derivative; the check says that it was not made
        return None
    matrix = rows[dynamics.moving][:, dynamics.moving].detach().numpy()
    real: Floats = np.sort(np.linalg.eigvals(matrix).real)[::-1][: found.exponents.value.size]
    return real


def _lost(count: int, discrete: bool, counters: list[Tangents], time: float) -> Findings:
    reason = f"the orbit does not stay finite: it was lost {time:.3g} after the transient, so it has no exponents"
    return Findings(nothing_found(count, discrete=discrete), Verdict.NOT_APPLICABLE, reason, _counts(counters), {})


def _counts(counters: list[Tangents]) -> dict[str, int]:
    plain, full = counters
    return {"nfev": plain.calls + full.calls, "njvp": full.calls * full.count}
