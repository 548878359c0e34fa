"""The calls of other packages, for their users: `odeint`, `odeint_adjoint` and `odeint_event` of torchdiffeq."""

from .adjoint import odeint_adjoint
from .errors import OdeintFailed
from .event import odeint_event
from .odeint import odeint

__all__ = ["OdeintFailed", "odeint", "odeint_adjoint", "odeint_event"]
