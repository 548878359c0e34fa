"""The solid angle that one segment sees another under, the loops over all pairs of segments, and those over two trees.

For segments ab and cd let alpha = a - c, beta = b - c, gamma = b - d, delta = a - d. The differences of their points
fill the parallelogram with these corners; cut by its diagonal alpha-gamma into two triangles, each seen from 0 under an
angle of 2 atan2(Delta, D)::

    Delta = alpha . (gamma x beta)                     the same for both triangles
    D_1 = |alpha||beta||gamma|  + (alpha . beta)|gamma|  + (alpha . gamma)|beta|  + (beta . gamma)|alpha|
    D_2 = |alpha||gamma||delta| + (alpha . gamma)|delta| + (alpha . delta)|gamma| + (gamma . delta)|alpha|

The contribution of the pair to the linking number is [atan2(Delta, D_1) + atan2(Delta, D_2)] / (2 pi), with the sign of
Ampere: +1 where the second curve passes through the disc of the first along its right-hand normal. Arcsine forms of the
same angle lose half the digits where the segments are nearly coplanar.

Both arguments share the sign of Delta, so their sum is found with one arctangent: the argument of the product
(D_1 + i Delta)(D_2 + i Delta), moved by 2 pi when its sign is not that of Delta.

Sources: Van Oosterom, Strackee, IEEE Trans. Biomed. Eng. 30 (1983) 125 (the angle of a triangle); Banchoff, Indiana
Univ. Math. J. 25 (1976) 1171; Klenin, Langowski, Biopolymers 54 (2000) 307, method 1; Arai, J. Knot Theory Ramif. 22
(2013).

Neighbouring segments share an end, so half of every pair is reused. All compiled code that calls each other is in one
file: the cache on disk looks at the file of the outermost function alone.

Far pairs of tree nodes are taken by moments. With R between two centres, r = R + x - y and F(r) = r / |r|^3, F is
expanded to second order in x - y in the integral sum_ijk eps_ijk int int F_i(R + x - y) dA_j dB_k. All derivatives of
order n of 1/r along unit vectors are at most n! / r^(n+1), so that what is left out is bounded by
4 rho^3 L_A L_B / (|R| - rho)^5, rho = radius_A + radius_B, L the lengths (Barnes, Hut, Nature 324 (1986) 446; Qu,
James, ACM Trans. Graph. 40 (2021), section 4).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..compilation import compiled, threaded

NEAR = 1e-3
"""Where |D + i Delta| < NEAR |alpha||beta||gamma|, the origin is so close to the triangle that digits are lost.

Delta is computed from alpha, beta and gamma alone. Its rounding is measured by their lengths in the second triangle
too: where delta is much shorter than beta, it is large beside |alpha||gamma||delta|.
"""

ROUNDING = 50 * 2.0**-53
"""Bound of the rounding of Delta and D_1 in units of |alpha||beta||gamma|, and of D_2 in |alpha||gamma||delta|."""

SMALLEST = 1e-150
"""|alpha||beta||gamma| below which products underflow: details that are 1e50 times smaller than the curves."""

REGULAR_ERROR = 1.5e-11
"""Bound of the error of a pair's angle that is not `near`: each triangle adds ROUNDING / NEAR, the arctangent a unit in
the last place; 2 (50 u / NEAR) + 4 u < 1.2e-11.
"""

DEPTH = 256
"""Pairs of nodes that wait while one is visited; the stack of a depth-first traversal of two balanced trees."""

KEPT = 256
"""Pairs of leaves per task that are handed back for exact evaluation."""


@compiled
def angle_of_differences(
    ax: float, ay: float, az: float, na: float,
    bx: float, by: float, bz: float, nb: float,
    gx: float, gy: float, gz: float, ng: float,
    ex: float, ey: float, ez: float, ne: float,
) -> tuple[float, bool]:  # fmt: skip
    """atan2(Delta, D_1) + atan2(Delta, D_2), and whether it is not to be trusted.

    It is not where digits are lost (see `NEAR`) or products underflow, and where the sign of Delta is lost to rounding
    while it decides between pi and -pi: the segments nearly touch.

    Args:
        ax, ..., ez: the differences alpha, beta, gamma, delta (the last one called e).
        na, nb, ng, ne: their lengths. Neighbouring pairs share two of them.
    """
    delta = ax * (bz * gy - by * gz) + ay * (bx * gz - bz * gx) + az * (by * gx - bx * gy)
    ag = ax * gx + ay * gy + az * gz
    d1 = na * nb * ng + (ax * bx + ay * by + az * bz) * ng + ag * nb + (bx * gx + by * gy + bz * gz) * na
    d2 = na * ng * ne + ag * ne + (ax * ex + ay * ey + az * ez) * ng + (gx * ex + gy * ey + gz * ez) * na
    size1, size2 = na * nb * ng, na * ng * ne
    square = delta * delta
    largest = max(size1, size2)
    near = square + d1 * d1 <= (NEAR * size1) ** 2 or square + d2 * d2 <= (NEAR * largest) ** 2
    near = near or min(size1, size2) < SMALLEST or (min(d1, d2) < 0.0 and abs(delta) <= ROUNDING * largest)
    if delta == 0.0:  # in one plane; where they touch, the mean of both sides
        return 0.0, near
    angle = math.atan2(delta * (d1 + d2), d1 * d2 - square)
    if angle < 0.0 and delta > 0.0:
        angle += 2.0 * math.pi
    elif angle > 0.0 and delta < 0.0:
        angle -= 2.0 * math.pi
    return angle, near


@threaded
def row_sums(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per segment of the first polygon: the sum of trusted angles (compensated), and how many were not trusted."""
    sums, near = np.zeros(len(a)), np.zeros(len(a), dtype=np.int64)
    for i in numba.prange(len(a)):
        sums[i], near[i] = row_sum(a[i], b[i], c, d, 0, len(c))
    return sums, near


