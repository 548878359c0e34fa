"""Variational calculus: fields and their derivatives as independent symbols, total derivatives, the Euler operator.

P. J. Olver, "Applications of Lie Groups to Differential Equations" (1993), sections 4.1 and 5.4: a density is the
divergence of something exactly when its Euler operator vanishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

Index = tuple[int, ...]


class Jets:
    """Symbols for the derivatives of real fields along the axes of a grid.

    Args:
        axes: coordinates as SymPy symbols.
        count: number of real fields.

    Attributes:
        functions: the fields as SymPy functions of the axes; what a view of an equation is built with.
    """

    def __init__(self, axes: Sequence[Any], count: int) -> None:
        import sympy

        self.axes = tuple(axes)
        self.count = count
        self.functions = tuple(sympy.Function(f"unknown_{j}", real=True)(*axes) for j in range(count))
        self._symbols: dict[tuple[int, Index], Any] = {}
        self._meaning: dict[Any, tuple[int, Index]] = {}

    def symbol(self, field: int, index: Index | None = None) -> Any:
        """The symbol of one derivative of a field; `index` counts the derivatives along every axis."""
        import sympy

        key = (field, index or (0,) * len(self.axes))
        if key not in self._symbols:
            # Behind all letters, so that coefficients are written in front.
            made = sympy.Symbol(f"~1_{field}_" + "".join(map(str, key[1])), real=True)
            self._symbols[key], self._meaning[made] = made, key
        return self._symbols[key]

    def meaning(self, symbol: Any) -> tuple[int, Index] | None:
        """Field and derivatives of a symbol, or None if it is no jet."""
        return self._meaning.get(symbol)

    def inside(self, expression: Any) -> list[Any]:
        """The jets of an expression, in a fixed order."""
        return sorted((s for s in expression.free_symbols if s in self._meaning), key=self._meaning.__getitem__)

    def of(self, expression: Any) -> Any:
        """An expression of the functions and their derivatives in jets."""
        import sympy

        flat = expression.doit()
        known = {}
        for part in flat.atoms(sympy.Derivative):
            field = self.functions.index(part.expr)
            counts = dict(part.variable_count)
            known[part] = self.symbol(field, tuple(int(counts.get(axis, 0)) for axis in self.axes))
        known |= {function: self.symbol(field) for field, function in enumerate(self.functions)}
        return flat.xreplace(known)

    def total(self, expression: Any, axis: int) -> Any:
        """The derivative along an axis, by the chain rule."""
        terms = [expression.diff(s) * self._shifted(s, axis) for s in self.inside(expression)]
        return sum(terms, start=expression.diff(self.axes[axis]))

    def variational(self, density: Any, field: int) -> Any:
        """``delta/delta u int density``: the sum of ``(-D)^alpha d density/d u_alpha``."""
        total = 0 * density
        for symbol in self.inside(density):
            owner, index = self._meaning[symbol]
            if owner == field:
                total += (-1) ** sum(index) * self._repeated(density.diff(symbol), index)
        return total

    def gradient(self, density: Any) -> list[Any]:
        """The variational derivative by every field."""
        return [self.variational(density, field) for field in range(self.count)]

    def uniform(self, expression: Any) -> Any:
        """The expression where no field varies in space."""
        return expression.xreplace({s: 0 * s for s in self.inside(expression) if any(self._meaning[s][1])})

    def _repeated(self, expression: Any, index: Index) -> Any:
        steps = [axis for axis, count in enumerate(index) for _ in range(count)]
        return reduce(self.total, steps, expression)

    def _shifted(self, symbol: Any, axis: int) -> Any:
        field, index = self._meaning[symbol]
        return self.symbol(field, tuple(n + (k == axis) for k, n in enumerate(index)))
