"""Equation files under their old address; the code is in `fieldsolver.equations.files`."""

from __future__ import annotations

from .files.limits import MAX_BYTES
from .files.load import EquationFile, load_equation
from .files.modules import MODULES
from .files.structure import SCHEMA

__all__ = ["MAX_BYTES", "MODULES", "SCHEMA", "EquationFile", "load_equation"]
