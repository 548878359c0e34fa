"""How a layer runs its equation: the options of `solve` that are the same at every call."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.gradients import GradientMode, get_gradient
from fieldsolver.methods import Method, get_method
from fieldsolver.solve.options import check_step, check_tolerances, choose_method
from fieldsolver.solve.stability_limit import CHECKS, check_fixed_step
from fieldsolver.stepping import CompiledMethod

RunOptions = dict[str, Any]
"""``method, dt, rtol, atol, gradient, max_steps`` of `solve`; a layer's may be changed between calls."""


def run_options(
    equation: FieldEquation, *, span: float, method: str | CompiledMethod, dt: float | None, rtol: float, atol: float,
    gradient: str | GradientMode, max_steps: int, check: str, to_rest: bool = False,
) -> RunOptions:  # fmt: skip
    """The options of a layer whose solves are `span` long, or end at rest.

    Raises:
        OptionError, StabilityError: options that cannot work.
    """
    scheme, _ = choose_method(method, dt)
    check_step(dt)
    check_tolerances(rtol, atol)
    mode = get_gradient(gradient)
    mode.check(scheme, equation, span)
    if mode.name == "implicit" and not to_rest:
        raise OptionError("gradient='implicit' is that of a steady state; take fs.nn.SteadyFieldLayer, or another mode")
    if check not in CHECKS:
        raise OptionError(f"check is one of {CHECKS}, got {check!r}")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
        raise OptionError(f"max_steps is a whole number, at least 1, got {max_steps!r}")
    if dt is not None:
        check_fixed_step(equation, plain(scheme), dt, check)
    chosen = scheme if isinstance(scheme, CompiledMethod) else scheme.name
    return {"method": chosen, "dt": dt, "rtol": rtol, "atol": atol, "gradient": mode, "max_steps": max_steps}


def for_this_call(options: RunOptions) -> RunOptions:
    """Keyword arguments of `solve`, judged and shown already; without a gradient where nobody asks for one."""
    gradient = options["gradient"] if torch.is_grad_enabled() else "none"
    return {**options, "gradient": gradient, "check": "off", "progress": False}


def plain(method: str | Method) -> Method:
    """The scheme itself, whether it is named or compiled."""
    method = get_method(method) if isinstance(method, str) else method
    return method.base if isinstance(method, CompiledMethod) else method


def shown(options: Mapping[str, Any]) -> str:
    """For `extra_repr`."""
    steps = (
        f"dt={options['dt']:g}" if options["dt"] is not None else f"rtol={options['rtol']:g}, atol={options['atol']:g}"
    )
    compiled = ", compiled" if isinstance(options["method"], CompiledMethod) else ""
    return f"method={plain(options['method']).name!r}{compiled}, {steps}, gradient={options['gradient'].name!r}"


def checked_duration(name: str, value: float, *, zero: bool) -> float:
    """A finite time; raises `OptionError` for what is none."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (value == 0 and not zero):
        expected = "a time that is not negative" if zero else "a positive time"
        raise OptionError(f"{name} is {expected}, got {value!r}")
    return float(value)


def refuse_endings(equation: FieldEquation, layer: str) -> None:
    """Raises `OptionError` for an event that ends samples early."""
    ending = [event.name for event in equation.events if event.event.terminal]
    if ending:
        raise OptionError(
            f"event {ending[0]!r} ends samples before the time is over, and a {layer} returns the state there; declare "
            "the equation without it, or call fs.solve"
        )
