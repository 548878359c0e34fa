"""How fast the modes of a declared equation grow when it is integrated backward."""

from __future__ import annotations

import math
import warnings

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.knowledge import LinearPart, linear_part, split
from fieldsolver.errors import FieldSolverWarning, OptionError

LOUD = math.log(1e3)
"""Exponent from which growth is worth a warning: three digits of the tolerance are gone."""


def check_reversal(equation: FieldEquation, span: float) -> None:
    """Refuse or warn about an equation whose solution cannot be found again from its end.

    Only the linear part is judged, at the present values of the parameters.

    Args:
        equation: what will be integrated over `span` and back again.
        span: t1 - t0 of the forward solve.

    Raises:
        OptionError: the equation is pure diffusion, which is ill-posed backward.
    """
    linear = linear_part(equation)
    fastest = -linear.bound.lowest if span >= 0 else linear.bound.highest
    growth = fastest * abs(span)
    if span >= 0 and is_pure_diffusion(equation, linear):
        raise OptionError(
            "gradient='backsolve' integrates the solution backward, and backward diffusion is ill-posed: the fastest "
            f"mode of this equation decays at the rate {fastest:.4g} and would grow by e^{growth:.3g} over the span "
            f"{span:g}; use gradient='quadrature' or 'checkpointed'"
        )
    if growth > LOUD:
        sharp = "" if linear.bound.kind == "exact" else "up to "
        warnings.warn(
            f"gradient='backsolve' integrates the solution backward: the fastest mode of the linear part decays at "
            f"{sharp}the rate {fastest:.4g}, so errors grow by {sharp}e^{growth:.3g} over the span {span:g} and the "
            "gradient may be wrong; use gradient='quadrature' or 'checkpointed'",
            FieldSolverWarning,
            stacklevel=4,
        )


def is_pure_diffusion(equation: FieldEquation, linear: LinearPart) -> bool:
    """Whether derivatives in space, decay and sources are all there is, and no mode grows or oscillates."""
    if any(term.kind not in ("linear", "source") for term in linear.terms):
        return False
    bounds = [term.bound for term in linear.terms if term.bound is not None]
    calm = all(bound.highest <= 0.0 and bound.imaginary == 0.0 for bound in bounds)
    terms = [term for row, node in equation.right_sides.items() for term in split(row, node, equation.layout)[0]]
    return calm and any(term.operators for term in terms)
