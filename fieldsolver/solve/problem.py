"""Whatever the user wants solved, as a batch of independent samples for the loop."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.modules import batch_norms
from fieldsolver.errors import OptionError, StateError
from fieldsolver.methods.transformed import is_batched
from fieldsolver.stepping import VectorField

from .module_witness import module_witness
from .plain_state import plain_state
from .signature import checked_args, with_signature_checked


@dataclass(frozen=True)
class Problem:
    """A batch of initial value problems.

    Attributes:
        field: the right-hand side over ``(B, *state)``.
        y0: initial states, ``(B, *state)``.
        batch_shape: the user's batch axes, whose product is ``B``.
        equation: the declared equation, or None for a plain function.
        default_gradient: the mode that is right when the user names none.
    """

    field: VectorField
    y0: Tensor
    batch_shape: tuple[int, ...]
    equation: FieldEquation | None
    default_gradient: str

    def to_user(self, values: Tensor, leading: int = 0) -> Tensor:
        """Give ``(*lead, B, ...)`` the user's batch axes back."""
        return values.reshape((*values.shape[:leading], *self.batch_shape, *values.shape[leading + 1 :]))

    def landings(self, land_at: Tensor | Sequence[float] | None) -> Tensor | None:
        """The times that steps must land on: the user's, and the knots of all signals; None without any."""
        signals = self.equation.layout.signals if self.equation is not None else {}
        times = [] if land_at is None else [torch.as_tensor(land_at, dtype=torch.float64).cpu()]
        times += [knots.detach().cpu() for knots in signals.values()]
        return torch.cat(times) if times else None

    def needs_gradient(self) -> bool:
        """Whether anything explicit asks for a gradient."""
        tensors = (self.y0, *self.field.parameters)
        return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def make_problem(f: Any, y0: Any, batch_dims: int | None, args: Sequence[Any]) -> Problem:
    """Read `f` and `y0`; raises `OptionError` or `StateError` with one sentence."""
    args = checked_args(args)
    if isinstance(f, FieldEquation):
        return _differentiable(_from_equation(f, y0, batch_dims, args))
    if not callable(f):
        raise OptionError(f"solve needs a FieldEquation, a function f(t, y) or an nn.Module, got {type(f).__name__}")
    return _differentiable(_from_function(f, y0, 0 if batch_dims is None else batch_dims, args))


def _differentiable(problem: Problem) -> Problem:
    """The same problem: a state made in inference mode is copied, for no backward pass could keep it."""
    foreign = torch.is_grad_enabled() and problem.y0.is_inference()
    return replace(problem, y0=problem.y0.clone()) if foreign else problem


def _from_equation(
    equation: FieldEquation, y0: Mapping[str, Any] | Tensor, batch_dims: int | None, args: Sequence[Any]
) -> Problem:
    if args:
        raise OptionError("args= belongs to plain functions; a declared equation takes parameters={...}")
    if equation.noises:
        raise OptionError("the equation has noise, and there is no stochastic method yet; remove the noise terms")
    packed = equation.pack(y0, finite=False)
    batch = tuple(packed.shape[: packed.dim() - len(equation.state_shape)])
    if not batch and not is_batched(packed):
        equation.space.refuse_not_finite(packed)  # of a batch, each sample fails by itself
    if batch_dims is not None and batch_dims != len(batch):
        raise OptionError(f"batch_dims={batch_dims}, but the state has {len(batch)} axes before {equation.state_shape}")
    flat = packed.reshape(math.prod(batch), *equation.state_shape)
    function, parameters = equation.pure()
    flags = [equation.declared[name].place == "per sample" for name in equation.layout.parameters]
    for name, own in zip(equation.layout.parameters, flags, strict=True):
        samples = equation.declared[name].value.shape[0] if own else flat.shape[0]
        if samples != flat.shape[0]:
            raise StateError(
                f"fs.PerSample parameter {name!r} has {samples} samples, but the state has {flat.shape[0]}"
            )
    kernels, mask = len(equation.layout.kernels), equation.layout.mask
    flags += [False] * kernels + [mask is not None and mask.samples is not None] * len(equation.mask_values())
    per_sample = (*flags, *([False] * (len(parameters) - len(flags))))
    witness = module_witness(equation.submodules.values())
    return Problem(VectorField(function, parameters, per_sample, witness), flat, batch, equation, "checkpointed")


