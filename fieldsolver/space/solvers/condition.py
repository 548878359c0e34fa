"""How far a factored matrix is from being singular."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse.linalg

Solve = Callable[[np.ndarray], np.ndarray]


def inverse_reciprocal_norm(size: int, dtype: Any, solve: Solve, solve_adjoint: Solve) -> float:
    """``1 / |M^-1|`` in the 1-norm, estimated from a few solves; zero if they overflow.

    N. J. Higham & F. Tisseur, SIAM J. Matrix Anal. Appl. 21 (2000) 1185. LAPACK's own estimate for bands, ``gbcon``,
    takes seconds at 10^5 unknowns.

    Args:
        size: N.
        dtype: of M.
        solve: ``M^-1 v`` for v ``(N,)`` or ``(N, K)``.
        solve_adjoint: ``M^-H v``.
    """
    inverse = scipy.sparse.linalg.LinearOperator(
        (size, size), matvec=solve, rmatvec=solve_adjoint, matmat=solve, rmatmat=solve_adjoint, dtype=dtype
    )
    with np.errstate(all="ignore"):
        norm = scipy.sparse.linalg.onenormest(inverse)
        return float(1 / norm) if np.isfinite(norm) else 0.0
