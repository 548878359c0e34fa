"""Names for arrays, and the share of a size below which a number is round-off."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Complex = np.ndarray
"""complex128; NumPy's own types of matrix functions are wider than that."""
Floats = np.ndarray
"""float64."""

ROUND_OFF = 1e-13
"""A growth rate below this share of what the symbol is summed from cannot be told from zero."""
