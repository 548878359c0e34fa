"""The options of the bag of embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from fieldsolver.models.parts import Preset, check_share, check_whole


@dataclass(frozen=True)
class Config:
    """Options of `BagOfEmbeddings`.

    Attributes:
        vocabulary: number of token ids.
        classes: K.
        dim: numbers per embedding.
        buckets: rows of the table of pairs; a hash says which pair takes which row. 0: no pairs.
        dropout: share of averaged features that are dropped in training.

    Raises:
        OptionError: a number that makes no sense.
    """

    vocabulary: int
    classes: int
    dim: int = 64
    buckets: int = 200_000
    dropout: float = 0.3

    def __post_init__(self) -> None:
        for name, least in (("vocabulary", 2), ("classes", 2), ("dim", 1), ("buckets", 0)):
            check_whole(name, getattr(self, name), least)
        check_share("dropout", self.dropout)


PRESETS: dict[str, Preset] = {
    "pairs": Preset("words and pairs of words, as in the paper's best rows", {}),
    "words": Preset("words alone", {"buckets": 0}),
}
