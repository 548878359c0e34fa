"""The Fourier symbol of the linear part: the matrix ``L(k)`` that acts on one plane wave ``exp(i k x)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver.errors import EquationError

from ..vocabulary import OPERATORS
from .affine import LinearTerm, split
from .linear_part import CoefficientValues, coupling
from .spectra import operator_symbol

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


def linear_terms(equation: FieldEquation) -> list[LinearTerm]:
    """All linear terms of all states."""
    return [term for row, node in equation.right_sides.items() for term in split(row, node, equation.dimension)[0]]


def symbol_matrix(equation: FieldEquation, k: np.ndarray, *, discrete: bool) -> np.ndarray:
    """``L(k)`` for wave vectors `k` of shape ``(..., d)`` (``(...)`` on one axis), shape ``(..., C, C)``.

    Args:
        equation: its linear part must have constant coefficients.
        k: angular wave numbers per axis.
        discrete: the symbol of the difference scheme instead of the differential operators.

    Raises:
        EquationError: a linear coefficient varies in space or time, a term is nonlocal, or `k` has the wrong shape.
    """
    dimension = equation.dimension
    for row, node in equation.right_sides.items():
        for rest in split(row, node, dimension)[1]:
            if rest.reason.startswith("nonlocal"):
                raise EquationError(f"{rest} is nonlocal, and its Fourier symbol is not known here; leave it out")
    vectors = _wave_vectors(np.asarray(k, dtype=float), dimension)
    values = CoefficientValues(equation)
    matrix = np.zeros((*vectors.shape[:-1], equation.components, equation.components), dtype=complex)
    for term in linear_terms(equation):
        if not term.is_constant:
            raise EquationError(f"the coefficient of {term} varies, so the equation has no Fourier symbol")
        rows, columns, block = coupling(equation, term, values)
        eigenvalue = np.ones(vectors.shape[:-1], dtype=complex)
        for name in term.operators:
            eigenvalue = eigenvalue * _operator(equation, name, vectors, discrete=discrete)
        matrix[..., rows, columns] += block * eigenvalue[..., None, None]
    return matrix


def _wave_vectors(k: np.ndarray, dimension: int) -> np.ndarray:
    if dimension == 0:
        return k.reshape(*k.shape, 1)[..., :0]
    if dimension == 1 and (k.ndim == 0 or k.shape[-1] != 1):
        k = k[..., None]
    if k.shape[-1] != dimension:
        raise EquationError(f"wave vectors have shape {k.shape}, expected (..., {dimension}), one entry per axis")
    return k


def _operator(equation: FieldEquation, name: str, vectors: np.ndarray, *, discrete: bool) -> np.ndarray:
    if discrete:
        spacing = equation.layout.required_grid().spacing
        angles = [vectors[..., axis] * spacing[axis] for axis in range(equation.dimension)]
        return operator_symbol(equation.layout, name, angles)
    word = OPERATORS[name]
    if word.axis is not None:
        return (1j * vectors[..., word.axis]) ** word.derivative_order
    return -(vectors**2).sum(-1) + 0j  # laplacian and diffusion
