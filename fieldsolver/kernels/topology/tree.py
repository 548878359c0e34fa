"""A binary tree over the segments of a polygon, with the moments of each node up to second order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .curves import Points

LEAF = 16
"""Segments of a leaf, at most."""


@dataclass(frozen=True)
class SegmentTree:
    """Nodes in the order of their positions: node 0 is the root, the children of a node come after it.

    With t the vector of a segment, m its middle, x = m - centre, each node carries the line integrals over its segments

        T_j = sum t_j     M_jl = sum t_j x_l     Q_jlm = sum t_j (x_l x_m + t_l t_m / 12)

    Attributes:
        begin, end: ``(S, 3)``, the segments, in their order along the polygon.
        first, last: ``(K,)``, the segments of each node.
        left, right: ``(K,)``, its children, -1 for a leaf.
        centre: ``(K, 3)``.
        radius: ``(K,)``, of a ball about the centre that holds its segments.
        length: ``(K,)``, sum of the lengths of its segments.
        moment0, moment1, moment2: ``(K, 3)``, ``(K, 3, 3)``, ``(K, 3, 3, 3)``.
    """

    begin: Points
    end: Points
    first: np.ndarray
    last: np.ndarray
    left: np.ndarray
    right: np.ndarray
    centre: Points
    radius: Points
    length: Points
    moment0: Points
    moment1: Points
    moment2: Points


def segment_tree(begin: Points, end: Points) -> SegmentTree:
    """Halve the segments in their order along the polygon, down to leaves: pieces of a curve are compact."""
    from .moments import node_moments

    ranges: list[tuple[int, int]] = [(0, len(begin))]
    children: list[tuple[int, int]] = []
    for first, last in ranges:  # grows while it is read
        if last - first <= LEAF:
            children.append((-1, -1))
            continue
        half = (first + last) // 2
        children.append((len(ranges), len(ranges) + 1))
        ranges += [(first, half), (half, last)]
    first, last = np.array(ranges).T.copy()
    left, right = np.array(children).T.copy()
    return SegmentTree(begin, end, first, last, left, right, *node_moments(begin, end, first, last))
