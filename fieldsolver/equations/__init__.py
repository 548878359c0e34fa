"""The equation language: grammar, expression graph, declared equations, and their lowering to torch."""

from .events import Event
from .field_equation import FieldEquation
from .modules import Nonlocal
from .parameters import Parameter, PerSample, Spatial
from .signals import Signal
from .symbols import Symbols
from .system import Field, System

__all__ = [
    "Event",
    "Field",
    "FieldEquation",
    "Nonlocal",
    "Parameter",
    "PerSample",
    "Signal",
    "Spatial",
    "Symbols",
    "System",
]
