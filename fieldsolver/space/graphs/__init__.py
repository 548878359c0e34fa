"""Graphs as domains of space."""

from .graph import Graph

__all__ = ["Graph"]
