"""`Example`: an input of a layer, and what its axes mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from .unfit_error import UnfitError

Call = Callable[..., Tensor]


@dataclass(frozen=True)
class Example:
    """An input of a layer, with names for the axes of input and output.

    The checks draw further inputs of other lengths and batch sizes from these values, so that ranges are kept.

    Args:
        values: an input as the layer takes it: real or complex numbers, or token ids (integers).
        axes: such as ``"B T D -> B T K"``. `B` counts the samples, `T` the tokens in their order, `C` and `D` the
            components; any other name is a place on a grid (``"B C X Y -> B C X Y"``). An output without `T` is a
            read-out of the whole sequence (``"B T -> B K"``).
        vocabulary: number of token ids; only with ids.
        mask: keyword under which the layer takes a mask (B, T), True on real tokens.
        lengths: keyword under which the layer takes the numbers of real tokens, (B,).
        pad_id: the token id of padding, where the layer finds the mask by itself.
        call: ``call(layer, values, **masks) -> output``, for layers that take or return more than one tensor.

    Raises:
        OptionError: axes that do not fit the values, ids without a vocabulary, more than one way to tell padding.
    """

    values: Tensor
    axes: str
    vocabulary: int | None = None
    mask: str | None = None
    lengths: str | None = None
    pad_id: int | None = None
    call: Call | None = None

    def __post_init__(self) -> None:
        entering, leaving = self.names
        shape = tuple(self.values.shape)
        if len(entering) != len(shape):
            raise OptionError(f"axes {self.axes!r} name {len(entering)} axes of the input, but its shape is {shape}")
        if "B" not in entering or "B" not in leaving:
            raise OptionError(f"axes {self.axes!r} name no samples; B must stand on both sides, as in 'B T D -> B T K'")
        if "T" in leaving and "T" not in entering:
            raise OptionError(f"axes {self.axes!r} have tokens in the output only; name the input's axis of tokens T")
        if self.values.numel() == 0:
            raise OptionError(f"the example has shape {shape}; give one with at least one sample and token")
        self._check_ids()
        ways = {name: getattr(self, name) for name in ("mask", "lengths", "pad_id")}
        told = [name for name, value in ways.items() if value is not None]
        if len(told) > 1:
            raise OptionError(f"padding is told by {' and by '.join(told)}; keep one of them")
        if told and "T" not in entering:
            raise OptionError(f"{told[0]} tells padded tokens, but axes {self.axes!r} have no T")

    def _check_ids(self) -> None:
        numbers = self.values.is_floating_point() or self.values.is_complex()
        if numbers and self.vocabulary is not None:
            raise OptionError(f"vocabulary belongs to token ids, but the example is {self.values.dtype}; leave it out")
        if numbers and self.pad_id is not None:
            raise OptionError(f"pad_id belongs to token ids, but the example is {self.values.dtype}; use mask=")
        if not numbers and (self.vocabulary is None or self.vocabulary - (self.pad_id is not None) < 2):
            raise OptionError(f"token ids need their number, at least 2 besides padding; got {self.vocabulary!r}")
        if not numbers and not 0 <= int(self.values.min()) <= int(self.values.max()) < (self.vocabulary or 0):
            raise OptionError(f"token ids must lie in 0 .. {self.vocabulary} - 1; check vocabulary=")

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """The axes of the input and those of the output."""
        sides = [side.split() for side in self.axes.split("->")]
        if len(sides) != 2 or any(len(set(side)) != len(side) for side in sides):
            raise OptionError(f"axes are written as 'B T D -> B T K', each name once a side; got {self.axes!r}")
        return sides[0], sides[1]

    @property
    def ids(self) -> bool:
        """Whether the input is token ids."""
        return self.vocabulary is not None

    @property
    def ordered(self) -> bool:
        """Whether the input has tokens."""
        return "T" in self.names[0]

    @property
    def pooled(self) -> bool:
        """Whether the output has no tokens."""
        return "T" not in self.names[1]

    @property
    def leading(self) -> list[str]:
        """The axes that stand first inside the checks: samples, and tokens where there are any."""
        return ["B", "T"] if self.ordered else ["B"]

    def plain(self) -> Tensor:
        """The values as (B, T, ...), or (B, ...) without tokens."""
        places = [self.names[0].index(name) for name in self.leading]
        return self.values.detach().movedim(places, list(range(len(places))))

    def as_input(self, plain: Tensor) -> Tensor:
        """(B, T, ...) in the order of the layer."""
        places = [self.names[0].index(name) for name in self.leading]
        return plain.movedim(list(range(len(places))), places)

    def output(self, layer_output: Any, plain: Tensor) -> Tensor:
        """What the layer returned as (B, T, ...), or (B, ...) where it has no tokens.

        Raises:
            UnfitError: no tensor of numbers, or not these axes.
        """
        if not isinstance(layer_output, Tensor):
            kind = type(layer_output).__name__
            raise UnfitError(f"the layer returned a {kind}; pass call=lambda layer, x: ..., which returns one tensor")
        if not (layer_output.is_floating_point() or layer_output.is_complex()):
            raise UnfitError(f"the layer returned {layer_output.dtype}; the checks need real or complex numbers")
        leading = [name for name in self.leading if name in self.names[1]]
        shape = tuple(layer_output.shape)
        if len(shape) == len(self.names[1]):
            ordered = layer_output.movedim([self.names[1].index(name) for name in leading], list(range(len(leading))))
            if ordered.shape[: len(leading)] == plain.shape[: len(leading)]:
                return ordered
        sizes = ", ".join(f"{name} = {size}" for name, size in zip(self.leading, plain.shape, strict=False))
        raise UnfitError(f"the layer returned the shape {shape}, which does not fit axes {self.axes!r} with {sizes}")

    def component_axes(self) -> list[int]:
        """Places of the axes C and D in the values as `plain` has them."""
        rest = [name for name in self.names[0] if name not in self.leading]
        return [len(self.leading) + i for i, name in enumerate(rest) if name in ("C", "D")]

    def masks(self, real: Tensor) -> dict[str, Tensor]:
        """What the layer is told about padding; `real` is (B, T), True on real tokens."""
        if self.mask is not None:
            return {self.mask: real}
        if self.lengths is not None:
            return {self.lengths: real.sum(1)}
        return {}


def every_token(plain: Tensor) -> Tensor:
    """A mask (B, T) without padding."""
    return torch.ones(plain.shape[:2], dtype=torch.bool, device=plain.device)
