"""The elementary functions of the language in SymPy, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from fieldsolver.errors import EquationTypeError

from ..vocabulary import TRANSFERS

SAME_NAME = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp", "log", "erf")
RENAMED = {"abs": "Abs", "sign": "sign", "heaviside": "Heaviside", "conj": "conjugate", "real": "re", "imag": "im",
           "min": "Min", "max": "Max", "sqrt": "sqrt"}  # fmt: skip


def elementary(name: str, *arguments: Any) -> Any:
    """A function of `vocabulary.FUNCTIONS` applied to SymPy expressions."""
    import sympy

    (u, *_) = arguments
    match name:
        case "sigmoid":
            return 1 / (1 + sympy.exp(-u))
        case "softplus":
            return sympy.log(1 + sympy.exp(u))
        case "relu":
            return sympy.Max(0, u)
        case "where":
            condition, yes, no = arguments
            return sympy.Piecewise((yes, condition), (no, True))
    if name in SAME_NAME or name in RENAMED:
        return getattr(sympy, RENAMED.get(name, name))(*arguments)
    raise EquationTypeError(f"the function {name} has no counterpart in SymPy")


def relation(sign: str, left: Any, right: Any) -> Any:
    """``left < right`` and the like."""
    import sympy

    kinds = {"<": sympy.StrictLessThan, "<=": sympy.LessThan, ">": sympy.StrictGreaterThan, ">=": sympy.GreaterThan}
    return kinds[sign](left, right)


@cache
def nonlocal_function(name: str) -> Callable[..., Any]:
    """An undefined function of a whole field.

    The chain rule of SymPy holds point by point, and would be wrong here: `integral` and `mean` are linear and the same
    everywhere, `convolve`, `restrict` and `prolong` are linear, and of anything else nothing is known.
    """
    import sympy

    def derivative(self: Any, symbol: Any) -> Any:
        in_space = symbol.name in ("x", "y", "z")
        if name in ("integral", "mean"):
            return sympy.Integer(0) if in_space else self.func(self.args[0].diff(symbol))
        if name == "convolve" and not in_space:
            return self.func(self.args[0], self.args[1].diff(symbol))
        if name in TRANSFERS and not in_space:
            return self.func(self.args[0].diff(symbol))
        raise EquationTypeError(f"the derivative of {name}(...) with respect to {symbol} is not known to SymPy")

    return type(name, (sympy.Function,), {"_eval_derivative": derivative})
