"""What a declared equation can say of itself: its linear part, its spectra, its derivatives, its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from .describe import describe_parameters, fingerprint, page

if TYPE_CHECKING:
    import numpy as np

    from .field_equation import FieldEquation
    from .knowledge import Jacobian, LinearPart, Remainder
    from .knowledge.shifted_solve import ShiftedSolve
    from .manufactured.manufacture import Manufactured


class Answers:
    """The questions that `FieldEquation` answers; each is computed elsewhere, when it is asked."""

    @property
    def _itself(self) -> FieldEquation:
        return cast("FieldEquation", self)

    # -- knowledge ------------------------------------------------------------------------------------------------

    def linear_part(self) -> LinearPart:
        """The linear terms, where their eigenvalues lie, and the transform that diagonalises them."""
        from .knowledge import linear_part

        return linear_part(self._itself)

    def nonlinear_part(self) -> dict[str, list[Remainder]]:
        """Per state, the terms that are not in the linear part, each with the reason."""
        from .knowledge import split

        return {name: split(name, node, self._itself.layout)[1] for name, node in self._itself.right_sides.items()}

    def jacobian(self) -> Jacobian:
        """``df/dy`` as symbolic blocks, as products with vectors, and as a sparse matrix."""
        from .knowledge import Jacobian

        return Jacobian(self._itself)

    def symbol(self, k: Any, *, discrete: bool = False) -> np.ndarray:
        """The Fourier symbol of the linear part at wave vectors `k` ``(..., d)``: matrices ``(..., C, C)``."""
        from .knowledge import symbol_matrix

        return symbol_matrix(self._itself, k, discrete=discrete)

    def shifted_solver(self, t: float = 0.0) -> ShiftedSolve:
        """The fastest solver of ``(1 - c L) x = b`` for the linear part L at the current parameter values and time `t`.

        Make another when the parameters have changed.
        """
        from .knowledge.shifted_solve import shifted_solver

        return shifted_solver(self._itself, t)

    def steady_states(self, **options: Any) -> np.ndarray:
        """Uniform steady states found by a search, ``(n, C)``; options as `knowledge.steady_states`."""
        from .knowledge import steady_states

        return steady_states(self._itself, **options)

    def conserved(self) -> np.ndarray:
        """Weights ``(n, C)`` of the linear quantities ``sum_c w_c integral(y_c)`` that never change."""
        from .knowledge import conserved_linear

        return conserved_linear(self._itself)

    # -- text -----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        equation, left = self._itself, {1: "d{0}/dt", 2: "d2{0}/dt2"}
        lines = (f"{left[equation.orders[name]].format(name)} = {node}" for name, node in equation.statements.items())
        return "\n".join([*lines, *(f"# {event}" for event in equation.events)])

    def latex(self) -> str:
        """The system in LaTeX, as an ``aligned`` environment."""
        from .views.latex import to_latex

        return to_latex(self._itself)

    def pretty(self) -> str:
        """The system in plain Unicode: ``∂u/∂t = Dᵤ ∇²u − u v²``."""
        from .views.pretty import to_pretty

        return to_pretty(self._itself)

    def manufactured(
        self, solution: Mapping[str, str | Sequence[str]], *, t0: float = 0.0, check: bool = True
    ) -> Manufactured:
        """An equation with a known solution: this one with sources, boundary and initial values to match.

        Args:
            solution: an expression per field over coordinates, ``t`` and parameters (a list of them for components):
                ``{"u": "exp(-t)*cos(pi*x)"}``.
            t0: the time of the initial values.
            check: refuse solutions that would prove nothing: not smooth, not periodic where an axis is, or computed by
                the scheme to round-off.

        Raises:
            EquationError: the equation or the solution has no formula (noise, modules, convolutions, integrals,
                `Spatial` parameters), or a check fails.
        """
        from .manufactured.manufacture import manufacture

        return manufacture(self._itself, solution, t0=t0, check=check)

    def __repr__(self) -> str:
        return page(self._itself)

    def fingerprint(self) -> dict[str, Any]:
        """What gives the stored numbers their meaning, as plain data: weights fit an equation with the same one."""
        return fingerprint(self._itself)

    def describe_parameters(self) -> dict[str, str]:
        """Every declared parameter's value as short text."""
        return describe_parameters(self._itself)
