"""Fast solves of ``(1 - c L) x = b`` for linear operators L: factor once for each c, solve many times."""

from .banded_solve import BandedSolve
from .choose import Choice, shifted_solver
from .conjugate_gradient import ConjugateGradient
from .convergence import IterationReport
from .coupled_transform_solve import CoupledTransformSolve
from .diagonalised_solve import DiagonalisedSolve
from .grid_transform import GridTransform, SeriesTransform
from .jacobi import Jacobi
from .linear_operator import LinearOperator
from .multigrid import Multigrid, faces_between_cells, robin_wall
from .protocol import Preconditioner, ShiftedSolver, Transform
from .sparse_matrix import SparseMatrix
from .sparse_solve import SparseSolve
from .transform_solve import TransformSolve

__all__ = [
    "BandedSolve",
    "Choice",
    "ConjugateGradient",
    "CoupledTransformSolve",
    "DiagonalisedSolve",
    "GridTransform",
    "IterationReport",
    "Jacobi",
    "LinearOperator",
    "Multigrid",
    "Preconditioner",
    "SeriesTransform",
    "ShiftedSolver",
    "SparseMatrix",
    "SparseSolve",
    "Transform",
    "TransformSolve",
    "faces_between_cells",
    "robin_wall",
    "shifted_solver",
]
