"""A system without a grid as formulas: its unknowns as SymPy symbols, its right-hand side where it is declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.grammar import Scope, parse_expression
from fieldsolver.equations.graph import Depends
from fieldsolver.equations.views import SympyView
from fieldsolver.errors import EquationError, EquationTypeError, OptionError

from ..budgets.density import scope_of
from .exact_numbers import parameter_numbers, with_fractions
from .system import System
from .writing import written


class Formulas:
    """Translates between texts of the equation language, SymPy expressions, and values at states ``(K, n)``.

    Args:
        system: without a grid.

    Attributes:
        unknowns: one real symbol per component.
        rates: the right-hand sides in these symbols; None for a function, or where something has no formula.
        numbers: the values of the declared parameters as fractions, by symbol.
    """

    def __init__(self, system: System) -> None:
        import sympy

        self.system = system
        self.unknowns = tuple(sympy.Symbol(f"~{index:03d}", real=True) for index in range(system.components))
        self._scope = _scope(system)
        self._nodes = {
            s: parse_expression(name, self._scope) for s, name in zip(self.unknowns, system.names, strict=True)
        }
        self._view = _view(system, self.unknowns)
        self.rates: tuple[Any, ...] | None = None
        self.numbers: dict[Any, Any] = {}
        if system.equation is not None:
            self.rates = self._right_sides(system.equation)
            self.numbers = parameter_numbers(system.equation, self._view.symbols)

    def parse(self, text: str) -> Any:
        """A real scalar expression of the unknowns.

        Raises:
            EquationError: the text does not parse, or is not a real scalar without time.
        """
        node = parse_expression(text, self._scope)
        if node.components != 1 or node.depends & Depends.TIME:
            raise EquationTypeError("an invariant is one number at every state, without t", text)
        import sympy

        entry = self._view.of(node)
        if not isinstance(entry, sympy.Expr):
            raise EquationTypeError(f"an invariant is a number, not a comparison as {text!r}; use where(...)", text)
        entry = with_fractions(_flat(entry))
        if strange := entry.free_symbols - {*self.unknowns, *self.numbers}:
            raise OptionError(f"{text!r} contains {', '.join(map(str, strange))}, which is no number")
        return entry

    def text(self, expression: Any) -> str:
        """The expression in the equation language."""
        return written(expression, {**self._view.symbols, **self._nodes})

    def values(self, expressions: Sequence[Any], y: Tensor) -> Tensor:
        """``(K, m)`` at states ``(K, n)``."""
        known: dict[Any, Tensor] = {s: y[:, index] for index, s in enumerate(self.unknowns)}
        columns = [torch_value(e.subs(self.numbers), known) for e in expressions]
        return torch.stack([c.expand(y.shape[0]) for c in columns], dim=-1)

    def slopes(self, expressions: Sequence[Any], y: Tensor) -> Tensor:
        """Gradients ``(K, m, n)`` at states ``(K, n)``."""
        flat = [e.diff(s) for e in expressions for s in self.unknowns]
        return self.values(flat, y).reshape(y.shape[0], len(expressions), len(self.unknowns))

    def quantity(self, expression: Any) -> Callable[[Tensor], Tensor]:
        """An expression as a function of states ``(K, n)`` with values ``(K,)``."""
        return lambda y: self.values([expression], y)[:, 0]

    def along(self, expression: Any) -> Any:
        """``dI/dt`` by the formulas of the right-hand sides."""
        if self.rates is None:
            raise OptionError("the right-hand side is not known as a formula")
        return sum(
            (expression.diff(s) * rate for s, rate in zip(self.unknowns, self.rates, strict=True)), start=0 * expression
        )

    def _right_sides(self, equation: FieldEquation) -> tuple[Any, ...] | None:
        import sympy

        rates: list[Any] = []
        for name, node in equation.right_sides.items():
            try:
                entries = [with_fractions(_flat(entry)) for entry in self._view.entries(node)]
            except EquationError:
                return None  # a module or the like: no formula, and so no proof
            for entry in entries:
                rates += [sympy.re(entry), sympy.im(entry)] if name in equation.complex_fields else [entry]
        met = {symbol for rate in rates for symbol in rate.free_symbols}
        # Entries of matrices have no name in the language; they are replaced by their values.
        hidden = parameter_numbers(equation, met - {*self._view.symbols})
        rates = [rate.subs(hidden) for rate in rates]
        known = {*self.unknowns, *self._view.symbols}
        regular = all(rate.free_symbols <= known and not rate.atoms(sympy.core.function.AppliedUndef) for rate in rates)
        return tuple(rates) if regular else None


def torch_value(expression: Any, known: dict[Any, Tensor]) -> Tensor:
    """Evaluate a SymPy expression by the rules of arithmetic; nothing is compiled. `known` collects what was met."""
    import sympy

    if expression in known:
        return known[expression]
    if expression.is_number:
        return torch.tensor(float(expression), dtype=torch.float64)
    below = [torch_value(part, known) for part in expression.args]
    match expression:
        case sympy.Add():
            value = torch.stack(torch.broadcast_tensors(*below)).sum(0)
        case sympy.Mul():
            value = torch.stack(torch.broadcast_tensors(*below)).prod(0)
        case sympy.Pow():
            exponent = expression.exp
            value = below[0] ** (float(exponent) if exponent.is_number else below[1])
        case _:
            name = _TORCH.get(type(expression).__name__)
            if name is None:
                raise OptionError(f"{expression} cannot be evaluated at states; write it in elementary functions")
            value = getattr(torch, name)(*below)
    known[expression] = value
    return value


_TORCH = {
    name: name for name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan")
} | {
    "Abs": "abs",
    "sign": "sign",
    "erf": "erf",
}


def _flat(entry: Any) -> Any:
    """Real and imaginary part apart, where there is an imaginary unit."""
    import sympy

    return entry.doit().expand(complex=True) if entry.has(sympy.I) else entry


def _scope(system: System) -> Scope:
    if system.equation is not None:
        return scope_of(system.equation)
    return Scope({"y": build.field("y", system.components)})


def _view(system: System, unknowns: Sequence[Any]) -> SympyView:
    equation = system.equation
    if equation is None:
        return SympyView(known={"y": unknowns})
    return SympyView.of_equation(equation, known=known_fields(equation, unknowns))


def known_fields(equation: FieldEquation, unknowns: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
    """What every state is in terms of the real unknowns: ``a + i b`` for complex ones."""
    import sympy

    left, known = list(unknowns), {}
    for name, (_, count) in equation.layout.fields.items():
        if name in equation.complex_fields:
            known[name] = [left.pop(0) + sympy.I * left.pop(0) for _ in range(count)]
        else:
            known[name] = [left.pop(0) for _ in range(count)]
    return known
