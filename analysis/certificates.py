"""`certificates`: what is known for certain about an energy under a method, before anything is solved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError
from fieldsolver.methods import METHODS, get_method
from fieldsolver.results import AnalysisResult, register_plot

from .budgets.certificate_verdict import Case, judged
from .budgets.curvature import EXACT, Shape, shape_of
from .budgets.default_density import chosen_density
from .budgets.density import Energy
from .budgets.formula_proof import proof_of
from .budgets.one_step import IMPLICIT
from .budgets.quadratic import quadratic_residual
from .labels import entry
from .plots.certificates import draw_certificates
from .provenance import Provenance

if TYPE_CHECKING:
    import xarray

SCHEMA = "certificates/1"

register_plot(SCHEMA)(draw_certificates)


@dataclass(frozen=True)
class Certificate:
    """One property.

    Attributes:
        name: of the property.
        holds: whether it does; None where the question does not arise.
        level: ``"exact"`` (algebra), ``"bounded"`` (a rigorous bound), ``"statistical"``, ``"empirical"``, ``"none"``.
        residual: of the condition; 0 where it is met exactly.
        text: one sentence.
    """

    name: str
    holds: bool | None
    level: str
    residual: float
    text: str


def certificates(
    equation: FieldEquation,
    y: Tensor,
    *,
    method: str,
    density: str | None = None,
    dt: float | None = None,
    t: float = 0.0,
    seed: int = 0,
) -> AnalysisResult:
    """Which of an energy's properties a method respects, with the level of certainty of each.

    Args:
        equation: a declared equation.
        y: a state ``(C, *grid)``, float64 or complex128, around which the energy is probed.
        method: a method of the package, or to compare with ``"implicit_midpoint"``, ``"gauss4"``, ``"implicit_euler"``.
        density: of the energy, as in `energy`.
        dt: a step size to judge; None asks for the largest one.
        t: the time.
        seed: of the states around y.

    Returns:
        Schema ``certificates/1`` over ``property``: `level`, `holds` (1, 0, or -1 where the question does not arise),
        `residual`, `text`; `dt_max` below which a gradient flow loses energy at every step, and `curvature`.
        PROVED when formulas show that the equation conserves the energy, or is its gradient flow, and a certificate
        says that the method keeps it constant, or decreasing at `dt`; FAIL when one step shows that it does not;
        INCONCLUSIVE when there is no proof, as with terms that depend on time; NOT_APPLICABLE when the equation does
        neither.

    Raises:
        OptionError, StateError, EquationError: an unknown method, a state or a density that does not fit.
    """
    _check(equation, y, method, dt)
    chosen = chosen_density(equation, density, seed)
    energy, time = Energy(equation, chosen.text), torch.tensor(float(t), dtype=torch.float64)
    provenance = Provenance(
        equation, y, method=method, dt=dt, t=t, seed=seed, density=f"{energy.density}{chosen.origin}"
    )
    shape = shape_of(energy, time, y.detach(), seed)
    proof = proof_of(energy)
    if not math.isnan(proof.degree):
        shape = replace(shape, degree=proof.degree)
    longest = _longest_step(shape, method)
    case = Case(energy, time, y.detach(), method, dt, shape, proof, longest)
    found = [_linear(equation), _quadratic(method), _decreasing(case), *_by_parts(equation), _any_energy(method)]
    status, reason = judged(case)
    return AnalysisResult(_dataset(found, shape, longest), status, reason, SCHEMA, provenance.attributes())


def _linear(equation: FieldEquation) -> Certificate:
    name = "linear invariants"
    if equation.is_complex:
        return Certificate(name, None, "none", math.nan, "they are searched for in real equations only")
    weights = np.asarray(equation.conserved())
    if not len(weights):
        return Certificate(name, None, "none", math.nan, "no linear invariant was found")
    text = f"{len(weights)} found at random states; Runge-Kutta and multistep methods conserve what is linear exactly"
    return Certificate(name, True, "statistical", 0.0, text)


def _quadratic(method: str) -> Certificate:
    name, residual = "quadratic invariants", quadratic_residual(method)
    if residual is None:
        return Certificate(name, None, "none", math.nan, f"{method} has no tableau to decide it by")
    text = f"largest |b_i a_ij + b_j a_ji - b_i b_j| of {method}, in exact arithmetic: {residual:.3g}"
    return Certificate(name, residual == 0, "exact", residual, text)


def _decreasing(case: Case) -> Certificate:
    name, shape, method = "decreasing energy", case.shape, case.method
    if shape.gradient_flow > EXACT:
        return Certificate(name, None, "none", shape.gradient_flow, "the equation is no gradient flow of this energy")
    if math.isnan(case.longest):
        return Certificate(name, None, "none", math.nan, f"no bound is known for {method} and an energy of this shape")
    level, where = ("bounded", "") if case.is_bounded else ("empirical", f", as far as {shape.where} tell")
    text = (
        f"{method} loses energy at every step of dt < {case.longest:.6g} "
        f"(curvature at most {shape.curvature:.6g}){where}"
    )
    holds = True if case.dt is not None and case.dt <= case.longest else None  # the bound is sufficient, not necessary
    return Certificate(name, holds, level, shape.curvature, text)


def _by_parts(equation: FieldEquation) -> list[Certificate]:
    layout = equation.layout
    orders = sorted({int(layout.schemes[axis].order) for axis in range(layout.dimension) if layout.penalises(axis)})
    if not orders:
        return []
    residual = max(_by_parts_residual(order) for order in orders)
    text = (
        f"Q + Q^T = diag(-1, 0, ..., 0, 1) of orders {orders}, in exact arithmetic: largest miss {float(residual):.3g}"
    )
    return [Certificate("summation by parts", residual == 0, "exact", float(residual), text)]


def _by_parts_residual(order: int) -> Fraction:
    """Largest entry of ``Q + Q^T - B`` at the low wall and far from it; the high wall is its mirror image."""
    from fieldsolver.space.summation_by_parts.first_derivative import CLOSURE_ROWS, first_derivative

    first, reach = first_derivative(order), order // 2
    size = CLOSURE_ROWS[order] + 3 * reach
    rows = [[Fraction(0)] * (size + reach) for _ in range(size)]
    for i in range(size):
        if i < len(first.closure):
            rows[i][: len(first.closure[i])] = list(first.closure[i])
        else:
            for k, c in enumerate(first.interior, start=1):
                rows[i][i + k], rows[i][i - k] = c, -c
    inner = range(size)
    return max(
        abs(rows[i][j] + rows[j][i] - (Fraction(-1) if i == j == 0 else Fraction(0))) for i in inner for j in inner
    )


def _any_energy(method: str) -> Certificate:
    text = f"{method} has no discrete gradient and no relaxation: energies beyond quadratic ones have no certificate"
    return Certificate("any energy", False, "exact", math.nan, text)


def _longest_step(shape: Shape, method: str) -> float:
    """Of quadratic energies the real stability interval decides; of others Euler's method has the descent lemma."""
    if shape.gradient_flow > EXACT or not shape.curvature > 0:
        return math.nan
    if shape.degree > 2 and method != "euler":
        return math.nan
    tableau = getattr(METHODS.get(method), "tableau", None)
    return math.nan if tableau is None else float(tableau.real_interval) / shape.curvature


