"""Running a ladder of refinements, from coarse to fine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.solve.progress import ProgressBar


def checked_ladder(ladder: Sequence[float], name: str = "ladder") -> list[float]:
    """The sizes as floats, or an `OptionError` before anything is run."""
    try:
        steps = [float(h) for h in ladder]
    except (TypeError, ValueError):
        raise OptionError(f"{name} is a list of sizes such as [0.1, 0.05, 0.025], got {ladder!r}") from None
    if not steps or not all(math.isfinite(h) and h > 0 for h in steps):
        raise OptionError(f"{name} needs positive finite sizes, got {steps}")
    if any(fine >= coarse for coarse, fine in itertools.pairwise(steps)):
        raise OptionError(f"{name} must run from coarse to fine without repeats, got {steps}")
    return steps


def checked_divisors(dts: Sequence[float], t0: float, t1: float) -> list[float]:
    """Step sizes that decrease and divide the span, or an `OptionError` before anything is run."""
    if not t1 > t0:
        raise OptionError(
            f"t_span runs forward, got ({t0:g}, {t1:g}); backwards in time, solve du/ds = -f(-s, u) forward"
        )
    steps = checked_ladder(dts, "dts")
    for dt in steps:
        count = (t1 - t0) / dt
        if not (count > 0.5 and abs(count - round(count)) <= 1e-9 * count):
            raise OptionError(
                f"dt = {dt:g} does not divide the span of {t1 - t0:g}, so its last step would be shorter; "
                f"take for example {(t1 - t0) / max(1, round(count)):.10g}"
            )
    return steps


def run_ladder(
    label: str, steps: Sequence[float], level: Callable[[float], float], progress: bool | None, power: float = 1.0
) -> list[float]:
    """``level(h)`` for every h, with a bar; NaN where it raises `SolveFailed`.

    Args:
        label: what the bar says.
        steps: sizes h.
        level: the error of one run.
        progress: show a bar: True, False, or None for only on a terminal.
        power: a run costs about ``h^-power``; with equal shares the bar would stand still at the end.
    """
    work = [h**-power for h in steps]
    errors = []
    with ProgressBar(label, progress) as bar:
        for position, h in enumerate(steps):
            try:
                errors.append(level(h))
            except SolveFailed:  # a step too coarse to survive is a level without an error
                errors.append(math.nan)
            bar(sum(work[: position + 1]) / sum(work))
    return errors
