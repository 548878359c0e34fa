"""Manufactured solutions: sources, initial and boundary data that make a given function the exact solution."""

from .manufacture import Manufactured, manufacture

__all__ = ["Manufactured", "manufacture"]
