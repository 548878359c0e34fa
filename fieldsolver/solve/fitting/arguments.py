"""Reading and checking the arguments of `fit`; every refusal is one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation, Parameter
from fieldsolver.equations.parameters import Positive
from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import Method, adaptive_methods, get_method

from ..events import refuse_events
from .data import Observations, own_shape
from .unknowns import Block, Unknowns

NOISES = ("lognormal", "normal")
UNCERTAINTIES = ("laplace", "profile", "none")


def check_options(
    equation: Any,
    noise: str,
    interval: float,
    uncertainty: str,
    starts: int,
    max_iterations: int,
    rtol: float,
    atol: float,
) -> None:
    """Refuse what does not depend on the data."""
    if not isinstance(equation, FieldEquation):
        raise OptionError(f"fit needs a FieldEquation, got {type(equation).__name__}")
    refuse_events(equation, "fs.fit")
    if noise not in NOISES:
        raise OptionError(f"noise is one of {listing(NOISES)}, got {noise!r}{nearest(str(noise), NOISES)}")
    if uncertainty not in UNCERTAINTIES:
        raise OptionError(
            f"uncertainty is one of {listing(UNCERTAINTIES)}, got {uncertainty!r}"
            f"{nearest(str(uncertainty), UNCERTAINTIES)}"
        )
    if not 0 < interval < 1:
        raise OptionError(f"interval is a level between 0 and 1, such as 0.9, got {interval!r}")
    for name, count in (("starts", starts), ("max_iterations", max_iterations)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise OptionError(f"{name} is a positive integer, got {count!r}")
    if not (math.isfinite(rtol) and rtol > 0 and math.isfinite(atol) and atol >= 0):
        raise OptionError(f"rtol must be positive and atol not negative, got rtol={rtol!r}, atol={atol!r}")
    if equation.is_complex:
        raise OptionError(f"complex fields cannot be fitted yet: {listing(equation.complex_fields)}")
    if equation.layout.mask is not None:
        raise OptionError("equations with mask= cannot be fitted yet; fit with gradients through fs.solve instead")
    if equation.holds_nodes:
        raise OptionError("grids with nodes on Dirichlet walls cannot be fitted yet; use centring='cell'")
    unfit = [name for name, item in equation.declared.items() if item.place == "per sample"]
    if unfit:
        raise OptionError(f"fit has one sample, but {unfit[0]!r} is fs.PerSample; give its value for this sample")


def initial_time(t0: float | None, observations: Observations) -> float:
    """Where the initial state lies: `t0`, or the first observed time."""
    first, last = float(observations.t[0]), float(observations.t[-1])
    begin = first if t0 is None else float(t0)
    if not math.isfinite(begin) or begin > first:
        raise OptionError(f"the first observation is at t = {first:g}, before the initial state at t0 = {begin:g}")
    if begin == last:
        raise OptionError(f"the only observation is at t0 = {begin:g}; give an earlier t0, or later observations")
    return begin


def given_sigma(sigma: float | Mapping[str, float] | None, observations: Observations) -> dict[str, float]:
    """Known noise scales per observed field."""
    seen = list(observations.values)
    given = dict(sigma) if isinstance(sigma, Mapping) else {} if sigma is None else dict.fromkeys(seen, sigma)
    for name, value in given.items():
        if name not in seen:
            raise OptionError(
                f"sigma names {name!r}, which was not observed; observed: {listing(seen)}{nearest(name, seen)}"
            )
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
            raise OptionError(f"sigma of {name!r} is a positive number, got {value!r}; leave it out to estimate it")
    return {name: float(value) for name, value in given.items()}


def adaptive_method(name: str) -> Method:
    """The scheme of that name; raises `OptionError` if it cannot choose its own steps."""
    scheme = get_method(name)
    if scheme.error_order is None:
        raise OptionError(f"method {name!r} cannot choose its steps; fit needs one of: {listing(adaptive_methods())}")
    return scheme


def declare_unknowns(
    equation: FieldEquation, initial: Mapping[str, Any], observations: Observations, given_sigma: Mapping[str, float]
) -> tuple[Unknowns, dict[str, Tensor]]:
    """What is to be estimated, and the initial fields that are fixed."""
    fixed, blocks = _initial_blocks(equation, initial)
    blocks = [*_parameter_blocks(equation), *blocks]
    if not blocks:
        raise OptionError("nothing is to be fitted; declare unknowns as fs.Parameter(...) in parameters= or initial=")
    zero = torch.zeros((), dtype=torch.float64)
    blocks += [Block("sigma", name, Positive(), zero) for name in observations.values if name not in given_sigma]
    unknowns = Unknowns(blocks)
    if observations.count < unknowns.size:
        raise OptionError(
            f"there are {observations.count} observations for {unknowns.size} unknowns "
            f"({listing(unknowns.labels[:8])}); fix some of them, or give sigma="
        )
    return unknowns, fixed


def _parameter_blocks(equation: FieldEquation) -> list[Block]:
    for name, item in equation.declared.items():
        if item.trainable and item.value.is_complex():
            raise OptionError(f"parameter {name!r} is complex; fit real ones")
    return [
        Block("parameter", name, item.transform, equation.raw[name].detach().double())
        for name, item in equation.declared.items()
        if item.transform is not None
    ]


def _initial_blocks(equation: FieldEquation, initial: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[Block]]:
    """Fixed initial fields, and the blocks of those that are estimated."""
    if not isinstance(initial, Mapping):
        raise OptionError(f"initial is a dict of fields, got {type(initial).__name__}")
    # `pack` knows what a state is, and complains in its own words.
    plain = {name: value.value if isinstance(value, Parameter) else value for name, value in initial.items()}
    packed = equation.pack({n: v.double() if isinstance(v, Tensor) else v for n, v in plain.items()})
    if packed.shape != equation.state_shape:
        raise OptionError(
            f"the initial state has shape {tuple(packed.shape)}, expected {equation.state_shape}: one sample"
        )
    fixed: dict[str, Tensor] = {}
    blocks = []
    for name in equation.fields:
        value, own = initial[name], own_shape(equation, name)
        if isinstance(value, Parameter):
            blocks.append(Block("initial", name, value.transform, value.raw().double()))
        else:
            tensor = torch.as_tensor(value, dtype=torch.float64)
            fixed[name] = tensor.expand(own) if tensor.dim() == 0 else tensor
    return fixed, blocks
