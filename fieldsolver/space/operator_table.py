"""Every operator on every scheme: its stencil, its symbol and its cost, computed from the exact coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .advection_schemes import CENTRAL, UPWIND, WENO5, LinearScheme
from .fornberg import fornberg_weights
from .isotropic import ISOTROPIC_STENCILS
from .schemes import ISOTROPIC_POINTS
from .stencil_text import isotropic_texts, staggered_symbol_text, staggered_texts, stencil_text, symbol_text
from .stencils import SPACE_ORDERS, central_stencil, staggered_stencil
from .summation_by_parts import SummationByParts
from .summation_by_parts.operator import ORDERS as PARTS_ORDERS
from .summation_by_parts.second_derivative import closure_points

NONLINEAR = "none: nonlinear"
NO_WAVES = "none: the points are not equally far apart"
LOG = "O(log N)"

SPECTRAL_SYMBOLS: dict[int, str] = {1: "i k", 2: "-k²", 3: "-i k³", 4: "k⁴"}
"""Of the derivatives; the first and the third of the shortest wave are 0."""

WENO5_OPERATIONS = 138
"""For each point, where the speed may have either sign."""
PARTS_DIFFUSION_OPERATIONS: dict[int, int] = {2: 14, 4: 29, 6: 43}
"""For each point, by order."""


@dataclass(frozen=True)
class OperatorRow:
    """One operator on one scheme.

    Operators that are sums over the axes are described along one of them, symbols for constant D and v. ``F`` is the
    Fourier, cosine or sine transform; the other letters are those of `stencil_text`.

    Attributes:
        operator: its word in the equation language; ``d_dx`` stands for ``d_dy`` and ``d_dz`` too.
        scheme: the family.
        order: of accuracy on smooth fields.
        stencil: what is computed inside the domain.
        symbol: its eigenvalue on ``exp(i k x)``, or why there is none.
        points: values read for each point.
        operations: multiply-adds for each point, where an addition, a multiplication or a division alone counts as one.
    """

    operator: str
    scheme: str
    order: str
    stencil: str
    symbol: str
    points: str
    operations: str


def operator_table() -> tuple[OperatorRow, ...]:
    """All rows, by operator."""
    return tuple(row for rows in OPERATOR_ROWS.values() for row in rows())


def weno5_linear_stencil() -> tuple[Fraction, ...]:
    """What WENO5 is where its weights are ideal, at the offsets ``-3 .. 3``: the upwind-biased stencil of order 5."""
    offsets = np.array([Fraction(j) for j in range(-3, 3)])
    return (*fornberg_weights(offsets, 1), Fraction(0))


def _laplacian() -> Iterator[OperatorRow]:
    yield from _differences("laplacian", 2)
    for word, by_dimension in ISOTROPIC_POINTS.items():
        for d, points in by_dimension.items():
            yield OperatorRow(
                "laplacian", f"finite_difference, {word} in {d}-D", "2", *isotropic_texts(ISOTROPIC_STENCILS[points]),
                str(points), str(1 + d * (d + 1)),  # one pass of pairs per axis serves all terms
            )  # fmt: skip
    yield from _between_walls("laplacian", 2)


def _derivative(m: int) -> Callable[[], Iterator[OperatorRow]]:
    word = "d_dx" if m == 1 else f"d{m}_dx{m}"

    def rows() -> Iterator[OperatorRow]:
        yield from _differences(word, m)
        if m > 2:  # two conditions per wall, which the other two schemes do not have
            yield _spectral(word, SPECTRAL_SYMBOLS[m])
        else:
            yield from _between_walls(word, m)

    return rows


def _diffusion() -> Iterator[OperatorRow]:
    for order in SPACE_ORDERS:
        slope, mean = staggered_stencil(order)
        slope_text, mean_text = staggered_texts(slope, mean)
        yield OperatorRow(
            "diffusion", "finite_difference", str(order),
            f"slope(F), F = mean(D) slope(u), slope = {slope_text}, mean = {mean_text}",
            f"-D ({staggered_symbol_text(slope)})²",
            f"{2 * order - 1} of u, {2 * order - 1} of D", str(3 * order - 1),
        )  # fmt: skip
    for order in PARTS_ORDERS:
        yield OperatorRow(
            "diffusion", "summation_by_parts", _parts_order(order, 2),
            f"D1(D D1 u) + damping of the shortest waves; where D = 1: {stencil_text(central_stencil(2, order), 2)}",
            f"D = 1: {symbol_text(central_stencil(2, order), 2)}",
            f"{2 * order + 1} of u, {2 * order + 1} of D", str(PARTS_DIFFUSION_OPERATIONS[order]),
        )  # fmt: skip
    yield _spectral("diffusion", "-D k²", "F⁻¹(i k F (D F⁻¹(i k F u)))")
    yield _chebyshev("diffusion", "D1 (D D1 u), D1 the differentiation matrix", passes=2)


def _advection() -> Iterator[OperatorRow]:
    for scheme in (*CENTRAL, *UPWIND):
        yield _linear_advection(scheme)
    linear = weno5_linear_stencil()
    yield OperatorRow(
        "advection", "finite_difference, weno5", str(WENO5.order),
        f"v times {WENO5.stencil}; smooth u, v > 0: {stencil_text(linear, 1, factor='v ')}",
        f"{NONLINEAR}; smooth u, v > 0: {symbol_text(linear, 1, factor='v ')}",
        str(2 * WENO5.width + 1), str(WENO5_OPERATIONS),
    )  # fmt: skip
    for order in PARTS_ORDERS:
        coefficients = central_stencil(1, order)
        yield OperatorRow(
            "advection", "summation_by_parts", _parts_order(order, 1),
            f"(v D1 u + D1(v u) - u D1 v)/2, D1 = {stencil_text(coefficients, 1)}",
            symbol_text(coefficients, 1, factor="v "), f"{order} of u, {order} of v", str(3 * order + 6),
        )  # fmt: skip
    yield _spectral("advection", "i v k", "v F⁻¹(i k F u)")
    yield _chebyshev("advection", "v D1 u, D1 the differentiation matrix")


def _linear_advection(scheme: LinearScheme) -> OperatorRow:
    c, mirrored = scheme.coefficients, scheme.coefficients[::-1]
    central = sum(1 for here, there in zip(c, mirrored, strict=True) if here != there)
    dissipation = sum(1 for here, there in zip(c, mirrored, strict=True) if here != -there)
    read = sum(1 for here, there in zip(c, mirrored, strict=True) if here or there)
    name, turned = ("central", "") if scheme in CENTRAL else (scheme.name, "; mirrored where v < 0")
    return OperatorRow(
        "advection", f"finite_difference, {name}", str(scheme.order),
        f"{stencil_text(c, 1, factor='v ')}{turned}", symbol_text(c, 1, factor="v "), str(read),
        str(central + dissipation + 4 if dissipation else central + 1),  # a second product, |v|, and a sum
    )  # fmt: skip


def _gradient_squared() -> Iterator[OperatorRow]:
    for order in SPACE_ORDERS:
        stencil = f"({stencil_text(central_stencil(1, order), 1)})²"
        yield OperatorRow(
            "gradient_squared", "finite_difference", str(order), stencil, NONLINEAR, str(order), str(order + 1)
        )
    for order in PARTS_ORDERS:
        stencil = f"({stencil_text(central_stencil(1, order), 1)})²"
        yield OperatorRow(
            "gradient_squared", "summation_by_parts", f"{order} inside, {order // 2} at walls", stencil, NONLINEAR,
            str(order), str(order + 1),
        )  # fmt: skip
    yield _spectral("gradient_squared", NONLINEAR, "(F⁻¹(i k F u))²")
    yield _chebyshev("gradient_squared", "(D1 u)², D1 the differentiation matrix")


def _biharmonic() -> Iterator[OperatorRow]:
    for order in SPACE_ORDERS:
        yield _twice("finite_difference", str(order), central_stencil(2, order))
    for order in PARTS_ORDERS:
        yield _twice("summation_by_parts", f"{order} inside", central_stencil(2, order))
    yield _spectral("biharmonic", SPECTRAL_SYMBOLS[4])


def _twice(scheme: str, order: str, laplacian: Sequence[Fraction]) -> OperatorRow:
    count = str(2 * len(laplacian))
    return OperatorRow(
        "biharmonic", scheme, order,
        stencil_text(_convolved(laplacian, laplacian), 4), f"({symbol_text(laplacian, 2)})²", count, count,
    )  # fmt: skip


def _fractional_laplacian() -> Iterator[OperatorRow]:
    yield _spectral("fractional_laplacian", "-|k|^(2 s)")


def _convolve() -> Iterator[OperatorRow]:
    stencil, symbol = "Σ_d w_d u_(i-d) |cell|", "Σ_d w_d exp(-i k d) |cell|"
    order = "2, exponential if smooth and periodic"
    yield OperatorRow("convolve", "direct sum", order, stencil, symbol, "K, all samples of w", "K")
    yield OperatorRow("convolve", "fast Fourier transform", order, stencil, symbol, "all", LOG)


def _differences(word: str, m: int) -> Iterator[OperatorRow]:
    for order in SPACE_ORDERS:
        yield _row(word, "finite_difference", str(order), central_stencil(m, order), m)


def _between_walls(word: str, m: int) -> Iterator[OperatorRow]:
    """First and second derivatives on the schemes that have a closure of high order, and by transforms."""
    for order in PARTS_ORDERS:
        yield _row(word, "summation_by_parts", _parts_order(order, m), central_stencil(m, order), m)
    yield _spectral(word, SPECTRAL_SYMBOLS[m])
    yield _chebyshev(word, f"D{m} u, D{m} the differentiation matrix")


def _row(word: str, scheme: str, order: str, coefficients: Sequence[Fraction], m: int) -> OperatorRow:
    count = str(sum(1 for c in coefficients if c))
    return OperatorRow(
        word, scheme, order, stencil_text(coefficients, m), symbol_text(coefficients, m), count, count
    )  # fmt: skip


def _spectral(word: str, symbol: str, stencil: str = "") -> OperatorRow:
    stencil = stencil or f"F⁻¹({symbol} F u)"
    return OperatorRow(word, "spectral", "exact for resolved waves", stencil, symbol, "all", LOG)


def _chebyshev(word: str, stencil: str, passes: int = 1) -> OperatorRow:
    count = f"{passes} N" if passes > 1 else "N"
    return OperatorRow(word, "spectral, Chebyshev points", "exponential", stencil, NO_WAVES, "all", count)


def _parts_order(order: int, m: int) -> str:
    parts = SummationByParts(order, 2 * closure_points(order), 1.0)
    solutions = parts.first_order if m == 1 else parts.second_order
    return f"{order} inside, {order // 2} at walls, {solutions} of solutions"


def _convolved(first: Sequence[Fraction], second: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients of one stencil after another."""
    result = [Fraction(0)] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            result[i + j] += a * b
    return result


OPERATOR_ROWS: dict[str, Callable[[], Iterator[OperatorRow]]] = {
    "laplacian": _laplacian,
    "d_dx": _derivative(1),
    "d2_dx2": _derivative(2),
    "d3_dx3": _derivative(3),
    "d4_dx4": _derivative(4),
    "diffusion": _diffusion,
    "advection": _advection,
    "gradient_squared": _gradient_squared,
    "biharmonic": _biharmonic,
    "fractional_laplacian": _fractional_laplacian,
    "convolve": _convolve,
}
"""The rows of every operator."""
