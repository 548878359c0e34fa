"""Derivatives of ``x = (1 - c L_θ)^-1 b`` by the implicit function theorem, whatever computes x.

With ``M = 1 - c L_θ``,

    dx = M^-1 (db + d(c L_θ) x)          forward
    λ = M^-H x̄,   b̄ = λ,   (c̄, θ̄) = λ paired with d(c L_θ) x          backward

Both are made of solves with M or its transpose and of the application of L, so they can be differentiated again. No
derivative ever passes through a factorisation or an iteration.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

from fieldsolver.errors import OptionError

from .protocol import Shift, finite_number


class LinearSystem(Protocol):
    """An operator L with parameters θ, and a way to invert ``1 - c L``."""

    def apply(self, v: torch.Tensor, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``L v`` or ``L^T v``, differentiable in v and in the parameters."""
        ...

    def invert(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``(1 - c L)^-1 b`` or ``(1 - c L^T)^-1 b``; not differentiated."""
        ...


def solve_implicitly(system: LinearSystem, b: torch.Tensor, c: Shift, *parameters: torch.Tensor) -> torch.Tensor:
    """``(1 - c L_θ)^-1 b``, differentiable in b, c and the parameters θ."""
    return _Solve.apply(b, c, system, False, *parameters)


def only_b_may_vary(c: Shift, *parameters: torch.Tensor) -> bool:
    """Whether nothing but b can be differentiated or mapped over: then a linear map of b needs no rule of its own."""
    return (
        not isinstance(c, torch.Tensor)
        and not any(p.requires_grad for p in parameters)
        and not torch._C._are_functorch_transforms_active()
        and not torch.autograd.forward_ad._current_level >= 0
    )


class _Solve(torch.autograd.Function):
    """``x = M^-1 b``, or ``M^-T b`` if `transpose`."""

    @staticmethod
    def forward(
        b: torch.Tensor, c: Shift, system: LinearSystem, transpose: bool, *parameters: torch.Tensor
    ) -> torch.Tensor:
        number = finite_number(c.item() if isinstance(c, torch.Tensor) else c)
        return system.invert(b, number, *parameters, transpose=transpose)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        b, c, ctx.system, ctx.transpose, *parameters = inputs
        ctx.real_b = not b.is_complex()
        ctx.number = None if isinstance(c, torch.Tensor) else c
        saved = (output, *([c] if ctx.number is None else []), *parameters)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        if grad is None:
            return (None,) * len(ctx.needs_input_grad)
        x, c, parameters = _saved(ctx)
        λ = _Solve.apply(grad.conj(), c, ctx.system, not ctx.transpose, *parameters).conj()
        grad_c: torch.Tensor | None = None
        grad_parameters: tuple[torch.Tensor | None, ...] = (None,) * len(parameters)
        if any(ctx.needs_input_grad[1:]):
            factor = c if isinstance(c, torch.Tensor) else torch.as_tensor(c, device=x.device)
            pull = torch.func.vjp(lambda c, *θ: _shifted(ctx, x, c, θ), factor, *parameters)[1]
            grad_c, *rest = pull(λ.to(x.dtype))
            grad_parameters = tuple(rest)
        grad_b = λ.real if ctx.real_b and λ.is_complex() else λ
        return grad_b, grad_c if ctx.number is None else None, None, None, *grad_parameters

    @staticmethod
    def jvp(
        ctx: Any, b: torch.Tensor | None, c: torch.Tensor | None, system: None, transpose: None,
        *parameters: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        x, factor, θ = _saved(ctx)
        right = torch.zeros_like(x) if b is None else b.to(x.dtype)
        if c is not None:
            right = right + c * _applied(ctx, x, θ)
        if any(p is not None for p in parameters):
            tangents = tuple(torch.zeros_like(p) if t is None else t for p, t in zip(θ, parameters, strict=True))
            right = right + torch.func.jvp(lambda *θ: _shifted(ctx, x, factor, θ), θ, tangents)[1]
        return _Solve.apply(right, factor, ctx.system, ctx.transpose, *θ)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], b: torch.Tensor, c: Shift, system: LinearSystem, transpose: bool,
        *parameters: torch.Tensor,
    ) -> tuple[torch.Tensor, int]:  # fmt: skip
        b_dim, c_dim, _, _, *parameter_dims = in_dims
        if any(dim is not None for dim in parameter_dims):
            raise OptionError("vmap cannot run over the parameters of L; loop over them, one solver for each")
        if b_dim is not None:
            b = b.movedim(b_dim, 0)
        if c_dim is None:
            return _Solve.apply(b, c, system, transpose, *parameters), 0
        if not isinstance(c, torch.Tensor):
            raise TypeError("only tensors are batched")
        samples = b if b_dim is not None else [b] * info.batch_size
        pairs = zip(samples, c.unbind(c_dim), strict=True)
        return torch.stack([_Solve.apply(one, shift, system, transpose, *parameters) for one, shift in pairs]), 0


def _saved(ctx: Any) -> tuple[torch.Tensor, Shift, tuple[torch.Tensor, ...]]:
    x, *rest = ctx.saved_tensors
    return (x, rest[0], tuple(rest[1:])) if ctx.number is None else (x, ctx.number, tuple(rest))


def _applied(ctx: Any, x: torch.Tensor, θ: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return ctx.system.apply(x, *θ, transpose=ctx.transpose)


def _shifted(ctx: Any, x: torch.Tensor, c: Shift, θ: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return c * _applied(ctx, x, θ)
