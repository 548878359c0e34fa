"""L is diagonal in a product of one-dimensional bases: transform, divide, transform back."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fieldsolver.errors import OptionError

from .factor_cache import FactorCache
from .grid_transform import GridTransform, grid_transform, stays_real
from .implicit import only_b_may_vary, solve_implicitly
from .protocol import Shift, Transform, check_shape, double_of, finite_number, in_precision_of, singular


class TransformSolve:
    """``x = T^-1 (T b / (1 - c λ))``, exact for every c.

    Cost: two transforms and one multiplication a solve.

    Args:
        transforms: one for each axis of the grid, in the order of the axes (the last axis is transformed first, so
            only its transform may halve the spectrum of real input), or one `GridTransform` for all.
        eigenvalues: λ of the coefficients: a tensor ``(*lead, *modes)`` for fields ``(*batch, *lead, *grid)``, or one
            1-D tensor for each axis, whose sum λ is; their gradients are found too.

    Raises:
        OptionError: not one axis of eigenvalues for each transform.
    """

    name = "transform"

    def __init__(
        self,
        transforms: Sequence[Transform] | GridTransform,
        eigenvalues: torch.Tensor | Sequence[torch.Tensor],
    ) -> None:
        self.transform = grid_transform(transforms)
        axes = self.transform.axes
        given = eigenvalues.dim() if isinstance(eigenvalues, torch.Tensor) else len(eigenvalues)
        if given < axes or (given > axes and not isinstance(eigenvalues, torch.Tensor)):
            raise OptionError(
                f"eigenvalues have {given} axes, but there are {axes} transforms; "
                "give one tensor with an axis for each transform, or one 1-D tensor for each"
            )
        self.eigenvalues = (
            eigenvalues if isinstance(eigenvalues, torch.Tensor) else kronecker_sum_eigenvalues(eigenvalues)
        )
        self.reason = f"L is diagonal in {axes} transforms: two transforms and a division a solve"
        self._reciprocals: FactorCache[torch.Tensor] = FactorCache()

    @property
    def factorisations(self) -> int:
        """How many values of c were prepared."""
        return self._reciprocals.made

    def solve(self, b: torch.Tensor, c: Shift) -> torch.Tensor:
        """Return x for b ``(*batch, *grid)``; see `ShiftedSolver`."""
        half = stays_real(b, c)
        λ = self.transform.kept(self.eigenvalues, self.eigenvalues.dim() - self.transform.axes, half=half)
        coefficients = self.transform.forward(b, half=half)
        check_shape(coefficients, λ.shape)
        if only_b_may_vary(c, λ):
            x = self._divided(coefficients, finite_number(c), λ)  # type: ignore[arg-type]  # c is a number
        else:
            x = solve_implicitly(self, coefficients, c, λ)
        return self.transform.inverse(x, half=half)

    def apply(self, v: torch.Tensor, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``λ v``: what L does to coefficients."""
        return in_precision_of(parameters[0], v) * v

    def invert(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``b / (1 - c λ)`` on coefficients."""
        return b * self._reciprocal(b, c, parameters[0])

    def _divided(self, b: torch.Tensor, c: float | complex, λ: torch.Tensor) -> torch.Tensor:
        """The same in the memory of b where it is nobody else's."""
        factor = self._reciprocal(b, c, λ)
        owned = self.transform.axes > 0 and not b.requires_grad and factor.dtype == b.dtype
        return b.mul_(factor) if owned else b * factor

    def _reciprocal(self, b: torch.Tensor, c: float | complex, λ: torch.Tensor) -> torch.Tensor:
        layout = b.stride()[b.dim() - λ.dim() :]
        key = (c, λ._version if not λ.is_inference() else 0, λ.shape, b.device, b.dtype, layout)

        def make() -> torch.Tensor:
            factor = reciprocal(λ, c, b)
            return _in_layout(factor.to(b.dtype) if b.is_complex() else factor, layout)

        return self._reciprocals.get(key, make)


# Transforms leave the axes in another order in memory than they name them, and real times complex is slow as well: with
# the factor as the coefficients are, the multiplication costs a fifth.
def _in_layout(tensor: torch.Tensor, strides: Sequence[int]) -> torch.Tensor:
    """`tensor` with its axes in memory in the order of `strides`."""
    order = sorted(range(tensor.dim()), key=lambda axis: -strides[axis])
    inverse = sorted(range(tensor.dim()), key=lambda axis: order[axis])
    return tensor.permute(order).contiguous().permute(inverse)


def reciprocal(eigenvalues: torch.Tensor, c: float | complex, like: torch.Tensor) -> torch.Tensor:
    """``1 / (1 - c λ)``, made in double precision; `ParameterError` where it is infinite."""
    denominator = 1 - c * eigenvalues.detach().to(like.device, double_of(eigenvalues.dtype))
    if not denominator.abs().min() > 16 * torch.finfo(torch.float64).eps:
        raise singular(c, "1/c is an eigenvalue of L")
    return in_precision_of(denominator.reciprocal(), like)


def kronecker_sum_eigenvalues(eigenvalues: Sequence[torch.Tensor]) -> torch.Tensor:
    """``λ_i + μ_j + ...`` as a tensor with one axis for each of the 1-D tensors given."""
    axes = len(eigenvalues)
    if not axes or any(λ.dim() != 1 for λ in eigenvalues):
        raise OptionError("separable eigenvalues are one 1-D tensor for each axis")
    total = eigenvalues[0].reshape(-1, *[1] * (axes - 1))
    for axis, λ in enumerate(eigenvalues[1:], start=1):
        total = total + λ.reshape(-1, *[1] * (axes - 1 - axis))
    return total
