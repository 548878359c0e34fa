"""The symbol ``L(k)`` of an equation linearised at one uniform state, and its restriction to a ray of wave vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from .factors import ISOTROPIC, Factor, Monomial
from .kernels import SampledKernel, cropped
from .linearise import Linearised
from .numbers import Complex, Floats
from .response import Response


@dataclass(frozen=True)
class Symbol:
    """``L(k) = sum_m A_m prod_{f in m} f(k)``.

    Attributes:
        terms: A_m, complex ``(W, W)``, per product of operators.
        kernels: of the convolutions among them.
        dimension: number d of axes.
    """

    terms: Mapping[Monomial, Complex]
    kernels: Mapping[str, SampledKernel]
    dimension: int

    @property
    def waves(self) -> int:
        """The number W of eigenvalues at each k."""
        return len(next(iter(self.terms.values())))

    @property
    def is_isotropic(self) -> bool:
        """Whether it is the same in all directions."""
        if self.dimension == 1:
            return True
        factors = {factor for monomial in self.terms for factor in monomial}
        return all(self._same_everywhere(factor) for factor in factors)

    def _same_everywhere(self, factor: Factor) -> bool:
        if factor.kind == "kernel":
            return self.kernels[factor.name].is_isotropic
        return factor.kind in ISOTROPIC or (factor.kind == "diffusion" and factor.axis < 0)

    @property
    def has_mean(self) -> bool:
        """Whether an integral over the domain acts on the uniform mode alone."""
        return any(factor.kind == "mean" for monomial in self.terms for factor in monomial)

    def at(self, shape: tuple[int, ...], eigenvalue: Callable[[Factor], Complex]) -> Complex:
        """``(*shape, W, W)`` for eigenvalues of the factors, which have that shape."""
        total = np.zeros((*shape, self.waves, self.waves), dtype=complex)
        for monomial, matrix in self.terms.items():
            value = prod((eigenvalue(factor) for factor in monomial), start=np.ones(shape, dtype=complex))
            total += value[..., None, None] * matrix
        return total

    def uniform(self) -> Complex:
        """``L`` on uniform perturbations, the averages over the domain included."""
        origin = [np.zeros(())] * self.dimension

        def eigenvalue(factor: Factor) -> Complex:
            if factor.kind == "kernel":
                return self.kernels[factor.name].transform(*origin)
            return np.asarray(1.0 if factor.kind == "mean" else 0.0, dtype=complex)

        return self.at((), eigenvalue)

    def continuous(self, vectors: Floats) -> Complex:
        """``L(k)`` of the differential operators at wave vectors ``(..., d)``; means count at k = 0."""
        squared = (vectors**2).sum(-1)

        def eigenvalue(factor: Factor) -> Complex:
            match factor.kind:
                case "derivative":
                    return (1j * vectors[..., factor.axis]) ** int(factor.power)
                case "mixed":
                    return -vectors[..., factor.axis] * vectors[..., int(factor.power)] + 0j
                case "diffusion" if factor.axis >= 0:
                    return -(vectors[..., factor.axis] ** 2) + 0j
                case "fractional":
                    return -(squared**factor.power) + 0j
                case "kernel":
                    return self.kernels[factor.name].transform(*np.moveaxis(vectors, -1, 0))
                case "mean":
                    return (squared == 0) + 0j
            return -squared + 0j

        return self.at(squared.shape, eigenvalue)

    def along(self, direction: Floats) -> Ray:
        """The symbol at ``k = kappa * direction``."""
        return Ray(self, np.asarray(direction, dtype=float))


class Ray:
    """``L(kappa n)`` for a unit vector n, with its derivatives by kappa.

    A local operator is ``c kappa^p``; a kernel is ``sum_d w_d exp(-i kappa n.d)``. The mean of a wave is zero:
    kappa = 0 stands for the limit of long waves, and `Symbol.uniform` for the uniform mode.

    Attributes:
        kernels: that the symbol contains.
    """

    def __init__(self, symbol: Symbol, direction: Floats) -> None:
        self.symbol = symbol
        self.direction = direction
        names = {factor.name for monomial in symbol.terms for factor in monomial if factor.kind == "kernel"}
        self.kernels = [symbol.kernels[name] for name in sorted(names)]
        self._lines = {name: symbol.kernels[name].projected(direction) for name in sorted(names)}

    def matrices(self, kappa: Complex | Floats, derivatives: int = 0) -> Complex:
        """L and its derivatives at `kappa` ``(K,)``, shape ``(derivatives + 1, K, W, W)``; kappa may be complex."""
        kappa = np.atleast_1d(np.asarray(kappa))
        W = self.symbol.waves
        total = np.zeros((derivatives + 1, len(kappa), W, W), dtype=complex)
        transforms = {name: self._transform(name, kappa, derivatives) for name in self._lines}
        for monomial, matrix in self.symbol.terms.items():
            jet = self._jet(monomial, kappa, transforms, derivatives)
            total += jet[..., None, None] * matrix
        return total

    def sizes(self, kappa: Floats) -> Floats:
        """Sum of the moduli of all that L is made of, ``(K,)``: its round-off is a share of this."""
        total = np.zeros(len(kappa))
        transforms = {name: self._transform(name, kappa, 0) for name in self._lines}
        for monomial, matrix in self.symbol.terms.items():
            total += np.abs(self._jet(monomial, kappa, transforms, 0)[0]) * np.abs(matrix).max()
        return total

    def powers(self) -> dict[float, Complex]:
        """The local part as a polynomial in kappa: matrices by exponent. Kernels and means vanish at large kappa."""
        found: dict[float, Complex] = {}
        for monomial, matrix in self.symbol.terms.items():
            if all(factor.kind not in ("kernel", "mean") for factor in monomial):
                c, p = self._power_law(monomial)
                found[p] = found.get(p, 0) + c * matrix
        return {p: matrix for p, matrix in found.items() if np.abs(matrix).max() > 0}

    def _jet(self, monomial: Monomial, kappa: Complex, transforms: Mapping[str, Complex], order: int) -> Complex:
        """Value and derivatives of a product of factors, ``(order + 1, K)``."""
        c, p = self._power_law(monomial)
        jet = c * _powers(kappa, p, order)
        for factor in monomial:
            if factor.kind == "kernel":
                jet = _leibniz(jet, transforms[factor.name])
            if factor.kind == "mean":
                jet = 0 * jet
        return jet

    def _power_law(self, monomial: Monomial) -> tuple[complex, float]:
        coefficient, exponent = 1.0 + 0j, 0.0
        for factor in monomial:
            n = 1.0 if factor.axis < 0 else float(self.direction[factor.axis])
            match factor.kind:
                case "derivative":
                    coefficient *= (1j * n) ** int(factor.power)
                    exponent += factor.power
                case "laplacian" | "diffusion":
                    coefficient *= -(n**2)
                    exponent += 2
                case "mixed":
                    coefficient *= -n * float(self.direction[int(factor.power)])
                    exponent += 2
                case "fractional":
                    coefficient *= -1
                    exponent += 2 * factor.power
        return coefficient, exponent

    def _transform(self, name: str, kappa: Complex, order: int) -> Complex:
        positions, weights = self._lines[name]
        waves = np.exp(-1j * np.multiply.outer(kappa, positions))
        return np.stack([waves @ (weights * (-1j * positions) ** m) for m in range(order + 1)])


def symbol_of(linearised: Linearised, response: Response, state: int = 0) -> Symbol:
    """The symbol at one of the states of a response."""
    equation = linearised.equation
    W = linearised.waves
    terms = {
        monomial: matrix.expand(-1, W, W)[min(state, len(matrix) - 1)].numpy().astype(complex)
        for monomial, matrix in response.terms.items()
    }
    kept = {monomial: matrix for monomial, matrix in terms.items() if np.abs(matrix).max() > 0}
    grids = {name: equation.layout.kernel_grid(name) for name in linearised.kernels}
    kernels = {name: SampledKernel(cropped(values), grids[name]) for name, values in linearised.kernels.items()}
    return Symbol(kept or {(): np.zeros((W, W), dtype=complex)}, kernels, equation.layout.dimension)


def _powers(kappa: Complex, p: float, order: int) -> Complex:
    """``kappa^p`` and its derivatives; those that are infinite at 0 are left out there."""
    rows, coefficient = [], 1.0
    for m in range(order + 1):
        q = p - m
        if coefficient == 0:
            rows.append(np.zeros(len(kappa), dtype=complex))
        elif q >= 0 and float(q).is_integer():
            rows.append(coefficient * kappa.astype(complex) ** int(q))
        else:
            safe = np.where(kappa == 0, 1.0, kappa).astype(complex)
            rows.append(coefficient * np.where(kappa == 0, 0.0, safe**q))
        coefficient *= q
    return np.stack(rows)


def _leibniz(a: Complex, b: Complex) -> Complex:
    """Derivatives of a product, up to the second."""
    rows = [a[0] * b[0]]
    if len(a) > 1:
        rows.append(a[1] * b[0] + a[0] * b[1])
    if len(a) > 2:
        rows.append(a[2] * b[0] + 2 * a[1] * b[1] + a[0] * b[2])
    return np.stack(rows)


def unit(dimension: int, axis: int = 0) -> Floats:
    """The direction of an axis."""
    direction = np.zeros(max(dimension, 1))
    direction[axis] = 1.0
    return direction
