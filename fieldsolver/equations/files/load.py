"""From an equation file to a declared equation, its start and its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import FileFormatError

from ..field_equation import FieldEquation
from .boundary import read_boundary, read_grid
from .document import Document, read_document
from .events import read_events
from .expressions import literals
from .initial import read_initial
from .kernels import read_kernels
from .modules import read_modules
from .parameters import only_aside, read_parameters
from .schemes import read_scheme
from .signals import read_signals
from .solve_table import read_output, read_solve


@dataclass(frozen=True)
class EquationFile:
    """What an equation file declares.

    Attributes:
        equation: the declared equation.
        initial: per field, a tensor ``(*grid)`` or ``(c, *grid)``; with a batch axis in front of it if there are
            parameters per sample.
        solve: keyword arguments of `fieldsolver.solve`: t_span, save_at, and what the file gives of method, dt, ...
        name: name of the file without its ending.
        title, source: what it is, and where it comes from (may be empty).
        output: ``field`` and ``fps`` of the animation, where given.
    """

    equation: FieldEquation
    initial: dict[str, Tensor]
    solve: dict[str, Any]
    name: str
    title: str
    source: str = ""
    output: dict[str, Any] = field(default_factory=dict)


def load_equation(path: str | os.PathLike[str]) -> EquationFile:
    """Read an equation file.

    Raises:
        FileFormatError: no such file, not TOML, a newer schema, an unknown key, or a value of the wrong type.
        EquationError, BoundaryError, ParameterError, GridError, StateError: what it declares is not possible.
    """
    document = read_document(path)
    if faults := document.faults():
        more = len(faults) - 1
        hint = f" ({more} more: run 'fieldsolver check {document.path}')" if more else ""
        raise FileFormatError(f"{document.path}: {faults[0]}{hint}", faults[0].keys)
    return read_file(document)


def read_file(document: Document) -> EquationFile:
    """Everything that a file declares whose structure is right; raises as `load_equation`."""
    options, dtype = read_solve(document)
    equation = read_equation(document, dtype)
    initial = read_initial(document, equation, only_aside(document), options["t_span"][0], dtype)
    title, source = document.content.get("title", document.path.stem), document.content.get("source", "")
    return EquationFile(equation, initial, options, document.path.stem, title, source, read_output(document, equation))


def read_equation(document: Document, dtype: torch.dtype = torch.float64) -> FieldEquation:
    """The equation alone, out of tables whose structure is right; `dtype` is that of the weights of modules."""
    declared = document.table("equation")
    grid, boundary = read_grid(document), read_boundary(document)
    aside = only_aside(document)
    known = literals(document, grid.axes if grid else ())
    parameters = read_parameters(document, grid, known)
    return FieldEquation(
        declared["text"],
        grid=grid,
        boundary=boundary,
        parameters={name: value for name, value in parameters.items() if name not in aside}
        | dict(read_signals(document)),
        kernels=read_kernels(document, grid, known),
        modules=read_modules(document, grid, boundary, dtype),
        components=declared.get("components", {}),
        complex_fields=declared.get("complex_fields", ()),
        space_order=declared.get("space_order"),
        scheme=read_scheme(document, grid),
        calculus=declared.get("calculus"),
        events=read_events(document),
    )
