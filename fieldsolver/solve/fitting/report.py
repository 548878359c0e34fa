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

from .data import own_shape
from .laplace import Laplace, laplace
from .newton import CONVERGED, Runs, newton_decrement
from .objective import Objective
from .result import FitResult

SAME_MINIMUM = 1e-3
"""Starts whose negative log posteriors differ by less ended in the same minimum."""
HIDDEN = 10
"""A noise scale below so many tolerances cannot be told from the solver's own error, and is held."""
REMEDY = "lower rtol and atol to see noise that small, or give sigma="


def report(
    equation: FieldEquation, objective: Objective, runs: Runs, interval: float, uncertainty: str,
    progress: bool | None, started: float,
) -> FitResult:  # fmt: skip
    """Judge the best run and describe it."""
    unknowns = objective.unknowns
    best = int(np.argmin(runs.value))
    x, quantile = runs.x[best], NormalDist().inv_cdf(0.5 + interval / 2)
    hidden = _hidden_sigmas(objective, x)
    held = [place for place, _ in hidden]
    spread = _spread(runs.hessian[best], unknowns.labels, held, uncertainty)
    point = torch.from_numpy(x)[None]
    ends = [unknowns.meant(torch.from_numpy(x + side * quantile * spread.sd)[None])[0].tolist() for side in (-1, 1)]
    meant = unknowns.meant(point)[0].tolist()
    with torch.no_grad():
        run = objective.model.predict(point, objective.observations.t)
        values = unknowns.values(point.to(objective.model.device))
        log_likelihood = -float(objective.negative_log_likelihood(values, run.fields)[0])
    decrement = _decrement(runs, best, held)
    status, reason = _verdict(spread, decrement, bool(held), uncertainty)
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
        converged=decrement <= CONVERGED,
        identifiable=not spread.notes,
        status=status,
        reason=reason,
        notes=(*(note for _, note in hidden), *spread.notes, *_start_notes(len(runs.x), agreeing)),
        gradient_norm=float(np.linalg.norm(runs.gradient[best])),
        decrement=decrement,
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
    return _with_profiles(result, bool(held), progress, started)


def _with_profiles(result: FitResult, held: bool, progress: bool | None, started: float) -> FitResult:
    if not result.identifiable or held:
        note = "no profile likelihood was drawn, because not everything is determined"
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


def _hidden_sigmas(objective: Objective, x: np.ndarray) -> list[tuple[int, str]]:
    """Noise scales that the solver's own error hides, with a sentence each."""
    meant = objective.unknowns.meant(torch.from_numpy(x)[None])[0]
    found = []
    for place in objective.unknowns.places("sigma"):
        label = objective.unknowns.labels[place]
        floor = objective.floor[label.removeprefix("sigma(").removesuffix(")")]
        if float(meant[place]) < HIDDEN * floor:
            found.append(
                (place, f"{label} is not above {HIDDEN} times the tolerance of the solve ({floor:.1g}): {REMEDY}")
            )
    return found


def _decrement(runs: Runs, best: int, held: list[int]) -> float:
    """The Newton decrement of the best run, without the unknowns that are held."""
    if not held:
        return float(runs.decrement[best])
    free = np.setdiff1d(np.arange(runs.x.shape[1]), held)
    return float(
        newton_decrement(runs.gradient[best : best + 1, free], runs.hessian[best][np.ix_(free, free)][None])[0]
    )


def _verdict(spread: Laplace, decrement: float, hidden: bool, uncertainty: str) -> tuple[Verdict, str]:
    if spread.notes:
        return Verdict.DEGENERATE, f"not identifiable: {spread.notes[0]}"
    if decrement > CONVERGED:
        remedy = REMEDY if hidden else "raise max_iterations, or begin nearer"
        return Verdict.INCONCLUSIVE, f"no minimum was reached (Newton decrement {decrement:.2g}); {remedy}"
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
