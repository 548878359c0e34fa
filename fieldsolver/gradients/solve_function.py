"""A solve as one function of autograd whose backward pass is our own, eagerly and inside torch.func.

Its gradient carries no graph. Whoever asks for a second derivative is told so: numbers without a graph would drop terms
in silence. `torch.func.grad`, `vjp` and `jacrev` work; `vmap` around a solve and forward mode have no meaning here.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, OptionError
from fieldsolver.methods.transformed import in_transform
from fieldsolver.stepping import VectorField

from .constancy import refuse_changed, refuse_written, testimony

Inputs = tuple[Tensor | None, ...]


class TwoPasses(Protocol):
    """A forward and a backward pass; whatever the second needs besides tensors stays in the object."""

    @property
    def name(self) -> str:
        """The gradient mode, for messages."""
        ...

    @property
    def field(self) -> VectorField:
        """The right-hand side, which both passes evaluate."""
        ...

    def forward(self, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        """The outputs: new tensor objects, to which the object does not refer, or nothing would ever be freed."""
        ...

    def saves(self, inputs: Inputs, outputs: tuple[Tensor, ...]) -> Inputs:
        """Those that the backward pass needs; torch then refuses it after they were changed in place."""
        ...

    def backward(self, saved: Inputs, gradients: Inputs, needed: tuple[bool, ...]) -> Inputs:
        """Gradients of the inputs, None where they are zero or not needed.

        Args:
            saved: what `saves` named.
            gradients: of the outputs; None is zero.
            needed: for each input, whether its gradient is.
        """
        ...


class SolveFunction(torch.autograd.Function):
    """`SolveFunction.apply(passes, *inputs)` -> outputs."""

    @staticmethod
    def forward(passes: TwoPasses, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        """The forward pass."""
        before = testimony(passes.field)
        outputs = passes.forward(*inputs)
        refuse_written(passes.field, before, passes.name)
        return outputs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what the backward pass needs."""
        passes, *tensors = inputs
        ctx.passes, ctx.transformed, ctx.testimony = passes, in_transform(), testimony(passes.field)
        ctx.save_for_backward(*passes.saves(tuple(tensors), output))
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The backward pass, as a function of its own for torch.func, which always asks for its graph."""
        passes, needed = ctx.passes, tuple(ctx.needs_input_grad[1:])
        refuse_changed(passes.field, ctx.testimony, passes.name)
        if not (ctx.transformed or in_transform()):
            if torch.is_grad_enabled():  # create_graph=True
                _refuse_second_derivatives(passes)
            all_shares = passes.backward(ctx.saved_tensors, gradients, needed)
            _warn_of_nothing(gradients, [x for x, need in zip(all_shares, needed, strict=True) if need])
            return None, *all_shares
        call = _Call(passes, needed, len(gradients))
        found = _BackwardPass.apply(call, *gradients, *ctx.saved_tensors)
        shares = dict(zip(call.places, found, strict=True))
        return None, *(shares.get(i) for i in range(len(needed)))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> None:
        """There is none."""
        raise OptionError(
            f"gradient={ctx.passes.name!r} has no forward-mode derivative (jvp, jacfwd, hessian); use gradient='direct'"
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, passes: TwoPasses, *inputs: Any) -> None:
        """There is none."""
        raise OptionError(
            f"gradient={passes.name!r} does not work under torch.func.vmap; let y0 have the batch as its leading axis "
            "(batch_dims=1 for plain functions) without vmap, or use gradient='direct' with dt="
        )


@dataclass
class _Call:
    """One backward pass inside torch.func.

    Attributes:
        passes: whose it is.
        needed: for each input, whether its gradient is.
        outputs: how many of the tensors are gradients of outputs.
        places: of the inputs whose gradients it has given.
    """

    passes: TwoPasses
    needed: tuple[bool, ...]
    outputs: int
    places: list[int] = field(default_factory=list)


class _BackwardPass(torch.autograd.Function):
    """(gradients of the outputs, saved tensors) -> those gradients of the inputs that are not zero."""

    @staticmethod
    def forward(call: _Call, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        found = call.passes.backward(tensors[call.outputs :], tensors[: call.outputs], call.needed)
        call.places = [i for i, gradient in enumerate(found) if gradient is not None]
        return tuple(gradient for gradient in found if gradient is not None)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.passes = inputs[0].passes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> None:
        _refuse_second_derivatives(ctx.passes)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> None:
        _refuse_second_derivatives(ctx.passes)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], call: _Call, *tensors: Tensor | None
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """One after the other: the rows of `jacrev`."""
        columns = [
            [x] * info.batch_size if x is None or dim is None else x.unbind(dim)
            for x, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        rows = [_BackwardPass.apply(call, *row) for row in zip(*columns, strict=True)]
        stacked = tuple(torch.stack(column) for column in zip(*rows, strict=True))
        return stacked, (0,) * len(stacked)


def _warn_of_nothing(gradients: Inputs, found: Sequence[Tensor | None]) -> None:
    """Warn of gradients that are all None: autograd itself would have refused to go back, for want of a graph.

    Args:
        gradients: of the outputs.
        found: of the inputs that ask for one.
    """
    arrived = any(x is not None for x in found)
    if not arrived and any(x is not None and bool((x != 0).any()) for x in gradients):
        warnings.warn(
            "this backward pass found no gradient for anything that asks for one: f(t, y) depends on it nowhere, or "
            "its result is cut off from it by torch.no_grad(), .detach(), .data or NumPy",
            FieldSolverWarning,
            stacklevel=2,
        )


def _refuse_second_derivatives(passes: TwoPasses) -> None:
    raise OptionError(
        f"gradient={passes.name!r} was differentiated twice (create_graph=True), but its gradient carries no graph; "
        "use gradient='direct' for higher derivatives"
    )
