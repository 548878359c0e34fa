"""Grids, boundary conditions and discrete operators."""

from .boundary import Absorbing, AntiPeriodic, Condition, Dirichlet, Neumann, Periodic, Robin
from .convolution import Kernel
from .graphs import Graph
from .grid import Grid
from .schemes import FiniteDifference, Spectral
from .spacing import Clustered

__all__ = [
    "Absorbing",
    "AntiPeriodic",
    "Clustered",
    "Condition",
    "Dirichlet",
    "FiniteDifference",
    "Graph",
    "Grid",
    "Kernel",
    "Neumann",
    "Periodic",
    "Robin",
    "Spectral",
]
