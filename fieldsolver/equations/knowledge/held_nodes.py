"""Which numbers of a state are unknowns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..lowering import Layout, held_sides


def free_mask(layout: Layout, fields: Sequence[str]) -> Tensor | None:
    """``(C, *grid)`` of some fields: zero on nodes that a condition holds, else one; None if none is held."""
    shape = layout.required_grid().shape if layout.grid is not None else ()
    masks, held = [], False
    for field in fields:
        mask = torch.ones(layout.fields[field][1], *shape, dtype=torch.float64)
        for axis, end in held_sides(layout, field):
            mask.select(axis + 1, 0 if end == 0 else -1).zero_()
            held = True
        masks.append(mask)
    return torch.cat(masks) if held else None
