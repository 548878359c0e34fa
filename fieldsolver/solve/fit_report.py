"""From the optimiser's runs to a `FitResult`: intervals, verdict, notes."""

from __future__ import annotations

import copy
import dataclasses
import time
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.results import Verdict

from .fit_data import own_shape
from .fit_laplace import Laplace, laplace
from .fit_newton import Runs
from .fit_objective import Objective
from .fit_result import FitResult

SAME_MINIMUM = 1e-3
"""Starts whose negative log posteriors differ by less ended in the same minimum."""


def report(
    equation: FieldEquation, objective: Objective, runs: Runs, interval: float, uncertainty: str,
    progress: bool | None, started: float,
) -> FitResult:  # fmt: skip
    """Judge the best run and describe it."""
    unknowns = objective.unknowns
    best = int(np.argmin(runs.value))
    x, quantile = runs.x[best], NormalDist().inv_cdf(0.5 + interval / 2)
    below = _sigmas_below_tolerance(objective, x)
    spread = _spread(runs.hessian[best], unknowns.labels, [place for place, _ in below], uncertainty)
    point = torch.from_numpy(x)[None]
    ends = [unknowns.meant(torch.from_numpy(x + side * quantile * spread.sd)[None])[0].tolist() for side in (-1, 1)]
    meant = unknowns.meant(point)[0].tolist()
    with torch.no_grad():
        run = objective.model.predict(point, objective.observations.t)
        values = unknowns.values(point.to(objective.model.device))
        log_likelihood = -float(objective.negative_log_likelihood(values, run.fields)[0])
    converged, identifiable = bool(runs.converged[best]), not spread.notes
    status, reason = _verdict(converged, spread, float(runs.decrement[best]), uncertainty)
    agreeing = int((runs.value <= runs.value[best] + SAME_MINIMUM).sum())
    result = FitResult(
        equation=_fitted_equation(equation, values),
        initial={name: _initial(objective, values, name) for name in equation.fields},
        estimates=dict(zip(unknowns.labels, meant, strict=True)),
        laplace_intervals={label: (ends[0][i], ends[1][i]) for i, label in enumerate(unknowns.labels)},
        interval=interval,
        sigma={name: float(values.get(f"sigma({name})", objective.sigma.get(name, np.nan))) for name in objective.data},
        fitted={name: run.fields[name][:, 0].cpu() for name in objective.data},
        log_likelihood=log_likelihood,
        converged=converged,
        identifiable=identifiable,
        status=status,
        reason=reason,
        notes=(*(note for _, note in below), *spread.notes, *_start_notes(len(runs.x), agreeing)),
        gradient_norm=float(np.linalg.norm(runs.gradient[best])),
        decrement=float(runs.decrement[best]),
        iterations=int(runs.iterations[best]),
        evaluations=objective.evaluations,
        starts=len(runs.x),
        starts_agreeing=agreeing,
        seconds=time.perf_counter() - started,
        labels=tuple(unknowns.labels),
        x=x,
        covariance=spread.covariance,
        hessian=runs.hessian[best],
        value=float(runs.value[best]),
        quantile=quantile,
        objective=objective,
    )
    if uncertainty != "profile":
        return result
    return _with_profiles(result, bool(below), progress, started)


def _with_profiles(result: FitResult, below: bool, progress: bool | None, started: float) -> FitResult:
    if not result.identifiable or below:
        note = "no profile likelihood was drawn, because the Hessian is not positive definite"
        return dataclasses.replace(result, notes=(*result.notes, note))
    profiles = result.profile(progress=progress)
    open_ends = [label for label, ends in profiles.items() if not np.isfinite(ends).all()]
    notes = [f"an end of the profile likelihood interval of {label} was not found" for label in open_ends]
    return dataclasses.replace(
        result,
        profile_intervals=profiles,
        notes=(*result.notes, *notes),
        evaluations=result.objective.evaluations,
        seconds=time.perf_counter() - started,
    )


def _spread(hessian: np.ndarray, labels: list[str], held: list[int], uncertainty: str) -> Laplace:
    if uncertainty == "none" or not np.isfinite(hessian).all():
        nothing = np.full(hessian.shape, np.nan)
        return Laplace(nothing, np.zeros(len(labels), dtype=bool), ())
    return laplace(hessian, labels, held)


def _sigmas_below_tolerance(objective: Objective, x: np.ndarray) -> list[tuple[int, str]]:
    """Noise scales that the solver's own error hides, with a sentence each."""
    meant = objective.unknowns.meant(torch.from_numpy(x)[None])[0]
    found = []
    for place in objective.unknowns.places("sigma"):
        label = objective.unknowns.labels[place]
        floor = objective.floor[label.removeprefix("sigma(").removesuffix(")")]
        if float(meant[place]) < floor:
            found.append(
                (place, f"{label} is below the tolerance of the solve, {floor:.2g}: no noise can be told from it")
            )
    return found


def _verdict(converged: bool, spread: Laplace, decrement: float, uncertainty: str) -> tuple[Verdict, str]:
    if spread.notes:
        return Verdict.DEGENERATE, f"not identifiable: {spread.notes[0]}"
    if not converged:
        reason = f"the optimiser stopped before the minimum (Newton decrement {decrement:.2g}); raise max_iterations"
        return Verdict.INCONCLUSIVE, reason
    tested = "" if uncertainty == "none" else ", and the Hessian there is positive definite"
    return Verdict.PASS, f"a minimum was reached (Newton decrement {decrement:.1g}){tested}"


def _start_notes(starts: int, agreeing: int) -> list[str]:
    if starts == 1:
        return ["a single starting point was used; there may be a better minimum"]
    if agreeing < starts:
        return [f"{agreeing} of {starts} starting points ended in this minimum, the others in worse ones or nowhere"]
    return []


def _fitted_equation(equation: FieldEquation, values: dict[str, Tensor]) -> FieldEquation:
    fitted = copy.deepcopy(equation)
    with torch.no_grad():
        for name, item in fitted.declared.items():
            if item.transform is not None:
                fitted.raw[name].copy_(item.transform.inverse(values[name][0]))
    return fitted


def _initial(objective: Objective, values: dict[str, Tensor], name: str) -> Tensor:
    """One initial field, of the field's own shape."""
    own = own_shape(objective.model.equation, name)
    value = values.get(f"{name}(t0)")
    return (objective.model.initial[name] if value is None else value[0].expand(own)).cpu().clone()
