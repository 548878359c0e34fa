"""`energy`: an energy along a solution of a declared equation, and which term of the equation changes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, register_plot
from fieldsolver.solve.progress import ProgressBar

from .budgets.budget import Budget
from .budgets.density import Energy
from .budgets.record import EnergyRecord, observe
from .budgets.verdict import EXPECTATIONS, judge
from .orders.models import Floats
from .plots.energy import draw_energy

if TYPE_CHECKING:
    import xarray

SCHEMA = "energy/1"

register_plot(SCHEMA)(draw_energy)


def energy(
    equation: FieldEquation,
    solution: Any,
    *,
    density: str | None = None,
    expect: str | None = None,
    rtol: float = 1e-6,
    confidence: float = 0.95,
    progress: bool | None = None,
) -> AnalysisResult:
    """Energy, its exact rate, and its budget by terms, at the save points of a solution.

    The rate is that of the *discretised* equation, ``<dE/dy, f(t, y)>`` by automatic differentiation. An energy that
    changes while the rate is zero is changed by the time integration; a rate that is not zero comes from the equation
    or its discretisation, and the budget names the term.

    Args:
        equation: a declared equation.
        solution: what `fieldsolver.solve` returned for it (anything with `t` and `y`).
        density: real scalar expression over the fields, parameters and coordinates, integrated over the grid; None
            takes half the sum of squares of all fields.
        expect: ``"conserved"``, ``"decreasing"``, or None to ask only that the budget closes.
        rtol: relative change of the energy that still counts as none.
        confidence: of the interval of the drift.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``energy/1``, dimensions ``time``, ``term`` and, when the solution has one, ``batch``: `energy`, `rate`,
        `budget`, `closure` (sum of the budget minus the rate), `drift_rel`, `drift_slope` with `_lo` and `_hi`, and
        `monotone_violation`. Every verdict but INCONCLUSIVE requires that the budget closes to round-off.

    Raises:
        EquationError: the density does not parse, or is not a real scalar.
        OptionError, StateError: an option, or a solution of another equation.
    """
    _check(equation, solution, expect, rtol, confidence)
    times = solution.t.detach().to(torch.float64)
    states = _batched(equation, solution.y.detach())
    functional = Energy(equation, density)
    budget = Budget(functional)
    with ProgressBar("energy", progress) as bar:
        record = observe(budget, times, states, confidence, bar)
    status, reason = judge(record, budget.labels, expect, rtol)
    has_batch = solution.y.dim() > 1 + len(equation.state_shape)
    text = str(functional.density) if density is not None else f"{functional.density} (default: no density was given)"
    dataset = _dataset(record, budget.labels, text, has_batch)
    details = {"density": text, "expect": expect or "closed budget", "rtol": rtol, "dtype": str(states.dtype)}
    return AnalysisResult(dataset, status, reason, SCHEMA, details)


def _batched(equation: FieldEquation, y: Tensor) -> Tensor:
    """``(T, *batch, C, *grid)`` as ``(T, B, C, *grid)``."""
    return y.reshape(y.shape[0], -1, *equation.state_shape)


def _dataset(record: EnergyRecord, labels: list[str], density: str, has_batch: bool) -> xarray.Dataset:
    import xarray

    along = ("time", "batch")

    def entry(dims: tuple[str, ...], values: Any, name: str, **more: Any) -> tuple[Any, Any, dict[str, Any]]:
        return dims, values, {"units": "1", "long_name": name, **more}

    def drift(name: str) -> Floats:
        return np.array([getattr(one, name) for one in record.drifts])

    level = {"confidence": record.confidence}
    dataset = xarray.Dataset(
        {
            "energy": entry(along, record.energy, f"integral of {density}"),
            "rate": entry(along, record.rate, "dE/dt along the right-hand side"),
            "budget": entry(("term", *along), record.budget, "contribution of each term to dE/dt"),
            "closure": entry(along, record.closure, "sum of the budget minus the rate"),
            "drift_rel": entry(along, record.drift_rel, "(E - E(0)) / |E(0)|"),
            "drift_slope": entry(("batch",), drift("slope"), "linear drift of drift_rel per unit time", **level),
            "drift_slope_lo": entry(("batch",), drift("lo"), "lower end of the confidence interval", **level),
            "drift_slope_hi": entry(("batch",), drift("hi"), "upper end of the confidence interval", **level),
            "monotone_violation": entry(along, record.rise, "increase of E since the save point before"),
        },
        coords={
            "time": entry(("time",), record.t, "time"),
            "term": entry(("term",), labels, "term of the right-hand sides"),
        },
    )
    return dataset if has_batch else dataset.isel(batch=0)


def _check(equation: Any, solution: Any, expect: str | None, rtol: float, confidence: float) -> None:
    if not isinstance(equation, FieldEquation):
        raise OptionError(f"energy needs a FieldEquation, which knows its terms; got {type(equation).__name__}")
    if not (isinstance(getattr(solution, "t", None), Tensor) and isinstance(getattr(solution, "y", None), Tensor)):
        raise OptionError(f"energy needs what fs.solve returned, with .t and .y; got {type(solution).__name__}")
    shape, wanted = tuple(solution.y.shape), equation.state_shape
    if len(shape) < 1 + len(wanted) or shape[-len(wanted) :] != wanted or shape[0] != solution.t.numel():
        raise StateError(f"the solution has shape {shape}, expected ({solution.t.numel()}, *batch, *{wanted})")
    if expect not in EXPECTATIONS:
        raise OptionError(f"expect is 'conserved', 'decreasing' or None, got {expect!r}")
    if not (math.isfinite(rtol) and rtol > 0):
        raise OptionError(f"rtol is a positive relative change, got {rtol!r}")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence lies between 0 and 1, such as 0.95; got {confidence!r}")
