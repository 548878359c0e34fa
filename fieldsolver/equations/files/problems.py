"""Everything that is wrong with an equation file: its whole structure, then the first error of the equation."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fieldsolver.errors import BoundaryError, EquationError, FieldSolverError, FileFormatError, GridError

from .document import Document
from .events import place_of_event
from .limits import MAX_FAULTS
from .lines import line_of, line_with
from .load import EquationFile, read_equation, read_file
from .shapes import Fault
from .table_lists import entry_of

_ASIDE = ("title", "source", "initial", "solve", "output")
_NAMED = ("parameters", "signals", "kernels", "modules", "boundary", "initial")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        line: where in the file, counted from 1; None when it is not known.
        message: a sentence.
        consequence: it was found after unknown keys had been left out, and may follow from that.
    """

    line: int | None
    message: str
    consequence: bool = False

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


def find_problems(document: Document) -> tuple[list[Problem], EquationFile | None]:
    """All structural problems and the first of the equation, and the file's content when there are none."""
    faults = document.faults()
    problems = [Problem(line_of(document.text, fault.keys), str(fault)) for fault in faults]
    if len(faults) >= MAX_FAULTS:
        return [*problems, Problem(None, f"and more: only the first {MAX_FAULTS} are listed")], None
    try:
        content = _read(document, faults)
    except FieldSolverError as error:
        message = str(error).removeprefix(f"{document.path}: ")
        return [*problems, Problem(line_of_error(document, error), message, consequence=bool(problems))], None
    return problems, None if problems else content


def _read(document: Document, faults: Sequence[Fault]) -> EquationFile | None:
    """As much as can be made of the file without what is wrong with it."""
    sound = replace(document, content=_without(document.content, [fault for fault in faults if fault.spare]))
    broken = {fault.keys[0] if fault.keys else "" for fault in faults if not fault.spare}
    if not broken:
        return read_file(sound)
    # A missing [initial] or [solve] is a fault of the top level, and does not keep the equation from being read.
    if broken <= {*_ASIDE, ""} and "text" in sound.table("equation"):
        read_equation(sound)
    return None


def _without(content: dict[str, Any], faults: Sequence[Fault]) -> dict[str, Any]:
    content = copy.deepcopy(content)
    for fault in faults:
        table: Any = content
        for key in fault.keys[:-1]:
            table = entry_of(table, key)
        table.pop(fault.keys[-1], None)
    return content


def line_of_error(document: Document, error: FieldSolverError) -> int | None:
    """The line that an error is about: by its place, by the text it quotes, or by a name in its sentence."""
    if isinstance(error, FileFormatError) and error.keys:
        return line_of(document.text, error.keys)
    if place := place_of_event(document, str(error)):
        return line_of(document.text, place)
    if isinstance(error, EquationError) and (line := line_with(document.text, (error.text or "").strip())):
        return line
    if isinstance(error, GridError):
        return line_of(document.text, ("grid",))
    tables = ("boundary",) if isinstance(error, BoundaryError) else _NAMED
    for name in re.findall(r"'([^']+)'", str(error)):
        for table in tables:
            if name in document.table(table):
                return line_of(document.text, (table, name))
    if isinstance(error, BoundaryError):
        return line_of(document.text, ("boundary",))
    return line_of(document.text, ("equation", "text")) if isinstance(error, EquationError) else None
