"""How derivatives along an axis are taken: one scheme per file."""

from .finite_difference import ADVECTIONS, CLOSURES, ISOTROPIC_POINTS, LAPLACIANS, FiniteDifference
from .resolve import SchemeDeclaration, resolve_schemes
from .scheme import Scheme
from .spectral import DEALIASING, Spectral

__all__ = [
    "ADVECTIONS",
    "CLOSURES",
    "DEALIASING",
    "ISOTROPIC_POINTS",
    "LAPLACIANS",
    "FiniteDifference",
    "Scheme",
    "SchemeDeclaration",
    "Spectral",
    "resolve_schemes",
]
