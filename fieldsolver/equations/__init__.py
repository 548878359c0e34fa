"""The equation language: grammar, expression graph, declared equations, and their lowering to torch."""

from .field_equation import FieldEquation
from .parameters import Parameter, PerSample, Spatial

__all__ = ["FieldEquation", "Parameter", "PerSample", "Spatial"]
