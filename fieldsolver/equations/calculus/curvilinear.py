"""Vector calculus in orthogonal coordinates, as formulas.

With ``√g`` and the scale factors ``h_i`` of the coordinates ``q_i`` (Morse & Feshbach, Methods of Theoretical Physics,
1953, section 1.3), and physical components of vectors,

    grad u = (1/h_i) ∂_i u,    div v = 1/√g Σ_i ∂_i (√g/h_i v_i),    div (D grad u) = 1/√g Σ_i ∂_i (√g/h_i² D ∂_i u)
"""

from __future__ import annotations

from fieldsolver.space.coordinate_systems import SYSTEMS

from .. import build
from ..graph import Node

_ONE = build.number(1)


def density(system: str) -> Node:
    """``√g`` as an expression of the first coordinate."""
    q = build.coordinate(SYSTEMS[system].axes[0], 0)
    match system:
        case "spherical":
            return build.power(q, 2)
        case "sphere":
            return build.function("sin", q)
    return q


def scales(system: str) -> tuple[Node, ...]:
    """The scale factors ``h_i``."""
    q = build.coordinate(SYSTEMS[system].axes[0], 0)
    match system:
        case "polar":
            return _ONE, q
        case "sphere":
            return _ONE, build.function("sin", q)
    return _ONE, _ONE
