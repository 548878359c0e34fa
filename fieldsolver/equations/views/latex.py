r"""LaTeX: ``\partial_t u &= D_{u} \nabla^{2} u - u v^{2}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import Node, Power, Symbol
from .names import latex_name
from .notation import Binding, Notation, Piece, axis_of, whole_or_real

if TYPE_CHECKING:
    from ..field_equation import FieldEquation

_NAMED = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "min", "max")  # commands of LaTeX itself
_FUNCTIONS = {"asin": r"\arcsin", "acos": r"\arccos", "atan": r"\arctan", "real": r"\operatorname{Re}",
              "imag": r"\operatorname{Im}", "heaviside": r"\Theta", "sign": r"\operatorname{sgn}"}  # fmt: skip
_PREFIXES = {"laplacian": r"\nabla^2", "biharmonic": r"\nabla^4", "gradient": r"\nabla", "divergence": r"\nabla\cdot",
             "curl": r"\nabla\times"}  # fmt: skip
_COMPARISONS = {"<=": r"\le", ">=": r"\ge"}


def to_latex(equation: FieldEquation) -> str:
    """The system as an ``aligned`` environment, for use inside ``$$`` or ``equation``."""
    notation = LatexNotation(equation.statements)
    rows = []
    for name, node in equation.statements.items():
        left = _rate(notation.name(name), equation.orders[name], partial=equation.grid is not None)
        rows.append(f"{left} &= {notation.render(node)}")
    rows += [f"{notation.name(name)} &= {notation.render(node)}" for name, node in equation.definitions.items()]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _rate(field: str, order: int, *, partial: bool) -> str:
    power = "^2" if order == 2 else ""
    if partial:
        return rf"\partial_t{power} {field}"
    return rf"\frac{{\mathrm{{d}}{power} {field}}}{{\mathrm{{d}} t{power}}}"


class LatexNotation(Notation):
    """Glyphs of LaTeX."""

    minus, times, brackets = "-", r"\cdot", (r"\left(", r"\right)")

    def name(self, name: str) -> str:
        """A symbol."""
        return latex_name(name, self.fields)

    def number(self, value: int | float | complex) -> Piece:
        """A literal; the imaginary unit is upright."""
        if isinstance(value, complex):
            unit = r"\mathrm{i}"
            size = _shown(whole_or_real(value.imag))
            return (unit, Binding.ATOM) if value == 1j else (f"{size} {unit}", Binding.POWER)
        shown = _shown(value)
        return shown, Binding.POWER if "cdot" in shown else Binding.ATOM

    def velocity(self, field: str) -> str:
        """The time derivative of a field."""
        return rf"\partial_t {self.name(field)}"

    def noise(self, kind: str, index: int, length: float | None) -> str:
        r"""White noise is \xi, coloured noise \eta with its length."""
        if length is None:
            return rf"\xi_{{{index}}}"
        return rf"\eta_{{{index}}}^{{(\ell={_shown(length)})}}"

    def quotient(self, top: Piece, bottom: Piece) -> Piece:
        """A fraction, which needs no brackets of its own."""
        return rf"\frac{{{top[0]}}}{{{bottom[0]}}}", Binding.POWER

    def power(self, node: Power, base: Piece, exponent: Piece) -> str:
        """A superscript."""
        shown = self.inside(base, Binding.ATOM)
        # A second superscript on the same symbol is an error in LaTeX, and no sight elsewhere.
        shown = f"{{{shown}}}" if "^" in shown else shown
        return f"{shown}^{{{exponent[0]}}}"

    def comparison(self, sign: str) -> str:
        """The sign."""
        return _COMPARISONS.get(sign, sign)

    def component(self, operand: Node, piece: Piece, index: int) -> str:
        """A subscript."""
        shown = piece[0] if isinstance(operand, Symbol) and "_" not in piece[0] else self.bracketed(piece[0])
        return f"{shown}_{{{index}}}"

    def function(self, name: str, arguments: list[Piece]) -> str:
        """Bars, roots, cases, or a name in front of brackets."""
        texts = [text for text, _ in arguments]
        match name:
            case "abs":
                return rf"\left|{texts[0]}\right|"
            case "sqrt":
                return rf"\sqrt{{{texts[0]}}}"
            case "conj":
                return rf"\overline{{{texts[0]}}}"
            case "where":
                condition, yes, no = texts
                return rf"\begin{{cases}} {yes} & {condition} \\ {no} & \text{{otherwise}} \end{{cases}}"
        command = f"\\{name}" if name in _NAMED else _FUNCTIONS.get(name, rf"\operatorname{{{name}}}")
        return self.call(command, texts)

    def operator(self, name: str, arguments: list[Piece]) -> Piece:
        r"""Nabla, or \partial with the axis below."""
        operand = self.inside(arguments[-1], Binding.ATOM)
        match name:
            case "gradient_squared":
                return rf"\left|\nabla {operand}\right|^2", Binding.POWER
            case "diffusion":
                coefficient = self.inside(arguments[0], Binding.POWER)
                return rf"\nabla\cdot\left({coefficient} \nabla {operand}\right)", Binding.PREFIX
            case "advection":
                velocity = self.inside(arguments[0], Binding.ATOM)
                return rf"\left({velocity}\cdot\nabla\right) {operand}", Binding.PREFIX
            case "fractional_laplacian":
                power = self.inside(arguments[0], Binding.SUM)
                return rf"-\left(-\nabla^2\right)^{{{power}}} {operand}", Binding.SUM
        if name in _PREFIXES:
            return f"{_PREFIXES[name]} {operand}", Binding.PREFIX
        axis, order = axis_of(name)
        return rf"\partial_{axis}{f'^{order}' if order > 1 else ''} {operand}", Binding.PREFIX

    def dot(self, left: str, right: str) -> str:
        """A product of vectors."""
        return rf"{left} \cdot {right}"

    def reduction(self, name: str, operand: Piece) -> Piece:
        """An integral over the domain, or the mean in angle brackets."""
        if name == "mean":
            return rf"\left\langle {operand[0]} \right\rangle", Binding.ATOM
        return rf"\int {self.inside(operand, Binding.PREFIX)} \,\mathrm{{d}}V", Binding.PREFIX

    def convolution(self, kernel: str, operand: str) -> str:
        """The kernel, then what it is applied to."""
        return rf"\left({kernel} * {operand}\right)"

    def call(self, name: str, arguments: list[str]) -> str:
        """A name in front of brackets."""
        return rf"{name}\left({', '.join(arguments)}\right)"

    def treatment(self, name: str, operand: str) -> str:
        """Square brackets that say how."""
        return rf"\left[{operand}\right]_{{\mathrm{{{name}}}}}"


def _shown(value: float) -> str:
    mantissa, _, exponent = repr(value).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa
