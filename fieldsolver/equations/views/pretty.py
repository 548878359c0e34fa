"""Plain Unicode: ``∂u/∂t = Dᵤ ∇²u − u v² + F (1 − u)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import Node, Power, Symbol
from .names import SUPERSCRIPTS, pretty_name, subscript
from .notation import Binding, Notation, Piece, axis_of, exponent_of, whole_or_real

if TYPE_CHECKING:
    from ..field_equation import FieldEquation

_COMPARISONS = {"<=": "≤", ">=": "≥"}
_FUNCTIONS = {"real": "Re", "imag": "Im", "heaviside": "H", "sigmoid": "σ", "asin": "arcsin", "acos": "arccos",
              "atan": "arctan", "sign": "sgn"}  # fmt: skip
_PREFIXES = {"laplacian": "∇²", "biharmonic": "∇⁴", "gradient": "∇", "divergence": "∇·", "curl": "∇×"}


def to_pretty(equation: FieldEquation) -> str:
    """The system in plain Unicode, one line per equation, then the parameters that are expressions."""
    notation = PrettyNotation(equation.statements)
    d = "∂" if equation.grid is not None else "d"
    lines = []
    for name, node in equation.statements.items():
        order = "²" if equation.orders[name] == 2 else ""
        lines.append(f"{d}{order}{notation.name(name)}/{d}t{order} = {notation.render(node)}")
    lines += [f"{notation.name(name)} = {notation.render(node)}" for name, node in equation.definitions.items()]
    return "\n".join(lines)


class PrettyNotation(Notation):
    """Glyphs of plain Unicode."""

    minus, times, brackets = "−", "·", ("(", ")")

    def name(self, name: str) -> str:
        """A symbol."""
        return pretty_name(name, self.fields)

    def number(self, value: int | float | complex) -> Piece:
        """A literal; ``2 i`` for imaginary ones."""
        if isinstance(value, complex):
            return ("i", Binding.ATOM) if value == 1j else (f"{_shown(whole_or_real(value.imag))} i", Binding.POWER)
        return _shown(value), Binding.POWER if "·" in _shown(value) else Binding.ATOM

    def velocity(self, field: str) -> str:
        """The time derivative of a field."""
        return "∂ₜ" + self.name(field)

    def noise(self, kind: str, index: int, length: float | None) -> str:
        """White noise is ξ, coloured noise η."""
        letter = "ξ" if kind == "white_noise" else "η"
        return f"{letter}{subscript(str(index))}" + ("" if length is None else f"(ℓ={_shown(length)})")

    def quotient(self, top: Piece, bottom: Piece) -> Piece:
        """A fraction on one line."""
        return f"{self.inside(top, Binding.PRODUCT)}/{self.inside(bottom, Binding.POWER)}", Binding.PRODUCT

    def power(self, node: Power, base: Piece, exponent: Piece) -> str:
        """Superscripts for integers."""
        shown, n = self.inside(base, Binding.ATOM), exponent_of(node)
        if n is not None:
            return shown + str(n).translate(SUPERSCRIPTS)
        return f"{shown}^{self.inside(exponent, Binding.ATOM)}"

    def comparison(self, sign: str) -> str:
        """``≤`` for ``<=``."""
        return _COMPARISONS.get(sign, sign)

    def component(self, operand: Node, piece: Piece, index: int) -> str:
        """A subscript on a symbol that has none yet, else an index."""
        below = subscript(str(index))
        if isinstance(operand, Symbol) and below is not None and self.name(operand.name).isalpha():
            return piece[0] + below
        return f"{self.inside(piece, Binding.ATOM)}[{index}]"

    def function(self, name: str, arguments: list[Piece]) -> str:
        """Bars, roots, or a name in front of brackets."""
        texts = [text for text, _ in arguments]
        match name:
            case "abs":
                return f"|{texts[0]}|"
            case "sqrt":
                return "√" + self.inside(arguments[0], Binding.ATOM)
            case "where":
                return f"{{{texts[1]} if {texts[0]}, else {texts[2]}}}"
        return self.call(_FUNCTIONS.get(name, name), texts)

    def operator(self, name: str, arguments: list[Piece]) -> Piece:
        """Nabla, or ∂ with the axis below."""
        operand = self.inside(arguments[-1], Binding.ATOM)
        match name:
            case "gradient_squared":
                return f"|∇{operand}|²", Binding.ATOM
            case "diffusion":
                return f"∇·({self.inside(arguments[0], Binding.POWER)} ∇{operand})", Binding.PREFIX
            case "advection":
                return f"({self.inside(arguments[0], Binding.ATOM)}·∇){operand}", Binding.PREFIX
            case "fractional_laplacian":
                return f"−(−∇²)^{self.inside(arguments[0], Binding.ATOM)} {operand}", Binding.SUM
        if name in _PREFIXES:
            return _PREFIXES[name] + operand, Binding.PREFIX
        axis, order = axis_of(name)
        below = subscript(axis) or f"_{axis}"
        return f"∂{below}{str(order).translate(SUPERSCRIPTS) if order > 1 else ''} {operand}", Binding.PREFIX

    def dot(self, left: str, right: str) -> str:
        """A product of vectors."""
        return f"{left} · {right}"

    def reduction(self, name: str, operand: Piece) -> Piece:
        """An integral over the domain, or the mean in angle brackets."""
        if name == "mean":
            return f"⟨{operand[0]}⟩", Binding.ATOM
        return f"∫ {self.inside(operand, Binding.PREFIX)}", Binding.PREFIX

    def convolution(self, kernel: str, operand: str) -> str:
        """The kernel, then what it is applied to."""
        return f"({kernel} ∗ {operand})"

    def call(self, name: str, arguments: list[str]) -> str:
        """A name in front of brackets."""
        return f"{name}({', '.join(arguments)})"

    def treatment(self, name: str, operand: str) -> str:
        """As it is declared."""
        return f"{name}({operand})"


def _shown(value: float) -> str:
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}·10{str(int(exponent)).translate(SUPERSCRIPTS)}" if exponent else mantissa
