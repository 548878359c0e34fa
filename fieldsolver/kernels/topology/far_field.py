"""The Gauss integral of two polygons by a traversal of two trees: far nodes by moments, near leaves pair by pair.

With R between the centres of two nodes, r = R + x - y and F(r) = r / |r|^3, the integral of a pair of nodes is

    sum_ijk eps_ijk  int int F_i(R + x - y) dA_j dB_k

and F is expanded to second order in x - y, whose powers under the integral are the moments of `SegmentTree`. What is
left out is bounded: all derivatives of order n of 1/r along unit vectors are at most n! / r^(n+1), so that

    |remainder| <= 4 rho^3 L_A L_B / (|R| - rho)^5,     rho = radius_A + radius_B,  L the lengths.

Sources: Barnes, Hut, Nature 324 (1986) 446; for linking numbers Qu, James, ACM Trans. Graph. 40 (2021), section 4.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..compilation import compiled, threaded
from .gauss_loops import block_sum

DEPTH = 256
"""Pairs of nodes that wait while one is visited; the stack of a depth-first traversal of two balanced trees."""

KEPT = 256
"""Pairs of leaves per task that are handed back for exact evaluation."""


@threaded
def far_field_sums(
    tasks: np.ndarray, beta: float,
    begin_a: np.ndarray, end_a: np.ndarray, first_a: np.ndarray, last_a: np.ndarray, left_a: np.ndarray,
    right_a: np.ndarray, centre_a: np.ndarray, radius_a: np.ndarray, length_a: np.ndarray,
    t_a: np.ndarray, m_a: np.ndarray, q_a: np.ndarray,
    begin_b: np.ndarray, end_b: np.ndarray, first_b: np.ndarray, last_b: np.ndarray, left_b: np.ndarray,
    right_b: np.ndarray, centre_b: np.ndarray, radius_b: np.ndarray, length_b: np.ndarray,
    t_b: np.ndarray, m_b: np.ndarray, q_b: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Traverse the nodes `tasks` of tree A against tree B; nodes are far where |R| > beta rho.

    Returns:
        Per task: the integral over 4 pi; the bound of the remainders; pairs of segments summed one by one; the number
        of pairs of leaves with segments that were not trusted and are missing in the sum, and the first `KEPT` of them.
    """
    sums, bounds = np.zeros(len(tasks)), np.zeros(len(tasks))
    direct, near = np.zeros(len(tasks), dtype=np.int64), np.zeros(len(tasks), dtype=np.int64)
    leaves = np.zeros((len(tasks), KEPT, 2), dtype=np.int64)
    for task in numba.prange(len(tasks)):
        stack = np.empty((DEPTH, 2), dtype=np.int64)
        stack[0, 0], stack[0, 1], height = tasks[task], 0, 1
        far, angles, bound = 0.0, 0.0, 0.0
        while height > 0:
            height -= 1
            i, j = stack[height, 0], stack[height, 1]
            x, y, z = (
                centre_a[i, 0] - centre_b[j, 0],
                centre_a[i, 1] - centre_b[j, 1],
                centre_a[i, 2] - centre_b[j, 2],
            )
            distance, rho = math.sqrt(x * x + y * y + z * z), radius_a[i] + radius_b[j]
            if distance > beta * rho:
                far += _pair_of_nodes(x, y, z, distance, t_a[i], m_a[i], q_a[i], t_b[j], m_b[j], q_b[j])
                bound += 4.0 * rho**3 * length_a[i] * length_b[j] / (distance - rho) ** 5
            elif left_a[i] < 0 and left_b[j] < 0:
                angle, lost = block_sum(
                    begin_a, end_a, first_a[i], last_a[i], begin_b, end_b, first_b[j], last_b[j]
                )  # fmt: skip
                angles += angle
                if lost > 0:
                    if near[task] < KEPT:
                        leaves[task, near[task], 0], leaves[task, near[task], 1] = i, j
                    near[task] += 1
                direct[task] += (last_a[i] - first_a[i]) * (last_b[j] - first_b[j])
            elif left_b[j] < 0 or (left_a[i] >= 0 and radius_a[i] > radius_b[j]):
                stack[height, 0], stack[height, 1] = left_a[i], j
                stack[height + 1, 0], stack[height + 1, 1] = right_a[i], j
                height += 2
            else:
                stack[height, 0], stack[height, 1] = i, left_b[j]
                stack[height + 1, 0], stack[height + 1, 1] = i, right_b[j]
                height += 2
        sums[task] = far / (4.0 * math.pi) + angles / (2.0 * math.pi)
        bounds[task] = bound / (4.0 * math.pi)
    return sums, bounds, direct, near, leaves


@compiled
def _pair_of_nodes(
    x: float, y: float, z: float, distance: float,
    ta: np.ndarray, ma: np.ndarray, qa: np.ndarray, tb: np.ndarray, mb: np.ndarray, qb: np.ndarray,
) -> float:  # fmt: skip
    """The integral of two nodes by their moments; see the head of this file."""
    r = (x, y, z)
    inverse = 1.0 / distance
    r3 = inverse**3
    r5, r7 = r3 * inverse**2, r3 * inverse**4
    total = 0.0
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        # order 0, and the tensors of row i contracted over l and m
        total += r[i] * r3 * (ta[j] * tb[k] - ta[k] * tb[j])
        aj, ak, bj, bk = 0.0, 0.0, 0.0, 0.0
        for l in range(3):
            f = -3.0 * r[i] * r[l] * r5 + (r3 if i == l else 0.0)
            aj += f * ma[j, l]
            ak += f * ma[k, l]
            bj += f * mb[j, l]
            bk += f * mb[k, l]
            for m in range(3):
                g = 15.0 * r[i] * r[l] * r[m] * r7
                if i == l:
                    g -= 3.0 * r[m] * r5
                if i == m:
                    g -= 3.0 * r[l] * r5
                if l == m:
                    g -= 3.0 * r[i] * r5
                aj += 0.5 * g * qa[j, l, m]
                ak += 0.5 * g * qa[k, l, m]
                bj -= 0.5 * g * qb[j, l, m]
                bk -= 0.5 * g * qb[k, l, m]
                total -= g * (ma[j, l] * mb[k, m] - ma[k, l] * mb[j, m])
        total += aj * tb[k] - ak * tb[j] - (ta[j] * bk - ta[k] * bj)
    return total
