"""`structure_defect`: does one step of a method keep the structure of a Hamiltonian or reversible system?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .budgets.one_step import Rate, order_of, step_map
from .budgets.quadratic import quadratic_residual
from .labels import entry
from .orders.fit_order import OrderFit, fit_order
from .orders.ladder import checked_ladder
from .orders.models import Floats
from .plots.structure_defect import draw_structure_defect
from .provenance import Provenance

if TYPE_CHECKING:
    import xarray

SCHEMA = "structure_defect/1"
LARGEST = 200
"""Entries of a state: the Jacobian of a step is a dense matrix."""

ROUND_OFF = 1e3
"""Units of the last place, times the size of what is compared, that count as none."""

REGULAR = 1e-12
"""Smallest over largest singular value of a structure."""

VISIBLE = 1e3
"""A defect has a small coefficient: it must be so many times what counts as none before it is expected to show."""

register_plot(SCHEMA)(draw_structure_defect)


def structure_defect(
    f: FieldEquation | Callable[..., Tensor],
    y: Tensor,
    *,
    method: str,
    dts: Sequence[float],
    structure: Tensor | None = None,
    t: float = 0.0,
) -> AnalysisResult:
    """How far one step ``y -> Psi(y)`` is from being symplectic, symmetric and reversible, for several step sizes.

    Symplectic: ``D^T J D = J`` with the Jacobian D of the step. Symmetric: a step of -dt leads back to where a step of
    dt started. Reversible: so does a step of dt with all velocities turned round. Source: Hairer, Lubich, Wanner,
    *Geometric Numerical Integration* (2006), sections VI.2 and V.1.

    Args:
        f: a declared equation, or a function ``f(t, y)`` of one state ``(n,)``.
        y: the state, float64: ``(n,)``, or ``(C, *grid)`` of an equation. Positions first, then as many velocities.
        method: a Runge-Kutta method of the package, or to compare with: ``"implicit_midpoint"``, ``"gauss4"``,
            ``"implicit_euler"``, ``"symplectic_euler"``, ``"verlet"``.
        dts: step sizes from coarse to fine.
        structure: ``(n, n)`` antisymmetric, regular J; None takes the canonical one, ``[[0, I], [-I, 0]]``.
        t: the time.

    Returns:
        Schema ``structure_defect/1`` over ``dt``: `symplectic_defect` (largest entry of ``D^T J D - J``,
        relative to that of J), `return_error` (symmetry), `reversibility_defect`; `symplectic_order` with `_lo` and
        `_hi`. PASS when the step is symplectic to round-off, FAIL when it is not, INCONCLUSIVE when the steps are too
        short for a defect to show, NOT_APPLICABLE when the system is not Hamiltonian for this J.

    Raises:
        OptionError, StateError: a method, a size or a state that cannot be.
    """
    rate, state = _system(f, y)
    J = _structure(structure, state)
    steps = checked_ladder(dts)
    provenance = Provenance(f, y, method=method, t=t)
    step, time = step_map(rate, method), torch.tensor(float(t), dtype=torch.float64)
    if J is None:
        rows = [(math.nan, math.nan, math.nan)] * len(steps)
        flow = math.nan
    else:
        flow = _not_hamiltonian(rate, time, state, J)
        rows = [_defects(step, time, state, torch.tensor(dt, dtype=torch.float64), J) for dt in steps]
    defects = np.array(rows, dtype=np.float64)
    allowed = ROUND_OFF * float(torch.finfo(state.dtype).eps)
    fit = None if J is None or (defects[:, 0] <= allowed).all() else fit_order(steps, defects[:, 0])
    hidden = (
        J is not None and defects[:, 0].max() <= allowed and _is_hidden(rate, time, state, steps[0], method, allowed)
    )
    status, reason = _judged(defects, flow, allowed, method, fit, hidden=hidden)
    return AnalysisResult(_dataset(steps, defects, flow, fit), status, reason, SCHEMA, provenance.attributes())


def _system(f: FieldEquation | Callable[..., Tensor], y: Tensor) -> tuple[Rate, Tensor]:
    if not isinstance(y, Tensor) or y.dtype != torch.float64:
        raise StateError("structure_defect needs one state as a float64 tensor; convert it with y.double()")
    if not torch.isfinite(y).all():
        raise StateError(
            "structure_defect needs a finite state, but this one has NaN or infinite entries; correct them"
        )
    if y.numel() > LARGEST:
        raise OptionError(f"the Jacobian of a step is dense: at most {LARGEST} entries, got {y.numel()}; take fewer")
    if isinstance(f, FieldEquation):
        if tuple(y.shape) != f.state_shape:
            raise StateError(f"the state has shape {tuple(y.shape)}, expected {f.state_shape}")
        return (lambda t, flat: f(t, flat.reshape(f.state_shape)).reshape(-1)), y.detach().reshape(-1)
    return f, y.detach().reshape(-1)


def _structure(given: Tensor | None, y: Tensor) -> Tensor | None:
    size = y.numel()
    if given is None:
        if size % 2:
            return None
        zero, one = torch.zeros(size // 2, size // 2, dtype=y.dtype), torch.eye(size // 2, dtype=y.dtype)
        return torch.cat([torch.cat([zero, one], dim=1), torch.cat([-one, zero], dim=1)])
    J = torch.as_tensor(given, dtype=y.dtype)
    if tuple(J.shape) != (size, size) or not torch.equal(J, -J.T):
        raise OptionError(f"structure is an antisymmetric matrix ({size}, {size}), got shape {tuple(J.shape)}")
    values = torch.linalg.svdvals(J)
    if not torch.isfinite(J).all() or not values[-1] > REGULAR * values[0]:
        raise OptionError(
            "structure is a regular matrix, but this one is singular, so that every step would keep something of it; "
            "restrict the system to the unknowns it pairs"
        )
    return J / J.abs().max()  # only its direction matters: a symplectic step keeps every multiple


def _not_hamiltonian(rate: Rate, t: Tensor, y: Tensor, J: Tensor) -> float:
    """``A^T J + J A`` relative to A, zero for the Jacobian A of a Hamiltonian right-hand side."""
    A = torch.func.jacrev(lambda state: rate(t, state))(y)
    scale = float((J @ A).abs().max())
    return float((A.T @ J + J @ A).abs().max()) / scale if scale else 0.0


def _is_hidden(rate: Rate, t: Tensor, y: Tensor, dt: float, method: str, allowed: float) -> bool:
    """Whether a defect of this method would be lost in round-off at its longest step.

    It is of order p + 1 or p + 2 in ``dt |A|`` with the Jacobian A; there is none where algebra excludes it.
    """
    residual = quadratic_residual(method)  # its condition is that of symplectic Runge-Kutta methods, too
    if residual is not None:
        return residual > 0
    A = torch.func.jacrev(lambda state: rate(t, state))(y)
    return bool((dt * float(torch.linalg.matrix_norm(A, 2))) ** (order_of(method) + 2) <= VISIBLE * allowed)


def _defects(step: Callable[..., Tensor], t: Tensor, y: Tensor, dt: Tensor, J: Tensor) -> tuple[float, float, float]:
    D = torch.func.jacrev(lambda state: step(t, state, dt))(y)
    symplectic = float((D.T @ J @ D - J).abs().max())
    there = step(t, y, dt)
    size = max(1.0, float(y.abs().max()))
    back = float((step(t + dt, there, -dt) - y).abs().max()) / size
    half = len(y) // 2
    turn = torch.cat([torch.ones(half), -torch.ones(len(y) - half)]).to(y)
    reversed_ = float((turn * step(t, turn * there, dt) - y).abs().max()) / size
    return symplectic, back, reversed_


def _judged(
    defects: Floats, flow: float, allowed: float, method: str, fit: OrderFit | None, *, hidden: bool
) -> tuple[Verdict, str]:
    if math.isnan(flow):
        return (
            Verdict.NOT_APPLICABLE,
            "an odd number of entries makes no pairs of position and velocity; pass structure=",
        )
    if not flow <= allowed:
        return (
            Verdict.NOT_APPLICABLE,
            f"the system is not Hamiltonian for this structure (its Jacobian misses that by {flow:.2g}), so that no "
            "method could be symplectic on it",
        )
    largest = defects[:, 0].max()
    if not np.isfinite(defects[:, 0]).all():
        return Verdict.INCONCLUSIVE, f"a step of {method} is not finite from here; take shorter ones"
    if hidden:
        return Verdict.INCONCLUSIVE, (
            f"the defect is round-off ({largest:.2g}) at every step size, but {method} is not known to be symplectic, "
            "and a defect of its order could be too small to show; take longer steps"
        )
    if largest <= allowed:
        return Verdict.PASS, f"{method} is symplectic to round-off ({largest:.2g}) at every step size"
    order = "" if fit is None or math.isnan(fit.order) else (
        f", which falls as dt^{fit.order:.2f} (the method has order {order_of(method)})"
    )  # fmt: skip
    return Verdict.FAIL, f"{method} is not symplectic: a step changes the structure by up to {largest:.2g}{order}"


def _dataset(steps: list[float], defects: Floats, flow: float, fit: OrderFit | None) -> xarray.Dataset:
    import xarray

    names = {
        "symplectic_defect": "largest entry of D^T J D - J over that of J",
        "return_error": "how far steps of dt and -dt miss the start",
        "reversibility_defect": "the same for two steps of dt with velocities turned round",
    }
    data = {name: entry(("dt",), defects[:, k], text) for k, (name, text) in enumerate(names.items())}
    level: dict[str, Any] = {"confidence": math.nan if fit is None else fit.confidence}
    data["flow_defect"] = entry((), flow, "relative miss of A^T J + J A = 0 by the right-hand side")
    for name, text in (("order", "order in dt of the symplectic defect"), ("order_lo", "lower end of its interval"),
                       ("order_hi", "upper end of its interval")):  # fmt: skip
        data[f"symplectic_{name}"] = entry((), math.nan if fit is None else getattr(fit, name), text, **level)
    return xarray.Dataset(data, coords={"dt": entry(("dt",), steps, "step size")})
