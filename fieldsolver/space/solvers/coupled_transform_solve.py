"""Several components, each diagonal in the same transforms, coupled mode by mode: one small matrix for each mode."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fieldsolver.errors import OptionError

from .factor_cache import FactorCache, versions
from .grid_transform import GridTransform, grid_transform, stays_real
from .implicit import only_b_may_vary, solve_implicitly
from .protocol import Shift, Transform, check_shape, double_of, finite_number, in_precision_of, singular


class CoupledTransformSolve:
    """``x_k = (1 - c S_k)^-1 b_k`` for every mode k, with the symbol S_k a C x C matrix.

    Cost: two transforms of each component and C² multiplications a mode.

    Args:
        transforms: one for each axis of the grid, or one for all; see `TransformSolve`.
        symbols: ``(*modes, C, C)``; row: the component that changes, column: the one that acts. Their gradients are
            found too.

    Raises:
        OptionError: `symbols` does not have two axes more than there are transforms, or is not square.
    """

    name = "coupled transform"

    def __init__(self, transforms: Sequence[Transform] | GridTransform, symbols: torch.Tensor) -> None:
        self.transform = grid_transform(transforms)
        axes = self.transform.axes
        self.symbols = symbols
        if symbols.dim() != axes + 2 or symbols.shape[-1] != symbols.shape[-2]:
            raise OptionError(f"symbols must be (*modes, C, C) with {axes} axes of modes, got {tuple(symbols.shape)}")
        self.reason = (
            f"{symbols.shape[-1]} components, diagonal in {axes} transforms up to one small matrix for each mode"
        )
        self._inverses: FactorCache[torch.Tensor] = FactorCache()

    @property
    def factorisations(self) -> int:
        """How many values of c were prepared."""
        return self._inverses.made

    def solve(self, b: torch.Tensor, c: Shift) -> torch.Tensor:
        """Return x ``(*batch, C, *grid)`` for b of that shape; see `ShiftedSolver`."""
        half = stays_real(b, c)
        symbols = self.transform.kept(self.symbols, 0, half=half)
        coefficients = self.transform.forward(b, half=half)
        check_shape(coefficients, (symbols.shape[-1], *symbols.shape[:-2]))
        if only_b_may_vary(c, symbols):
            inverse = self._inverse(coefficients, finite_number(c), symbols)  # type: ignore[arg-type]  # c is a number
            x = self._product(inverse, coefficients, transpose=False, accumulate=not b.requires_grad)
        else:
            x = solve_implicitly(self, coefficients, c, symbols)
        return self.transform.inverse(x, half=half)

    def apply(self, v: torch.Tensor, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``S v`` or ``S^T v`` in every mode."""
        return self._product(in_precision_of(parameters[0], v).movedim((-2, -1), (0, 1)), v, transpose)

    def invert(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``(1 - c S)^-1 b`` in every mode, or with the transposed matrices."""
        return self._product(self._inverse(b, c, *parameters), b, transpose)

    def _inverse(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor) -> torch.Tensor:
        key = (c, versions(parameters), parameters[0].shape, b.device, b.dtype)
        return self._inverses.get(key, lambda: _inverses(parameters[0], c, b))

    def _product(
        self, matrices: torch.Tensor, v: torch.Tensor, transpose: bool, *, accumulate: bool = False
    ) -> torch.Tensor:
        """Matrices ``(C, C, *modes)`` times ``(*batch, C, *modes)``, mode by mode: C products of whole fields.

        They are summed in place if `accumulate`: new memory for each would cost more than the products.
        """
        component = -self.transform.axes - 1
        columns = matrices.unbind(0 if transpose else 1)  # C of (C, *modes)
        parts = [part.unsqueeze(component) for part in v.unbind(component)]
        total = columns[0] * parts[0]
        for column, part in zip(columns[1:], parts[1:], strict=True):
            alike = accumulate and total.dtype == column.dtype == part.dtype
            total = total.addcmul_(column, part) if alike else total + column * part
        return total


def _inverses(symbols: torch.Tensor, c: float | complex, like: torch.Tensor) -> torch.Tensor:
    """``(1 - c S)^-1`` of every mode, as ``(C, C, *modes)``.

    Made in double precision: at large c the matrices are badly scaled.
    """
    S = symbols.detach().to(like.device, double_of(symbols.dtype))
    M = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device) - c * S
    inverse, _ = torch.linalg.inv_ex(M)
    condition = torch.linalg.matrix_norm(M, ord=1) * torch.linalg.matrix_norm(inverse, ord=1)
    if not condition.max() < 1 / (32 * torch.finfo(torch.float64).eps):
        raise singular(c, "1/c is an eigenvalue of the symbol of a mode")
    inverse = in_precision_of(inverse.movedim((-2, -1), (0, 1)), like).contiguous()
    return inverse.to(like.dtype) if like.is_complex() else inverse  # real times complex is slow
