"""Spectral discretisation: Fourier, cosine and sine series on uniform axes, Chebyshev collocation on intervals."""

from .chebyshev import ChebyshevLine
from .dealiasing import padded, truncate
from .fractional import fractional_laplacian
from .line import KINDS, SpectralLine
from .resample import Resampling
from .tensor_product import multiply

__all__ = [
    "KINDS",
    "ChebyshevLine",
    "Resampling",
    "SpectralLine",
    "fractional_laplacian",
    "multiply",
    "padded",
    "truncate",
]
