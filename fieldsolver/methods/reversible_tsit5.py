"""Tsitouras' method of order 5, made reversible: see `mccallum_foster`."""

from __future__ import annotations

from .mccallum_foster import McCallumFoster
from .tsit5 import TSIT5

REVERSIBLE_TSIT5 = McCallumFoster(TSIT5)
