"""What `fieldsolver solve` says of events: how often each happened, and how far their times are to be trusted."""

from __future__ import annotations

import numpy as np

import fieldsolver as fs

FEW = 8
"""Samples whose counts are all shown."""


def event_lines(solution: fs.Solution) -> list[str]:
    """One line per event that was looked for, ``spike: 9 times``; none where there is nothing to look for."""
    if solution.events is None:
        return []
    return [f"{name}: {_counted(_counts(solution, name))}" for name in solution.events.names]


def event_section(solution: fs.Solution, finer: fs.Solution | None) -> list[str]:
    """The part of the report about events, as Markdown; empty without events."""
    if solution.events is None:
        return []
    lines = ["## Events", "", *(f"* {line}." for line in event_lines(solution))]
    if finer is not None:
        lines += [f"* {_agreement(solution, finer)}"]
    return [*lines, "", "When, in which sample, and the state before and after each: `events.nc`.", ""]


def _counts(solution: fs.Solution, name: str) -> np.ndarray:
    """(B,) how often an event happened in every sample."""
    log = solution.events
    if log is None:
        return np.zeros(solution.status.numel(), dtype=np.int64)
    own = log.sample[log.event == log.names.index(name)]
    return np.bincount(own, minlength=solution.status.numel())


def _counted(counts: np.ndarray) -> str:
    low, high = int(counts.min()), int(counts.max())
    if low == high:
        each = " in every sample" if counts.size > 1 else ""
        return f"{'once' if low == 1 else f'{low} times'}{each}"
    if counts.size > FEW:
        return f"{low} to {high} times in the {counts.size} samples, {counts.mean():.4g} on average"
    return f"{', '.join(map(str, counts))} times in the samples 0 to {counts.size - 1}"


def _agreement(solution: fs.Solution, finer: fs.Solution) -> str:
    """Whether the finer run found the same events, and how far their times are apart."""
    log, other = solution.events, finer.events
    if log is None or other is None or not (
        np.array_equal(log.sample, other.sample) and np.array_equal(log.event, other.event)
    ):  # fmt: skip
        return "**The second, finer run found other events, or others in number: do not rely on them.**"
    if not len(log):
        return "The second, finer run found none either."
    apart = (log.t - other.t).abs().max().item()
    return f"The second, finer run found the same events, at most {apart:.2g} apart in time."
