"""Gradient of the continuous solution, which is integrated backward together with its adjoint.

Memory does not grow with the steps. The gradient is accurate to the tolerances, not to round-off: it is that of the
differential equation, not of the numbers that were computed. And it is right only where the solution can be found again
from its end: what decays forward grows backward, and with it every error. So this mode is never chosen by itself.

Source: Chen, Rubanova, Bettencourt, Duvenaud, *Neural ordinary differential equations*, NeurIPS (2018), arXiv
1806.07366; on what goes wrong: Gholami, Keutzer, Biros, *ANODE: unconditionally accurate memory-efficient gradients for
neural ODEs*, IJCAI (2019), arXiv 1902.10298.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import FieldSolverWarning
from fieldsolver.methods import Method
from fieldsolver.methods.transformed import in_transform
from fieldsolver.stepping import BackwardStatistics, Ends, Observer, Trajectory, VectorField
from fieldsolver.stepping.arithmetic import masked
from fieldsolver.stepping.error_norm import Norm, Tolerance, rms
from fieldsolver.stepping.vector_field import Parameters

from .continuous.adjoint_function import check_continuous, solve_with_adjoint
from .continuous.adjoint_rate import pulled_back
from .continuous.adjoint_tolerances import AdjointTolerances, error_control
from .continuous.dissipation import check_reversal

ALLOWED = 100.0
"""How many tolerances the reconstructed start may miss the true one by, before the gradient is called doubtful."""
ALLOWED_BY_FIXED_STEPS = 1e-2
"""The same, relative to the solution, where no tolerance was asked for."""


@dataclass(frozen=True)
class Backsolve:
    """The solution is forgotten and integrated backward with its adjoint.

    Args:
        rtol: relative tolerance of the backward pass; None takes that of the solve.
        atol: absolute tolerance of the backward pass, for the adjoint in units of its size at the last save point; None
            takes that of the solve for the solution, and a thousandth of rtol for the adjoint.

    Raises:
        OptionError: a tolerance that is not positive.
    """

    rtol: float | None = None
    atol: float | None = None
    name = "backsolve"

    def __post_init__(self) -> None:
        AdjointTolerances(self.name, self.rtol, self.atol)

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Refuse events and pure diffusion, and warn about equations that forget.

        Raises:
            OptionError: the method has no dense output, the equation has events, or it is pure diffusion.
        """
        check_continuous(self.name, method, equation)
        if equation is not None and not in_transform():  # inside torch.func nobody sees the parameters' values
            check_reversal(equation, span)

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """See `solve_with_adjoint`."""
        backward = _Reconstructed(AdjointTolerances(self.name, self.rtol, self.atol), options)
        return solve_with_adjoint(self.name, backward, field, method, y0, t0, t1, ends, options)


class _Reconstructed:
    """z = (y, a), (B, 2, *state): the solution is integrated backward too, anew from every save point.

    Args:
        tolerances: of the backward pass.
        options: of the forward solve.
    """

    def __init__(self, tolerances: AdjointTolerances, options: Mapping[str, Any]) -> None:
        self._adaptive, self._norm = error_control(options), options.get("norm")
        if self._adaptive:
            self._parts = tolerances.of_solution(options), tolerances.of_adjoint(options)
        self.observers: tuple[Observer, ...] = ()
        self._missed: list[tuple[Tensor, Tensor]] = []

    def options(self, y: Tensor) -> dict[str, Any]:
        """Tolerances of both parts; a norm of the user sees them one by one."""
        if not self._adaptive:
            return {}
        rtol, atol = (_stacked(parts, y) for parts in zip(*self._parts, strict=True))
        return {"rtol": rtol, "atol": atol, "norm": None if self._norm is None else _larger(self._norm)}

    def field(self, field: VectorField, sources: Tensor) -> VectorField:
        """d(y, a)/dt = (f, -a . df/dy)."""
        self._field = field

        def function(parameters: Parameters, t: Tensor, z: Tensor) -> Tensor:
            rate, product = pulled_back(field.with_parameters(parameters), t, *z.unbind(1))
            return torch.stack([rate, -product], dim=1)

        return replace(field, function=function)

    def pack(self, y: Tensor, a: Tensor) -> Tensor:
        """Both, side by side."""
        self._size, self._asked = rms(y), (a != 0).reshape(a.shape[0], -1).any(dim=1)
        return torch.stack([y, a], dim=1)

    def unpack(self, backward: VectorField, t: Tensor, z: Tensor) -> tuple[VectorField, Tensor, Tensor]:
        """Both parts."""
        y, a = z.unbind(1)
        return self._field.with_parameters(backward.parameters), y, a

    def arrived(self, z: Tensor, y: Tensor) -> None:
        """Note by how much the solution was missed, relative to its size at either end of the stretch.

        Samples without a gradient, among them all that failed, are not compared: nothing comes of what they missed.
        """
        size = torch.maximum(self._size, rms(y)).clamp(min=torch.finfo(self._size.dtype).tiny)
        missed = masked(self._asked, rms(z[:, 0] - y) / size, torch.full_like(size, torch.nan))
        allowed = torch.full_like(size, ALLOWED_BY_FIXED_STEPS)
        if self._adaptive:
            rtol, atol = (torch.as_tensor(part).max() for part in self._parts[0])
            allowed = ALLOWED * (rtol + atol / size)
        self._missed.append((missed, allowed))

    def conclude(self, statistics: BackwardStatistics) -> None:
        """Report by how much the solution was missed, and warn where that is too much."""
        if not self._missed:
            return
        missed, allowed = (torch.stack(values) for values in zip(*self._missed, strict=True))
        self._missed = []
        statistics.residual = reduce(torch.fmax, missed).double().cpu()  # NaN where nothing was compared
        statistics.peak_states = 1
        too_far = missed[missed > allowed]
        if too_far.numel():
            warnings.warn(
                f"gradient='backsolve' found the solution again with a relative error of {too_far.max().item():.2g} "
                "only, so this gradient is wrong: the solution forgets where it came from, or the tolerances are too "
                "loose; use gradient='quadrature' or 'checkpointed'",
                FieldSolverWarning,
                stacklevel=2,
            )


def _stacked(parts: tuple[Tolerance, Tolerance], y: Tensor) -> Tolerance:
    """One tolerance for both parts, (2, *state) unless a number will do."""
    if not any(isinstance(part, Tensor) for part in parts) and parts[0] == parts[1]:
        return parts[0]
    real, shape = y.real.dtype if y.is_complex() else y.dtype, y.shape[1:]
    return torch.stack([torch.as_tensor(part, dtype=real, device=y.device).expand(shape) for part in parts])


def _larger(norm: Norm) -> Norm:
    """The larger one of the norms of both parts."""
    return lambda ratio: torch.maximum(norm(ratio[:, 0]), norm(ratio[:, 1]))
