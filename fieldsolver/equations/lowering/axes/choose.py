"""Which kind of scheme an axis has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldsolver.space.schemes import Spectral

from .axis_scheme import AxisScheme
from .collocation import Collocation
from .ghost_layers import GhostLayers
from .masked import Masked
from .penalties import Penalties
from .transforms import Transforms

if TYPE_CHECKING:
    from ..lower import Lowering


def axis_scheme(lowering: Lowering, axis: int) -> AxisScheme:
    """The kind of scheme that an axis has."""
    layout = lowering.layout
    if layout.mask is not None:
        return Masked(lowering, axis)
    if layout.collocates(axis):
        return Collocation(lowering, axis)
    if isinstance(layout.schemes[axis], Spectral):
        return Transforms(lowering, axis)
    return Penalties(lowering, axis) if layout.penalises(axis) else GhostLayers(lowering, axis)
