"""Separates an equation into its drift and the coefficients of its noises: ``dy = f dt + sum_i g_i dW_i``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from fieldsolver.errors import EquationTypeError, FieldSolverWarning

from . import build
from .graph import Depends, Negative, Node, Noise, Product, Quotient, Sum, Treatment


def split_noise(node: Node) -> tuple[Node, dict[Noise, Node]]:
    """Drift, and the coefficient of every noise.

    Raises:
        EquationTypeError: a noise enters other than linearly.
    """
    if not node.depends & Depends.NOISE:
        return node, {}
    drift: list[Node] = []
    coefficients: dict[Noise, Node] = {}
    for coefficient, source in _terms(node):
        if source is None:
            drift.append(coefficient)
        elif source in coefficients:
            coefficients[source] = build.add(coefficients[source], coefficient)
        else:
            coefficients[source] = coefficient
    total = build.number(0)
    for position, term in enumerate(drift):
        total = build.add(total, term) if position else term
    return total, coefficients


def warn_of_roughness(noises: Iterable[Noise], dimension: int, *, stacklevel: int) -> None:
    """Warn of noise that is white in the plane or in space, where diffusion does not smooth it to a function.

    The stationary variance of ``du/dt = laplacian(u) - u + white_noise(0)`` is the integral of ``1/(2 (1 + k^2))`` over
    all wave vectors: finite on a line, growing with the spacing ``h`` like ``log(1/h)`` in the plane and like ``1/h``
    in space (M. Hairer, Invent. Math. 198 (2014) 269, section 1).

    Args:
        noises: those of the equation.
        dimension: number of axes of the grid.
        stacklevel: 1 for the caller's own line.
    """
    white = next((noise for noise in noises if noise.content[0] == "white_noise"), None)
    if white is not None and dimension > 1:
        message = (
            f"{white} on a grid with {dimension} axes has no continuum limit: diffusion does not smooth it to a "
            "function, and the variance grows with every refinement of the grid; use "
            f"coloured_noise({white.content[1]}, length) with a length that the grid resolves"
        )
        warnings.warn(message, FieldSolverWarning, stacklevel=stacklevel + 1)


def _terms(node: Node) -> Iterator[tuple[Node, Noise | None]]:
    """Additive terms as ``(coefficient, noise)``; the noise is None for drift."""
    if not node.depends & Depends.NOISE:
        yield node, None
        return
    match node:
        case Noise():
            yield build.number(1), node
        case Sum():
            for operand in node.operands:
                yield from _terms(operand)
        case Negative():
            yield from ((build.negate(coefficient), source) for coefficient, source in _terms(node.operands[0]))
        case Product():
            yield from _product(node)
        case Quotient(operands=(top, bottom)) if not bottom.depends & Depends.NOISE:
            yield from ((build.divide(coefficient, bottom), source) for coefficient, source in _terms(top))
        case Treatment():
            yield from _terms(node.operands[0])
        case _:
            raise EquationTypeError(f"noise must enter linearly, as in sigma*white_noise(0); got {node}")


def _product(node: Product) -> Iterator[tuple[Node, Noise | None]]:
    noisy = [factor for factor in node.operands if factor.depends & Depends.NOISE]
    if len(noisy) != 1:
        raise EquationTypeError(f"noise must enter linearly, as in sigma*white_noise(0); got {node}")
    plain = [factor for factor in node.operands if factor is not noisy[0]]
    for coefficient, source in _terms(noisy[0]):
        scaled = plain[0]
        for factor in plain[1:]:
            scaled = build.multiply(scaled, factor)
        if coefficient is not build.number(1):
            scaled = build.multiply(scaled, coefficient)
        yield scaled, source
