"""Number partitioning: exact sums, complete searches, bounds."""

from .partition import partition
from .partition_result import Partition

__all__ = ["Partition", "partition"]
