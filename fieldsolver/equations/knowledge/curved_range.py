"""Where the eigenvalues of operators in curved coordinates and on metrics lie, by Gershgorin's circles.

Discrete Laplacians there are sums over faces, ``V_i (Lu)_i = Σ_f c_f (u_other - u_i)``: symmetric in the inner product
of the volumes. A face adds ``c_f/V_i`` to the diagonal and as much to the radius of its row, so that every eigenvalue
lies in ``[-2 max_i Σ_f c_f/V_i, 0]``. At a wall the ghost is ``m u_i``, and the face adds ``(1 - m) c_f/V_i`` alone.
"""

from __future__ import annotations

import numpy as np
import torch

from fieldsolver.space.boundary import Absorbing, Neumann, Robin, Side, is_closed
from fieldsolver.space.closure import GhostRule, ghost_rule_at
from fieldsolver.space.metric import Metric
from fieldsolver.space.orthogonal import OrthogonalCells

from ..lowering import Layout
from ..vocabulary import OPERATORS

Range = tuple[float, float, float]
"""Smallest and largest real part, largest imaginary part."""
Faces = tuple[np.ndarray, np.ndarray]
"""Coefficients of the faces below and above every cell along one axis, broadcastable to the grid."""


def curved_range(layout: Layout, field: str, name: str) -> Range:
    """A box around the eigenvalues of one operator acting on one field; of ``diffusion`` with coefficient 1."""
    if layout.metric is not None:
        return _of_laplacian(layout, field, *_of_metric(layout, layout.metric))
    cells = OrthogonalCells(layout.required_grid())
    volumes = cells.volumes.numpy()
    if name in ("laplacian", "diffusion"):
        ratios = [(area / distance).numpy() for area, distance in zip(cells.areas, cells.distances, strict=True)]
        return _of_laplacian(layout, field, volumes, [_below_and_above(c, axis) for axis, c in enumerate(ratios)])
    # A gradient and its part of the divergence sum ``A (u_+ ± u_-)/2`` over two faces: in the largest row, and as
    # adjoints of each other in the largest column.
    only, total = OPERATORS[name].axis, np.zeros_like(volumes)
    for axis, area in enumerate(cells.areas):
        if only in (None, axis):
            below, above = _below_and_above(area.numpy(), axis)
            total = total + (below + above) / volumes
    radius = float(total.max()) * _growth(layout, field)
    return -radius, radius, radius


def _below_and_above(faces: np.ndarray, axis: int) -> Faces:
    """Across the second axis all faces of a ring are equal."""
    return (faces[:-1], faces[1:]) if axis == 0 else (faces, faces)


def _of_laplacian(layout: Layout, field: str, volumes: np.ndarray, faces: list[Faces]) -> Range:
    """The ends of the circles ``diagonal ± radius`` over all cells."""
    shape = layout.required_grid().shape
    diagonal, radius = np.zeros(shape), np.zeros(shape)
    for axis, pair in enumerate(faces):
        for end, coefficient in enumerate(pair):
            share = np.array(np.broadcast_to(coefficient / volumes, shape))
            diagonal -= share
            radius += share
            rule = _rule(layout, field, (axis, end))
            if rule is not None:
                wall = tuple(slice(None) if other != axis else -end for other in range(len(shape)))
                seen = 1.0 if layout.required_grid().has_end_nodes(axis) else rule.mirror[0]
                kept = share[wall] * _strength(layout, field, (axis, end))
                diagonal[wall] += share[wall] - kept * (1 - seen - rule.wall[0])
                radius[wall] -= share[wall]
    return float((diagonal - radius).min()), max(float((diagonal + radius).max()), 0.0), 0.0


def _rule(layout: Layout, field: str, side: Side) -> GhostRule | None:
    """What lies beyond a wall; None where the axis closes on itself."""
    condition, grid = layout.conditions[field][side], layout.required_grid()
    if is_closed(condition):
        return None
    condition = Neumann(0.0) if isinstance(condition, Absorbing) else condition
    return ghost_rule_at(condition, grid.mirror_distances(*side, 1), on_node=grid.has_end_nodes(side[0]))


def _strength(layout: Layout, field: str, side: Side) -> float:
    """At a Robin wall a metric weighs the slope by ``ρ (1 + β)/(1 + βρ)``, at most 2; see tensor_diffusion.py."""
    return 2.0 if layout.metric is not None and isinstance(layout.conditions[field][side], Robin) else 1.0


def _growth(layout: Layout, field: str) -> float:
    """The largest ``(1 + |m|)/2`` of the walls, whose ghosts are ``m u_i``; at least 1."""
    rules = [_rule(layout, field, side) for side in layout.conditions[field]]
    return max(1.0, *((1 + abs(rule.mirror[0])) / 2 for rule in rules if rule is not None))


def _of_metric(layout: Layout, metric: Metric) -> tuple[np.ndarray, list[Faces]]:
    """``√g``, and the faces of a scalar diffusion that dissipates more.

    Cell by cell the energy of a metric is at most that of λ, the largest eigenvalue of ``√g g^-1``; half of what a face
    dissipates belongs to either of its cells.
    """
    grid = metric.grid
    faces: list[Faces] = []
    with torch.no_grad():
        density = metric.volume_density()
        tensor = (metric.inverse() * density).movedim((0, 1), (-2, -1))
        largest = torch.linalg.eigvalsh(tensor)[..., -1].double().numpy(force=True)
    for axis in range(grid.dimension):
        λ = np.moveaxis(largest, axis, 0)
        below, above = (np.roll(λ, 1, 0) + λ) / 2, (np.roll(λ, -1, 0) + λ) / 2
        if not layout.is_closed(axis):
            on_node = grid.has_end_nodes(axis)
            below[0], above[-1] = (above[0], below[-1]) if on_node else (λ[0], λ[-1])
            if on_node:  # half a cell belongs to the node on a wall, and its one face counts twice
                above[0], below[-1] = 2 * above[0], 2 * below[-1]
        low, high = (np.moveaxis(part, 0, axis) / grid.spacing[axis] ** 2 for part in (below, above))
        faces.append((low, high))
    return density.double().numpy(force=True), faces
