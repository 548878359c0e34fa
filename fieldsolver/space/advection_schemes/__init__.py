"""Discretisations of advection, ``v du/dx`` along one axis: how each is called, and what it needs."""

from .central import CENTRAL
from .registry import ADVECTION_SCHEMES, advection_scheme
from .scheme import AdvectionScheme, LinearScheme
from .upwind import UPWIND
from .weno5 import WENO5

__all__ = ["ADVECTION_SCHEMES", "CENTRAL", "UPWIND", "WENO5", "AdvectionScheme", "LinearScheme", "advection_scheme"]
