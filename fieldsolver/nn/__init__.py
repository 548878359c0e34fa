"""Declared equations as neural layers."""

from .field_layer import FieldLayer

__all__ = ["FieldLayer"]