def _from_function(f: Callable[..., Tensor], y0: Any, batch_dims: int, args: tuple[Any, ...]) -> Problem:
    if batch_dims not in (0, 1):
        raise OptionError(f"batch_dims is 0 (one system) or 1 (independent samples), got {batch_dims!r}")
    if batch_dims and isinstance(f, nn.Module):
        _refuse_mixed_samples(f)
    state = plain_state(y0, batch_dims)
    call, parameters = _explicit(f, args)
    call = with_signature_checked(call, f, args)
    witness = module_witness([f] if isinstance(f, nn.Module) else [])
    field = VectorField(_for_many(call, state) if batch_dims else _for_one(call), parameters, witness=witness)
    batch = tuple(state.shape[:batch_dims])
    # What a closure captures is known to autograd alone; a module names its weights.
    default = "checkpointed" if isinstance(f, nn.Module) else "direct"
    return Problem(field, state if batch_dims else state.unsqueeze(0), batch, None, default)


def _refuse_mixed_samples(f: nn.Module) -> None:
    for part in batch_norms(f):
        if part.training or part.running_mean is None:
            raise OptionError(
                f"f contains {type(part).__name__} in training mode or without running statistics, which mixes the "
                "samples that batch_dims=1 declares independent; use LayerNorm or GroupNorm, or call f.eval()"
            )


_Call = Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]
"""(parameters, t, y) -> dy/dt."""


def _for_one(call: _Call) -> _Call:
    """A function of one system, called by the loop with a batch of one."""

    def single(given: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
        rate = call(given, t.squeeze(0), y.squeeze(0))  # y[0] would copy in the backward pass
        return rate.unsqueeze(0) if isinstance(rate, Tensor) else rate  # the loop's first check says what is wrong

    return single


def _for_many(call: _Call, state: Tensor) -> _Call:
    """A function of samples like `state` (B, ...): t gets the shape (B, 1, ...).

    Of float32 states it is float32: float64 would promote the state at the first product.
    """
    real, ones = state.real.dtype if state.is_complex() else state.dtype, (1,) * max(state.dim() - 1, 0)

    def batched(given: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
        return call(given, (t if t.dtype is real else t.to(real)).reshape(-1, *ones), y)

    return batched


def _explicit(f: Callable[..., Tensor], args: tuple[Any, ...]) -> tuple[_Call, tuple[Tensor, ...]]:
    """`f` with its tensor arguments and, for a module, its weights made explicit."""
    places = [position for position, value in enumerate(args) if isinstance(value, Tensor)]
    tensors = tuple(args[position] for position in places)
    if isinstance(f, nn.Module):
        return _explicit_module(f, args, places, tensors)
    if not tensors:
        return (lambda given, t, y: f(t, y, *args)) if args else (lambda given, t, y: f(t, y)), ()
    return (lambda given, t, y: f(t, y, *_replaced(args, places, given))), tensors


def _explicit_module(
    f: nn.Module, args: tuple[Any, ...], places: Sequence[int], tensors: tuple[Tensor, ...]
) -> tuple[_Call, tuple[Tensor, ...]]:
    named = dict(f.named_parameters())
    names, own = list(named), tuple(named.values())

    def call(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
        weights, given = parameters[: len(own)], parameters[len(own) :]
        current = _replaced(args, places, given) if places else args
        if all(map(operator.is_, weights, own)):
            rate: Tensor = f(t, y, *current)
            return rate
        return torch.func.functional_call(f, dict(zip(names, weights, strict=True)), (t, y, *current))

    return call, (*own, *tensors)


def _replaced(args: Sequence[Any], places: Sequence[int], given: Sequence[Tensor]) -> list[Any]:
    """The arguments with other tensors at these places."""
    current = list(args)
    for position, value in zip(places, given, strict=True):
        current[position] = value
    return current
