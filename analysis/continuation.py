"""`continuation`: equilibria along a parameter, with all points at which their stability changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.solve.progress import ProgressBar

from .bifurcation import nothing_found, start_value
from .branches.dataset import branch_dataset
from .branches.family import PlainFamily, family_of
from .branches.follow import Branch, follow
from .modes.refusals import NoPlaneWaves
from .plots.continuation import draw_continuation
from .provenance import Provenance

SCHEMA = "branch/1"

register_plot(SCHEMA)(draw_continuation)


def continuation(
    f: FieldEquation | PlainFamily,
    state: Mapping[str, Any] | Tensor | Any,
    parameter: str,
    *,
    bounds: tuple[float, float],
    value: float | None = None,
    is_map: bool = False,
    most: int = 400,
    parameters: Mapping[str, float] | None = None,
    t: float = 0.0,
    progress: bool | None = None,
) -> AnalysisResult:
    """Follow an equilibrium along a parameter by pseudo-arclength, around folds, with its stability.

    Args:
        f: a declared equation, of which uniform states are meant, or a function ``f(u, p)`` of float64 tensors.
        state: a state near the equilibrium.
        parameter: the name of the parameter.
        bounds: where to stop.
        value: of the parameter at the start; needed for a function, else the present one.
        is_map: `f` is a map, and its fixed points are followed.
        most: number of points in each direction.
        parameters: values of other parameters in the place of the declared ones.
        t: the time at which coefficients are taken.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``branch/1``, dimensions ``station``, ``component``, ``eig``, ``point``: `u`, `p`, `arclength`,
        `tangent`, `eig_re/_im`, `n_unstable`, `newton_residual`, and of every Hopf point, fold, branch point and period
        doubling `kind`, `p_event`, `u_event`, `omega_event`, `normal_form`, `criticality`. PASS: both ends of the
        interval (or the start again) were reached. INCONCLUSIVE: the branch ended before, or its stability changes
        where several eigenvalues cross at once. DEGENERATE: a point is not simple. NOT_FOUND: no equilibrium near the
        start. NOT_APPLICABLE: walls that hold a field, or a kink on the branch. Points between two stations that cancel
        each other are not seen.

    Raises:
        OptionError, ParameterError, StateError: as `bifurcation`.
    """
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise OptionError(f"bounds are two increasing numbers, got {bounds!r}")
    if value is None and not isinstance(f, FieldEquation):
        raise OptionError("value= is needed: a function has no present value of the parameter to start from")
    if is_map and isinstance(f, FieldEquation):
        raise OptionError("is_map= is for functions; an equation in continuous time is no map")
    with_other: dict[str, Any] = {f"with_{n}": v for n, v in (parameters or {}).items()}
    provenance = Provenance(
        f, parameter=parameter, value=value, bounds=bounds, system="map" if is_map else "flow", t=t, **with_other
    )
    try:
        family, start = family_of(f, state, parameter, dict(parameters or {}), t)
        p = start_value(f, parameter, value, dict(parameters or {}))
        if not low <= p <= high:
            raise OptionError(f"the start {parameter} = {p:g} lies outside bounds = {bounds!r}")
        with ProgressBar("continuation", progress) as bar:
            branch = follow(family, start, p, bounds, is_map=is_map, most=most, progress=bar)
        if branch is not None:
            for u, at in _places(branch):
                family.require_sound(u, at)
    except NoPlaneWaves as refusal:
        return nothing_found(Verdict.NOT_APPLICABLE, str(refusal), provenance, SCHEMA)
    if branch is None:
        reason = (
            f"Newton's method found no equilibrium near the start at {parameter} = {p:g}; give a state nearer to one"
        )
        return nothing_found(Verdict.NOT_FOUND, reason, provenance, SCHEMA)
    status, reason = _judge(branch, parameter)
    details = provenance.attributes(nfev=family.evaluations)
    return AnalysisResult(branch_dataset(family, branch), status, reason, SCHEMA, details)


def _places(branch: Branch) -> list[tuple[Tensor, float]]:
    """Both ends and all points that were met."""
    return [branch.stations[0].place, branch.stations[-1].place, *(point.place for point in branch.points)]


def _judge(branch: Branch, parameter: str) -> tuple[Verdict, str]:
    count = len(branch.stations)
    stable = int((branch.unstable() == 0).sum())
    kinds = [point.kind.replace("_", " ") for point in branch.points]
    listed = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"
    reason = f"{count} equilibria along {parameter}, {stable} of them stable; points met: {listed}"
    ended = [why for why in branch.reason if why not in ("the end of the interval", "back at the start")]
    if ended:
        why = ", ".join(dict.fromkeys(ended))
        return Verdict.INCONCLUSIVE, f"the branch was left before the end of the interval ({why}); {reason}"
    if branch.unresolved:
        places = ", ".join(f"{low:.6g} and {high:.6g}" for low, high in branch.unresolved)
        return (
            Verdict.INCONCLUSIVE,
            f"stability changes between {parameter} = {places} at no simple point (several eigenvalues cross at "
            f"once?); {reason}",
        )
    doubtful = [point for point in branch.points if not point.is_simple]
    if doubtful:
        places = ", ".join(f"{point.kind.replace('_', ' ')} at {point.p:.6g}" for point in doubtful)
        return Verdict.DEGENERATE, f"not simple, so their kind and place have no bound: {places}; {reason}"
    return Verdict.PASS, reason
