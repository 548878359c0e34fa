"""The Gauss integral of long polygons in N log N steps, with a bound of what the moments leave out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .curves import Points, common_scale
from .exact_angle import exact_angle
from .gauss_sum import UNIT, GaussSum, gauss_sum
from .tree import SegmentTree, segment_tree

BETA = 3.0
MOST_BETA = 10.0
TASKS = 128
RESIDUAL = 0.05
"""A sum this far from an integer is repeated with a larger beta; Qu and James (2021), section 4."""


@dataclass(frozen=True)
class ApproximateSum(GaussSum):
    """A Gauss sum by moments; its error bound is rigorous, and far too large as a rule.

    Attributes:
        beta: nodes farther apart than beta times their radii were taken by moments; infinite if none was.
    """

    beta: float


def approximate_sum(a: Points, b: Points, c: Points, d: Points, *, closed: bool, beta: float = BETA) -> ApproximateSum:
    """Of segments ab and cd; where the sum must be an integer (`closed`), beta grows until it is close to one."""
    ends = a, b, c, d
    scale = common_scale(*ends)
    first, second = segment_tree(scale * a, scale * b), segment_tree(scale * c, scale * d)
    while True:
        found = _traverse(ends, first, second, beta)
        residual = abs(found.value - round(found.value)) if found.touching is None else 0.0
        if not closed or residual < RESIDUAL or beta >= MOST_BETA:
            return found
        beta = min(MOST_BETA, beta * max(1.2, (residual / RESIDUAL) ** 0.25))


def _traverse(ends: tuple[Points, ...], first: SegmentTree, second: SegmentTree, beta: float) -> ApproximateSum:
    from .gauss_loops import KEPT, REGULAR_ERROR, far_field_sums

    sums, bounds, direct, near, leaves = far_field_sums(_tasks(first), beta, *_arrays(first), *_arrays(second))
    if near.max() > KEPT or not np.isfinite(sums).all():  # moments gain nothing, or details of 1e-40 overflow them
        whole = gauss_sum(*ends)
        return ApproximateSum(whole.value, whole.error_bound, whole.exact_pairs, whole.touching, math.inf)
    total, exact = [float(value) for value in sums], 0
    for task in np.flatnonzero(near):
        for i, j in leaves[task, : near[task]]:
            for row, column in _near_pairs(first, int(i), second, int(j)):
                found = exact_angle(ends[0][row], ends[1][row], ends[2][column], ends[3][column])
                exact += 1
                if found.touching:
                    return ApproximateSum(math.nan, math.inf, exact, (row, column), beta)
                total.append(found.angle / (2 * math.pi))
    pairs = int(direct.sum())
    rounding = pairs * (REGULAR_ERROR + 8 * UNIT * 2 * math.pi) / (2 * math.pi)
    return ApproximateSum(math.fsum(total), math.fsum(bounds) + rounding, exact, None, beta)


def _near_pairs(first: SegmentTree, i: int, second: SegmentTree, j: int) -> list[tuple[int, int]]:
    """The pairs of segments of two leaves whose angles are not trusted."""
    from .gauss_loops import near_columns

    columns = slice(second.first[j], second.last[j])
    return [
        (row, int(second.first[j] + column))
        for row in range(first.first[i], first.last[i])
        for column in near_columns(first.begin[row], first.end[row], second.begin[columns], second.end[columns])
    ]


def _tasks(tree: SegmentTree) -> np.ndarray:
    """Nodes that share out the work: the root, split until there are enough of them."""
    nodes = [0]
    while len(nodes) < TASKS and any(tree.left[node] >= 0 for node in nodes):
        nodes = [child for node in nodes for child in _children(tree, node)]
    return np.array(nodes, dtype=np.int64)


def _children(tree: SegmentTree, node: int) -> tuple[int, ...]:
    return (node,) if tree.left[node] < 0 else (int(tree.left[node]), int(tree.right[node]))


def _arrays(tree: SegmentTree) -> tuple[np.ndarray, ...]:
    return (
        tree.begin, tree.end, tree.first, tree.last, tree.left, tree.right, tree.centre, tree.radius, tree.length,
        tree.moment0, tree.moment1, tree.moment2,
    )  # fmt: skip
