"""Number partitioning: exact sums, complete searches, bounds."""

from .balanced_batches import balanced_batches
from .partition import partition
from .partition_result import Partition

__all__ = ["Partition", "balanced_batches", "partition"]
