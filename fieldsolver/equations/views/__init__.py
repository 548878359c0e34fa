"""Views of the expression graph: SymPy, LaTeX, Unicode. The graph itself knows none of them."""

from .from_sympy import from_sympy
from .latex import to_latex
from .pretty import to_pretty
from .sympy_view import SympyView, to_sympy

__all__ = ["SympyView", "from_sympy", "to_latex", "to_pretty", "to_sympy"]
