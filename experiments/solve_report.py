"""The page that `fieldsolver solve` writes: the equation, what is known of it, what it cost, what to trust."""

from __future__ import annotations

import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver._version import __version__
from fieldsolver.equations.file_format import EquationFile
from fieldsolver.results import provenance_attributes

from .event_report import event_section


def solve_report(
    file: EquationFile,
    solution: fs.Solution,
    finer: fs.Solution | None,
    failure: fs.SolveFailed | None,
    files: list[str],
) -> str:
    """Return the report as Markdown."""
    lines = [f"# {file.title}", ""]
    if file.source:
        lines += [f"Source: {file.source}.", ""]
    lines += ["```", repr(file.equation), "```", ""]
    lines += ["![last state](figure.png)", ""] if "figure.png" in files else []
    lines += ["![evolution](animation.gif)", ""] if "animation.gif" in files else []
    lines += ["## What to trust", "", *_trust(solution, finer, failure), ""]
    lines += event_section(solution, finer)
    lines += ["## What it cost", "", *_costs(solution), ""]
    lines += [
        "## What is known of the equation",
        "",
        "```",
        str(fs.explain(file.equation, dt=file.solve.get("dt"))),
        "```",
        "",
    ]
    made = provenance_attributes()["created"]
    lines.append(f"fieldsolver {__version__}, {made}. The data are in `solution.nc` (xarray: `xarray.open_dataset`).")
    return "\n".join(lines) + "\n"


def _trust(solution: fs.Solution, finer: fs.Solution | None, failure: fs.SolveFailed | None) -> list[str]:
    lines = [f"* Sample {index}: {sentence}" for index, sentence in enumerate(solution.outcomes)]
    if failure is not None:
        ends = ", ".join(f"{end:.6g}" for end in solution.t_end.reshape(-1).tolist())
        lines.append(f"* **It ended early, at t = {ends}.** Save points after that are NaN.")
    options = solution.attributes
    if "dt" in options:
        lines.append(f"* Fixed steps of {options['dt']:g}: nothing controls the error of a step.")
    else:
        lines.append(
            f"* The error of each step is kept below rtol = {options['rtol']:g}, atol = {options['atol']:g}; "
            "over many steps it adds up, by how much depends on the equation."
        )
    lines += _difference(solution, finer)
    grid = None if solution.equation is None else solution.equation.grid_of(solution.equation.fields[0])
    if grid is not None:
        lines.append(
            "* The error of the grid is not in these numbers; solve once more with twice the points to see it "
            f"(spacing {', '.join(f'{h:.4g}' for h in grid.spacing)})."
        )
    return lines


def _difference(solution: fs.Solution, finer: fs.Solution | None) -> list[str]:
    """How far the run is from a finer one, relative to the largest value of each field."""
    if finer is None:
        return ["* No second, finer run was made, so the error in time is not measured."]
    how = "half the step" if "dt" in solution.attributes else "tolerances ten times tighter"
    lines = [f"* Difference from a second run with {how}, relative to the largest value of the field:", ""]
    lines += ["  | field | largest over all times | at the end |", "  | --- | --- | --- |"]
    for name, values in solution.fields.items():
        error = _relative(values, finer[name])
        lines.append(f"  | {name} | {error.max().item():.2g} | {error[-1].item():.2g} |")
    return [*lines, ""]


def _relative(values: Tensor, reference: Tensor) -> Tensor:
    """Largest difference at each save point over the largest value of all, shape ``(T,)``.

    Samples that ended at a terminal event are NaN from there on, and do not count; nor do times that none reached.
    """
    size = _without_nan(reference.abs(), 0.0).max().clamp_min(torch.finfo(torch.float64).tiny)
    largest = _without_nan((values - reference).abs(), -1.0).reshape(len(values), -1).amax(1).double()
    return largest[largest >= 0] / size


def _without_nan(values: Tensor, instead: float) -> Tensor:
    return torch.where(values.isnan(), instead, values)


def _costs(solution: fs.Solution) -> list[str]:
    stats = solution.stats
    return [
        f"* Method: {stats.method} ({stats.reason}), backend {stats.backend}.",
        f"* {_span(stats.accepted)} steps accepted, {_span(stats.rejected)} rejected, {_span(stats.nfev)} evaluations.",
        f"* Steps between {stats.smallest_dt.min().item():.4g} and {stats.largest_dt.max().item():.4g}.",
        f"* {stats.seconds:.2f} s.",
    ]


def _span(values: Tensor) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"
