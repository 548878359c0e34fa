"""Are the steps that the layer runs with stable where it goes, and does its answer depend on them?"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict

from ..schemes import get_scheme
from ..schemes.snapping import snapped
from ..spectra import Linearisation, Spectrum, spectrum_of
from ..subverdicts import Subverdict
from .visit import SAMPLES, Visit

Floats = NDArray[np.float64]
EIGENVALUES = 6
"""Asked for at each end of the spectrum, where the state is too large for all of them."""
REFINEMENTS = (1, 2, 4)
REFERENCE = 16
"""Fixed steps are divided by these; tolerances by their cubes."""


def spectra_visited(visit: Visit) -> list[list[Spectrum]]:
    """Per sample the spectra of the Jacobian at the start, in the middle and at the end."""
    places = sorted({0, len(visit.times) // 2, len(visit.times) - 1})
    found = []
    for sample in range(min(SAMPLES, visit.states.shape[1])):
        equation = visit.of_sample(sample)
        row = [Linearisation(equation, visit.states[p, sample], float(visit.times[p])) for p in places]
        found.append([spectrum_of(one, count=EIGENVALUES) for one in row])
    return found


def step_stability(visit: Visit, spectra: Sequence[Sequence[Spectrum]]) -> tuple[float, Subverdict]:
    """The largest step that no decaying mode leaves, at any state looked at, and the verdict on that of the layer."""
    name = "step stability"
    try:
        scheme = get_scheme(visit.method)
    except OptionError as refusal:
        return math.nan, Subverdict(name, Verdict.NOT_APPLICABLE, f"no linear theory: {refusal}")
    limit = min(scheme.largest_step(_decaying(one.values)).dt for row in spectra for one in row)
    shown = f"{visit.method.name} is stable up to dt = {limit:.4g} at the states it visits"
    if visit.dt is None:
        return limit, Subverdict(name, Verdict.NOT_APPLICABLE, f"the steps are adaptive; {shown}")
    verdict = Verdict.PASS if visit.dt <= limit * (1 + 1e-9) else Verdict.FAIL
    if verdict is Verdict.PASS and not all(one.complete for row in spectra for one in row):
        shown += " as far as its outer eigenvalues say"
    return limit, Subverdict(name, verdict, f"{shown}; the layer takes dt = {visit.dt:g}", visit.dt, limit)


def _decaying(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Growing modes grow whatever the step."""
    clean: NDArray[np.complex128] = snapped(values)
    return clean[clean.real <= 0]


def discretisation(visit: Visit, accuracy: float) -> tuple[dict[str, Floats], Subverdict]:
    """Errors of the read-out with the layer's steps and finer ones, relative to that with much finer ones."""
    reference = _read_out(visit, REFERENCE)
    size = _norm(reference).clamp_min(torch.finfo(torch.float64).tiny)
    errors = np.array([float((_norm(_read_out(visit, by) - reference) / size).max()) for by in REFINEMENTS])
    fixed = visit.dt is not None
    own = visit.dt if visit.dt is not None else float(visit.layer.options["rtol"])
    settings = np.array([own / _divisor(by, fixed) for by in REFINEMENTS])
    knob = "dt" if fixed else "rtol"
    verdict = Verdict.PASS if errors[0] <= accuracy else Verdict.FAIL
    sentence = f"with finer steps the answer changes by {errors[0]:.1e}, relative, at {knob} = {own:g}"
    if verdict is Verdict.FAIL:
        sentence += ": the trained model is one of its steps, not of its equation"
    return {"setting": settings, "setting_error": errors}, Subverdict(
        "steps do not matter", verdict, sentence, float(errors[0]), accuracy
    )


def _divisor(by: int, fixed: bool) -> int:
    return by if fixed else by**3


def _read_out(visit: Visit, by: int) -> Tensor:
    layer = copy.deepcopy(visit.layer)
    options: dict[str, Any] = dict(layer.options)
    if options["dt"] is not None:
        options["dt"] = min(options["dt"], visit.duration) / by
    else:
        options["rtol"] = max(options["rtol"] / _divisor(by, fixed=False), 1e-13)
        options["atol"] = options["atol"] / _divisor(by, fixed=False)
    options["max_steps"] = options["max_steps"] * _divisor(by, fixed=False)
    layer.options = options
    with torch.no_grad():
        output: Tensor = layer(*visit.inputs)
    return output.reshape(visit.states.shape[1], -1)


def _norm(values: Tensor) -> Tensor:
    """(B, ...) -> (B,)."""
    return values.abs().square().sum(1).sqrt()


def cost(visit: Visit) -> tuple[dict[str, Floats], Subverdict]:
    """Steps and evaluations, and whether the layer is near its limits."""
    stats = visit.solution.stats
    counts = {name: getattr(stats, name).reshape(-1).double().numpy() for name in ("nfev", "accepted", "rejected")}
    share = float((counts["rejected"] / np.maximum(1, counts["rejected"] + counts["accepted"])).max())
    used = float(counts["accepted"].max()) / float(visit.layer.options["max_steps"])
    sentence = (
        f"{int(counts['accepted'].min())} to {int(counts['accepted'].max())} steps, at most {100 * share:.0f} % "
        f"rejected, {100 * used:.0f} % of max_steps"
    )
    verdict = Verdict.PASS if share <= 0.5 and used <= 0.8 else Verdict.INCONCLUSIVE
    return counts, Subverdict("cost", verdict, sentence, max(share / 0.5, used / 0.8), 1.0)
