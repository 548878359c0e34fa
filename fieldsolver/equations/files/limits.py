"""How much an equation file may ask for: it comes from a stranger, and must not fill the memory of who opens it."""

from __future__ import annotations

MAX_BYTES = 2**20
"""Of the file itself."""
MAX_CSV_BYTES = 2**24
"""Of a signal beside it."""
MAX_VALUES = 2**28
"""Of the state, all components and points together: 2 GiB in float64."""
MAX_ENTRIES = 1000
"""Of a table whose names are the user's."""
MAX_EVENTS = 100
"""Of an equation."""
MAX_FAULTS = 100
"""That are listed."""
MAX_COMPONENTS = 65_536
MAX_SAVES = 1_000_000
MAX_WEIGHTS = 2**24
"""Of one module."""
MAX_CHANNELS = 65_536
MAX_KERNEL_SIZE = 63
