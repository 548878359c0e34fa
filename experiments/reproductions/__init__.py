"""Reproductions: the experiments of a source document, declared, and a verdict on each of its claims."""

from .catalogue import REPRODUCTIONS, find_reproduction
from .declaration import Measurement, Reproduction
from .reproduce import reproduce

__all__ = ["REPRODUCTIONS", "Measurement", "Reproduction", "find_reproduction", "reproduce"]
