"""`dispersion`: how small waves on a uniform steady state grow, oscillate and decay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .branches.augmented import solve_point
from .branches.family import family_of
from .modes.dataset import dataset_of
from .modes.linearise import Linearised, require_scalar
from .modes.refusals import NoPlaneWaves
from .modes.sampling import fallback_wave_number
from .modes.start import uniform_part
from .modes.steady import BOUNDS, SteadyStates, refined, searched
from .modes.uniform_state import StateAnalysis, analyse_state
from .modes.wording import reason_of, short
from .plots.dispersion import draw_dispersion
from .problem import Problem
from .provenance import Provenance

SCHEMA = "dispersion/1"
MOST_STATES = 8
STEADY = 1e-9
MOVED = 0.1
"""A given state that Newton's method moves by more than this share is called another one."""

register_plot(SCHEMA)(draw_dispersion)


def dispersion(
    equation: FieldEquation,
    state: Mapping[str, Any] | Tensor | None = None,
    *,
    k_max: float | None = None,
    parameters: Mapping[str, float] | None = None,
    critical: str | None = None,
    bounds: tuple[float, float] = BOUNDS,
    t: float = 0.0,
) -> AnalysisResult:
    """Growth rates sigma(k) of waves ``exp(i k.x + sigma t)`` on uniform steady states.

    The equation is linearised exactly: derivatives in space become powers of ``i k``, convolutions the Fourier
    transform of their sampled kernel, modules are differentiated. Edges of bands are roots of ``Re sigma`` and maxima
    roots of its derivative, by Newton's method with derivatives from the eigenvectors.

    Args:
        equation: a declared equation on a grid or a graph.
        state: a uniform state to start from, numbers per field or a tensor ``(C,)``; a field ``(C, *grid)`` counts with
            its mean. Newton's method takes it to the steady state next to it. None searches for all.
        k_max: the largest wave number of the curve; None follows from the equation. Bands beyond it are still found.
        parameters: values in the place of the declared ones, ``{"d": 12.0}``.
        critical: a scalar parameter; its value nearest to the present one at which stability changes in an unbounded
            medium, or at which the steady state ends in a fold, is sought.
        bounds: the interval of the search for steady states.
        t: the time at which coefficients are taken.

    Returns:
        Schema ``dispersion/1``, dimensions ``k``, ``branch``, ``band``, ``mode``, and ``steady_state`` if there are
        several: `growth_rate_re/_im` (fastest branch first), `band_lo`, `band_hi`, `k_max`, `sigma_max`, `omega_max`,
        `instability_type`, `regime` (the attribute `certificate` of an
        edge is ``"exact"`` where a polynomial shows that none is missing, else ``"empirical"``: sampled, then
        refined); the modes of the domain under the scheme of the grid, `mode_k`, `mode_growth`,
        `unstable_modes`; `critical_value`, `critical_k`. PASS says that the analysis is certain to round-off, whatever
        the finding; INCONCLUSIVE that coefficients change in time, that a maximum is zero to round-off, or that a band
        leaves what is known of a kernel; NOT_FOUND that there is no steady state (or no critical value);
        NOT_APPLICABLE that plane waves do not solve the equation, or that a term has a kink or a switch at the state,
        with the term to blame.

    Raises:
        OptionError: an option out of range.
        ParameterError: `parameters` or `critical` names no scalar parameter.
        StateError: `state` does not fit the equation.
    """
    _check(equation, k_max, bounds)
    given = dict(parameters or {})
    if critical is not None:
        require_scalar(equation, critical)
    start = None if state is None else uniform_part(equation, state)
    provenance = Provenance(
        equation, start, k_max=k_max, critical=critical, t=t, **{f"with_{n}": v for n, v in given.items()}
    )
    try:
        linearised = Linearised(equation, parameters=given, t=t)
        found = searched(linearised, bounds=bounds) if start is None else refined(linearised, start[None])
        analyses = [
            analyse_state(
                linearised,
                found.states[i],
                float(found.residual[i]),
                k_max=k_max,
                fallback=fallback_wave_number(equation),
                critical=critical,
                parameters=given,
                t=t,
                fold=lambda near, value: _fold(equation, near, critical, value, given, t),
            )
            for i in range(min(len(found), MOST_STATES))
        ]
    except NoPlaneWaves as refusal:
        return _nothing(Verdict.NOT_APPLICABLE, str(refusal), provenance)
    if not analyses:
        return _nothing(Verdict.NOT_FOUND, _no_state(start, bounds), provenance)
    status, reason = _judge(linearised, analyses, found, start, critical)
    details = provenance.attributes(nfev=linearised.evaluations)
    return AnalysisResult(dataset_of(linearised, analyses, k_max), status, reason, SCHEMA, details)


