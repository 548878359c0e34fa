"""L is known by what it does to a vector, and symmetric in a known inner product: preconditioned conjugate gradients.

M. R. Hestenes & E. Stiefel, J. Res. Nat. Bur. Standards 49 (1952) 409; in this form Y. Saad, Iterative Methods for
Sparse Linear Systems, 2nd ed. (2003), algorithm 9.1. Every sample has its own step lengths, and rests once it has
converged, so that what is beside it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from fieldsolver.errors import ConvergenceError, ParameterError

from .convergence import IterationReport
from .implicit import solve_implicitly
from .inner_product import InnerProduct, check_symmetric
from .protocol import Preconditioner, Shift, check_shape, singular

_RESTARTS = 3
_CHECK_EVERY = {"cpu": 1}  # elsewhere asking whether all have converged stops the queue: every 8th iteration


class ConjugateGradient:
    """Conjugate gradients for ``1 - c L`` with L self-adjoint and c real, such that ``1 - c L`` is positive.

    Args:
        apply: ``L v`` as ``apply(v, *parameters)`` for v ``(*batch, *shape)``; linear in v, and differentiable in the
            parameters.
        shape: axes of one sample, ``(*grid)`` or ``(C, *grid)``.
        norm: weights of the inner product that L is symmetric in, broadcast to `shape`; None: all one.
        preconditioner: an approximate inverse, self-adjoint in the same inner product: another `ShiftedSolver`
            (constant coefficients), `Multigrid`, `Jacobi`; None: none.
        parameters: tensors that L is made of, whose gradients are wanted.
        tolerance: of the residual relative to b, of each sample; None: ``eps^(2/3)`` (4e-11 in float64).
        max_iterations: before `ConvergenceError`.

    Attributes:
        report: of the last solve; None before the first.

    Raises:
        OptionError: a weight is not positive; at the first solve: L is not symmetric.
    """

    name = "conjugate gradients"

    def __init__(
        self,
        apply: Callable[..., torch.Tensor],
        shape: Sequence[int],
        *,
        norm: torch.Tensor | None = None,
        preconditioner: Preconditioner | None = None,
        parameters: Sequence[torch.Tensor] = (),
        tolerance: float | None = None,
        max_iterations: int = 1000,
    ) -> None:
        self.operator, self.shape, self.parameters = apply, tuple(shape), tuple(parameters)
        self.product = InnerProduct(self.shape, norm)
        self.preconditioner = preconditioner
        self.tolerance, self.max_iterations = tolerance, max_iterations
        helped = f", preconditioned by {type(preconditioner).__name__}" if preconditioner else ""
        self.reason = f"L is symmetric and known by its application: conjugate gradients{helped}"
        self.report: IterationReport | None = None
        self._size_of_L: float | None = None

    def solve(self, b: torch.Tensor, c: Shift) -> torch.Tensor:
        """Return x for b ``(*batch, *shape)``; see `ShiftedSolver`.

        Raises:
            ConvergenceError: a sample did not reach the tolerance.
            ParameterError: ``1 - c L`` is not positive definite, or c is complex.
        """
        check_shape(b, self.shape)
        return solve_implicitly(self, b, c, *self.parameters)

    def apply(self, v: torch.Tensor, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``L v``, or ``L^T v``, which is the conjugate of ``W L W^-1 v̄`` for an L self-adjoint in the weights W."""
        if not transpose:
            return self.operator(v, *parameters)
        return self._weighted(self.operator(self._weighted(v.conj(), -1), *parameters), 1).conj()

    def invert(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """Iterate until every sample has converged."""
        if isinstance(c, complex):
            raise ParameterError(f"conjugate gradients need a real c, got {c:.6g}; use SparseSolve")
        if transpose:
            return self._weighted(self.invert(self._weighted(b.conj(), -1), c, *parameters, transpose=False), 1).conj()

        def L(v: torch.Tensor) -> torch.Tensor:
            return self.operator(v, *parameters)

        if self._size_of_L is None:
            self._size_of_L = check_symmetric(L, self.product, b, "L")
        return self._iterate(b, c, lambda v: v - c * L(v))

    def _iterate(self, b: torch.Tensor, c: float, M: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Conjugate gradients, started again where round-off has parted the true residual from the recursive one."""
        eps = torch.finfo(b.dtype).eps
        target = (self.tolerance if self.tolerance is not None else eps ** (2 / 3)) * self.product.norm(b)
        iterations = torch.zeros_like(target, dtype=torch.int64)
        x, r = torch.zeros_like(b), b
        for _ in range(_RESTARTS):
            change, taken = self._descend(r, c, M, target, self.max_iterations - int(iterations.max()))
            x, iterations = x + change, iterations + taken
            r = b - M(x)
            # No iteration gets below the rounding errors made in applying M.
            reachable = 10 * eps * abs(c) * (self._size_of_L or 0.0) * self.product.norm(x)
            left = ~(self.product.norm(r) <= torch.maximum(10 * target, reachable))
            if not left.any() or int(iterations.max()) >= self.max_iterations:
                break
            r = torch.where(left, r, 0)
        if bool((64 * eps * self.product.norm(x) > self.product.norm(b)).any()):
            raise singular(c, "the solution outgrows the right-hand side by the inverse of round-off")
        self._record(b, r, iterations, left)
        return x

    def _descend(
        self,
        b: torch.Tensor,
        c: float,
        M: Callable[[torch.Tensor], torch.Tensor],
        target: torch.Tensor,
        most: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x with ``|b - M x| <= target``, from zero, and the iterations of each sample."""
        x, r = torch.zeros_like(b), b
        going = ~(self.product.norm(r) <= target)
        z = self._precondition(r, c)
        p, rz = z, self.product(r, z).real
        taken = torch.zeros_like(going, dtype=torch.int64)
        every = _CHECK_EVERY.get(b.device.type, 8)
        for iteration in range(most):
            if iteration % every == 0 and not going.any():
                break
            Mp = M(p)
            curvature = self.product(p, Mp).real
            self._check_positive(going & (curvature <= 0), c, every, iteration)
            α = torch.where(going, rz / curvature, 0)
            x, r = x + α * p, r - α * Mp
            taken = taken + going
            going = going & ~(self.product.norm(r) <= target)
            z = self._precondition(r, c)
            rz_before, rz = rz, self.product(r, z).real
            p = z + torch.where(going, rz / rz_before, 0) * p
        return x, taken

    def _check_positive(self, negative: torch.Tensor, c: float, every: int, iteration: int) -> None:
        if iteration % every == 0 and negative.any():
            raise ParameterError(
                f"1 - c L is not positive definite at c = {c:.6g}, and conjugate gradients need that (c >= 0 for an L "
                "that dissipates); use SparseSolve"
            )

    def _precondition(self, r: torch.Tensor, c: float) -> torch.Tensor:
        return r if self.preconditioner is None else self.preconditioner.solve(r, c)

    def _weighted(self, v: torch.Tensor, power: int) -> torch.Tensor:
        weights = self.product.weights_like(v)
        return v if weights is None else v * weights**power

    def _record(self, b: torch.Tensor, r: torch.Tensor, iterations: torch.Tensor, left: torch.Tensor) -> None:
        size = self.product.norm(b)
        residual = torch.where(size > 0, self.product.norm(r) / size, 0)
        self.report = IterationReport(iterations.squeeze(self.product.dims), residual.squeeze(self.product.dims))
        if left.any():
            raise ConvergenceError(
                f"conjugate gradients left {int(left.sum())} of {left.numel()} samples with a relative residual up to "
                f"{float(residual.max()):.1e} after {int(iterations.max())} iterations; give a preconditioner "
                "(Multigrid for diffusion), a larger tolerance or max_iterations, or use SparseSolve",
                self.report,
            )
