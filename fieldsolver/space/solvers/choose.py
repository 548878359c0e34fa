"""Which solver is the fastest for what is known about an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from fieldsolver.errors import OptionError

from .banded_matrix import bandwidths
from .banded_solve import BandedSolve
from .conjugate_gradient import ConjugateGradient
from .coupled_transform_solve import CoupledTransformSolve
from .diagonalised_solve import DiagonalisedSolve
from .linear_operator import LinearOperator
from .protocol import ShiftedSolver
from .sparse_solve import SparseSolve
from .transform_solve import TransformSolve

# A band of this share of the axis or less is solved faster by its LU than by two dense products.
_NARROW = 0.015
# Unknowns from which sparse LU with its fill-in costs more than multigrid iterations, by the number of axes (measured:
# one core, float64; in two dimensions the factorisation then takes 2 s and a solve a fifth of the iterations).
_MOST_UNKNOWNS = {1: 10_000_000, 2: 250_000}
_MOST_UNKNOWNS_3D = 15_000


class Choice(NamedTuple):
    """A solver, and why it and no faster one."""

    solver: ShiftedSolver
    reason: str


def shifted_solver(operator: LinearOperator, *, device: torch.device | str = "cpu") -> Choice:
    """The fastest solver of ``(1 - c L) x = b`` that applies.

    In this order: transforms, a narrow band on one axis, diagonalisation of the axes, conjugate gradients where sparse
    LU would fill in too much (or the fields are not on the CPU), sparse LU, conjugate gradients.

    Args:
        operator: what is known about L.
        device: where b will be.

    Raises:
        OptionError: nothing that is known leads to a solver.
    """
    refused: list[str] = []
    candidates: list[Callable[[LinearOperator, torch.device], ShiftedSolver | str]] = [
        _transform, _banded, _diagonalised, _large, _sparse, _conjugate_gradient,
    ]  # fmt: skip
    for candidate in candidates:
        solver = candidate(operator, torch.device(device))
        if not isinstance(solver, str):
            return Choice(solver, "; ".join([f"{solver.name}: {solver.reason}", *refused]))
        refused.append(solver)
    raise OptionError(
        "no solver of (1 - c L) x = b applies: "
        + "; ".join(refused)
        + "; give the LinearOperator a matrix, or apply= with symmetric=True"
    )


def _transform(operator: LinearOperator, device: torch.device) -> ShiftedSolver | str:
    if operator.transforms is None:
        return "no transforms are known"
    if operator.symbols is not None:
        return CoupledTransformSolve(operator.transforms, operator.symbols)
    if operator.eigenvalues is None:
        return "the transforms came without eigenvalues"
    return TransformSolve(operator.transforms, operator.eigenvalues)


def _banded(operator: LinearOperator, device: torch.device) -> ShiftedSolver | str:
    if operator.axis_matrices is None or len(operator.axis_matrices) != 1:
        return "L is not the matrix of one axis"
    if device.type != "cpu":
        return "banded LU runs on the CPU"
    (matrix,) = operator.axis_matrices
    lower, upper = bandwidths(matrix)
    if lower + upper > _NARROW * len(matrix):
        return f"the band of {lower + 1 + upper} diagonals is wide for {len(matrix)} points"
    return BandedSolve.from_matrix(matrix)


def _diagonalised(operator: LinearOperator, device: torch.device) -> ShiftedSolver | str:
    if operator.axis_matrices is None:
        return "L is not a sum of one-dimensional matrices"
    try:
        solver = DiagonalisedSolve(operator.axis_matrices, operator.axis_norms)
        solver.prepare(device)
    except OptionError as error:
        return str(error)
    return solver


def _large(operator: LinearOperator, device: torch.device) -> ShiftedSolver | str:
    most = _MOST_UNKNOWNS.get(len(operator.shape), _MOST_UNKNOWNS_3D)
    if device.type == "cpu" and operator.unknowns <= most:
        return f"{operator.unknowns} unknowns are few enough for sparse LU"
    return _conjugate_gradient(operator, device)


def _sparse(operator: LinearOperator, device: torch.device) -> ShiftedSolver | str:
    if operator.matrix is None:
        return "no matrix is known"
    return SparseSolve(operator.matrix() if callable(operator.matrix) else operator.matrix, operator.shape)


def _conjugate_gradient(operator: LinearOperator, device: torch.device) -> ShiftedSolver | str:
    if operator.apply is None:
        return "no function applies L"
    if not operator.symmetric:
        return "L is not known to be symmetric, which conjugate gradients need"
    return ConjugateGradient(
        operator.apply,
        operator.shape,
        norm=operator.norm,
        preconditioner=operator.preconditioner,
        parameters=operator.parameters,
    )
