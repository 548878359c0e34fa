"""The Fourier symbol of the linear part: the matrix ``L(k)`` that acts on one plane wave ``exp(i k x)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver.errors import EquationError

from ..graph import MatrixSymbol
from ..vocabulary import OPERATORS
from .affine import LinearTerm, split
from .coefficient_values import CoefficientValues
from .linear_part import coupling
from .spectra import operator_symbol, waves

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


def linear_terms(equation: FieldEquation) -> list[LinearTerm]:
    """All linear terms of all states."""
    return [term for row, node in equation.right_sides.items() for term in split(row, node, equation.layout)[0]]


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
    if equation.layout.graph is not None:
        raise EquationError(
            "a graph has no plane waves, so the equation has no Fourier symbol; equation.linear_part().eigenvalues has "
            "what it would tell"
        )
    if equation.layout.is_curved:
        raise EquationError(
            "plane waves are no solutions in curved coordinates or with a metric, so the equation has no Fourier symbol"
        )
    if equation.layout.domains:
        raise EquationError("the fields lie on grids of different resolution, so the equation has no Fourier symbol")
    for row, node in equation.right_sides.items():
        for rest in split(row, node, equation.layout)[1]:
            if rest.reason.startswith("advection"):
                raise EquationError(f"{rest} has no single Fourier symbol; ADVECTION_SCHEMES has those of its schemes")
            if rest.reason.startswith("nonlocal"):
                raise EquationError(f"{rest} is nonlocal, and its Fourier symbol is not known here; leave it out")
    if discrete and equation.grid is not None and not all(equation.layout.reflects(a) for a in range(dimension)):
        raise EquationError(
            "plane waves are modes of the scheme on uniform axes with periodic or reflecting ends only; leave "
            "discrete out"
        )
    vectors = _wave_vectors(np.asarray(k, dtype=float), dimension)
    values = CoefficientValues(equation)
    matrix = np.zeros((*vectors.shape[:-1], equation.components, equation.components), dtype=complex)
    for term in linear_terms(equation):
        if not term.is_constant:
            raise EquationError(f"the coefficient of {term} varies, so the equation has no Fourier symbol")
        rows, columns, block = coupling(equation, term, values)
        if isinstance(term.inside, MatrixSymbol):
            eigenvalue = _anisotropic(equation, values(term.inside), vectors, discrete=discrete)
        else:
            eigenvalue = np.ones(vectors.shape[:-1], dtype=complex)
            for name in term.operators:
                eigenvalue = eigenvalue * _operator(equation, name, vectors, discrete=discrete)
        matrix[..., rows, columns] += block * eigenvalue[..., None, None]
    return matrix


def _anisotropic(equation: FieldEquation, D: np.ndarray, vectors: np.ndarray, *, discrete: bool) -> np.ndarray:
    """``-k.Dk``; of the scheme, with ``2 sin(k h/2)/h`` for k on the diagonal and ``sin(k h)/h`` beside it."""
    along = vectors
    diagonal = vectors**2
    if discrete:
        h = np.array(equation.layout.required_grid().spacing)
        along, diagonal = np.sin(vectors * h) / h, (2 * np.sin(vectors * h / 2) / h) ** 2
    cross = D - np.diag(np.diag(D))
    return -(diagonal @ np.diag(D)) - np.einsum("...i,ij,...j->...", along, cross, along) + 0j


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
        return operator_symbol(equation.layout, name, waves(equation.layout, angles))
    word = OPERATORS[name]
    if word.axis is not None:
        return (1j * vectors[..., word.axis]) ** word.derivative_order
    return -(vectors**2).sum(-1) + 0j  # laplacian and diffusion
