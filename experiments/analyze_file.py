"""`fieldsolver analyze NAME FILE`: one analyser, or all of them, on an equation file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fieldsolver.analysis.problem import Problem
from fieldsolver.analysis.registry import ANALYSERS, find_analyser
from fieldsolver.equations.file_format import EquationFile, load_equation
from fieldsolver.errors import FieldSolverError, OptionError
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.themes import THEMES

from .analysis_report import Section, analysis_report
from .files import writable_folder, write_figure, write_text
from .sample_files import find_equation_file

ALL = "all"
JUDGED_APART = ("t_span", "save_at", "method", "dt", "progress")


@dataclass(frozen=True)
class Choice:
    """What the command line changes in a file.

    Attributes:
        method: scheme to be judged instead of the file's.
        dt: fixed step to be judged instead of the file's settings.
        t_end: end of the time span instead of the file's.
    """

    method: str | None = None
    dt: float | None = None
    t_end: float | None = None


def analyze_file(name: str, file: str, out: Path, choice: Choice, say: Callable[[str], None]) -> list[Section]:
    """Run one analyser, or ``"all"``, and write ``OUT/FILE/analysis/``: NAME.nc, NAME.png, and report.html.

    Args:
        name: an analyser, or ``"all"``.
        file: an equation file, or the name of a shipped one.
        out: folder for the results.
        choice: what differs from the file.
        say: told a line when an analyser has ended.

    Returns:
        A section per analyser; one that could not be run carries its error. The report holds whatever was finished,
        also when the rest is interrupted.

    Raises:
        FieldSolverError: the file, an option or the folder cannot be used, or the only analyser asked for refused.
    """
    names = list(ANALYSERS) if name == ALL else [name]
    for one in names:
        find_analyser(one)
    loaded = load_equation(find_equation_file(file))
    problem = problem_of(loaded, choice)
    folder = writable_folder(out / loaded.name / "analysis")
    sections: list[Section] = []
    try:
        for section in _sections(names, problem, folder):
            sections.append(section)
            say(section.line)
    finally:
        if name == ALL and sections:
            report = analysis_report(loaded.title or loaded.name, problem, sections)
            say(str(write_text(folder / "report.html", report)))
    return sections


def problem_of(file: EquationFile, choice: Choice) -> Problem:
    """What the analysers are told about a file."""
    settings = dict(file.solve)
    start, end = settings["t_span"]
    end = choice.t_end if choice.t_end is not None else end
    if end <= start:
        raise OptionError(f"--t-end must lie after the start t = {start:g}, got {end:g}")
    if choice.dt is not None and not (math.isfinite(choice.dt) and choice.dt > 0):
        raise OptionError(f"--dt is a positive step, such as 0.01; got {choice.dt:g}")
    method = choice.method or settings.get("method", "auto")
    dt = choice.dt if choice.dt is not None else settings.get("dt")
    rest = {key: value for key, value in settings.items() if key not in JUDGED_APART}
    return Problem(file.equation, file.initial, (float(start), float(end)), method, dt, rest, file.name)


def _sections(names: list[str], problem: Problem, folder: Path) -> Iterator[Section]:
    for name in names:
        analyser = find_analyser(name)
        try:
            result = analyser.load()(problem)
        except FieldSolverError as error:
            if len(names) == 1:
                raise
            yield Section(name, analyser.question, error=str(error))
            continue
        yield Section(name, analyser.question, result, pictures=_written(result, folder / name))


def _written(result: AnalysisResult, path: Path) -> dict[str, bytes]:
    """Write data and picture; return the picture in every theme, none for a result that has nothing to draw."""
    result.to_netcdf(path.with_suffix(".nc"))
    if not result.has_picture or result.status is Verdict.NOT_APPLICABLE:
        return {}
    pictures = {}
    for theme in THEMES:
        target = path.with_suffix(".png") if theme == THEMES[0] else path.with_name(f".{path.name}.{os.getpid()}.png")
        try:
            pictures[theme] = write_figure(target, result.plot(theme)).read_bytes()
        finally:
            if theme != THEMES[0]:
                target.unlink(missing_ok=True)
    return pictures
