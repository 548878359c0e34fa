"""`energy`: an energy along a solution of a declared equation, and which term of the equation changes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.solve.progress import ProgressBar

from .budgets.beginning import beginning
from .budgets.budget import Budget
from .budgets.closure_order import checked_order_ladder, closure_order
from .budgets.dataset import dataset, without_batch
from .budgets.default_density import AUTO, Chosen, chosen_density, has_velocities
from .budgets.density import Energy
from .budgets.formula_proof import proof_of
from .budgets.growth import mode_growth
from .budgets.quadratic import quadratic_residual
from .budgets.record import observe
from .budgets.repairs import Repair, repairs_of_equation, repairs_of_steps
from .budgets.roles import CONSERVATIVE, roles
from .budgets.steps import follow, not_followed
from .budgets.study import EnergyStudy, component_names
from .budgets.transfer import transfer
from .budgets.verdict import EXPECTATIONS, judge
from .plots.energy import draw_energy
from .problem import Problem
from .provenance import Provenance

SCHEMA = "energy/1"
STUDY_RTOL = 1e-3
STUDY_SEED = 0
STUDY_CONFIDENCE = 0.95

register_plot(SCHEMA)(draw_energy)


def energy(
    equation: FieldEquation,
    solution: Any,
    *,
    density: str | None = None,
    expect: str | None = None,
    rtol: float = 1e-6,
    confidence: float = 0.95,
    steps: bool = True,
    ladder: Sequence[float] | None = None,
    wavenumbers: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> AnalysisResult:
    """Energy, its exact rate, its budget by terms, and what the time steps added, at the save points of a solution.

    The rate is that of the *discretised* equation, ``<dE/dy, f(t, y)>`` by automatic differentiation. Integrated along
    the steps of the solution it gives what every term brought since the start (`work`); the rest of the change of the
    energy was added by the time integration (`numerical`).

    Args:
        equation: a declared equation.
        solution: what `fieldsolver.solve` returned for it (anything with `t` and `y`; without its steps, or with events
            between them, `work` and `numerical` are NaN).
        density: real scalar expression over the fields, parameters and coordinates, integrated over the grid; None
            takes half the sum of squares of all fields, ``"auto"`` the energy that the structure of the equation offers
            (a Hamiltonian, or the potential of a gradient flow; some seconds), if there is one. The result names it.
        expect: ``"conserved"``, ``"decreasing"``, or None to ask only that the budget closes.
        rtol: relative change of the energy that still counts as none.
        confidence: of the intervals of the drift and of the order.
        steps: follow the steps of the solution again, which costs about as much as solving three times.
        ladder: three or more step sizes from coarse to fine: solve with each, by the method of the solution, and
            observe at which order in dt the energy vanishes that the steps add.
        wavenumbers: split the budget by wave number, too; on uniform periodic grids.
        seed: of the states around those of the solution at which terms are probed for their role.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``energy/1``, dimensions ``time``, ``term``, ``component`` and, when the solution has one, ``batch``.

        Along time: `energy`, `rate`, `drift_rel`, `monotone_violation`; `budget` per term with the coordinate `role`
        (conservative, dissipative, forcing, boundary), `budget_by_component`, and `boundary_flux`, the part of it that
        comes through the walls; `closure`, the sum of the budget minus the rate; `work` per term and `numerical`, whose
        sum is ``E - E(0)``.

        Of the drift: `drift_slope` with `_lo` and `_hi`, `drift_amplitude` and `drift_period` of a bounded oscillation,
        `drift_exponent`; for linear equations with equal steps, per ``mode``, predicted and measured growth and phase
        error per step.

        With `ladder`, `closure_order` with `_lo` and `_hi`, and `closure_error`; with `wavenumbers`, `transfer` and
        `flux`. When the energy was expected to be conserved and changed by more than `rtol`, remedies per ``repair``:
        `repair_text`, `repair_cost`, `repair_expected`, `repair_available`.

        Attributes: `density`; `certificate`, ``"exact"`` where algebra alone guarantees that the steps keep the energy,
        else ``"empirical"``; `steps_not_followed`, the reason where they were not. Every verdict but INCONCLUSIVE
        requires that the budget closes to round-off.

    Raises:
        EquationError: the density does not parse, or is not a real scalar.
        OptionError, StateError: an option, or a solution of another equation.
    """
    _check(equation, solution, expect, rtol, confidence)
    if ladder is not None:
        ladder = checked_order_ladder(ladder)
    chosen = chosen_density(equation, density, seed)
    return _energy(
        equation, solution, chosen, expect=expect, rtol=rtol, confidence=confidence, steps=steps, ladder=ladder,
        wavenumbers=wavenumbers, seed=seed, progress=progress,
    )  # fmt: skip


def _energy(
    equation: FieldEquation,
    solution: Any,
    chosen: Chosen,
    *,
    expect: str | None,
    rtol: float,
    confidence: float,
    steps: bool,
    ladder: Sequence[float] | None,
    wavenumbers: bool,
    seed: int,
    progress: bool | None,
) -> AnalysisResult:
    states = _batched(equation, solution.y.detach())
    provenance = Provenance(
        equation, states[0], density=chosen.text, expect=expect, rtol=rtol, confidence=confidence, seed=seed,
        method=getattr(getattr(solution, "stats", None), "method", None),
    )  # fmt: skip
    budget = Budget(Energy(equation, chosen.text))
    text = f"{budget.energy.density}{chosen.origin}"
    with ProgressBar("energy", progress) as bar:
        study = _studied(
            budget, solution, states, text, expect, rtol, confidence, bar, steps=steps, ladder=ladder,
            wavenumbers=wavenumbers, seed=seed,
        )  # fmt: skip
    status, reason = judge(study, expect, rtol)
    data = dataset(study)
    if solution.y.dim() == 1 + len(equation.state_shape):
        data = without_batch(data)
    details = {"density": text, "expect": expect or "closed budget", "certificate": _certificate(study, budget)}
    if study.work.reason:
        details["steps_not_followed"] = study.work.reason
    return AnalysisResult(data, status, reason, SCHEMA, {**provenance.attributes(), **details})


def _studied(
    budget: Budget,
    solution: Any,
    states: Tensor,
    density: str,
    expect: str | None,
    rtol: float,
    confidence: float,
    bar: ProgressBar,
    *,
    steps: bool,
    ladder: Sequence[float] | None,
    wavenumbers: bool,
    seed: int,
) -> EnergyStudy:
    times, equation = solution.t.detach().to(torch.float64), budget.equation
    scales = transfer(budget, times, states) if wavenumbers else None
    record = observe(budget, times, states, confidence, lambda share: bar(0.2 * share))
    if steps:
        work = follow(budget, solution, states, record.energy, lambda share: bar(0.2 + 0.4 * share))
    else:
        work = not_followed(budget, record.energy, "steps=False")
    closure = growth = None
    if ladder is not None:
        if not work.method:
            raise OptionError(f"ladder= needs a solution whose steps can be followed, but {work.reason}")
        span = (float(times[0]), float(times[-1]))
        closure = closure_order(
            budget, states[0], span, work.method, ladder, confidence, lambda share: bar(0.6 + 0.4 * share)
        )
    if math.isfinite(work.dt) and len(times) > 1:
        growth = mode_growth(equation, times, states, work.method, work.dt)
    study = EnergyStudy(
        density=density,
        labels=budget.labels,
        roles=roles(budget, record, times, states, seed),
        components=component_names(equation),
        record=record,
        work=work,
        growth=growth,
        repairs=(),
        closure=closure,
        scales=scales,
    )
    return replace(study, repairs=_repairs(study, equation, rtol)) if expect == "conserved" else study


def _repairs(study: EnergyStudy, equation: FieldEquation, rtol: float) -> list[Repair]:
    if study.work.reason:
        return []
    own = repairs_of_equation(study.physical_drift, study.strongest_term, rtol)
    second_order = has_velocities(equation)
    return [*own, *repairs_of_steps(study.work, study.numerical_drift, rtol, study.growth, second_order=second_order)]


def _certificate(study: EnergyStudy, budget: Budget) -> str:
    """How surely the steps keep the energy: exact where formulas prove it, else no more than was measured."""
    record = study.record
    kept = np.abs(record.rate) <= record.closure_tolerance * record.scale  # roles forgive what a coarse grid leaks
    if set(study.roles) != {CONSERVATIVE} or not study.work.method or not kept.all():
        return "empirical"
    keeps_quadratic = quadratic_residual(study.work.method) == 0
    proof = proof_of(budget.energy)
    exact = proof.conserved and (proof.degree <= 1 or (proof.degree == 2 and keeps_quadratic))
    return "exact" if exact else "empirical"


def _batched(equation: FieldEquation, y: Tensor) -> Tensor:
    """``(T, *batch, C, *grid)`` as ``(T, B, C, *grid)``."""
    return y.reshape(y.shape[0], -1, *equation.state_shape)


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


def study(problem: Problem) -> AnalysisResult:
    """Solve the beginning of a problem, as far as a bounded number of steps reaches, and look at its energy.

    The energy is the one that the structure of the equation offers; if that is conserved, or decreasing, the solution
    is held to it within 1e-3. Otherwise, or where events interrupt it, its budget has to close.
    """
    equation = problem.equation
    if equation.noises or equation.layout.domains:
        what = "has noise" if equation.noises else "has fields on different grids"
        return _not_applicable(equation, f"the equation {what}; no energy is followed there")
    solution, ended = beginning(problem)
    if solution is None:
        return _not_applicable(equation, "not even the first steps of the problem could be solved; run it to see why")
    chosen = chosen_density(equation, AUTO, STUDY_SEED)
    expect = chosen.kind or None if not equation.events else None
    found = _energy(
        equation, solution, chosen, expect=expect, rtol=STUDY_RTOL, confidence=STUDY_CONFIDENCE, steps=True,
        ladder=None, wavenumbers=False, seed=STUDY_SEED, progress=problem.progress,
    )  # fmt: skip
    reason = f"{found.reason} (the energy is {chosen.text}{f'; {ended}' if ended else ''})"
    return AnalysisResult(found.dataset, found.status, reason, SCHEMA)


def _not_applicable(equation: FieldEquation, reason: str) -> AnalysisResult:
    import xarray

    return AnalysisResult(xarray.Dataset(), Verdict.NOT_APPLICABLE, reason, SCHEMA, Provenance(equation).attributes())
