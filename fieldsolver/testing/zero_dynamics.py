"""Zero dynamics: does a task become harder when the field stands still? Otherwise the dynamics earn nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .layer_result import Part, result
from .subject import copied

CHECK = "zero_dynamics"
Metric = Callable[[nn.Module], float | Sequence[float]]


def check_zero_dynamics(
    layer: nn.Module,
    metric: Metric,
    *,
    ablated: nn.Module | None = None,
    better: str,
    margin: float | None = None,
    confidence: float = 0.95,
) -> AnalysisResult:
    """Compare a metric of the layer with that of the same layer without its dynamics.

    The fair comparison is with a layer that was trained without dynamics: pass it as `ablated`. Taking the dynamics
    away from a layer that was trained with them (the default) shows less: that the rest has come to rely on them.

    Args:
        layer: the layer, or the network that holds it.
        metric: called with a module; returns its scores, one number for each seed, fold or batch, in the same order for
            both; a single number has no error bar and needs `margin`.
        ablated: the module to compare with; None: a copy in which every `duration` is 0.
        better: ``"higher"`` or ``"lower"``.
        margin: the smallest gain that counts; None: any gain beyond the error bar.
        confidence: of the interval of the mean gain (paired differences, Student's t).

    Returns:
        Schema ``zero_dynamics/1``: PASS when the lower end of the interval exceeds the margin, FAIL when the upper end
        does not, else INCONCLUSIVE.

    Raises:
        OptionError: nothing to ablate, scores that do not pair, or one number without a margin.
    """
    if better not in ("higher", "lower"):
        raise OptionError(f"better is 'higher' or 'lower', got {better!r}")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence lies between 0 and 1, such as 0.95; got {confidence!r}")
    still = _standing_still(layer) if ablated is None else ablated
    moving, resting = _scores(metric, layer), _scores(metric, still)
    if len(moving) != len(resting):
        raise OptionError(f"metric returned {len(moving)} scores with dynamics and {len(resting)} without")
    if len(moving) == 1 and margin is None:
        raise OptionError("metric returned one number, which has no error bar; return one per seed, or pass margin=")
    sign = 1.0 if better == "higher" else -1.0
    gains = [sign * (a - b) for a, b in zip(moving, resting, strict=True)]
    mean, half = _interval(gains, confidence)
    limit = 0.0 if margin is None else margin
    shown = f"{_mean(moving):.4g} with dynamics, {_mean(resting):.4g} without: a gain of {mean:.2g} +- {half:.2g}"
    if mean - half > limit:
        status, reason = Verdict.PASS, f"{shown}, more than {limit:.2g}"
    elif mean + half <= limit:
        status, reason = Verdict.FAIL, f"{shown}, no more than {limit:.2g}: the dynamics earn nothing"
        if moving == resting:
            reason += "; every score is the same in every digit, so see that `ablated` stands still"
    else:
        status, reason = Verdict.INCONCLUSIVE, f"{shown}, which may be less than {limit:.2g}; use more seeds"
    parts = [Part("lower end of the gain", mean - half, limit, above=True)]
    return result(CHECK, parts, status, reason, {"better": better, "confidence": confidence, "scores": len(gains)})


def _standing_still(layer: nn.Module) -> nn.Module:
    """A copy in which every duration is zero."""
    still = copied(layer)
    timed = [module for module in still.modules() if isinstance(getattr(module, "duration", None), (int, float))]
    if not timed:
        raise OptionError("no part of the layer has a duration to set to 0; pass ablated=, the layer without dynamics")
    for module in timed:
        try:
            setattr(module, "duration", 0.0)  # noqa: B010 - mypy knows of no such attribute of a module
        except AttributeError as error:
            name = type(module).__name__
            raise OptionError(f"the duration of {name} cannot be set; pass ablated=, one built with 0") from error
    return still


def _scores(metric: Metric, module: nn.Module) -> list[float]:
    try:
        scores = torch.as_tensor(metric(module), dtype=torch.float64).detach().reshape(-1).tolist()
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f"metric returns a number or a list of numbers; {error}") from error
    if not scores or not all(math.isfinite(score) for score in scores):
        raise OptionError(f"metric returned {scores}, expected finite numbers")
    return scores


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _interval(gains: Sequence[float], confidence: float) -> tuple[float, float]:
    """Mean, and half the width of its confidence interval; 0 for a single number."""
    mean, count = _mean(gains), len(gains)
    if count == 1:
        return mean, 0.0
    from scipy.stats import t

    deviation = math.sqrt(math.fsum((gain - mean) ** 2 for gain in gains) / (count - 1))
    return mean, float(t.ppf((1 + confidence) / 2, count - 1)) * deviation / math.sqrt(count)
