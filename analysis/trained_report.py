"""`trained_report`: what a trained layer does: steps, time scales, rest, gradients, and whether its dynamics matter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.solve.progress import ProgressBar

from .plots.trained_report import draw_trained_report
from .provenance import Provenance
from .subverdicts import Subverdict, first_at, subverdict_variables, worst
from .trained.dataset import as_dataset
from .trained.gradients import backward_norms, forward_gains, gradient_growth
from .trained.losses import check_loss
from .trained.rest import boundedness, continued, rest_stability, time_scales
from .trained.steps import cost, discretisation, spectra_visited, step_stability
from .trained.visit import Visit, visit
from .trained.worth import dynamics_matter, energy_falls

SCHEMA = "trained_report/1"

register_plot(SCHEMA)(draw_trained_report)


def trained_report(
    layer: nn.Module,
    *inputs: Any,
    loss: Callable[[Tensor], Tensor] | None = None,
    density: str | None = None,
    beyond: float = 10.0,
    accuracy: float = 1e-2,
    seed: int = 0,
    progress: bool | None = None,
) -> AnalysisResult:
    """Look at a trained `FieldLayer` or `SteadyFieldLayer` for some inputs.

    A copy is looked at, in float64 and evaluation mode: dropout is off. Up to 4 samples are looked at closely.

    Args:
        layer: the layer; of a network, its part that holds the equation.
        *inputs: what the layer is called with, ``layer(*inputs)``.
        loss: of the output of the layer, one number or one per sample, smaller is better: asks whether the loss is
            larger when the field stands still, and gives the gradients that are followed back.
        density: an energy density over the fields that should fall along the run.
        beyond: for how many durations the run is continued.
        accuracy: relative change of the output by finer steps that is still none.
        seed: of random directions.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``trained_report/1``: over ``check`` the name, verdict, number, threshold and sentence of each question;
        over ``time`` and ``sample`` the gains `gain_largest`, `gain_rms`, `gain_smallest` of dy(t)/dy(0) and
        `adjoint_norm`; over ``later`` the `speed` and `size` of the continued run; over ``eig`` the eigenvalues
        `eig_re`, `eig_im` at the end of it, padded, with `n_valid`; `setting` and `setting_error` of finer steps;
        `time_slowest`, `rate_fastest`, `frequency`, `rest_time` and the costs per sample; `dt_limit`. The status is the
        worst of the checks that apply.

    Raises:
        OptionError, StateError: an option, a layer, or inputs that do not fit; a loss without a gradient, or of
            another number of values than one or one per sample.
    """
    _check(layer, inputs, loss, beyond, accuracy)
    provenance = Provenance(getattr(layer, "equation", layer), None, beyond=beyond, accuracy=accuracy, seed=seed)
    with ProgressBar("trained_report", progress) as bar:
        try:
            seen = visit(layer, inputs)
        except SolveFailed as failure:
            return _failed(str(failure), provenance)
        if loss is not None:
            check_loss(seen, loss)
        checks, numbers = _looked_at(seen, loss, density, beyond, accuracy, seed, bar)
    status = worst(checks)
    reason = _sentence(checks, status, seen.switched)
    facts = {
        "layer": type(layer).__name__, "method": seen.method.name, "dt": seen.dt if seen.dt is not None else math.nan,
        "duration": seen.duration, "density": density or "none", "evaluated": "a copy in float64 and evaluation mode",
    }  # fmt: skip
    return AnalysisResult(as_dataset(seen, numbers, checks), status, reason, SCHEMA, provenance.attributes() | facts)


def _looked_at(
    seen: Visit, loss: Callable[[Tensor], Tensor] | None, density: str | None, beyond: float, accuracy: float,
    seed: int, bar: ProgressBar,
) -> tuple[list[Subverdict], dict[str, Any]]:  # fmt: skip
    """All checks, and the numbers for the dataset."""
    spectra = spectra_visited(seen)
    bar(0.3)
    limit, stable = step_stability(seen, spectra)
    finer, settled = discretisation(seen, accuracy)
    bar(0.5)
    run = continued(seen, beyond)
    scales, timed = time_scales(seen, spectra)
    gains = forward_gains(seen, seed)
    bar(0.8)
    adjoint = backward_norms(seen, loss, seed)
    counts, cheap = cost(seen)
    checks = [
        stable, settled, timed, rest_stability(seen, spectra), boundedness(seen, run), gradient_growth(seen, gains),
        dynamics_matter(seen, loss), energy_falls(seen, density), cheap,
    ]  # fmt: skip
    numbers = {
        "limit": limit, "finer": finer, "run": run, "scales": scales, "gains": gains, "adjoint": adjoint,
        "counts": counts, "ends": [row[-1].values for row in spectra],
    }  # fmt: skip
    return checks, numbers


def _sentence(checks: Sequence[Subverdict], status: Verdict, switched: bool) -> str:
    told = first_at(checks, status)
    applied = [check for check in checks if check.verdict is not Verdict.NOT_APPLICABLE]
    if status is Verdict.PASS:
        text = f"all {len(applied)} checks that apply hold; {checks[1].sentence}; {checks[4].sentence}"
    else:
        bad = [check.name for check in applied if check.verdict is not Verdict.PASS]
        text = f"{', '.join(bad)}: {told.sentence}" if told is not None else "nothing could be checked"
    return text + ("; the layer has dropout in training mode: a copy without it was looked at" if switched else "")


def _failed(reason: str, provenance: Provenance) -> AnalysisResult:
    import xarray

    check = Subverdict("run", Verdict.FAIL, reason)
    dataset = xarray.Dataset(subverdict_variables([check])).set_coords("check")
    return AnalysisResult(dataset, Verdict.FAIL, f"the layer does not run: {reason}", SCHEMA, provenance.attributes())


def _check(layer: Any, inputs: Sequence[Any], loss: Any, beyond: float, accuracy: float) -> None:
    if not isinstance(layer, nn.Module):
        raise OptionError(f"trained_report looks at a layer, got {type(layer).__name__}")
    if not inputs:
        raise OptionError("trained_report needs what the layer is called with: trained_report(layer, x)")
    if not (math.isfinite(beyond) and beyond >= 1):
        raise OptionError(f"beyond is a number of durations of at least 1, got {beyond!r}")
    if not (math.isfinite(accuracy) and accuracy > 0):
        raise OptionError(f"accuracy is a positive relative change, got {accuracy!r}")
    if loss is not None and not callable(loss):
        raise OptionError(f"loss is a function of the output, got {type(loss).__name__}")
    if loss is not None and getattr(layer, "save_at", None) is not None:
        raise OptionError("loss= looks at the end of the run, but the layer has save_at=; leave one of them out")
