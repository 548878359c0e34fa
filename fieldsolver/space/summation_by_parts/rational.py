"""Linear equations in exact rational arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]


def dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    """``sum_i a_i b_i``."""
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def solution_set(matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]) -> tuple[Vector, Matrix]:
    """All solutions ``x + sum_k t_k d_k`` of ``A x = b``, by Gauss-Jordan elimination.

    Args:
        matrix: ``A``, rows first; may have more rows than columns, or fewer.
        right: ``b``.

    Returns:
        A particular solution ``x`` and the directions ``d_k``, none if the solution is unique.

    Raises:
        ArithmeticError: the equations contradict each other.
    """
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    unknowns = len(matrix[0])
    pivots: list[int] = []
    for column in range(unknowns):
        rank = len(pivots)
        found = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[rank], rows[found] = rows[found], rows[rank]
        rows[rank] = [value / rows[rank][column] for value in rows[rank]]
        for i, row in enumerate(rows):
            if i != rank and row[column]:
                rows[i] = [a - row[column] * b for a, b in zip(row, rows[rank], strict=True)]
        pivots.append(column)
    if any(row[-1] for row in rows[len(pivots) :]):
        raise ArithmeticError("the linear equations have no solution")

    solution = [Fraction(0)] * unknowns
    for row, pivot in zip(rows, pivots, strict=False):
        solution[pivot] = row[-1]
    directions = []
    for free in (column for column in range(unknowns) if column not in pivots):
        direction = [Fraction(int(column == free)) for column in range(unknowns)]
        for row, pivot in zip(rows, pivots, strict=False):
            direction[pivot] = -row[free]
        directions.append(tuple(direction))
    return tuple(solution), tuple(directions)
