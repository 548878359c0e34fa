"""The reflection closure: ghost values beyond a wall from the values inside and the boundary data.

With ``u_k`` the unknowns counted from the wall inwards and ``G_k`` the ghosts counted outwards, every condition reads

    G_k = mirror_k * u_(mirror of k) + wall_k * u_0 + data_k * g

Cell-centred walls lie half-way between ``u_0`` and ``G_0`` (the mirror of ghost ``k`` is cell ``k``); node-centred
walls are the node ``u_0`` itself (the mirror of ghost ``k`` is node ``k + 1``). On non-uniform axes the mirror images
have mirrored positions, so that only the distances differ. The resulting operators are symmetric
and conserve mass under no-flux; their spectra are those of the cosine and sine transforms. At the wall they
are of second order (of the order of the stencil when the solution has the symmetry of the reflection).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from fieldsolver.errors import BoundaryError

from .boundary import Condition, Dirichlet, Neumann, Robin


@dataclass(frozen=True)
class GhostRule:
    """Coefficients of the formula above for ghosts ``0 .. width - 1``."""

    mirror: tuple[float, ...]
    wall: tuple[float, ...]
    data: tuple[float, ...]

    @property
    def is_even(self) -> bool:
        """Ghosts equal their mirror images."""
        return self.mirror.count(1.0) == len(self.mirror)

    @property
    def is_odd(self) -> bool:
        """Ghosts are the negatives of their mirror images."""
        return self.mirror.count(-1.0) == len(self.mirror)

    @property
    def meets_wall(self) -> bool:
        """Ghosts depend on the unknown on the wall, too."""
        return self.wall.count(0.0) < len(self.wall)


def ghost_rule(condition: Condition, width: int, spacing: float, *, on_node: bool) -> GhostRule:
    """The rule of one side of a uniform axis; see `ghost_rule_at`.

    Args:
        condition: Dirichlet, Neumann or Robin.
        width: number of ghost layers.
        spacing: grid spacing along the axis.
        on_node: the wall is an unknown (node-centred) instead of half a cell away.
    """
    first = 2 if on_node else 1
    return ghost_rule_at(condition, [(first + 2 * k) * spacing for k in range(width)], on_node=on_node)


def ghost_rule_at(condition: Condition, distance: Sequence[float], *, on_node: bool) -> GhostRule:
    """The rule of one side.

    Args:
        condition: Dirichlet, Neumann or Robin.
        distance: from every ghost layer to its mirror image, the wall half-way, as `Grid.mirror_distances` gives it.
        on_node: the wall is an unknown (node-centred) instead of lying between two.

    Raises:
        BoundaryError: a Robin condition from which a ghost value drops out.
    """
    ones, zeros = (1.0,) * len(distance), (0.0,) * len(distance)
    match condition:
        case Dirichlet():
            # (G + u)/2 = g
            return GhostRule((-1.0,) * len(distance), zeros, (2.0,) * len(distance))
        case Neumann():
            # (G - u)/distance = g
            return GhostRule(ones, zeros, tuple(distance))
        case Robin(a=a, b=b) if on_node:
            # a u_0 + b (G - u)/distance = g
            return GhostRule(ones, tuple(-a * d / b for d in distance), tuple(d / b for d in distance))
        case Robin(a=a, b=b):
            # a (G + u)/2 + b (G - u)/distance = g
            denominators = [a / 2 + b / d for d in distance]
            if any(abs(value) < 1e-12 * (abs(a) + abs(b / distance[0])) for value in denominators):
                raise BoundaryError(
                    f"Robin(a={a:g}, b={b:g}) is singular on a grid of spacing {distance[0]:g}; change the grid"
                )
            mirror = tuple((b / d - a / 2) / value for d, value in zip(distance, denominators, strict=True))
            return GhostRule(mirror, zeros, tuple(1 / value for value in denominators))
    raise BoundaryError(f"{type(condition).__name__} conditions have no ghost rule")


def extend(
    values: torch.Tensor,
    dim: int,
    rules: tuple[GhostRule, GhostRule],
    data: tuple[torch.Tensor | float | None, torch.Tensor | float | None] = (None, None),
    *,
    on_node: bool,
) -> torch.Tensor:
    """`values` with the ghost layers of both ends of an axis; arguments as in `ghost_block`, low end first."""
    low = ghost_block(values, dim, 0, rules[0], data[0], on_node=on_node)
    high = ghost_block(values, dim, 1, rules[1], data[1], on_node=on_node)
    return torch.cat([low, values, high], dim=dim)


def ghost_block(
    values: torch.Tensor, dim: int, end: int, rule: GhostRule, data: torch.Tensor | float | None, *, on_node: bool
) -> torch.Tensor:
    """Ghost layers beyond one end, in the order of the grid.

    Args:
        values: the unknowns, any leading axes.
        dim: the axis, counted from the end (negative).
        end: 0 low, 1 high.
        rule: from `ghost_rule`.
        data: boundary values, broadcastable with size 1 along `dim`; None for zero.
        on_node: as in `ghost_rule`.
    """
    width, size = len(rule.mirror), values.shape[dim]
    skip = int(on_node)
    start = skip if end == 0 else size - skip - width
    ghosts = values.narrow(dim, start, width)
    if width > 1:
        ghosts = ghosts.flip(dim)
    if not rule.is_even:
        ghosts = ghosts.neg() if rule.is_odd else _by_layer(ghosts, rule.mirror, dim, end, torch.mul)
    if rule.meets_wall:
        wall = values.narrow(dim, 0 if end == 0 else size - 1, 1)
        ghosts = _by_layer(ghosts, rule.wall, dim, end, lambda layer, factor: layer + wall * factor)
    if data is not None:
        ghosts = _by_layer(ghosts, rule.data, dim, end, lambda layer, factor: layer + data * factor)
    return ghosts


def _by_layer(
    ghosts: torch.Tensor,
    factors: tuple[float, ...],
    dim: int,
    end: int,
    apply: Callable[[torch.Tensor, float], torch.Tensor],
) -> torch.Tensor:
    """Treat every ghost layer with its factor; those of the low end run away from the wall backwards."""
    if len(set(factors)) == 1:
        return apply(ghosts, factors[0])
    # Numbers, layer by layer: a tensor of factors would have to travel to the device at every evaluation.
    ordered = factors[::-1] if end == 0 else factors
    return torch.cat([apply(ghosts.narrow(dim, k, 1), factor) for k, factor in enumerate(ordered)], dim=dim)
