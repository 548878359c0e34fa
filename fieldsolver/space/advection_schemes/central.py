"""Central differences: no damping, and a phase error of the order of the scheme."""

from __future__ import annotations

from ..stencils import central_stencil
from .scheme import LinearScheme


def _central(order: int) -> LinearScheme:
    coefficients = central_stencil(1, order)
    right = list(enumerate(coefficients[len(coefficients) // 2 :]))[1:]
    terms = " ".join(f"{'-' if c < 0 else '+'} {abs(c)} (u_(i+{j}) - u_(i-{j}))" for j, c in right)
    return LinearScheme(f"central{order}", order, coefficients, f"({terms.removeprefix('+ ')})/h")


CENTRAL: tuple[LinearScheme, ...] = tuple(_central(order) for order in (2, 4, 6, 8))
"""Orders 2, 4, 6 and 8; coefficients of Fornberg, Math. Comp. 51 (1988) 699, table 1.

Neutral: every wave keeps its amplitude. Steps and unresolved fronts ring; pair them with diffusion, or use `UPWIND`.
"""
