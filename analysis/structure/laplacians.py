"""Sums of squares and of second derivatives along all axes, as the operators that people write."""

from __future__ import annotations

from typing import Any

from .jets import Index, Jets


class Laplacians:
    """Symbols for ``laplacian(u)``, ``biharmonic(u)``, ``gradient_squared(u)`` and ``abs(psi)**2`` in densities."""

    def __init__(self, jets: Jets) -> None:
        self.jets = jets
        self._symbols: dict[tuple[str, int], Any] = {}

    def symbol(self, name: str, field: int) -> Any:
        """The symbol that stands for an operator applied to a field."""
        import sympy

        return self._symbols.setdefault((name, field), sympy.Symbol(f"~2_{name}_{field}", real=True))

    def meaning(self, symbol: Any) -> tuple[str, int] | None:
        """Operator and field of a symbol, or None."""
        return next((key for key, own in self._symbols.items() if own == symbol), None)

    def grouped(self, density: Any) -> Any:
        """Equal coefficients along all axes become one operator."""
        import sympy

        density = sympy.expand(density)
        for field in range(self.jets.count):
            second = [(self._jet(field, axis, 2), 1) for axis in self._axes()]
            density = self._replaced(density, self._fourth(field), self.symbol("biharmonic", field))
            density = self._replaced(density, second, self.symbol("laplacian", field))
            squares = [(self._jet(field, axis, 1) ** 2, 1) for axis in self._axes()]
            density = self._replaced(density, squares, self.symbol("gradient_squared", field))
        return density

    def by_parts(self, density: Any) -> Any:
        """``u*laplacian(u)`` as ``-gradient_squared(u)``, ``u*biharmonic(u)`` as ``laplacian(u)**2``."""
        for field in range(self.jets.count):
            u = self.jets.symbol(field)
            lap, bih = self.symbol("laplacian", field), self.symbol("biharmonic", field)
            density = self._swapped(density, u * lap, -self.symbol("gradient_squared", field))
            density = self._swapped(density, u * bih, lap**2)
        return density

    def symmetric(self, density: Any) -> Any:
        """The other way: the form whose discrete gradient is the discrete Laplacian itself."""
        for field in range(self.jets.count):
            u = self.jets.symbol(field)
            lap, bih = self.symbol("laplacian", field), self.symbol("biharmonic", field)
            density = self._swapped(density, self.symbol("gradient_squared", field), -u * lap)
            density = self._swapped(density, lap**2, u * bih)
        return density

    def with_moduli(self, density: Any, pairs: list[tuple[int, int]]) -> Any:
        """Real and imaginary parts that occur as ``a**2 + b**2`` only become ``abs(psi)**2``."""
        import sympy

        for real, imaginary in pairs:
            a, b, m = self.jets.symbol(real), self.jets.symbol(imaginary), self.symbol("abs", real) ** 2
            pointwise: list[Any] = []
            others: list[Any] = []
            for term in sympy.Add.make_args(sympy.expand(density)):
                plain = term.is_polynomial(a, b) and not term.free_symbols & {*self._symbols.values()}
                (pointwise if plain else others).append(term)
            rest = sympy.expand(sympy.rem(sympy.Add(*pointwise), a**2 + b**2 - m, a)) if pointwise else 0 * a
            density = density if {a, b} & rest.free_symbols else rest + sympy.Add(*others)
        return density

    def _axes(self) -> range:
        return range(len(self.jets.axes))

    def _jet(self, field: int, axis: int, order: int) -> Any:
        return self.jets.symbol(field, tuple(order * (k == axis) for k in self._axes()))

    def _fourth(self, field: int) -> list[tuple[Any, int]]:
        pure = [(self._jet(field, axis, 4), 1) for axis in self._axes()]
        mixed: list[Index] = [tuple(2 * (k in (i, j)) for k in self._axes()) for i in self._axes() for j in range(i)]
        return [*pure, *((self.jets.symbol(field, index), 2) for index in mixed)]

    def _replaced(self, density: Any, parts: list[tuple[Any, int]], whole: Any) -> Any:
        """Replace ``c*(n_1 p_1 + n_2 p_2 + ...)`` by ``c*whole``, if every part has that coefficient."""
        import sympy

        coefficients = [density.coeff(part, 1) / count for part, count in parts]
        first = coefficients[0]
        if first == 0 or any(sympy.expand(first - other) != 0 for other in coefficients[1:]):
            return density
        rest = sympy.expand(density - sum(c * n * part for c, (part, n) in zip(coefficients, parts, strict=True)))
        return rest + sympy.expand(first * whole)

    def _swapped(self, density: Any, old: Any, new: Any) -> Any:
        """Replace ``c*old`` by ``c*new`` where c is constant in space."""
        import sympy

        density = sympy.expand(density)
        varying = {*self.jets.inside(density), *self._symbols.values()}
        terms = []
        for term in sympy.Add.make_args(density):
            factor = term / old
            terms.append(factor * new if not factor.free_symbols & varying else term)
        return sympy.expand(sympy.Add(*terms))
