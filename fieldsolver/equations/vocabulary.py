"""The words of the equation language: elementary functions, differential operators, constants.

A new word is one row here, and for an operator one entry in `fieldsolver.space.operators`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e}
AXES: tuple[str, ...] = ("x", "y", "z")


@dataclass(frozen=True)
class FunctionWord:
    """An elementary function.

    Attributes:
        arity: number of arguments.
        parity: +1 even, -1 odd, 0 neither, in its only argument (how it acts on a reflected field).
        real: the value is real even for complex arguments.
        complex_ok: defined for complex arguments.
    """

    arity: int = 1
    parity: int = 0
    real: bool = False
    complex_ok: bool = True


FUNCTIONS: dict[str, FunctionWord] = {
    "sin": FunctionWord(parity=-1),
    "cos": FunctionWord(parity=1),
    "tan": FunctionWord(parity=-1),
    "asin": FunctionWord(parity=-1),
    "acos": FunctionWord(),
    "atan": FunctionWord(parity=-1),
    "sinh": FunctionWord(parity=-1),
    "cosh": FunctionWord(parity=1),
    "tanh": FunctionWord(parity=-1),
    "exp": FunctionWord(),
    "log": FunctionWord(),
    "sqrt": FunctionWord(),
    "sigmoid": FunctionWord(),
    "softplus": FunctionWord(complex_ok=False),
    "relu": FunctionWord(complex_ok=False),
    "erf": FunctionWord(parity=-1, complex_ok=False),
    "abs": FunctionWord(parity=1, real=True),
    "sign": FunctionWord(parity=-1, complex_ok=False),
    "heaviside": FunctionWord(complex_ok=False),
    "conj": FunctionWord(parity=-1),
    "real": FunctionWord(parity=-1, real=True),
    "imag": FunctionWord(parity=-1, real=True),
    "min": FunctionWord(arity=2, complex_ok=False),
    "max": FunctionWord(arity=2, complex_ok=False),
    "where": FunctionWord(arity=3),
}


@dataclass(frozen=True)
class OperatorWord:
    """A differential operator.

    Attributes:
        arguments: what it is called with, for messages.
        arity: number of arguments.
        axis: the axis it acts along, or None for all.
        derivative_order: order of the highest derivative it takes.
        linear: linear in its last argument.
        spectral: exists on spectral axes only.
    """

    arguments: str
    arity: int = 1
    axis: int | None = None
    derivative_order: int = 2
    linear: bool = True
    spectral: bool = False


OPERATORS: dict[str, OperatorWord] = {
    "laplacian": OperatorWord("laplacian(u)"),
    "diffusion": OperatorWord("diffusion(D, u)", arity=2),
    "gradient_squared": OperatorWord("gradient_squared(u)", derivative_order=1, linear=False),
    "gradient": OperatorWord("gradient(u)", derivative_order=1),
    "divergence": OperatorWord("divergence(v)", derivative_order=1),
    "curl": OperatorWord("curl(v)", derivative_order=1),
    "advection": OperatorWord("advection(v, u)", arity=2, derivative_order=1),
    "biharmonic": OperatorWord("biharmonic(u)", derivative_order=4),
    "fractional_laplacian": OperatorWord("fractional_laplacian(s, u)", arity=2, spectral=True),
}
for _axis, _name in enumerate(AXES):
    OPERATORS[f"d_d{_name}"] = OperatorWord(f"d_d{_name}(u)", axis=_axis, derivative_order=1)
    for _order in (2, 3, 4):
        _word = f"d{_order}_d{_name}{_order}"
        OPERATORS[_word] = OperatorWord(f"{_word}(u)", axis=_axis, derivative_order=_order)

REDUCTIONS: tuple[str, ...] = ("integral", "mean")
TRANSFERS: tuple[str, ...] = ("restrict", "prolong")
TREATMENTS: tuple[str, ...] = ("implicit", "explicit")
NOISES: dict[str, int] = {"white_noise": 1, "coloured_noise": 2}
FORMS: dict[str, str] = {
    "dot": "dot(a, b)",
    "d_dt": "d_dt(u)",
    "convolve": "convolve(kernel, u)",
    **{name: f"{name}(u)" for name in (*REDUCTIONS, *TRANSFERS, *TREATMENTS)},
    "white_noise": "white_noise(0)",
    "coloured_noise": "coloured_noise(0, length)",
}
"""Words that are neither functions nor differential operators, and how they are written."""

WORDS: frozenset[str] = frozenset(FUNCTIONS) | frozenset(OPERATORS) | frozenset(CONSTANTS) | frozenset(FORMS)
MAX_NODES = 10_000
MAX_DEPTH = 200
MAX_EXPONENT = 64
