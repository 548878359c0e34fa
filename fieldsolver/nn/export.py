"""Layers as programs of plain tensor operations, for `torch.export` and what stands on it; any number of samples.

What is exported are the steps of `march`: fixed ones, as many as the layer makes. No program can report a sample that
fails; its output holds NaN or infinity.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from fieldsolver.errors import OptionError

from .equation_layer import EquationLayer
from .recurrent_field_layer import RecurrentFieldLayer

BATCH = "batch"
"""Name of the free axis."""


def export(layer: nn.Module, *example: Any) -> ExportedProgram:
    """The layer, or a module that contains layers, as one graph of tensor operations with a free batch axis.

    It is exported in evaluation mode, a `RecurrentFieldLayer` for sequences of the length of the example.
    ``export(...).module()`` is called like the layer, `torch.export.save` writes it.

    Args:
        layer: made with fixed steps, ``dt=``.
        *example: arguments of a call; the first axis of every tensor in them is the batch.

    Raises:
        OptionError: adaptive steps, events, or an example without a batch axis.
        What the layer raises for this example.
    """
    _refuse_unfit(layer)
    arguments, shapes = _free_batch(example)
    _refuse_unbatched(layer, example)
    with torch.no_grad(), _evaluating(layer), about_torch_alone():
        layer(*arguments)  # tables are made outside the graph, and what is wrong with the example is said plainly
        return torch.export.export(layer, arguments, dynamic_shapes=shapes)


def _refuse_unfit(layer: nn.Module) -> None:
    for name, part in layer.named_modules():
        if not isinstance(part, EquationLayer):
            continue
        what = f"the layer {name!r}" if name else f"the {type(part).__name__}"
        if cast("Mapping[str, Any]", part.options)["dt"] is None:
            raise OptionError(
                f"{what} chooses its steps by the numbers it meets, and an exported program cannot; make it with dt="
            )
        if any(item.place == "per sample" and n not in part.inputs.names for n, item in part.equation.declared.items()):
            raise OptionError(f"{what} has fs.PerSample parameters, which fix the batch; feed them with inputs=")


def _refuse_unbatched(layer: nn.Module, example: tuple[Any, ...]) -> None:
    """What comes first in one sample's input must not be taken for the batch."""
    if not isinstance(layer, EquationLayer) or not example:
        return
    if layer.inputs.names:
        values = layer.inputs.read(example[0])
        axes = [len(layer.inputs.lead(name, value)) for name, value in values.items()]
    elif isinstance(example[0], Tensor):
        axes = [example[0].dim() - len(layer.equation.state_shape)]
    else:
        return  # fields by name; `pack` judges them
    expected = "(batch, T, ...)" if isinstance(layer, RecurrentFieldLayer) else "(batch, ...)"
    if max(axes) < expected.count(",") or min(axes) == 0:
        raise OptionError(
            f"every tensor of an example has the batch as its first axis, {expected}, and this one is a single sample; "
            "pass x.unsqueeze(0)"
        )


def _free_batch(example: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The example with at least two samples (an exporter takes one for a constant), and which axes are free."""
    tensors = [leaf for leaf in torch.utils._pytree.tree_leaves(example) if isinstance(leaf, Tensor)]
    samples = {tensor.shape[0] if tensor.dim() else None for tensor in tensors}
    if len(samples) != 1 or None in samples or 0 in samples:
        got = [tuple(tensor.shape) for tensor in tensors]
        raise OptionError(f"an example is arguments whose tensors share their first axis, the batch, got shapes {got}")
    batch = Dim(BATCH)
    single = samples == {1}

    def doubled(leaf: Any) -> Any:
        return torch.cat([leaf, leaf]) if single and isinstance(leaf, Tensor) else leaf

    def free(leaf: Any) -> Any:
        return {0: batch} if isinstance(leaf, Tensor) else None

    tree_map = torch.utils._pytree.tree_map
    return tree_map(doubled, example), tree_map(free, example)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Without dropout and the like; every part is then in the mode it was in."""
    before = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in before.items():
            part.training = training


@contextmanager
def about_torch_alone() -> Iterator[None]:
    """torch's exporter calls deprecated parts of torch; nobody else can do anything about that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
        yield
