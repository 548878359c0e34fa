"""Bogacki and Shampine's method of order 3, made reversible: see `mccallum_foster`."""

from __future__ import annotations

from .bosh3 import BOSH3
from .mccallum_foster import McCallumFoster

REVERSIBLE_BOSH3 = McCallumFoster(BOSH3)
