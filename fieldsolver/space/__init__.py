"""Grids, boundary conditions and discrete operators."""

from .boundary import Condition, Dirichlet, Neumann, Periodic, Robin
from .convolution import Kernel
from .grid import Grid

__all__ = ["Condition", "Dirichlet", "Grid", "Kernel", "Neumann", "Periodic", "Robin"]
