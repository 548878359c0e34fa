"""`bifurcation`: the value of a parameter at which an equilibrium changes its stability, and what is born there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .branches.augmented import KINDS, Point, solve_point
from .branches.dataset import points_dataset
from .branches.family import Family, PlainFamily, family_of
from .branches.follow import Branch, follow
from .branches.normal_form import NormalForm, normal_form
from .modes.linearise import require_scalar
from .modes.refusals import NoPlaneWaves
from .plots.bifurcation import draw_bifurcation
from .provenance import Provenance

SCHEMA = "bifurcation/1"
ALIASES = {"pitchfork": "branch", "transcritical": "branch"}
NEWTON = 60

register_plot(SCHEMA)(draw_bifurcation)


def bifurcation(
    f: FieldEquation | PlainFamily,
    state: Mapping[str, Any] | Tensor | Any,
    parameter: str,
    *,
    kind: str = "hopf",
    value: float | None = None,
    bounds: tuple[float, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t: float = 0.0,
) -> AnalysisResult:
    """Points at which an equilibrium (or the fixed point of a map) loses its stability.

    Equilibrium, parameter and frequency are found together by Newton's method on a minimally augmented system, to a
    residual of 1e-12; all derivatives are automatic.

    Args:
        f: a declared equation, of which uniform states are meant, or a function ``f(u, p)`` of float64 tensors: a
            right-hand side, for ``"period_doubling"`` a map.
        state: a state near the equilibrium, numbers per field or a vector.
        parameter: the name of the parameter.
        kind: ``"hopf"``, ``"fold"``, ``"branch"`` (pitchfork or transcritical), ``"period_doubling"``.
        value: of the parameter at the start; needed for a function, else the present one.
        bounds: follow the equilibrium from the start to both ends, and report all points of that kind; None starts
            Newton's method right at the start.
        parameters: values of other parameters in the place of the declared ones.
        t: the time at which coefficients are taken.

    Returns:
        Schema ``bifurcation/1``, dimensions ``point``, ``component``, ``eig``: `value` with `value_error`, `state`,
        `frequency`, `period`, `eig_re/_im`, `transversality`, `coefficient` (the first Lyapunov coefficient of a Hopf
        point), `criticality`, `newton_residual`. PASS: found and simple; DEGENERATE: a coefficient of its normal form
        vanishes; NOT_FOUND: Newton's method did not get there; NOT_APPLICABLE: uniform states do not stay uniform
        (walls that hold a field, even at the present state), or the right-hand side has a kink there.

    Raises:
        OptionError, ParameterError, StateError: an option, a parameter or a state that cannot be.
    """
    kind = _checked(f, kind, value, bounds)
    given = dict(parameters or {})
    with_other: dict[str, Any] = {f"with_{n}": v for n, v in (parameters or {}).items()}
    provenance = Provenance(f, parameter=parameter, kind=kind, value=value, bounds=bounds, t=t, **with_other)
    try:
        family, start = family_of(f, state, parameter, given, t)
        p = start_value(f, parameter, value, given)
        points = _points(family, kind, start, p, bounds)
    except NoPlaneWaves as refusal:
        return nothing_found(Verdict.NOT_APPLICABLE, str(refusal), provenance)
    if isinstance(points, str):
        return nothing_found(Verdict.NOT_FOUND, points, provenance)
    try:
        for point in points:
            family.require_sound(point.u, point.p)
    except NoPlaneWaves as refusal:
        return nothing_found(Verdict.NOT_APPLICABLE, str(refusal), provenance)
    forms = [normal_form(family, point) for point in points]
    status, reason = _judge(family, points, forms)
    details = provenance.attributes(nfev=family.evaluations)
    return AnalysisResult(points_dataset(family, points, forms), status, reason, SCHEMA, details)


def _points(
    family: Family, kind: str, start: Tensor, p: float, bounds: tuple[float, float] | None
) -> list[Point] | str:
    """What was found, or a sentence that says what to try."""
    is_map = kind == "period_doubling"
    if bounds is not None:
        branch = follow(family, start, p, bounds, is_map=is_map)
        if branch is None:
            return _no_start(family, p)
        found = sorted((point for point in branch.points if point.kind == kind), key=lambda point: point.p)
        return found or (
            f"no {kind} point on the branch through the start between {bounds[0]:g} and {bounds[1]:g} "
            f"({listing(sorted({point.kind for point in branch.points})) or 'none'} were met){_open(branch)}; start on "
            "another equilibrium"
        )
    u = equilibrium(family, start, p, is_map=is_map)
    if u is None:
        return _no_start(family, p)
    omega = _frequency(family, u, p) if kind == "hopf" else 0.0
    if omega is None:
        return (
            f"no pair of eigenvalues oscillates at {family.parameter} = {p:g}; start nearer, or give bounds=(low, high)"
        )
    point = solve_point(family, kind, u, p, omega)
    return (
        [point]
        if point is not None
        else (
            f"Newton's method found no {kind} point from {family.parameter} = {p:g}; start nearer, or give "
            "bounds=(low, high)"
        )
    )


def equilibrium(family: Family, u: Tensor, p: float, *, is_map: bool) -> Tensor | None:
    """Newton's method at a fixed parameter; None where it does not settle."""
    at = torch.tensor(p, dtype=torch.float64)
    eye = torch.eye(family.size, dtype=torch.float64) if is_map else torch.zeros(family.size, family.size)
    u = u.to(torch.float64)
    for _ in range(NEWTON):
        residual = family(u, at) - (u if is_map else 0 * u)
        step = torch.linalg.lstsq(family.jacobian(u, at) - eye, residual[:, None], driver="gelsd").solution[:, 0]
        u = u - step
        if not bool(torch.isfinite(u).all()):
            return None
        if float(step.abs().max()) <= 1e-13 * (1 + float(u.abs().max())):
            return u
    return None


