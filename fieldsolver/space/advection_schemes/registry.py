"""Every advection scheme by name."""

from __future__ import annotations

from fieldsolver.errors import GridError, listing, nearest

from .central import CENTRAL
from .scheme import AdvectionScheme
from .upwind import UPWIND
from .weno5 import WENO5

ADVECTION_SCHEMES: dict[str, AdvectionScheme] = {scheme.name: scheme for scheme in (*CENTRAL, *UPWIND, WENO5)}


def advection_scheme(name: str) -> AdvectionScheme:
    """The scheme called `name`.

    Raises:
        GridError: there is none.
    """
    if name not in ADVECTION_SCHEMES:
        hint = nearest(name, ADVECTION_SCHEMES) if isinstance(name, str) else ""
        raise GridError(f"an advection scheme is one of {listing(ADVECTION_SCHEMES)}; got {name!r}{hint}")
    return ADVECTION_SCHEMES[name]