def _check(equation: FieldEquation, y: Tensor, method: str, dt: float | None) -> None:
    if not isinstance(equation, FieldEquation):
        raise OptionError(f"certificates needs a FieldEquation, got {type(equation).__name__}")
    if method not in IMPLICIT:
        get_method(method)
    if not isinstance(y, Tensor) or tuple(y.shape) != equation.state_shape:
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise StateError(f"certificates needs one state {equation.state_shape}, got {got}; equation.pack makes one")
    if y.dtype not in (torch.float64, torch.complex128):
        raise StateError(f"certificates needs a float64 or complex128 state, got {y.dtype}; convert it with y.double()")
    if not torch.isfinite(y).all():
        raise StateError("certificates needs a finite state, but this one has NaN or infinite entries; correct them")
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        raise OptionError(f"dt is a positive step size, got {dt!r}")


def _dataset(found: list[Certificate], shape: Shape, longest: float) -> xarray.Dataset:
    import xarray

    along = ("property",)
    holds = np.array([-1 if one.holds is None else int(one.holds) for one in found], dtype=np.int8)
    return xarray.Dataset(
        {
            "level": entry(along, [one.level for one in found], "exact, bounded, statistical, empirical or none"),
            "holds": entry(along, holds, "1 yes, 0 no, -1 where the question does not arise"),
            "residual": entry(along, [one.residual for one in found], "miss of the condition"),
            "text": entry(along, [one.text for one in found], "the certificate in words"),
            "dt_max": entry((), longest, "largest step at which a gradient flow loses energy"),
            "curvature": entry((), shape.curvature, "upper end for the largest eigenvalue of M^-1 d2E/dy2"),
            "conserved_defect": entry((), shape.conserved, "relative rate of the energy"),
            "gradient_flow_defect": entry((), shape.gradient_flow, "relative miss of f = -M^-1 dE/dy"),
        },
        coords={"property": entry(along, [one.name for one in found], "property of the method or the operators")},
    )
