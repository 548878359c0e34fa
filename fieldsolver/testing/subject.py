"""`Subject`: a copy of a layer that a check may call, move and ablate; the original stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError

from .draws import generator, normal_like
from .example import Example, every_token

DOUBLE = {torch.float16: torch.float64, torch.bfloat16: torch.float64, torch.float32: torch.float64,
          torch.complex64: torch.complex128}  # fmt: skip
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


class Subject:
    """A layer as the checks see it: values in, (B, T, ...) or (B, ...) out, the same random numbers at every call.

    Args:
        layer: any module; it is copied.
        example: says how it is called.
        training: its mode; layers that drop at random are kept in evaluation mode.
        wake: parameters that are zero throughout (gates, biases, last projections) are drawn from a normal distribution
            of this width: what they switch off at first is there after the first step of training.
        seed: of these draws, and of the random numbers that the layer draws itself.

    Raises:
        OptionError: no module, or one that cannot be copied.
    """

    def __init__(
        self, layer: nn.Module, example: Example, *, training: bool = False, wake: float = 0.0, seed: int = 0
    ) -> None:
        self.layer = copied(layer)
        self.example, self.seed = example, seed
        self.layer.train(training)
        for module in self.layer.modules():
            if isinstance(module, DROPOUTS):
                module.eval()
        if wake:
            woken(self.layer, wake, seed)

    def __call__(
        self, plain: Tensor, real: Tensor | None = None, *, seed: int | None = None, lent: bool = False
    ) -> Tensor:
        """The output for values (B, T, ...) or (B, ...).

        Args:
            plain: values; the layer gets a copy of them.
            real: (B, T), True on tokens that are no padding; None: none is.
            seed: of random numbers, in place of the subject's.
            lent: give the layer the values themselves, so that it can be seen whether it changes them.
        """
        example = self.example
        masks: dict[str, Tensor] = {}
        if example.ordered:
            masks = example.masks(every_token(plain) if real is None else real)
        with own_random_numbers(plain.device, self.seed if seed is None else seed):
            values = example.as_input(plain if lent else plain.clone())
            output: Any = self.layer(values, **masks) if example.call is None else example.call(
                self.layer, values, **masks
            )  # fmt: skip
        return example.output(output, plain)

    def parameters(self) -> dict[str, Tensor]:
        """Those that are trained, by name."""
        return {name: p for name, p in self.layer.named_parameters() if p.requires_grad}


def copied(layer: nn.Module) -> nn.Module:
    """A deep copy.

    Raises:
        OptionError: no module, or one that cannot be copied, as with graphs kept in attributes.
    """
    if not isinstance(layer, nn.Module):
        raise OptionError(f"a layer is an nn.Module, got {type(layer).__name__}; wrap the function in one")
    try:
        return copy.deepcopy(layer)
    except Exception as error:
        raise OptionError(
            f"the layer cannot be copied: {error}; checks work on copies, so keep no graph or open file in attributes"
        ) from error


def as_double(layer: nn.Module) -> nn.Module:
    """The same module (no copy) with parameters and buffers in float64 and complex128."""
    for module in layer.modules():
        for parameter in module.parameters(recurse=False):
            parameter.data = doubled(parameter.data)
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, doubled(buffer))
    return layer


def doubled(tensor: Tensor) -> Tensor:
    """In float64 or complex128; integers as they are."""
    return tensor.to(DOUBLE.get(tensor.dtype, tensor.dtype))


def woken(layer: nn.Module, width: float, seed: int) -> nn.Module:
    """The same module, with parameters that are zero throughout drawn at random."""
    random = generator(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.copy_(width * normal_like(parameter, random))
    return layer


@contextmanager
def own_random_numbers(device: torch.device, seed: int) -> Iterator[None]:
    """Draws inside begin at a seed, and leave the global generators as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def gradients(output: Tensor, cotangent: Tensor, wanted: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of the real number <cotangent, output>; zeros where it does not depend on a tensor."""
    if not wanted:
        return []
    found: Sequence[Tensor | None] = [None] * len(wanted)
    if output.requires_grad:
        found = torch.autograd.grad(output, list(wanted), cotangent, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]