def _fold(
    equation: FieldEquation, near: Tensor, parameter: str | None, value: float, given: Mapping[str, float], t: float
) -> tuple[Tensor, float] | None:
    """The fold beside a state, by Newton's method on the augmented system; None where it is no simple one."""
    if parameter is None:
        return None
    family, start = family_of(equation, near, parameter, given, t, walls=False)
    point = solve_point(family, "fold", start, value)
    if point is None or not point.is_simple:
        return None
    half = len(point.u) // 2
    return (torch.complex(point.u[:half], point.u[half:]) if equation.is_complex else point.u), point.p


def study(problem: Problem) -> AnalysisResult:
    """The mean of the start if it is steady (a conserved mean stays), else all steady states between its extremes."""
    equation, t = problem.equation, problem.t_span[0]
    if equation.layout.dimension == 0:
        return _nothing(Verdict.NOT_APPLICABLE, _no_space(), Provenance(equation))
    start = problem.start.detach()
    values = torch.view_as_real(start).flatten() if start.is_complex() else start.flatten()
    low, high = float(values.min()), float(values.max())
    margin = 0.1 * max(high - low, 1.0)
    if tuple(start.shape) == equation.state_shape and not equation.layout.domains:
        mean = uniform_part(equation, start)
        if _is_steady(equation, mean, t):
            return dispersion(equation, mean, t=t)
    return dispersion(equation, bounds=(low - margin, high + margin), t=t)


def _is_steady(equation: FieldEquation, state: Tensor, t: float) -> bool:
    try:
        rates, _ = Linearised(equation, t=t).at(state[None])
    except NoPlaneWaves:
        return False  # the analysis itself will say why
    return float(rates.abs().max()) <= STEADY * (1 + float(state.abs().max()))


def _judge(
    linearised: Linearised,
    analyses: list[StateAnalysis],
    found: SteadyStates,
    start: Tensor | None,
    critical: str | None,
) -> tuple[Verdict, str]:
    reason = reason_of(analyses, found, critical)
    if start is not None:
        moved = float((analyses[0].state - start).abs().max())
        if moved > MOVED * (1 + float(start.abs().max())):
            reason = f"the steady state found from the given one is {moved:.3g} away from it; {reason}"
    if len(found) > MOST_STATES:
        reason += f"; only the first {MOST_STATES} of {len(found)} steady states were looked at"
    if linearised.frozen:
        return Verdict.INCONCLUSIVE, f"coefficients change in time and were taken at one instant; {reason}"
    if any(one.is_open for one in analyses):
        return (
            Verdict.INCONCLUSIVE,
            f"a band reaches the Nyquist wave number, beyond which a kernel is not known; {reason}",
        )
    if any(one.is_marginal for one in analyses):
        return (
            Verdict.INCONCLUSIVE,
            f"a maximum of growth is zero to round-off, so the state is at a threshold; {reason}",
        )
    if critical is not None and all(one.onset is None for one in analyses):
        return Verdict.NOT_FOUND, f"no critical value of {critical!r} within a factor of 300; {reason}"
    return Verdict.PASS, reason


def _nothing(status: Verdict, reason: str, provenance: Provenance) -> AnalysisResult:
    import xarray

    unknown = {"regime": ((), "unknown", {"units": "1", "long_name": "kind of the fastest instability"})}
    return AnalysisResult(xarray.Dataset(unknown), status, reason, SCHEMA, provenance.attributes())


def _no_state(start: Tensor | None, bounds: tuple[float, float]) -> str:
    if start is None:
        return (
            f"Newton's method found no uniform steady state from random starts in {bounds}; give a state near one, "
            "other bounds=, or other parameters="
        )
    return (
        f"Newton's method found no uniform steady state from {short(start)}; leave state out to search, or give a "
        "state nearer to one"
    )


def _no_space() -> str:
    return "an ordinary differential equation has no waves; bifurcation and stability analyse its equilibria"


def _check(equation: Any, k_max: float | None, bounds: tuple[float, float]) -> None:
    if not isinstance(equation, FieldEquation):
        raise OptionError(f"dispersion needs a FieldEquation, which knows its terms; got {type(equation).__name__}")
    if equation.layout.dimension == 0:
        raise OptionError(f"{_no_space()}; give the equation a grid")
    if k_max is not None and not (isinstance(k_max, (int, float)) and 0 < k_max < np.inf):
        raise OptionError(f"k_max is a positive wave number or None, got {k_max!r}")
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise OptionError(f"bounds are two increasing numbers such as (-3, 3), got {bounds!r}")
