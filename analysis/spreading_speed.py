"""`spreading_speed`: how fast a small disturbance invades an unstable uniform state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .labels import entry
from .modes.bands import Relation, relation
from .modes.dataset import RATE, WAVE
from .modes.linearise import Linearised
from .modes.refusals import NoPlaneWaves
from .modes.sampling import fallback_wave_number
from .modes.spreading import Spreading, spreading
from .modes.start import uniform_part
from .modes.steady import refined
from .modes.symbol import symbol_of, unit
from .modes.wording import short
from .plots.spreading_speed import draw_spreading_speed
from .provenance import Provenance

SCHEMA = "spreading_speed/1"
SMALL = 1e-9
"""Residual of the saddle point, relative to the growth rate, beyond which it is not believed."""

register_plot(SCHEMA)(draw_spreading_speed)


def spreading_speed(
    equation: FieldEquation,
    state: Mapping[str, Any] | Tensor,
    *,
    axis: int = 0,
    parameters: Mapping[str, float] | None = None,
    t: float = 0.0,
) -> AnalysisResult:
    """The linear spreading speed v* into an unstable uniform state.

    Fronts that the growth ahead of them pulls move with it (Fisher-KPP: ``2 sqrt(r D)``), from compact starts at
    ``v* - 3/(2 Im(k) t)``; fronts that their nonlinear part pushes are faster. Which of the two a front is, the linear
    theory does not say.

    Args:
        equation: a declared equation on a grid.
        state: the uniform state that is invaded, numbers per field or a tensor ``(C,)``.
        axis: of the grid, along which the front moves, towards larger coordinates.
        parameters: values in the place of the declared ones.
        t: the time at which coefficients are taken.

    Returns:
        Schema ``spreading_speed/1``: `speed` (negative where an advection carries the front off), `bound` (no compact
        disturbance is faster), `decay` (of the front's edge, ``exp(-decay x)``), `wave_number` and `frequency` of its
        oscillation in the moving frame, `residual`. All branches are looked at. PASS: the saddle point is found to
        round-off and is as fast as the bound; INCONCLUSIVE: it is slower, as where one component drives another without
        an answer; NOT_APPLICABLE: nothing grows, a graph, a fractional Laplacian, or plane waves are no solutions.

    Raises:
        OptionError, ParameterError, StateError: as `dispersion`.
    """
    if not isinstance(equation, FieldEquation) or equation.layout.dimension == 0:
        raise OptionError("spreading_speed needs a FieldEquation on a grid, along which something can spread")
    if isinstance(axis, bool) or not isinstance(axis, int) or axis not in range(equation.layout.dimension):
        raise OptionError(f"axis is one of 0 .. {equation.layout.dimension - 1}, got {axis!r}")
    start = uniform_part(equation, state)
    provenance = Provenance(equation, start, axis=axis, t=t, **{f"with_{n}": v for n, v in (parameters or {}).items()})
    if equation.layout.graph is not None:
        reason = "a graph has no axis along which a front could move; solve the equation and follow the front instead"
        return _result(Verdict.NOT_APPLICABLE, reason, None, provenance)
    try:
        linearised = Linearised(equation, parameters=parameters, t=t)
        found = refined(linearised, start[None])
        if not len(found):
            reason = f"Newton's method found no uniform steady state from {short(start)}; give one nearer"
            return _result(Verdict.NOT_FOUND, reason, None, provenance)
        _, response = linearised.at(found.states, strict=True)
    except NoPlaneWaves as refusal:
        return _result(Verdict.NOT_APPLICABLE, str(refusal), None, provenance)
    ray = symbol_of(linearised, response).along(unit(equation.layout.dimension, axis))
    fallback = fallback_wave_number(equation)
    curve = relation(ray, fallback=fallback)
    return _result(*_follow(curve, found.states[0], fallback), provenance)


def _follow(curve: Relation, state: Tensor, fallback: float) -> tuple[Verdict, str, Spreading | None]:
    fastest = curve.fastest
    if fastest is None or not np.isfinite(fastest.k_max):
        why = "nothing grows" if fastest is None else "the shortest waves grow fastest"
        return Verdict.NOT_APPLICABLE, f"{why} on the uniform state {short(state)}, so it has no spreading speed", None
    if any(f.kind == "fractional" and not float(f.power).is_integer() for m in curve.ray.symbol.terms for f in m):
        reason = "a fractional Laplacian spreads with algebraic tails: fronts accelerate, and no speed is theirs"
        return Verdict.NOT_APPLICABLE, reason, None
    found = spreading(curve.ray, fallback)
    if np.isnan(found.speed):
        reason = f"no saddle point attains the bound: fronts are at most as fast as {found.bound:.6g}; solve the front"
        return Verdict.INCONCLUSIVE, reason, found
    if not found.is_attained:
        reason = (
            f"a component drives another without an answer: the speed lies between {found.speed:.6g}, that of the "
            f"fastest alone, and {found.bound:.6g}; solve the front"
        )
        return Verdict.INCONCLUSIVE, reason, found
    if found.residual > SMALL * (1 + fastest.growth.real):
        return Verdict.INCONCLUSIVE, f"the saddle point is found with a residual of {found.residual:.2g} only", found
    return Verdict.PASS, _described(found, state), found


def _described(found: Spreading, state: Tensor) -> str:
    carried = " (the advection carries it backwards)" if found.speed < 0 else ""
    decay = f"decays ahead like exp(-{found.k.imag:.4g} x)" if np.isfinite(found.k) else "stays where it is"
    front = f"a pulled front invades {short(state)} at {found.speed:.6g}{carried} and {decay}"
    return f"{front}; a front that is pushed is faster"


def _result(status: Verdict, reason: str, found: Spreading | None, provenance: Provenance) -> AnalysisResult:
    import xarray

    nothing = Spreading(np.nan, complex(np.nan, np.nan), complex(np.nan, np.nan), np.nan, np.nan)
    one = found or nothing
    moving = abs((one.growth + 1j * one.k * one.speed).imag)
    variables = {
        "speed": entry((), one.speed, "linear spreading speed", "length/time"),
        "bound": entry((), one.bound, "bound on the speed of every compact disturbance", "length/time"),
        "decay": entry((), one.k.imag, "decay rate ahead of the front", WAVE),
        "wave_number": entry((), abs(one.k.real), "wave number at the edge of the front", WAVE),
        "frequency": entry((), moving, "angular frequency at the edge in the moving frame", RATE),
        "residual": entry((), one.residual, "residual of the equations of the saddle point", RATE),
    }
    return AnalysisResult(xarray.Dataset(variables), status, reason, SCHEMA, provenance.attributes())
