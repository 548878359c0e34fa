"""The sub-matrix of largest modulus of its sum, compiled."""

from __future__ import annotations

import numba
import numpy as np

from ..compilation import threaded


@threaded
def heaviest_window(matrix: np.ndarray) -> tuple[float, int, int, int, int]:
    """Sum and place (first row, last row, first column, last column) of the window with the largest modulus of its sum.

    For every first row the columns are added up row by row, and one scan finds the best range of columns:
    O(rows^2 columns), so `matrix` should have no more rows than columns.
    """
    rows, columns = matrix.shape
    best = np.zeros(rows)
    place = np.zeros((rows, 3), dtype=np.int64)
    for top in numba.prange(rows):
        running = np.zeros(columns)
        best[top] = matrix[top, 0]
        place[top, 0] = top
        for bottom in range(top, rows):
            high, low, high_from, low_from = 0.0, 0.0, 0, 0
            for column in range(columns):
                running[column] += matrix[bottom, column]
                value = running[column]
                if high <= 0.0:
                    high, high_from = value, column
                else:
                    high += value
                if low >= 0.0:
                    low, low_from = value, column
                else:
                    low += value
                if high > abs(best[top]):
                    best[top] = high
                    place[top, 0], place[top, 1], place[top, 2] = bottom, high_from, column
                if -low > abs(best[top]):
                    best[top] = low
                    place[top, 0], place[top, 1], place[top, 2] = bottom, low_from, column
    most = int(np.argmax(np.abs(best)))
    return best[most], most, place[most, 0], place[most, 1], place[most, 2]
