"""All schemes by name: the methods of the solver, and those of the literature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import METHODS, ButcherTableau, ExplicitRungeKutta, Method
from fieldsolver.methods.adams_bashforth import AdamsBashforth
from fieldsolver.methods.mccallum_foster import McCallumFoster
from fieldsolver.methods.reversible_heun import ReversibleHeun
from fieldsolver.methods.rk4 import RK4
from fieldsolver.stepping.compiled_method import CompiledMethod

from .exponential import exponential_catalogue
from .imex import imex_catalogue
from .multistep import adams_bashforth, multistep_catalogue
from .reversible import coupled_scheme, reversible_heun
from .runge_kutta import explicit_scheme, implicit_catalogue
from .scheme import Scheme
from .splitting import splitting_catalogue
from .stabilised import KINDS, stabilised
from .stochastic import stochastic_catalogue
from .symplectic import symplectic_catalogue

DEFAULT_STAGES = 10
"""Of stabilised methods whose name says none; ``"rkc2:20"`` has 20."""


class _Schemes(Mapping[str, Scheme]):
    """Name -> scheme, built when it is first asked for; methods of the solver come first."""

    def __getitem__(self, name: str) -> Scheme:
        if name not in _names():
            raise KeyError(name)
        if name in METHODS:
            return _of_method(METHODS[name])
        return stabilised(name, DEFAULT_STAGES) if name in KINDS else _literature()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


SCHEMES: Mapping[str, Scheme] = _Schemes()


def get_scheme(method: str | Method | ButcherTableau | Scheme) -> Scheme:
    """The linear theory of a method.

    Args:
        method: a name out of `SCHEMES` (stabilised methods with their stages: ``"rkc2:20"``), a method of the solver, a
            tableau, or a scheme, which is returned.

    Raises:
        OptionError: no scheme has this name, or the steps of this method change their formula.
    """
    if isinstance(method, str):
        return _named(method)
    if isinstance(method, ButcherTableau):
        return explicit_scheme(method)
    return method if isinstance(method, Scheme) else _of_method(method)


def _named(name: str) -> Scheme:
    kind, _, stages = name.partition(":")
    if stages:
        if not stages.isdecimal():
            raise OptionError(f"{name!r} wants a number of stages behind the colon, such as '{kind}:10'")
        return stabilised(kind, int(stages))
    if name in SCHEMES:
        return SCHEMES[name]
    if name in METHODS:
        return _of_method(METHODS[name])
    raise OptionError(f"unknown scheme {name!r}; known: {listing(SCHEMES)}{nearest(name, SCHEMES)}")


@cache
def _literature() -> Mapping[str, Scheme]:
    return {
        **implicit_catalogue(),
        **multistep_catalogue(),
        **imex_catalogue(),
        **exponential_catalogue(),
        **splitting_catalogue([explicit_scheme(RK4.tableau)]),
        **symplectic_catalogue(),
        **stochastic_catalogue(),
    }


@cache
def _names() -> tuple[str, ...]:
    own = [name for name in METHODS if name != "abm"]  # it changes its formula from step to step
    return tuple(dict.fromkeys([*own, *_literature(), *KINDS]))


@cache
def _of_method(method: Method) -> Scheme:
    if isinstance(method, CompiledMethod):
        return _of_method(method.base)
    if isinstance(method, ExplicitRungeKutta):
        return explicit_scheme(method.tableau)
    if isinstance(method, AdamsBashforth):
        return adams_bashforth(method.order)
    if isinstance(method, McCallumFoster):
        return coupled_scheme(method)
    if isinstance(method, ReversibleHeun):
        return reversible_heun()
    raise OptionError(
        f"{method.name!r} changes its formula from step to step, so no factor describes it; "
        "its forms of one order on equal steps are 'abm2', 'abm3', 'abm4' and 'abm5'"
    )
