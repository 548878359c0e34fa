"""The options of the transformer."""

from __future__ import annotations

from dataclasses import dataclass

from fieldsolver.errors import OptionError
from fieldsolver.models.parts import Preset, check_share, check_whole


@dataclass(frozen=True)
class Config:
    """Options of `Transformer`.

    Attributes:
        vocabulary: number of token ids.
        classes: K.
        embedding: numbers per token embedding; where it is not `width`, a linear map leads from one to the other.
        width: numbers per token in the blocks; a multiple of `heads`, and even.
        layers: number of blocks.
        heads: attention heads.
        expansion: width of the perceptron over `width`.
        dropout: of embeddings, of both branches of a block, and of the pooled vector.

    Raises:
        OptionError: a number that makes no sense.
    """

    vocabulary: int
    classes: int
    embedding: int = 64
    width: int = 64
    layers: int = 2
    heads: int = 4
    expansion: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        least = {"vocabulary": 2, "classes": 2, "embedding": 1, "width": 2, "layers": 0, "heads": 1, "expansion": 1}
        for name, value in least.items():
            check_whole(name, getattr(self, name), value)
        if self.width % self.heads or self.width % 2:
            raise OptionError(f"width is even and a multiple of heads = {self.heads}, got {self.width}")
        check_share("dropout", self.dropout)


PRESETS: dict[str, Preset] = {
    "small": Preset("two blocks of width 64, the size that WaveNetNeuro was first compared with", {}),
}
