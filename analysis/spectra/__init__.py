"""Spectra of operators that are known by their products with vectors."""

from .dense_spectrum import dense_spectrum
from .edges import spectrum_of
from .kreiss import Kreiss, kreiss_lower
from .krylov_schur import krylov_schur
from .linearisation import Linearisation
from .normality import non_normality
from .numerical_range import NumericalRange, enclosing_points, numerical_range
from .pseudospectrum import Pseudospectrum, pseudospectrum
from .shift_invert import shift_invert
from .spectrum import Spectrum
from .transient_growth import TransientGrowth, transient_growth

__all__ = [
    "Kreiss",
    "Linearisation",
    "NumericalRange",
    "Pseudospectrum",
    "Spectrum",
    "TransientGrowth",
    "dense_spectrum",
    "enclosing_points",
    "kreiss_lower",
    "krylov_schur",
    "non_normality",
    "numerical_range",
    "pseudospectrum",
    "shift_invert",
    "spectrum_of",
    "transient_growth",
]
