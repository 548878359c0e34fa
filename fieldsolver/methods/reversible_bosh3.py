"""The bosh3 method made reversible; see `mccallum_foster`."""

from __future__ import annotations

from .mccallum_foster import McCallumFoster
from .bosh3 import BOSH3

REVERSIBLE_BOSH3 = McCallumFoster(BOSH3)
