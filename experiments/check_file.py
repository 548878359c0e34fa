"""`fieldsolver check`: what an equation file declares, or everything that is wrong with it."""

from __future__ import annotations

import os
import warnings

from fieldsolver.equations.files.document import Document, read_document
from fieldsolver.equations.files.lines import line_of
from fieldsolver.equations.files.load import EquationFile
from fieldsolver.equations.files.problems import Problem, find_problems
from fieldsolver.errors import FieldSolverError, FieldSolverWarning

from .check_warnings import warnings_about

FINE, WRONG = 0, 1


def check_file(path: str | os.PathLike[str]) -> tuple[str, int]:
    """The page about a file, and the exit code: 0 if it can be used, 1 if not.

    Raises:
        FileFormatError: there is no such file, it is not TOML, or of a newer version.
    """
    document = read_document(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FieldSolverWarning)
        problems, file = find_problems(document)
    if file is None:
        return _wrong(document, problems), WRONG
    declared = [str(warning.message) for warning in caught if issubclass(warning.category, FieldSolverWarning)]
    try:
        return _fine(document, file, [*declared, *warnings_about(document, file)]), FINE
    except FieldSolverError as error:  # of the first step
        return _wrong(
            document, [Problem(line_of(document.text, ("solve",)), f"[solve] cannot be used: {error}")]
        ), WRONG


def _fine(document: Document, file: EquationFile, warnings: list[str]) -> str:
    lines = [f"{document.path} is fine: {summary(file)}.", ""]
    lines += [f"  {line}" for line in file.equation.pretty().splitlines()]
    lines += [f"  {event}" for event in file.equation.events]
    if warnings:
        lines += ["", *(f"Warning: {warning}" for warning in warnings)]
    return "\n".join(lines)


def _wrong(document: Document, problems: list[Problem]) -> str:
    sure = [problem for problem in problems if not problem.consequence]
    later = [problem for problem in problems if problem.consequence]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{document.path} has {count}:", *(_indented(problem) for problem in sure)]
    if later:
        lines += ["and without those entries, in the equation:", *(_indented(problem) for problem in later)]
    return "\n".join(lines)


def _indented(problem: Problem) -> str:
    first, *rest = str(problem).split("\n")
    return "\n".join([f"  {first}", *(f"    {line}" for line in rest)])


def summary(file: EquationFile) -> str:
    """``2 fields (u, v) on 128 x 128 cells, 4 parameters``."""
    equation = file.equation
    fields = [*equation.statements]
    parts = [f"{_count(len(fields), 'field')} ({', '.join(fields)})"]
    grid = equation.grid_of(equation.fields[0])  # a file has one grid
    if grid is not None:
        parts[0] += f" on {' x '.join(map(str, grid.shape))} {'cells' if grid.centring == 'cell' else 'nodes'}"
    kinds = {
        "parameter": len(equation.declared) - len(equation.layout.signals) + len(equation.definitions),
        "signal": len(equation.layout.signals),
        "kernel": len(equation.layout.kernels),
        "module": len(equation.layout.modules),
        "event": len(equation.events),
    }
    parts += [_count(number, kind) for kind, number in kinds.items() if number]
    samples = [len(item.value) for item in equation.declared.values() if item.place == "per sample"]
    parts += [_count(samples[0], "sample")] if samples else []
    start, end = file.solve["t_span"]
    return ", ".join([*parts, f"from t = {start:g} to {end:g}"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
