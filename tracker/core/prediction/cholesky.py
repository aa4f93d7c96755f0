"""Compute Cholesky factors of small positive matrices in plain loops.

The loops are written out so that one machine always gives the same bits: results of LAPACK may
depend on memory alignment. A call of LAPACK also costs more than factoring the 3 by 3 and 7 by 7
matrices that are used here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled

Reals = NDArray[np.float64]


@compiled
def factorise(matrix: Reals, lower: Reals) -> None:
    """Write the lower factor of ``matrix`` (n, n); pivots rounded below zero become tiny."""
    for row in range(matrix.shape[0]):
        for column in range(row + 1):
            value = matrix[row, column]
            for k in range(column):
                value -= lower[row, k] * lower[column, k]
            if row == column:
                lower[row, row] = math.sqrt(max(value, 1e-300))
            else:
                lower[row, column] = value / lower[column, column]


@compiled
def forward(lower: Reals, right: Reals, solution: Reals) -> None:
    """Solve ``lower @ solution = right``; both may be the same array."""
    for row in range(right.size):
        value = right[row]
        for k in range(row):
            value -= lower[row, k] * solution[k]
        solution[row] = value / lower[row, row]


@compiled
def backward(lower: Reals, right: Reals, solution: Reals) -> None:
    """Solve ``lower.T @ solution = right``; both may be the same array."""
    for row in range(right.size - 1, -1, -1):
        value = right[row]
        for k in range(row + 1, right.size):
            value -= lower[k, row] * solution[k]
        solution[row] = value / lower[row, row]
