"""Grids, boundary conditions and discrete operators."""

from .boundary import Condition, Dirichlet, Neumann, Periodic, Robin
from .grid import Grid

__all__ = ["Condition", "Dirichlet", "Grid", "Neumann", "Periodic", "Robin"]
