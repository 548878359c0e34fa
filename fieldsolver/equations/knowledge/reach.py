"""How far an operator reaches along an axis."""

from __future__ import annotations

from fieldsolver.space.advection_schemes import ADVECTION_SCHEMES
from fieldsolver.space.schemes import FiniteDifference

from ..lowering import Layout
from ..vocabulary import OPERATORS


def reach(layout: Layout, name: str, axis: int) -> int:
    """Number of points to each side that one operator reads, at most the whole axis."""
    everything = layout.required_grid().shape[axis] - 1
    scheme, order = layout.schemes[axis], OPERATORS[name].derivative_order
    if not isinstance(scheme, FiniteDifference) or layout.collocates(axis) or layout.penalises(axis):
        return everything
    if name == "diffusion":
        width = scheme.diffusion_half_width
    elif name == "advection" and scheme.advection != "central":
        width = ADVECTION_SCHEMES[scheme.advection].width
    else:
        width = scheme.half_width(order // 2 if name == "biharmonic" else order)
    return everything if width is None else min(width, everything)
