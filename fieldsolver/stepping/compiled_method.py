"""A Runge-Kutta method whose step, evaluations of f included, is one compiled function: the same numbers to round-off.

What is compiled is small, one step, and is used again for every step of every solve: compilation takes as long for one
step as for thousands. The loop around it stays as it is, and so do all gradient modes, which differentiate or repeat
steps one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.methods import Memory, Method, MethodSummary, Step, get_method
from fieldsolver.methods.explicit_runge_kutta import ExplicitRungeKutta
from fieldsolver.methods.protocol import Function

from .march import cannot_be_read
from .vector_field import Parameters, VectorField

VARIANTS = 32
"""Graphs that one method may be compiled to: kinds of states, of parameters and of equations that it has met."""


class CompiledMethod:
    """An explicit Runge-Kutta method by one compiled function per step; see `Method` for the attributes.

    The first step of a kind (dtype, device, shape, with or without gradient) waits for the compiler, on a small CPU
    10 to 70 s; other numbers, parameters and step sizes do not compile again, another batch size does once.
    Inside `torch.compile`, `torch.export` and the transforms of `torch.func` it is the plain method.

    The stages stay inside the compiled function, so dense output evaluates them again.

    Args:
        method: the method, or its name.
        backend: the compiler, as `torch.compile` calls it.

    Attributes:
        base: the method, not compiled.

    Raises:
        OptionError: it is no explicit Runge-Kutta method.
    """

    fixed_steps = True

    def __init__(self, method: str | Method, *, backend: str = "inductor") -> None:
        base = get_method(method) if isinstance(method, str) else method
        if not isinstance(base, ExplicitRungeKutta):
            raise OptionError(
                f"only explicit Runge-Kutta methods can be compiled, got {base.name!r}; take rk4, tsit5 or dopri5"
            )
        self.base, self.backend = base, backend
        self.name, self.order, self.error_order = base.name, base.order, base.error_order
        self.interpolant_order, self.stages, self.fsal = base.interpolant_order, base.stages, base.fsal
        self.extra_stages = base.stages + base.extra_stages

    def __repr__(self) -> str:
        return f"CompiledMethod({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """What was compiled stays behind."""
        return _made_again, (self.base, self.backend)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledMethod:
        """Itself, as nothing in it changes: copies of a layer need not be compiled again."""
        return self

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source."""
        return self.base.describe()

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """k1 only if every step has it: the first step shall be compiled like the others."""
        return self.base.start(f, t, y, k1) if self.fsal else ()

    def saved_evaluations(self, memory: Memory) -> int:
        """The first stage, if it is known."""
        return self.base.saved_evaluations(memory)

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """One step of every sample, without its stages; f is a `VectorField`, or a function without parameters."""
        if cannot_be_read(y):
            return self.base.step(f, t, dt, y, memory, estimate=estimate)
        function, parameters = (f.function, f.parameters) if isinstance(f, VectorField) else (_Bare(f), ())
        parameters, y, memory = _uniform(parameters, y, memory)
        y_new, error, coarse, memory = self._compiled(function, parameters, t, dt, y, memory, estimate)
        return Step(t, dt, y, y_new, error, list(memory), memory, coarse)

    def extend(self, f: Function, step: Step) -> Step:
        """The step with all its stages, made again."""
        again = self.base.step(f, step.t, step.dt, step.y, estimate=False)
        return self.base.extend(f, replace(step, k=again.k))

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """Dense output within a step from `extend`."""
        return self.base.interpolate(step, theta)

    @cached_property
    def _compiled(self) -> Callable[..., tuple[Tensor, Tensor | None, Tensor | None, Memory]]:
        base = self.base

        def step(
            function: Callable[[Parameters, Tensor, Tensor], Tensor], parameters: Parameters, t: Tensor, dt: Tensor,
            y: Tensor, memory: Memory, estimate: bool,
        ) -> tuple[Tensor, Tensor | None, Tensor | None, Memory]:  # fmt: skip
            made = base.step(lambda t, y: function(parameters, t, y), t, dt, y, memory, estimate=estimate)
            return made.y_new, made.error, made.coarse_error, made.memory

        return torch.compile(  # type: ignore[call-overload]  # its stubs lack the last two
            step, fullgraph=True, backend=self.backend, recompile_limit=VARIANTS, isolate_recompiles=True
        )


def _made_again(base: Method, backend: str) -> CompiledMethod:
    return CompiledMethod(base, backend=backend)


class _Bare:
    """A function of (t, y) as one of (parameters, t, y)."""

    def __init__(self, f: Function) -> None:
        self._f = f

    def __call__(self, parameters: Parameters, t: Tensor, y: Tensor) -> Tensor:
        return self._f(t, y)


class _Plain(torch.autograd.Function):
    """The same tensor, neither an `nn.Parameter` nor a view; with an anchor as if it depended on that alone."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, anchor: Tensor | None) -> Tensor:
        ctx.anchored = anchor is not None
        return tensor.data

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        return None if ctx.anchored else gradient, None


def _uniform(parameters: Parameters, y: Tensor, memory: Memory) -> tuple[Parameters, Tensor, Memory]:
    """The same tensors, alike in all that a compiler looks at: so all steps of all runs are compiled once.

    It tells `nn.Parameter` from `Tensor`, and what requires a gradient from what does not, even where nobody records.
    """
    if not torch.is_grad_enabled():
        return tuple(p.detach() for p in parameters), y.detach(), tuple(m.detach() for m in memory)
    anchor = next((parameter for parameter in parameters if parameter.requires_grad), None)
    if anchor is not None and not y.requires_grad:
        y = _Plain.apply(y, anchor)
    return tuple(_Plain.apply(p, None) if isinstance(p, nn.Parameter) else p for p in parameters), y, memory
