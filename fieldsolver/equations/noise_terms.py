"""Separates an equation into its drift and the coefficients of its noises: ``dy = f dt + sum_i g_i dW_i``."""

from __future__ import annotations

from collections.abc import Iterator

from fieldsolver.errors import EquationTypeError

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
