"""The few operations of numpy that step control needs, for Python numbers: the control of a single sample.

A numpy call on an array of one entry costs more than the arithmetic of a whole decision on floats.
"""

from __future__ import annotations

import math
from typing import Any


def where(condition: bool, a: Any, b: Any) -> Any:
    """`a` if the condition holds, else `b`."""
    return a if condition else b


def maximum(a: float, b: float) -> float:
    """The larger one; NaN if either is."""
    return a if a >= b or a != a else b


def minimum(a: float, b: float) -> float:
    """The smaller one; NaN if either is."""
    return a if a <= b or a != a else b


def fmax(a: float, b: float) -> float:
    """The larger one; a NaN gives way to the other."""
    return b if a != a or b > a else a


def fmin(a: float, b: float) -> float:
    """The smaller one; a NaN gives way to the other."""
    return b if a != a or b < a else a


def isfinite(a: float) -> bool:
    """Whether it is neither NaN nor infinite."""
    return math.isfinite(a)


def spacing(a: float) -> float:
    """The unit in the last place."""
    return math.ulp(a)


def zeros_like(a: Any, dtype: Any = float) -> Any:
    """Zero of that type."""
    return dtype(0)


def full_like(a: Any, value: Any, dtype: Any = None) -> Any:
    """The value itself."""
    return value if dtype is None else dtype(value)


def arctan(a: float) -> float:
    """The angle with this tangent."""
    return math.atan(a)


abs = abs
