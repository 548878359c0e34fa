"""The classical method of order 4, made reversible: see `mccallum_foster`."""

from __future__ import annotations

from .mccallum_foster import McCallumFoster
from .rk4 import RK4

REVERSIBLE_RK4 = McCallumFoster(RK4)
