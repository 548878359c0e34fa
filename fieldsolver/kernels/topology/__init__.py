"""Linking numbers, writhe and their relatives, for polygons in space."""

from .batched import gauss_linking_integrals, writhes
from .batched_linking import BatchedLinking, link_barrier, linking_numbers
from .gauss_integral import GaussIntegral, gauss_linking_integral, gauss_linking_map, sub_chain_integral
from .linking_matrix import LinkingMatrix, linking_matrix
from .linking_number import LinkingNumber, linking_number
from .periodic import PeriodicLinking, periodic_linking_number
from .smooth import smooth_linking_number
from .smooth_curve import SmoothCurve
from .writhe import Ribbon, average_crossing_number, twist, writhe

__all__ = [
    "BatchedLinking",
    "GaussIntegral",
    "LinkingMatrix",
    "LinkingNumber",
    "PeriodicLinking",
    "Ribbon",
    "SmoothCurve",
    "average_crossing_number",
    "gauss_linking_integral",
    "gauss_linking_integrals",
    "gauss_linking_map",
    "link_barrier",
    "linking_matrix",
    "linking_number",
    "linking_numbers",
    "periodic_linking_number",
    "smooth_linking_number",
    "sub_chain_integral",
    "twist",
    "writhe",
    "writhes",
]
