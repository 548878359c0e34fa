"""Graph partitioning: balanced parts with few edges between them."""

from .graph_partition import GraphPartition, graph_partition

__all__ = ["GraphPartition", "graph_partition"]
