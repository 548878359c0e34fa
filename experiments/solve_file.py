"""`fieldsolver solve FILE`: data, figure, animation, and a report that says how far to trust the numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import torch

import fieldsolver as fs
from fieldsolver.equations.file_format import EquationFile, load_equation
from fieldsolver.results import write_netcdf

from .event_report import event_lines
from .files import whole_file, writable_folder, write_figure, write_text
from .options import Interrupted
from .sample_files import find_equation_file
from .solve_report import solve_report

CHEAP_SECONDS = 60.0


class SolvedFile(NamedTuple):
    """What `solve_file` did.

    Attributes:
        paths: the files written.
        failure: set if a sample ended early (what it reached is written all the same).
        events: a line per event that was looked for: how often it happened in each sample.
    """

    paths: list[Path]
    failure: fs.SolveFailed | None
    events: list[str]


def solve_file(
    name: str,
    out: Path,
    *,
    t_end: float | None = None,
    dt: float | None = None,
    method: str | None = None,
    checkpoint: Path | None = None,
    animation: bool = True,
    check: bool = True,
) -> SolvedFile:
    """Solve an equation file (or a shipped one, by name) and write ``out/NAME/``.

    Raises:
        FieldSolverError: the file, an option or the folder cannot be used; nothing has been computed then.
    """
    file = _overridden(load_equation(find_equation_file(name)), t_end, dt, method)
    folder = writable_folder(out / file.name)
    solution, failure = _solve(file, checkpoint)
    paths = [write_netcdf(solution.to_xarray(), folder / "solution.nc")]
    if solution.events is not None:
        paths.append(write_netcdf(solution.events.to_xarray(), folder / "events.nc"))
    paths.append(write_figure(folder / "figure.png", solution.plot()))
    if animation and file.equation.grid is not None:
        paths.append(_animate(file, solution, folder / "animation.gif"))
    finer = _finer(file, solution) if check and failure is None and solution.stats.seconds <= CHEAP_SECONDS else None
    report = solve_report(file, solution, finer, failure, [path.name for path in paths])
    return SolvedFile([*paths, write_text(folder / "report.md", report)], failure, event_lines(solution))


def _overridden(file: EquationFile, t_end: float | None, dt: float | None, method: str | None) -> EquationFile:
    options = dict(file.solve)
    if t_end is not None:
        start = options["t_span"][0]
        options["t_span"] = (start, t_end)
        options["save_at"] = torch.linspace(start, t_end, len(options["save_at"]), dtype=torch.float64)
    options |= {key: value for key, value in (("dt", dt), ("method", method)) if value is not None}
    return dataclasses.replace(file, solve=options)


def _solve(file: EquationFile, checkpoint: Path | None) -> tuple[fs.Solution, fs.SolveFailed | None]:
    with torch.no_grad():
        try:
            return fs.solve(file.equation, file.initial, checkpoint=checkpoint, **file.solve), None
        except fs.SolveFailed as failure:
            return failure.solution, failure
        except KeyboardInterrupt as stop:
            if checkpoint is None or not checkpoint.exists():
                raise
            raise Interrupted(f"the state is saved in {checkpoint}; the same command goes on from it") from stop


def _finer(file: EquationFile, solution: fs.Solution) -> fs.Solution | None:
    """The same run with half the step, or with tolerances ten times tighter; None if that run fails."""
    options: dict[str, Any] = dict(file.solve)
    if "dt" in options:
        options["dt"] = options["dt"] / 2
    else:
        options |= {key: solution.attributes[key] / 10 for key in ("rtol", "atol")}
    try:
        with torch.no_grad():
            return fs.solve(file.equation, file.initial, **options)
    except fs.SolveFailed:
        return None


def _animate(file: EquationFile, solution: fs.Solution, path: Path) -> Path:
    with whole_file(path) as temporary:
        solution.animate(temporary, file.output.get("field"), fps=file.output.get("fps", 15))
    return path
