"""What a layer is and does for one input: the equation, its cost, its accuracy, its stiffness, its parameters."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.bound import bound
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.solve import solve
from fieldsolver.solve.stability_limit import StepLimit, step_limit
from fieldsolver.solve.stability_region import stability_region
from fieldsolver.solve.state_spectrum import StateSpectrum, state_spectrum

from .run_options import plain

if TYPE_CHECKING:
    from .equation_layer import EquationLayer

REFINEMENTS = (1, 2, 4)
"""Fixed steps are divided by these; the reference takes `REFERENCE` times as many."""
REFERENCE = 16
TIGHTENINGS = (1.0, 0.1, 0.01)
"""Tolerances are multiplied by these; the reference by `TIGHTEST`, but not below `LOWEST`."""
TIGHTEST, LOWEST = 1e-4, 1e-13
EXCESS = 100.0
"""Errors that are larger than the tolerance by more than this are noted."""
SAMPLES = 4
"""So many samples are enough to measure accuracy."""


@dataclass(frozen=True)
class Accuracy:
    """Errors of the layer's own steps and of finer ones, in float64 against a much finer reference.

    Attributes:
        knob: ``"dt"`` or ``"rtol"``.
        settings: its values, the layer's own first.
        errors: largest relative error of the final state at each.
        slope: of log(error) over log(setting): about the method's order for dt, about 1 for a tolerance that is kept
            proportionally; NaN where the errors are rounding.
    """

    knob: str
    settings: tuple[float, ...]
    errors: tuple[float, ...]
    slope: float


@dataclass(frozen=True)
class LayerReport:
    """Printed, a page; `to_dict` gives the numbers.

    Attributes:
        equation: as text.
        run: how it is run.
        parameters: number of parameters per group of `param_groups`.
        duration: how long it runs.
        nfev, accepted, rejected: evaluations of the right-hand side and steps, smallest and largest over the samples.
        accuracy: None where nothing runs.
        limit: largest stable fixed step of the method for the linear part; None where no region is known.
        slowest: time constant of the slowest decay at the end of the run, infinite if nothing decays.
        spectrum: of the Jacobian at the end of the run of the first sample; None for complex states.
        notes: what deserves attention, one sentence each.
    """

    equation: str
    run: str
    parameters: dict[str, int]
    duration: float
    nfev: tuple[int, int]
    accepted: tuple[int, int]
    rejected: tuple[int, int]
    accuracy: Accuracy | None
    limit: StepLimit | None
    slowest: float
    spectrum: StateSpectrum | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; eigenvalues are complex numbers."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            self.equation,
            f"run         {self.run}",
            f"parameters  {text_of(self.parameters)}",
            f"cost        {_span(self.nfev)} evaluations",
            f"steps       {_span(self.accepted)}, and {_span(self.rejected)} rejected",
        ]
        if self.accuracy is not None:
            pairs = zip(self.accuracy.settings, self.accuracy.errors, strict=True)
            errors = ", ".join(f"{self.accuracy.knob}={value:.3g}: {error:.1e}" for value, error in pairs)
            lines.append(f"accuracy    {errors} (slope {self.accuracy.slope:.2f})")
        if self.limit is not None:
            kind = "exact" if self.limit.exact else "from an upper bound on the spectrum"
            lines.append(f"stability   {self.limit.method}: dt <= {self.limit.dt:.4g} for the linear part ({kind})")
        if self.spectrum is not None:
            radius, right = abs(self.spectrum.largest), self.spectrum.rightmost.real
            slow = "nothing decays" if math.isinf(self.slowest) else f"slowest decay {self.slowest:.4g}"
            lines.append(
                f"spectrum    radius {radius:.4g}, rightmost real part {right:.4g}, {slow} (first sample, at the end)"
            )
        return "\n".join([*lines, *(f"note        {note}" for note in self.notes)])


def report_of_run(
    layer: EquationLayer, values: Mapping[str, Tensor], y: Tensor, duration: float, options: Mapping[str, Any],
    *, horizon: float,
) -> LayerReport:  # fmt: skip
    """The report of a layer that runs for `duration`.

    Args:
        layer: has the equation.
        values: ``(B, ...)`` per input.
        y: ``(B, C, *grid)``, initial states.
        duration: 0 gives a report without a run.
        options: of `solve`.
        horizon: how long the layer is meant to remember; slower time constants are noted.

    Raises:
        SolveFailed: a sample ended early.
    """
    equation = layer.equation
    shared: dict[str, Any] = {
        "equation": str(equation), "run": layer.extra_repr(), "parameters": parameter_counts(layer),
        "duration": duration, "limit": _limit(equation, options),
    }  # fmt: skip
    if duration == 0 or y.shape[0] == 0:
        nothing = (0, 0)
        return LayerReport(
            **shared, nfev=nothing, accepted=nothing, rejected=nothing, accuracy=None, slowest=math.inf, spectrum=None,
            notes=("nothing runs: the duration is 0, or there is no sample",),
        )  # fmt: skip
    common = {name: options[name] for name in ("method", "dt", "rtol", "atol", "max_steps")}
    end = solve(
        bound(equation, values), y, t_span=(0.0, duration), gradient="none", check="off", progress=False, **common
    )
    costs: dict[str, Any] = {name: range_of(getattr(end.stats, name)) for name in ("nfev", "accepted", "rejected")}
    accuracy = _accuracy(equation, {n: v[:SAMPLES] for n, v in values.items()}, y[:SAMPLES], duration, common)
    spectrum, slowest = spectrum_at(equation, values, end.y[-1], duration)
    notes = _notes(accuracy, slowest, horizon, plain(options["method"]).order)
    return LayerReport(**shared, **costs, accuracy=accuracy, slowest=slowest, spectrum=spectrum, notes=notes)


def parameter_counts(layer: EquationLayer) -> dict[str, int]:
    """Number of parameters per group of `param_groups`."""
    return {group["name"]: sum(p.numel() for p in group["params"]) for group in layer.param_groups(1.0)}


def text_of(counts: Mapping[str, int]) -> str:
    """``"7 (weights 6, rates 1)"``."""
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{sum(counts.values())} ({listed})" if listed else "none"


def range_of(values: Tensor) -> tuple[int, int]:
    """Smallest and largest."""
    return int(values.min()), int(values.max())


def spectrum_at(
    equation: FieldEquation, values: Mapping[str, Tensor], y: Tensor, t: float
) -> tuple[StateSpectrum | None, float]:
    """Extreme eigenvalues for the first of some samples in float64, and the slowest decay; None for complex states.

    Args:
        equation: with its coefficients of this moment.
        values: ``(B, ...)`` per input.
        y: ``(B, C, *grid)``.
        t: time.
    """
    if equation.is_complex:
        return None, math.nan
    exact = bound(copy.deepcopy(equation).double(), {name: _double(value[0]) for name, value in values.items()})
    spectrum = state_spectrum(exact, y[0].double(), t)
    right = spectrum.rightmost.real
    return spectrum, -1 / right if right < -1e-12 * abs(spectrum.largest) else math.inf


def _limit(equation: FieldEquation, options: Mapping[str, Any]) -> StepLimit | None:
    method = plain(options["method"])
    return None if stability_region(method) is None else step_limit(method, linear_part(equation))


def _accuracy(
    equation: FieldEquation, values: Mapping[str, Tensor], y: Tensor, duration: float, options: Mapping[str, Any]
) -> Accuracy:
    exact = bound(copy.deepcopy(equation).double(), {name: _double(value) for name, value in values.items()})
    start = _double(y)

    def end(**changes: Any) -> Tensor:
        run = {**options, "max_steps": 1_000_000, **changes}
        return solve(exact, start, t_span=(0.0, duration), gradient="none", check="off", progress=False, **run).y[-1]

    dt, rtol, atol = options["dt"], options["rtol"], options["atol"]
    if dt is not None:
        size = min(dt, duration)
        settings = tuple(size / factor for factor in REFINEMENTS)
        reference, found = end(dt=size / REFERENCE), [end(dt=setting) for setting in settings]
    else:
        settings = tuple(rtol * factor for factor in TIGHTENINGS)
        reference = end(rtol=max(rtol * TIGHTEST, LOWEST), atol=atol * TIGHTEST)
        found = [
            end(rtol=max(setting, LOWEST), atol=atol * factor)
            for setting, factor in zip(settings, TIGHTENINGS, strict=True)
        ]
    scale = float(reference.abs().max()) or 1.0
    errors = tuple(float((y - reference).abs().max()) / scale for y in found)
    return Accuracy("rtol" if dt is None else "dt", settings, errors, _slope(settings, errors))


def _slope(settings: tuple[float, ...], errors: tuple[float, ...]) -> float:
    if min(errors) < 1e-13 or min(settings) <= 0:
        return math.nan
    return math.log(errors[0] / errors[-1]) / math.log(settings[0] / settings[-1])


def _notes(accuracy: Accuracy, slowest: float, horizon: float, order: int) -> tuple[str, ...]:
    found = []
    if math.isfinite(slowest) and slowest > horizon:
        share = horizon / slowest
        found.append(f"the slowest time constant is {slowest:.3g}, and the run covers {share:.2g} of it")
    if accuracy.knob == "dt" and accuracy.slope < 0.5 * order:
        found.append(
            f"errors shrink with the power {accuracy.slope:.2f} of dt, expected about {order}: the right-hand side may "
            "have kinks (relu, events), or the steps are too large to tell"
        )
    excess = max(error / setting for error, setting in zip(accuracy.errors, accuracy.settings, strict=True) if setting)
    if accuracy.knob == "rtol" and excess > EXCESS:
        found.append(f"errors are up to {excess:.2g} times the tolerance: they grow along the run")
    return tuple(found)


def _double(value: Tensor) -> Tensor:
    return value.to(torch.complex128 if value.is_complex() else torch.float64)


def _span(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
