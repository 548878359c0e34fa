"""Fields that outgrow every sensible size: one look at the end of a run, and an error that says what to type.

Nothing is clipped: a projection back would be a kink in the loss, and would hide what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from fieldsolver.errors import SolveFailed, StabilityError
from fieldsolver.stepping import Status
from fieldsolver.stepping.march import cannot_be_read

from .declaration import declare
from .dynamics import NOMINAL, FieldDynamics
from .growth import sizes_over_time
from .places import place
from .stability import MARGIN, largest_step
from .variants.evolved import Evolved

Run = Callable[[Tensor, Tensor], Evolved]


def evolve_watched(dynamics: Run, vectors: Tensor, mask: Tensor, limit: float) -> Evolved:
    """Evolve token vectors (B, N, C) on mask (B, N), and refuse fields with a value beyond `limit`; 0: do not look.

    One maximum over the batch is read. Under a compiler, an exporter or a transform of `torch.func` nobody looks.

    Raises:
        StabilityError: names the text, how large its field was and became, the steps, and what to type.
        SolveFailed: the run failed for another reason: a text that does not come to rest, vectors that are not finite.
    """
    if not limit or cannot_be_read(vectors) or not vectors.numel():
        return dynamics(vectors, mask)
    try:
        evolved = dynamics(vectors, mask)
    except SolveFailed as failed:
        if not isinstance(dynamics, FieldDynamics) or not _steps(dynamics) or not _is_finite(vectors):
            raise
        with torch.no_grad():
            _, sizes = sizes_over_time(dynamics, vectors.detach(), mask, saves=2)
        if not _is_overflow(failed, sizes[-1], limit):
            raise
        raise _overflow(dynamics, vectors, mask, sizes[-1], limit) from failed
    fields = evolved.features.detach().abs()
    if not bool(fields.amax() <= limit) and _is_finite(vectors):  # NaN is not <= either
        raise _overflow(dynamics, vectors, mask, fields.amax((1, 2)), limit)
    return evolved


def stable_step(dynamics: FieldDynamics) -> float:
    """The largest stable step for diffusion and decay with the numbers of this moment; NaN where it is not known.

    Transport between walls has no common modes with diffusion, and is left out; reactions are nonlinear.
    """
    config, equation = dynamics.config, dynamics.equation
    if config.diffusion in ("matrix", "learned"):
        return math.nan
    if config.transport:
        alone = replace(
            config, reaction="none", transport=False, slopes=False, input="initial", stopping="steps", step=0.0,
            ponder=0.0,
        )  # fmt: skip
        equation = declare(alone, place(alone, NOMINAL[alone.geometry]), like=equation)
    limit = largest_step(equation, config.method)
    return limit if math.isfinite(limit) and limit > 0 else math.nan


def _is_overflow(failed: SolveFailed, sizes: Tensor, limit: float) -> bool:
    """Whether a field outgrew the limit, or all numbers; runs fail with small fields too, by not coming to rest."""
    beyond = failed.solution.status == Status.NON_FINITE
    return bool(beyond.any()) or bool((sizes > limit).any())


def _overflow(dynamics: Run, vectors: Tensor, mask: Tensor, sizes: Tensor, limit: float) -> StabilityError:
    """The error about the text with the largest field, sizes (B,)."""
    row = int(sizes.argmax())  # NaN counts as the largest
    before, after = float(vectors[row].detach().abs().amax()), float(sizes[row])
    grown = f"a field of {after:.3g}" if math.isfinite(after) else "a field beyond all numbers"
    way, advice, known = "", "train at a lower rate", math.nan
    if isinstance(dynamics, FieldDynamics):
        known = stable_step(dynamics)
        way, advice = _way(dynamics), _advice(dynamics, known)
    return StabilityError(
        f"text {row} of the batch ({int(mask[row].sum())} tokens): token vectors of at most {before:.3g} became {grown}"
        f"{way}, where overflow={limit:g} is the limit; {advice}; overflow=0 does not look",
        known,
    )


def _way(dynamics: FieldDynamics) -> str:
    config, steps = dynamics.config, _steps(dynamics)
    if not steps:
        return f" until t = {config.duration:g} at the latest"
    length, number = steps
    return f" in {number} steps of {length:g} by {config.method!r}"


def _advice(dynamics: FieldDynamics, known: float) -> str:
    """What to type."""
    steps, duration = _steps(dynamics), dynamics.config.duration
    tamer = "train at a lower rate, or take reaction='bounded' with decay=1.0, or 'contractive'"
    if steps and steps[0] > known:
        smaller = MARGIN * known
        wanted = f"step={smaller:.3g}" if dynamics.config.step else f"steps={math.ceil(duration / smaller)}"
        return f"diffusion and decay are stable in steps up to {known:.3g}: write {wanted}, or train at a lower rate"
    if math.isnan(known):
        more = f"steps={2 * steps[1]}" if steps and not dynamics.config.step else "smaller steps"
        return f"what steps are stable is not known: compare with {more if steps else 'a shorter duration'}, {tamer}"
    return f"diffusion and decay are stable in steps up to {known:.3g}, so it is another term that grows: {tamer}"


def _steps(dynamics: FieldDynamics) -> tuple[float, int] | None:
    """Length and number of fixed steps; None of adaptive ones."""
    config = dynamics.config
    if config.stopping == "steady" and config.step:
        return config.step, math.ceil(config.duration / config.step)
    return (config.duration / dynamics.steps, dynamics.steps) if dynamics.steps else None


def _is_finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
