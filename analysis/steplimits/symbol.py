"""The symbol of a discrete operator: the small matrix by which it acts on each wave.

Where the state is uniform, the Jacobian of a declared right-hand side commutes with translations (and with reflections
at walls), so that one product with an impulse per component tells how it acts on every wave: whatever the terms are,
convolutions, upwinding and modules among them. One product with a random vector proves it, or shows that it is not so.

Source: J. G. Charney, R. Fjoertoft & J. von Neumann, Tellus 2 (1950) 237; R. D. Richtmyer & K. W. Morton, Difference
Methods for Initial-Value Problems (1967), chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from ..schemes.scheme import Complex, Floats
from .axis_waves import AxisWaves, axis_waves
from .modes import Modes, NoModes, leading_vector, settled
from .rates import Rates, RightHandSide

ROUNDING = 1e-9
"""Relative error of the product with a random vector above which the operator is not one of waves."""
MOST_WITHOUT_GRID = 2
"""Components of a system without a grid whose eigenvalues need no discs: those of quadratic equations."""
ROUNDING_OF_ENTRIES = 1e-14
"""Share of the largest entry of a symbol over all waves below which an entry is rounding."""


@dataclass(frozen=True, eq=False)
class Symbol:
    """How the Jacobian acts on waves.

    Attributes:
        components: places in the real state.
        axes: the waves of every axis.
        matrices: ``(M, C, C)``, one for each wave, the waves of the last axis fastest.
    """

    components: tuple[int, ...]
    axes: tuple[AxisWaves, ...]
    matrices: Complex

    @property
    def theta(self) -> Floats:
        """Angles of the waves, ``(M, d)``."""
        angles = np.meshgrid(*[axis.theta for axis in self.axes], indexing="ij")
        return np.stack([a.ravel() for a in angles], axis=-1) if angles else np.zeros((1, 0))

    def eigenvalues(self) -> Complex:
        """``(M, C)``; in real arithmetic where the symbols are real, which keeps what is neutral neutral."""
        matrices = self.matrices if self.matrices.imag.any() else self.matrices.real
        if matrices.shape[-1] == 1:
            return (matrices[..., 0] + 0j).astype(np.complex128)
        return np.asarray(np.linalg.eigvals(matrices), dtype=np.complex128)


def symbols(rates: Rates, part: RightHandSide | None = None) -> list[Symbol]:
    """The symbols of a declared equation at a uniform state, one for each group of fields with the same waves.

    Args:
        rates: the right-hand side at the state.
        part: a part of it that is meant instead of the whole.

    Raises:
        NoModes: the operator is not one of waves.
    """
    groups = _groups(rates)
    found = [_measured(rates, part, components, axes) for components, axes in groups]
    _check(rates, part, found)
    return found


def symbol_modes(rates: Rates) -> Modes:
    """All modes of the grid."""
    found = symbols(rates)
    if not found[0].axes and len(found[0].components) > MOST_WITHOUT_GRID:
        raise NoModes("a system without a grid has no waves")
    waves = "the symbol of the discrete operator on every wave of the grid" if found[0].axes else "its eigenvalues"
    modes = modes_of(found, "symbol", "exact", waves)
    ends = np.cumsum([len(symbol.matrices) * len(symbol.components) for symbol in found])

    def vectors(position: int) -> tuple[Complex, Complex] | None:
        place = int(np.searchsorted(ends, position, side="right"))
        symbol = found[place]
        wave = (position - int(ends[place - 1] if place else 0)) // len(symbol.components)
        return _vectors(rates, symbol, wave, modes.eigenvalues[position])

    def projected(part: RightHandSide) -> tuple[Complex, bool]:
        return project(found, symbols(rates, part))

    return replace(modes, vectors=vectors, projected=projected)


def project(whole: Sequence[Symbol], part: Sequence[Symbol]) -> tuple[Complex, bool]:
    """Per mode ``left^H S_part right``, ``(N,)``, and whether the two symbols commute."""
    values, commute = [], True
    for symbol, own in zip(whole, part, strict=True):
        A, B = symbol.matrices, own.matrices
        if A.shape[-1] == 1:
            values.append(B[:, 0, 0])
            continue
        size = np.abs(A).max() * np.abs(B).max()
        commute &= bool(np.abs(A @ B - B @ A).max() <= 1e-12 * size)
        # eig and eigvals order the eigenvalues of one matrix alike, but not in real and in complex arithmetic
        _, right = np.linalg.eig(A if A.imag.any() else A.real)
        defective = np.abs(np.linalg.det(right)) < 1e-12
        right = np.where(defective[:, None, None], np.eye(A.shape[-1]), right)
        commute &= not defective.any() or bool(np.abs(B[defective]).max(initial=0.0) == 0.0)
        values.append(np.einsum("mij,mji->mi", np.linalg.inv(right) @ B, right).ravel())
    return np.concatenate(values) + 0j, commute


def modes_of(found: Sequence[Symbol], route: str, certificate: str, reason: str) -> Modes:
    """The eigenvalues of some symbols, without vectors."""
    values = [symbol.eigenvalues() for symbol in found]
    scale = max(float(np.abs(symbol.matrices).max(initial=0.0)) for symbol in found)
    spread = max(float(np.abs(value).max(initial=0.0)) for value in values)
    # eigenvalues of 2 x 2 blocks such as that of a wave are far smaller than their entries
    eigenvalues = settled(np.concatenate([value.ravel() for value in values]), min(scale, spread))
    theta = np.concatenate([np.repeat(symbol.theta, len(symbol.components), axis=0) for symbol in found])
    return Modes(eigenvalues, theta, route, certificate, reason, lambda _: None, np.zeros(eigenvalues.size))


def _groups(rates: Rates) -> list[tuple[tuple[int, ...], tuple[AxisWaves, ...]]]:
    """Components of the real state whose fields have the same waves."""
    equation = rates.equation
    if equation is None:
        raise NoModes("a plain function does not say what its axes are")
    if equation.layout.graph is not None or equation.layout.domains:
        raise NoModes("waves need one grid that all fields share")
    groups: dict[tuple, tuple[list[int], tuple[AxisWaves, ...]]] = {}
    for name, (first, size) in equation.layout.fields.items():
        axes = axis_waves(equation.layout, name)
        if isinstance(axes, str):
            raise NoModes(axes)
        key = tuple((axis.kind, axis.points, axis.on_node) for axis in axes)
        components = groups.setdefault(key, ([], tuple(axes)))[0]
        components.extend(range(first, first + size))
    copies = rates.shape[0] // equation.components  # two where the state is complex
    return [
        (tuple(c + copy * equation.components for copy in range(copies) for c in own), axes)
        for own, axes in groups.values()
    ]


def _measured(
    rates: Rates, part: RightHandSide | None, components: tuple[int, ...], axes: tuple[AxisWaves, ...]
) -> Symbol:
    """The symbol from one product per component with a vector that holds every wave."""
    seed = reduce(np.multiply.outer, [axis.seed() for axis in axes], np.ones(()))
    vectors = np.zeros((len(components), *rates.shape))
    vectors[range(len(components)), components] = seed
    answers = np.moveaxis(rates.product(vectors, part)[:, components], 0, 1)  # row, column, *grid
    closed = [axis + 2 for axis, waves in enumerate(axes) if waves.kind == "fourier"]
    even, odd = parts_of(answers, closed)
    amplitudes = _forward(seed[None, None], axes)
    real, imaginary = _forward(even, axes) / amplitudes, _forward(odd, axes) / amplitudes
    # an even stencil has a real symbol and an odd one an imaginary one: neither leaks rounding into the other
    twisted = any(waves.kind == "anti-fourier" for waves in axes)
    total = real + imaginary if twisted else real.real + 1j * imaginary.imag
    matrices = total.reshape(len(components), len(components), -1).transpose(2, 0, 1)
    return Symbol(components, axes, _without_rounding(matrices))


def _without_rounding(matrices: Complex) -> Complex:
    """Entries that are rounding become zero: the rounding e in [[0, 1], [e, 0]] would grow at the rate sqrt(e)."""
    small = ROUNDING_OF_ENTRIES * np.abs(matrices).max(axis=0, initial=0.0)
    real = np.where(np.abs(matrices.real) <= small, 0.0, matrices.real)
    return np.ascontiguousarray(real + 1j * np.where(np.abs(matrices.imag) <= small, 0.0, matrices.imag))


def parts_of(values: Floats, axes: Sequence[int]) -> tuple[Floats, Floats]:
    """Even and odd part under reflection of all `axes` in their first point; a part that is rounding is zero."""
    mirrored = np.roll(np.flip(values, tuple(axes)), 1, axes) if axes else values
    even, odd = (values + mirrored) / 2, (values - mirrored) / 2
    small = 1e-14 * np.abs(values).max(initial=0.0)
    even[np.abs(even) <= small] = 0.0
    odd[np.abs(odd) <= small] = 0.0
    return even, odd


def _forward(values: np.ndarray, axes: Sequence[AxisWaves]) -> Complex:
    for axis, waves in enumerate(axes):
        values = waves.forward(values, axis + 2)
    return values


def _check(rates: Rates, part: RightHandSide | None, found: Sequence[Symbol]) -> None:
    """Compare a product with a random vector with what the symbols make of it."""
    vector = np.random.default_rng(1).standard_normal(rates.shape)
    expected = np.zeros(rates.shape)
    for symbol in found:
        own = list(symbol.components)
        # nodes that walls hold are no unknowns: the waves leave them out
        amplitudes = _forward(vector[None, own], symbol.axes)
        vector[own] = _backward(amplitudes, symbol.axes)[0].real
    for symbol in found:
        own = list(symbol.components)
        amplitudes = _forward(vector[None, own], symbol.axes)[0]
        flat = amplitudes.reshape(len(own), -1)
        changed = np.einsum("mij,jm->im", symbol.matrices, flat).reshape(1, *amplitudes.shape)
        expected[own] = _backward(changed, symbol.axes)[0].real
    actual = rates.product(vector[None], part)[0]
    if not np.abs(actual - expected).max() <= ROUNDING * max(np.abs(actual).max(), np.abs(expected).max(), 1e-300):
        if not np.isfinite(actual).all():
            raise NoModes("the Jacobian at this state is not finite")
        raise NoModes("the linearised operator varies in space, at this state or by its coefficients")


def _backward(amplitudes: Complex, axes: Sequence[AxisWaves]) -> Complex:
    for axis, waves in enumerate(axes):
        amplitudes = waves.backward(amplitudes, axis + 2)
    return amplitudes


def _vectors(rates: Rates, symbol: Symbol, wave: int, eigenvalue: complex) -> tuple[Complex, Complex] | None:
    pair = leading_vector(symbol.matrices[wave], eigenvalue)
    if pair is None:
        return None
    index = np.unravel_index(wave, tuple(axis.theta.size for axis in symbol.axes)) if symbol.axes else ()
    right, left = np.zeros(rates.shape, dtype=complex), np.zeros(rates.shape, dtype=complex)
    waves = reduce(np.multiply.outer, [a.wave(int(i)) for a, i in zip(symbol.axes, index, strict=True)], np.ones(()))
    duals = reduce(np.multiply.outer, [a.dual(int(i)) for a, i in zip(symbol.axes, index, strict=True)], np.ones(()))
    right[list(symbol.components)] = np.multiply.outer(pair[0], waves)
    left[list(symbol.components)] = np.multiply.outer(pair[1], duals)
    return right, left
