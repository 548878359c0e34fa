"""The kinetics by name."""

from __future__ import annotations

from fieldsolver.errors import OptionError, listing, nearest

from .allen_cahn import ALLEN_CAHN
from .amari import AMARI, AMARI_SMOOTH
from .brusselator import BRUSSELATOR
from .fisher_kpp import FISHER_KPP
from .fitzhugh_nagumo import FITZHUGH_NAGUMO
from .gierer_meinhardt import GIERER_MEINHARDT
from .gray_scott import GRAY_SCOTT
from .kinetics import Kinetics
from .nagumo import NAGUMO
from .oregonator import OREGONATOR
from .schnakenberg import SCHNAKENBERG
from .wilson_cowan import WILSON_COWAN

_ALL = (
    ALLEN_CAHN, AMARI, AMARI_SMOOTH, BRUSSELATOR, FISHER_KPP, FITZHUGH_NAGUMO, GIERER_MEINHARDT, GRAY_SCOTT, NAGUMO,
    OREGONATOR, SCHNAKENBERG, WILSON_COWAN,
)  # fmt: skip
KINETICS: dict[str, Kinetics] = {one.name: one for one in _ALL}


def find_kinetics(name: str) -> Kinetics:
    """The kinetics of this name; raises `OptionError` with the nearest one."""
    if name not in KINETICS:
        raise OptionError(f"there are no kinetics {name!r}; known: {listing(KINETICS)}{nearest(name, KINETICS)}")
    return KINETICS[name]
