"""Equation files: TOML files that declare an equation, its grid, boundaries, parameters, start and solver settings.

Such files come from strangers: the text goes through the grammar, modules come from a fixed list, and every key that is
not understood is refused, with the table it stands in and the nearest known key.
"""

from .json_schema import equation_file_schema
from .load import EquationFile, load_equation

__all__ = ["EquationFile", "equation_file_schema", "load_equation"]
