"""The page of `fieldsolver list methods`: a row of numbers and a source for each method."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fieldsolver.errors import OptionError, listing, nearest

if TYPE_CHECKING:
    from fieldsolver.methods import MethodSummary

WIDTH = 120
NONE = "-"
COLUMNS = (8, 7, 8, 13, 7, 11, 11, 8, 8)
HEADINGS = ("method", "order", "dense", "stages", "evaluations", "extra", "real", "imaginary", "SSP", "steps")
LEGEND = f"""\
  order: of the solution, and in brackets of the embedded method behind the error estimate; 1-12: it varies
  dense: order of the dense output; stages: those of one step
  evaluations: what a step costs, the slope that it shares with the next one counted once
  extra: further evaluations in a step inside which the solution is asked for
  real, imaginary: largest x and y for which equal steps of size h do not grow while h times the eigenvalue lies on
    [-x, 0] and on [-iy, iy]
  SSP: the Euler step limits that one step may span while norms that Euler steps do not raise do not rise
  steps: adaptive, chosen by rtol and atol, or fixed, given as dt; adaptive methods of one order take fixed ones as well
  {NONE}: there is none\
"""


def method_page(word: str | None = None) -> Iterator[str]:
    """The lines of the page for every method, or for one of them; a row is computed when it is asked for.

    Raises:
        OptionError: there is no such method.
    """
    from fieldsolver.methods import METHODS, adaptive_methods

    if word is not None and word not in METHODS:
        raise OptionError(f"--method is one of {listing(METHODS)}, got {word!r}{nearest(word, METHODS)}")
    yield LEGEND
    yield ""
    adaptive, width = adaptive_methods(), max(map(len, METHODS)) + 2
    yield _row(HEADINGS, width)
    for name in METHODS if word is None else (word,):
        yield from method_lines(METHODS[name].describe(), name in adaptive, width)


def method_lines(facts: MethodSummary, adaptive: bool, width: int) -> Iterator[str]:
    """The row of one method, its name `width` columns wide, and its source, in lines of at most `WIDTH` columns."""
    yield _row(
        (
            facts.name,
            _orders(facts),
            _text(facts.dense_order),
            _text(facts.stages),
            _text(facts.evaluations),
            _text(facts.extra_stages),
            _text(facts.real_interval),
            _text(facts.imaginary_interval),
            _text(facts.ssp_radius),
            "adaptive" if adaptive else "fixed",
        ),
        width,
    )
    yield from textwrap.wrap(facts.source, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4)


def _orders(facts: MethodSummary) -> str:
    if facts.lowest_order is not None:
        return f"{facts.lowest_order}-{facts.order}"
    return f"{facts.order}" if facts.embedded_order is None else f"{facts.order}({facts.embedded_order})"


def _row(cells: tuple[str, ...], width: int) -> str:
    return "".join(f"{cell:<{columns}}" for cell, columns in zip(cells, (width, *COLUMNS), strict=True)).rstrip()


def _text(value: float | None) -> str:
    """Five digits; methods of other families lack some of the numbers."""
    return NONE if value is None else f"{value:.5g}"
