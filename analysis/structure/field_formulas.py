"""A declared field equation as formulas in jets, and densities back in the equation language."""

from __future__ import annotations

from typing import Any

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.grammar import parse_expression
from fieldsolver.equations.graph import Depends, Node
from fieldsolver.equations.views import SympyView
from fieldsolver.equations.vocabulary import AXES
from fieldsolver.errors import EquationError

from ..budgets.density import scope_of
from .exact_numbers import parameter_numbers, with_fractions
from .formulas import known_fields
from .jets import Index, Jets
from .laplacians import Laplacians
from .system import System
from .writing import written


class FieldFormulas:
    """The right-hand sides of a field equation in jets.

    Attributes:
        jets: the symbols.
        rates: per real field; None where something has no formula, or depends on place or time.
        numbers: values of the parameters as fractions.
        laplacians: how sums of second derivatives are written.
    """

    def __init__(self, system: System) -> None:
        import sympy

        equation = system.equation
        if equation is None:
            raise EquationError("only a declared equation has formulas")
        self.equation: FieldEquation = equation
        axes = [sympy.Symbol(name, real=True) for name in equation.given.axes]
        self.jets = Jets(axes, system.components)
        self.rates: tuple[Any, ...] | None = None
        self.numbers: dict[Any, Any] = {}
        self.laplacians = Laplacians(self.jets)
        scope = scope_of(equation)
        self._pairs = [(j - 1, j) for j, name in enumerate(system.names) if name.startswith("imag(")]
        self._nodes = [parse_expression(name, scope) for name in system.names]
        if not _is_plain(equation):
            return
        self._view = SympyView.of_equation(equation, known=known_fields(equation, self.jets.functions))
        try:
            self.rates = tuple(
                rate for name in equation.fields for rate in self.in_jets(equation.right_sides[name], name)
            )
        except EquationError:
            return  # a module, a convolution: no formula
        met = {symbol for rate in self.rates for symbol in rate.free_symbols}
        # Entries of matrices have no name in the language; they are replaced by their values.
        entries = parameter_numbers(equation, met - {*self._view.symbols})
        self.rates = tuple(rate.subs(entries) for rate in self.rates)
        self.numbers = parameter_numbers(equation, self._view.symbols)
        if not all(rate.free_symbols <= {*self.jets.inside(rate), *self.numbers} for rate in self.rates):
            self.rates = None

    def in_jets(self, node: Node, owner: str) -> list[Any]:
        """A node in jets, with fractions for decimals; real and imaginary part for the rate of a complex field.

        Raises:
            EquationError: something has no formula.
        """
        import sympy

        parts = []
        for entry in self._view.entries(node):
            flat = with_fractions(self.jets.of(entry))
            if flat.atoms(sympy.core.function.AppliedUndef):
                raise EquationError(f"{node} has no formula")
            parts += list(sympy.expand(flat).as_real_imag()) if owner in self.equation.complex_fields else [flat]
        return parts

    def readable(self, density: Any) -> str:
        """A density as people write it: ``gradient_squared(u)``, ``laplacian(u)**2``, ``abs(psi)**2``."""
        return self._text(self.laplacians.by_parts(self.laplacians.grouped(density)))

    def symmetric(self, density: Any) -> str:
        """The same up to a divergence, so that its discrete gradient is the discrete Laplacian: ``-u*laplacian(u)``."""
        return self._text(self.laplacians.symmetric(self.laplacians.grouped(density)))

    def _text(self, density: Any) -> str:
        density = self.laplacians.with_moduli(density, self._pairs)
        symbols: dict[Any, Node] = dict(self._view.symbols)
        for symbol in density.free_symbols:
            meaning = self.jets.meaning(symbol)
            if meaning is not None:
                symbols[symbol] = self._derivative(*meaning)
            elif (special := self.laplacians.meaning(symbol)) is not None:
                name, field = special
                symbols[symbol] = self._special(name, field)
        return written(density, symbols)

    def _special(self, name: str, field: int) -> Node:
        if name == "abs":
            return build.function("abs", self._nodes[field].operands[0])
        return build.operator(name, self._nodes[field], dimension=len(self.jets.axes))

    def _derivative(self, field: int, index: Index) -> Node:
        node = self._nodes[field]
        for axis, count in enumerate(index):
            left = count
            while left:
                step = min(left, 4)
                word = f"d_d{AXES[axis]}" if step == 1 else f"d{step}_d{AXES[axis]}{step}"
                node, left = build.operator(word, node, dimension=len(self.jets.axes)), left - step
        return node


def _is_plain(equation: FieldEquation) -> bool:
    """On straight axes and without time: where the calculus of variations is that of the textbook."""
    layout = equation.layout
    if layout.graph is not None or layout.domains or layout.is_curved or layout.metric is not None:
        return False
    return not any(node.depends & Depends.TIME for node in equation.right_sides.values())
