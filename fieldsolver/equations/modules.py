"""Modules inside equations: pointwise ones see components last, nonlocal ones see whole fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fieldsolver.errors import EquationTypeError

from . import build
from .graph import Node


class Nonlocal(nn.Module):
    """Marks a module that sees whole fields: ``(B, C, *grid) -> (B, c, *grid)`` instead of components last.

    Args:
        module: the module, such as a convolution or an FNO block.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        if not isinstance(module, nn.Module):
            raise EquationTypeError(f"Nonlocal wraps an nn.Module, got {type(module).__name__}")
        self.module = module

    def forward(self, fields: Tensor) -> Tensor:
        """Apply the module."""
        return self.module(fields)


def module_builder(name: str, module: nn.Module, *grids: tuple[int, ...]) -> Callable[..., Node]:
    """A function that builds the call of `module` from its arguments, checking the shape of its output once.

    A nonlocal module is tried on the `grids` (their shapes) in turn, until one suits it.
    """
    if not isinstance(module, nn.Module):
        raise EquationTypeError(f"modules[{name!r}] must be an nn.Module, got {type(module).__name__}")
    nonlocal_ = isinstance(module, Nonlocal)
    if nonlocal_ and not grids[0]:
        raise EquationTypeError(f"module {name!r} is fs.Nonlocal, but the equation has no grid")

    def call(*arguments: Node) -> Node:
        if not arguments:
            raise EquationTypeError(f"{name} needs at least one argument")
        inputs = sum(argument.components for argument in arguments)
        shapes = [(2, inputs, *grid) for grid in grids] if nonlocal_ else [(2, inputs)]
        components = _first_output(name, module, shapes)
        return build.module_call(name, components, *arguments, nonlocal_=nonlocal_)

    return call


def batch_norms(module: nn.Module) -> Iterator[_BatchNorm]:
    """The parts that mix the samples of a batch, in training mode or without running statistics at least."""
    return (part for part in module.modules() if isinstance(part, _BatchNorm))


def _first_output(name: str, module: nn.Module, shapes: Sequence[tuple[int, ...]]) -> int:
    for shape in shapes[:-1]:
        try:
            return _output_components(name, module, shape)
        except EquationTypeError:
            continue
    return _output_components(name, module, shapes[-1])


def _output_components(name: str, module: nn.Module, shape: tuple[int, ...]) -> int:
    """Run the module once on zeros to learn its number of outputs; batch-mixing modules are refused."""
    kind = next((type(part).__name__ for part in batch_norms(module)), None)
    if kind is not None:
        raise EquationTypeError(
            f"module {name!r} contains {kind}, which mixes samples of a batch; use LayerNorm or GroupNorm"
        )
    first = next((p for p in module.parameters()), None)
    dtype = first.dtype if first is not None else torch.get_default_dtype()
    device = first.device if first is not None else None
    layout = "components second" if len(shape) > 2 else "components last"
    try:
        with torch.no_grad():
            output = module(torch.zeros(shape, dtype=dtype, device=device))
    except (RuntimeError, TypeError, ValueError) as error:
        called = f"module {name!r} was called with {layout}, shape {shape}"
        raise EquationTypeError(f"{called}, and failed: {error}") from None
    expected = (shape[0], "components", *shape[2:])
    fits = isinstance(output, Tensor) and output.dim() == len(shape)
    if not fits or (output.shape[0], *output.shape[2:]) != (shape[0], *shape[2:]):
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        shown = "(" + ", ".join(map(str, expected)) + ")"
        raise EquationTypeError(f"module {name!r} turned shape {shape} into {got}; expected {shown}")
    return output.shape[1]