@compiled
def row_sum(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, first: int, last: int) -> tuple[float, int]:
    """The same for one segment ab, and first <= j < last."""
    pax, pay, paz = a[0], a[1], a[2]
    pbx, pby, pbz = b[0], b[1], b[2]
    ax, ay, az = pax - c[first, 0], pay - c[first, 1], paz - c[first, 2]
    bx, by, bz = pbx - c[first, 0], pby - c[first, 1], pbz - c[first, 2]
    na, nb = math.sqrt(ax * ax + ay * ay + az * az), math.sqrt(bx * bx + by * by + bz * bz)
    total, lost, count = 0.0, 0.0, 0
    for j in range(first, last):
        gx, gy, gz = pbx - d[j, 0], pby - d[j, 1], pbz - d[j, 2]
        ex, ey, ez = pax - d[j, 0], pay - d[j, 1], paz - d[j, 2]
        ng, ne = math.sqrt(gx * gx + gy * gy + gz * gz), math.sqrt(ex * ex + ey * ey + ez * ez)
        angle, near = angle_of_differences(
            ax, ay, az, na, bx, by, bz, nb, gx, gy, gz, ng, ex, ey, ez, ne
        )  # fmt: skip
        if near:
            count += 1
        else:  # Kahan (1965)
            term = angle - lost
            rounded = total + term
            lost = (rounded - total) - term
            total = rounded
        ax, ay, az, na = ex, ey, ez, ne
        bx, by, bz, nb = gx, gy, gz, ng
    return total, count


@compiled
def near_columns(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The segments cd whose angle with ab is not trusted."""
    found = []
    for j in range(len(c)):
        if angle_of_pair(a, b, c[j], d[j])[1]:
            found.append(j)
    return np.array(found, dtype=np.int64)


@compiled
def angle_of_pair(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> tuple[float, bool]:
    """The angle of one pair, in the same operations as `row_sums`."""
    ax, ay, az = a[0] - c[0], a[1] - c[1], a[2] - c[2]
    bx, by, bz = b[0] - c[0], b[1] - c[1], b[2] - c[2]
    gx, gy, gz = b[0] - d[0], b[1] - d[1], b[2] - d[2]
    ex, ey, ez = a[0] - d[0], a[1] - d[1], a[2] - d[2]
    na, nb = math.sqrt(ax * ax + ay * ay + az * az), math.sqrt(bx * bx + by * by + bz * bz)
    ng, ne = math.sqrt(gx * gx + gy * gy + gz * gz), math.sqrt(ex * ex + ey * ey + ez * ez)
    return angle_of_differences(ax, ay, az, na, bx, by, bz, nb, gx, gy, gz, ng, ex, ey, ez, ne)


@compiled
def block_sum(
    a: np.ndarray, b: np.ndarray, i0: int, i1: int, c: np.ndarray, d: np.ndarray, j0: int, j1: int
) -> tuple[float, int]:
    """Sum of the trusted angles of segments i0 <= i < i1 and j0 <= j < j1, and how many were not trusted."""
    total, count = 0.0, 0
    for i in range(i0, i1):
        angle, near = row_sum(a[i], b[i], c, d, j0, j1)
        total += angle
        count += near
    return total, count


@threaded
def segment_angles(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angle of every pair, ``(N, M)``, and whether it is not to be trusted."""
    angles = np.zeros((len(a), len(c)))
    near = np.zeros((len(a), len(c)), dtype=np.bool_)
    for i in numba.prange(len(a)):
        for j in range(len(c)):
            angle, lost = angle_of_pair(a[i], b[i], c[j], d[j])
            angles[i, j] = angle
            near[i, j] = lost
    return angles, near


@threaded
def self_sums(a: np.ndarray, b: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per segment: the sum of the trusted angles with later segments that are not its neighbours, the same of their
    moduli, and how many were not trusted.
    """
    signed, unsigned, near = np.zeros(len(a)), np.zeros(len(a)), np.zeros(len(a), dtype=np.int64)
    for i in numba.prange(len(a)):
        last = len(a) - 1 if closed and i == 0 else len(a)
        for j in range(i + 2, last):
            angle, lost = angle_of_pair(a[i], b[i], a[j], b[j])
            if lost:
                near[i] += 1
            else:
                signed[i] += angle
                unsigned[i] += abs(angle)
    return signed, unsigned, near


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
