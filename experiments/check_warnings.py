"""What is legal in an equation file, and probably not meant: found by a first step and by looking at the numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

import fieldsolver as fs
from fieldsolver.equations.files.document import Document
from fieldsolver.equations.files.load import EquationFile

POINTS_PER_WAVE = 6
"""On a wave of six points a central second derivative of order two is 9 % too small, a first one 17 %."""


def warnings_about(document: Document, file: EquationFile) -> list[str]:
    """Sentences; raises the errors of `fieldsolver.solve` when the first step cannot be taken at all."""
    return [*_first_step(file), *_short_waves(file.equation), *_short_signals(file), *_unused(document, file)]


def _first_step(file: EquationFile) -> Iterator[str]:
    if file.equation.noises:
        yield "the equation has noise, and there is no stochastic method yet: it can be read but not solved"
        return
    options = {key: value for key, value in file.solve.items() if key != "max_steps"}
    with torch.no_grad(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solution = fs.solve(file.equation, file.initial, max_steps=1, on_failure="keep", progress=False, **options)
    yield from (str(warning.message) for warning in caught if "stability limit" in str(warning.message))
    expected = (int(fs.Status.SUCCESS), int(fs.Status.MAX_STEPS))
    for status in sorted(set(solution.status.reshape(-1).tolist()) - set(expected)):
        yield f"the first step fails: {fs.Status(status).sentence}"


@dataclass(frozen=True)
class Growth:
    """The fastest growing plane wave along one axis: its rate and its length, 0 if shorter waves always grow faster."""

    rate: float
    length: float


def _short_waves(equation: fs.FieldEquation) -> Iterator[str]:
    """Waves of the linear part that grow and that the grid cannot carry."""
    grid = equation.grid_of(equation.fields[0])  # a file has one grid
    if grid is None:
        return
    growths = {axis: fastest_growth(equation, axis) for axis in range(grid.dimension)}
    names = [grid.axes[axis] for axis, growth in growths.items() if growth is not None and not growth.length]
    if names:
        yield (
            f"along {' and '.join(names)} the linear part makes waves grow the faster the shorter they are: "
            "finer grids would approach no solution; check the sign of the diffusion"
        )
    for axis, growth in growths.items():
        spacing = grid.spacing[axis]
        if growth is not None and 0 < growth.length < POINTS_PER_WAVE * spacing:
            yield (
                f"along {grid.axes[axis]} the fastest growing wave of the linear part is {growth.length:.4g} "
                f"long, {growth.length / spacing:.1f} points; a spacing below {growth.length / POINTS_PER_WAVE:.4g} "
                f"gives it {POINTS_PER_WAVE}"
            )


def fastest_growth(equation: fs.FieldEquation, axis: int, samples: int = 2048) -> Growth | None:
    """The wave that grows fastest, if one grows faster than the uniform state; None also when it is not known.

    Looks at waves from twice the domain down to a thousandth of the shortest one on the grid.
    """
    grid = equation.layout.required_grid()
    waves = np.zeros((samples, grid.dimension))
    waves[1:, axis] = np.geomspace(math.pi / grid.lengths[axis], 1e3 * math.pi / grid.spacing[axis], samples - 1)
    try:
        symbols = equation.symbol(waves)
        rates = np.linalg.eigvals(symbols).real.max(axis=-1)
    except (fs.EquationError, np.linalg.LinAlgError):
        return None
    rates = np.where(rates > 1e-10 * np.abs(symbols).max(axis=(-2, -1)), rates, 0.0)  # rounding of neutral waves
    best = int(rates.argmax())
    if rates[best] <= max(rates[0], 0.0):
        return None
    return Growth(float(rates[best]), 0.0 if best == samples - 1 else float(2 * math.pi / waves[best, axis]))


def _short_signals(file: EquationFile) -> Iterator[str]:
    low, high = sorted(file.solve["t_span"])
    for name, times in file.equation.layout.signals.items():
        first, last = float(times[0]), float(times[-1])
        if first > low or last < high:
            yield (
                f"the signal {name!r} is known from {first:g} to {last:g}, the solution runs from {low:g} to {high:g}; "
                "outside its samples a signal keeps its first and last value"
            )


def _unused(document: Document, file: EquationFile) -> Iterator[str]:
    solve, initial, grid = document.table("solve"), document.table("initial"), document.table("grid")
    if "dt" in solve and (given := [key for key in ("rtol", "atol") if key in solve]):
        yield f"[solve] has {' and '.join(given)}, which fixed steps (dt) do not use"
    if "dt" not in solve and "check" in solve:
        yield "[solve] has check, which only fixed steps (dt) use"
    if "seed" in initial and not any(isinstance(entry, dict) and entry.get("noise") for entry in initial.values()):
        yield "[initial] has a seed and no noise"
    if "periodic" in grid and file.equation.layout.required_grid().centring == "cell":
        yield "[grid] has periodic, which only node-centred grids use; [boundary] says it for cells"
    for place, event in enumerate(document.tables("events"), 1):
        if "max_events" in event and "reset" not in event:
            yield f"[events] #{place} has max_events, which only events with a reset use"
    if document.table("output") and file.equation.grid is None:
        yield "[output] is about the animation, and without a grid there is none"
