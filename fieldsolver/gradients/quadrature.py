"""Gradient of the continuous solution, which is kept, by an adjoint that never sees the parameters: the Gauss adjoint.

The forward solve keeps its steps with all stages; the adjoint alone is integrated backward, against their interpolant,
which is as stable as the equation was forward; the gradient of the parameters is a Gauss-Legendre quadrature over the
steps of the adjoint. So it suits many parameters, and diffusion.

Memory: (stages + 2) states per accepted step; 'direct' keeps what f computes inside as well. Accuracy: that of the
tolerances, not round-off. With a method of order p whose interpolant has order q the gradient converges like
h^min(p, q + 1); with error control in proportion to the tolerances.

Source: Norcliffe, Deisenroth, *Faster training of neural ODEs using Gauss-Legendre quadrature*, TMLR (2023), arXiv
2308.10644; the combination with a stored forward solution is SciMLSensitivity's `GaussAdjoint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.methods import Method
from fieldsolver.stepping import BackwardStatistics, Ends, Trajectory, VectorField
from fieldsolver.stepping.vector_field import Parameters

from .continuous.adjoint_function import check_continuous, solve_with_adjoint
from .continuous.adjoint_rate import pulled_back
from .continuous.adjoint_stored import StoredSolution
from .continuous.adjoint_tolerances import AdjointTolerances, error_control


@dataclass(frozen=True)
class Quadrature:
    """The solution is kept, the adjoint integrated backward, and the parameters' share is a quadrature.

    Args:
        rtol: relative tolerance of the backward pass; None takes that of the solve.
        atol: absolute tolerance of the adjoint, in units of its size at the last save point; None is a thousandth of
            rtol.

    Raises:
        OptionError: a tolerance that is not positive.
    """

    rtol: float | None = None
    atol: float | None = None
    name = "quadrature"

    def __post_init__(self) -> None:
        AdjointTolerances(self.name, self.rtol, self.atol)

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Refuse methods without dense output, and events.

        Raises:
            OptionError: says which method or mode can.
        """
        check_continuous(self.name, method, equation)

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """See `solve_with_adjoint`."""
        direction = 1.0 if t1 >= t0 else -1.0
        backward = _Stored(AdjointTolerances(self.name, self.rtol, self.atol), options, direction)
        return solve_with_adjoint(self.name, backward, field, method, y0, t0, t1, ends, options)


class _Stored:
    """z = a, (B, *state): the solution is read from the steps of the forward solve.

    Args:
        tolerances: of the backward pass.
        options: of the forward solve.
        direction: +1 or -1, the sign of its steps.
    """

    def __init__(self, tolerances: AdjointTolerances, options: Mapping[str, Any], direction: float) -> None:
        self._options: dict[str, Any] = {}
        if error_control(options):
            rtol, atol = tolerances.of_adjoint(options)
            self._options = {"rtol": rtol, "atol": atol, "norm": options.get("norm")}
        self._solution = StoredSolution(direction)
        self.observers = (self._solution,)

    def options(self, y: Tensor) -> dict[str, Any]:
        """Tolerances of the adjoint."""
        return self._options

    def field(self, field: VectorField, sources: Tensor) -> VectorField:
        """da/dt = -a . df/dy(t, y(t)); which samples these are is one more parameter."""
        self._field = field
        self._solution.close()

        def function(parameters: Parameters, t: Tensor, a: Tensor) -> Tensor:
            y = self._solution(t, parameters[-1])
            return -pulled_back(field.with_parameters(parameters[:-1]), t, y, a)[1]

        flags = None if field.per_sample is None else (*field.per_sample, True)
        return VectorField(function, (*field.parameters, sources), flags)

    def pack(self, y: Tensor, a: Tensor) -> Tensor:
        """The adjoint."""
        return a

    def unpack(self, backward: VectorField, t: Tensor, z: Tensor) -> tuple[VectorField, Tensor, Tensor]:
        """The solution comes from the forward solve."""
        *parameters, rows = backward.parameters
        return self._field.with_parameters(tuple(parameters)), self._solution(t, rows), z

    def arrived(self, z: Tensor, y: Tensor) -> None:
        """Nothing to compare."""

    def conclude(self, statistics: BackwardStatistics) -> None:
        """Report what was kept, and what only the interpolants needed."""
        statistics.peak_states = self._solution.states
        statistics.nfev += self._solution.nfev
        self._solution.nfev = 0  # of the forward pass, so only once
