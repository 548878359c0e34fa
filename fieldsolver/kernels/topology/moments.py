"""The moments of every node of a tree, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

from ..compilation import threaded


@threaded
def node_moments(
    begin: np.ndarray, end: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centre, radius, length and the three moments of the nodes; see `SegmentTree`."""
    count = len(first)
    centre, radius, length = np.zeros((count, 3)), np.zeros(count), np.zeros(count)
    t, m, q = np.zeros((count, 3)), np.zeros((count, 3, 3)), np.zeros((count, 3, 3, 3))
    for node in numba.prange(count):
        middle = centre[node]
        for s in range(first[node], last[node]):
            for l in range(3):
                middle[l] += 0.5 * (begin[s, l] + end[s, l]) / (last[node] - first[node])
        furthest = 0.0
        for s in range(first[node], last[node]):
            near, far, square = 0.0, 0.0, 0.0
            for l in range(3):
                near += (begin[s, l] - middle[l]) ** 2
                far += (end[s, l] - middle[l]) ** 2
                square += (end[s, l] - begin[s, l]) ** 2
            furthest = max(furthest, near, far)
            length[node] += math.sqrt(square)
            for j in range(3):
                tj = end[s, j] - begin[s, j]
                t[node, j] += tj
                for l in range(3):
                    xl, tl = 0.5 * (begin[s, l] + end[s, l]) - middle[l], end[s, l] - begin[s, l]
                    m[node, j, l] += tj * xl
                    for k in range(3):
                        xk, tk = 0.5 * (begin[s, k] + end[s, k]) - middle[k], end[s, k] - begin[s, k]
                        q[node, j, l, k] += tj * (xl * xk + tl * tk / 12.0)
        radius[node] = math.sqrt(furthest)
    return centre, radius, length, t, m, q
