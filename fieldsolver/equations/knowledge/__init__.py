"""What is known of an equation from its declaration alone: its linear part, spectra, Jacobian, symbols, invariants."""

from .affine import LinearTerm, Remainder, split
from .conserved import conserved_linear
from .jacobian import Jacobian, colour_columns
from .linear_part import LinearPart, TermReport, linear_part
from .spectra import Bound
from .symbols import linear_terms, symbol_matrix
from .uniform import steady_states

__all__ = [
    "Bound",
    "Jacobian",
    "LinearPart",
    "LinearTerm",
    "Remainder",
    "TermReport",
    "colour_columns",
    "conserved_linear",
    "linear_part",
    "linear_terms",
    "split",
    "steady_states",
    "symbol_matrix",
]
