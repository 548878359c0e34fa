"""`odeint_adjoint` with the arguments of torchdiffeq: memory that does not grow with the number of steps."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import FieldSolverWarning, OptionError
from fieldsolver.stepping import VectorField

from .callbacks import NAMES as CALLBACKS
from .method_names import SCIPY, check_method
from .odeint import EventFunction, solve
from .problem import Problem, Rate, State


def odeint_adjoint(
    func: Rate,
    y0: State,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    event_fn: EventFunction | None = None,
    adjoint_rtol: Any = None,
    adjoint_atol: Any = None,
    adjoint_method: str | None = None,
    adjoint_options: Mapping[str, Any] | None = None,
    adjoint_params: Iterable[Tensor] | None = None,
) -> Any:
    """`odeint` with bounded memory: torchdiffeq's `odeint_adjoint`, with the same arguments.

    The gradient is not that of a second differential equation solved backward. Some states are kept, the steps between
    them are repeated, and each is differentiated exactly: the result is the gradient of `odeint` to round-off, and
    agrees with the continuous adjoint within its tolerance. It cannot be differentiated again.

    Args:
        func, y0, t, rtol, atol, method, options, event_fn: as in `odeint`.
        adjoint_rtol, adjoint_atol, adjoint_method, adjoint_options: of the backward equation, which there is not; the
            name of the method is checked, and nothing else is done with them.
        adjoint_params: the tensors that get a gradient besides y0 and t; None: the parameters of func, which must be
            a module.

    Returns:
        What `odeint` returns.

    Raises:
        OptionError: as in `odeint`; func is no module and adjoint_params is None; or adjoint_method differs from
            method, and options are given without adjoint_options.
        OdeintFailed: as in `odeint`.
    """
    if adjoint_params is None and not isinstance(func, nn.Module):
        raise OptionError(
            "func must be an instance of nn.Module to specify the adjoint parameters; or pass adjoint_params=(...), "
            "which is adjoint_params=() if there are none"
        )
    name, backward = check_method(method), check_method(method if adjoint_method is None else adjoint_method)
    if backward != name and options is not None and adjoint_options is None:
        raise OptionError(
            f"adjoint_method = {backward!r} is not method = {name!r}, so its options cannot be those of method; pass "
            "adjoint_options={...} too"
        )
    silent = [f"{callback}_adjoint" for callback in CALLBACKS if hasattr(func, f"{callback}_adjoint")]
    if silent:
        warnings.warn(
            f"func has {', '.join(silent)}, which are never called: the backward pass repeats the forward steps",
            FieldSolverWarning,
            stacklevel=2,
        )
    given = _parameters(func) if adjoint_params is None else tuple(adjoint_params)
    parameters = tuple(p for p in given if p.requires_grad)
    if name == SCIPY and torch.is_grad_enabled() and parameters:
        raise OptionError(
            "method 'scipy_solver' gives no gradients; use another method, or call odeint_adjoint under torch.no_grad()"
        )
    return solve(func, y0, t, rtol, atol, method, options, event_fn, Checkpointed(parameters))


@dataclass(frozen=True, eq=False)
class Checkpointed:
    """Steps are repeated from checkpoints; only y0, the times and these tensors get a gradient.

    Attributes:
        parameters: tensors that func uses, leaves or not.
    """

    parameters: tuple[Tensor, ...]
    name: str = "checkpointed"

    def field(self, problem: Problem, shift: Tensor | None) -> VectorField:
        """func as a function of the parameters: the last of them is the shift of time, if there is one."""

        def function(given: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
            time = t[0] if shift is None else t[0] + given[-1]
            if not torch.is_grad_enabled():
                return problem.rate(time, y[0]).unsqueeze(0)
            rate: Tensor = _Rate.apply(problem, self.parameters, time, y[0], *given[: len(self.parameters)])
            return rate.unsqueeze(0)

        return VectorField(function, self.parameters if shift is None else (*self.parameters, shift))


class _Rate(torch.autograd.Function):
    """func(t, y) with the gradients of the tensors that it captures handed to stand-ins that the loop knows.

    The graph of one evaluation hangs between the forward and the backward pass; it begins at the captured tensors, so
    what lies before them (they need not be leaves) is not entered, and nothing else that func uses gets a gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, problem: Problem, captured: tuple[Tensor, ...], t: Tensor, y: Tensor, *stand_ins: Tensor
    ) -> Tensor:
        inputs = [
            x.detach().requires_grad_(needed) for x, needed in zip((t, y), ctx.needs_input_grad[2:4], strict=True)
        ]
        with torch.enable_grad():
            rate = problem.rate(*inputs)
        ctx.rate = rate
        ctx.sources = (*inputs, *captured)
        return rate.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        wanted = [x for x, needed in zip(ctx.sources, ctx.needs_input_grad[2:], strict=True) if needed]
        if not wanted or not ctx.rate.requires_grad:
            return (None,) * len(ctx.needs_input_grad)
        found = iter(torch.autograd.grad(ctx.rate, wanted, gradient, allow_unused=True))
        return (None, None, *(next(found) if needed else None for needed in ctx.needs_input_grad[2:]))


def _parameters(module: Any) -> tuple[Tensor, ...]:
    """The module's parameters; in a replica made by DataParallel they are plain attributes."""
    if not getattr(module, "_is_replica", False):
        return tuple(module.parameters())
    return tuple(
        value for part in module.modules() for value in part.__dict__.values()
        if isinstance(value, Tensor) and value.requires_grad
    )  # fmt: skip
