"""How a user's choice of schemes is spread over the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fieldsolver.errors import GridError, listing, nearest

from ..stencils import check_space_order
from .finite_difference import FiniteDifference
from .scheme import Scheme

SchemeDeclaration = Scheme | Mapping[str, Scheme] | None


def resolve_schemes(scheme: SchemeDeclaration, space_order: int | None, axes: Sequence[str]) -> tuple[Scheme, ...]:
    """One scheme per axis.

    Args:
        scheme: one for all axes, or a dict with one per axis, or None for finite differences.
        space_order: their order, None for 2; short for ``scheme=FiniteDifference(order=...)``.
        axes: names of the axes; empty without a grid.

    Raises:
        GridError: both are given, an axis is unknown or missing, or an entry is no scheme.
    """
    if scheme is None:
        return (FiniteDifference(2 if space_order is None else check_space_order(space_order)),) * len(axes)
    if space_order is not None:
        raise GridError(
            f"space_order={space_order} and scheme= say the same thing; write scheme=fs.FiniteDifference(order=...)"
        )
    if not axes:
        raise GridError("scheme= was given, but there are no axes to differentiate along; drop it or pass grid=")
    per_axis = scheme if isinstance(scheme, Mapping) else dict.fromkeys(axes, scheme)
    for name, entry in per_axis.items():
        if name not in axes:
            raise GridError(f"scheme has the axis {name!r}, but the grid has {listing(axes)}{nearest(name, axes)}")
        if not isinstance(entry, Scheme):
            raise GridError(f"a scheme is fs.FiniteDifference(...) or fs.Spectral(...), got {entry!r}")
    missing = [name for name in axes if name not in per_axis]
    if missing:
        raise GridError(f"scheme gives nothing for the axis {missing[0]!r}; add it, one entry per axis")
    return tuple(per_axis[name] for name in axes)
