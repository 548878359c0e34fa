"""Every exception of the package, in one tree.

::

    FieldSolverError
    ├── EquationError (ValueError)          the text or the graph of an equation is wrong
    │   ├── EquationSyntaxError             the text does not parse, or the grammar refuses a construct
    │   ├── UnknownNameError                a name was never declared
    │   └── EquationTypeError               components, shapes or kinds do not fit together
    ├── GridError (ValueError)              a grid that cannot exist, or too small for its stencil
    ├── BoundaryError (ValueError)          a boundary is missing, doubled, unused or contradictory
    ├── ParameterError (ValueError)         a parameter's value, bounds or shape
    ├── StateError (ValueError)             an initial state of the wrong shape, names, dtype, or with NaN
    ├── CurveError (ValueError)             points in space that are no closed or open polygon
    ├── OptionError (ValueError)            an option of solve, fit or a layer that makes no sense
    ├── StabilityError (ValueError)         a fixed step beyond the stability limit
    ├── SolveFailed (RuntimeError)          samples ended early; carries the partial solution
    ├── ConvergenceError (RuntimeError)     an iteration did not reach its tolerance; carries its residuals
    ├── FileFormatError (ValueError)        an equation file, data file or checkpoint that cannot be used
    ├── DataUnavailable (OSError)           a data set is not on this machine and cannot be fetched
    └── MissingDependencyError (ImportError)  an optional package is needed and absent

A message says what was got, what was expected, and what to type instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldsolver.solve.solution import Solution
    from fieldsolver.space.solvers import IterationReport


class FieldSolverError(Exception):
    """Base of all errors raised on purpose by fieldsolver."""


class FieldSolverWarning(UserWarning):
    """Something is legal but probably not what was meant."""


class EquationError(FieldSolverError, ValueError):
    """The equation is wrong; shows the offending place when it is known.

    Args:
        message: one sentence: got, expected, what to type.
        text: the line of source the message is about.
        column: zero-based column in `text`.
    """

    def __init__(self, message: str, text: str | None = None, column: int | None = None) -> None:
        self.message = message
        self.text = text
        self.column = column
        super().__init__(message + _pointer(text, column))


class EquationSyntaxError(EquationError):
    """The text does not parse, or uses a construct the grammar refuses."""


class UnknownNameError(EquationError):
    """A name in the equation was never declared."""


class EquationTypeError(EquationError):
    """Components, shapes or kinds of quantity do not fit together."""


class GridError(FieldSolverError, ValueError):
    """The grid cannot exist, or is too small for what is asked of it."""


class BoundaryError(FieldSolverError, ValueError):
    """A boundary condition is missing, doubled, unused or contradictory."""


class ParameterError(FieldSolverError, ValueError):
    """A parameter's value, bounds or shape is not possible."""


class StateError(FieldSolverError, ValueError):
    """A state has the wrong fields, shape, dtype, device, or is not finite."""


class CurveError(FieldSolverError, ValueError):
    """Points that are no polygon in space: wrong shape, not finite, too few, two neighbours in one place."""


class OptionError(FieldSolverError, ValueError):
    """An option makes no sense, alone or together with the others."""


class StabilityError(FieldSolverError, ValueError):
    """A fixed step lies beyond the stability limit of the method.

    Attributes:
        limit: the largest stable step.
    """

    def __init__(self, message: str, limit: float) -> None:
        self.limit = limit
        super().__init__(message)


class SolveFailed(FieldSolverError, RuntimeError):
    """At least one sample ended before the end of `t_span`.

    Attributes:
        solution: everything that was computed; save points not reached are NaN.
    """

    def __init__(self, message: str, solution: Solution) -> None:
        self.solution = solution
        super().__init__(message)


class ConvergenceError(FieldSolverError, RuntimeError):
    """An iteration did not reach its tolerance.

    Attributes:
        report: iterations and residuals of every sample.
    """

    def __init__(self, message: str, report: IterationReport) -> None:
        self.report = report
        super().__init__(message)


class FileFormatError(FieldSolverError, ValueError):
    """An equation file, data file or checkpoint cannot be used.

    Attributes:
        keys: the place in an equation file, outermost table first; empty when it is not one place.
    """

    def __init__(self, message: str, keys: tuple[str, ...] = ()) -> None:
        self.keys = keys
        super().__init__(message)


class DataUnavailable(FieldSolverError, OSError):
    """A data set is neither on this machine nor can it be fetched."""


class MissingDependencyError(FieldSolverError, ImportError):
    """An optional package is needed for what was asked, and is not installed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or the empty string."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]!r}?" if match else ""


def listing(names: Iterable[str]) -> str:
    """Return names as a readable list, or 'none'."""
    return ", ".join(names) or "none"


def _pointer(text: str | None, column: int | None) -> str:
    if text is None:
        return ""
    if column is None:
        return f"\n  {text}"
    first = max(0, column - 60)  # a caret under column 5000 helps nobody
    excerpt = text[first : column + 40]
    return f" (column {column + 1})\n  {excerpt}\n  {' ' * (column - first)}^"