def _open(branch: Branch) -> str:
    """Where stability changes at a point that is not simple."""
    places = "".join(f", between {low:.6g} and {high:.6g}" for low, high in branch.unresolved)
    return f"; stability changes{places} where several eigenvalues cross at once" if places else ""


def _frequency(family: Family, u: Tensor, p: float) -> float | None:
    """Of the complex pair next to the imaginary axis."""
    values = np.linalg.eigvals(family.jacobian(u, torch.tensor(p, dtype=torch.float64)).numpy(force=True))
    complex_ones = values[np.abs(values.imag) > 1e-9 * np.abs(values).max()]
    return float(abs(complex_ones[np.argmin(np.abs(complex_ones.real))].imag)) if complex_ones.size else None


def _judge(family: Family, points: list[Point], forms: list[NormalForm]) -> tuple[Verdict, str]:
    described = [_described(family, point, form) for point, form in zip(points, forms, strict=True)]
    reason = "; ".join(described)
    if any(not point.is_simple for point in points):
        return (
            Verdict.DEGENERATE,
            f"{reason}; the equations of such a point are singular there: it is of another kind (a fold that is a "
            "branch point?), give another kind=",
        )
    if any(form.criticality == "degenerate" for form in forms):
        return Verdict.DEGENERATE, f"{reason}; a coefficient vanishes, so higher orders decide what bifurcates"
    return Verdict.PASS, reason


def _described(family: Family, point: Point, form: NormalForm) -> str:
    names = {"hopf": "Hopf point", "fold": "fold", "period_doubling": "period doubling"}
    what = names.get(point.kind, form.criticality if form.criticality == "transcritical" else "pitchfork")
    kind = "" if form.criticality in ("unknown", "quadratic", "transcritical") else f"{form.criticality} "
    rotation = f", frequency {point.omega:.10g}" if point.kind == "hopf" else ""
    error = f"error below {point.error:.1g}" if point.is_simple else "its error has no bound"
    return f"{kind}{what} at {family.parameter} = {point.p:.12g} ({error}{rotation})"


def _no_start(family: Family, p: float) -> str:
    return (
        f"Newton's method found no equilibrium near the start at {family.parameter} = {p:g}; give a state nearer to one"
    )


def nothing_found(status: Verdict, reason: str, provenance: Provenance, schema: str = SCHEMA) -> AnalysisResult:
    """A result without numbers."""
    import xarray

    nothing = {"value": ((), math.nan, {"units": "1", "long_name": "value of the parameter"})}
    return AnalysisResult(xarray.Dataset(nothing), status, reason, schema, provenance.attributes())


def start_value(f: Any, parameter: str, value: float | None, given: Mapping[str, float]) -> float:
    """The value of the parameter at the start: given, in the place of the declared one, or the declared one."""
    if value is not None:
        return float(value)
    return float(given.get(parameter, require_scalar(f, parameter)))


def _checked(f: Any, kind: str, value: float | None, bounds: tuple[float, float] | None) -> str:
    kind = ALIASES.get(kind, kind)
    if kind not in KINDS:
        known = (*KINDS, *ALIASES)
        raise OptionError(f"kind is one of {listing(known)}, got {kind!r}{nearest(str(kind), known)}")
    if kind == "period_doubling" and isinstance(f, FieldEquation):
        raise OptionError("an equation in continuous time has no fixed points of period one; give a map f(u, p)")
    if value is None and not isinstance(f, FieldEquation):
        raise OptionError("value= is needed: a function has no present value of the parameter to start from")
    if bounds is not None:
        low, high = bounds
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise OptionError(f"bounds are two increasing numbers, got {bounds!r}")
        if value is not None and not low <= value <= high:
            raise OptionError(f"value = {value:g} lies outside bounds = {bounds!r}")
    return kind
