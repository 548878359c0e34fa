"""A fit as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .result import FitResult


def to_text(result: FitResult) -> str:
    """Estimates with intervals, then the quality of the fit."""
    level = f"{100 * result.interval:g} %"
    width = max(8, *(len(label) for label in result.labels))
    kinds = [("Laplace", result.laplace_intervals)]
    if result.profile_intervals:
        kinds.append(("profile", result.profile_intervals))
    header = f"{'unknown':<{width}} {'estimate':>11}" + "".join(f"  {f'{level} ({kind})':^25}" for kind, _ in kinds)
    lines = [header]
    for label, value in result.estimates.items():
        shown = "".join(f"  {_interval(intervals[label]):^25}" for _, intervals in kinds)
        lines.append(f"{label:<{width}} {value:>11.5g}{shown}")
    lines.append(
        f"log likelihood {result.log_likelihood:.3f}, AIC {result.aic:.2f}, BIC {result.bic:.2f}, "
        f"{result.observations_count} observations"
    )
    lines.append(f"{result.status.value}: {result.reason}")
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])


def _interval(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:.5g}, {ends[1]:.5g}]"
