"""`Training`: how a preset of an architecture is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """Numbers for the trainer, as an architecture recommends them.

    Attributes:
        tokeniser, vocabulary: kind of tokeniser, and its size at most.
        max_length: tokens of a text; the rest is cut off.
        learning_rate, weight_decay: of AdamW.
        embedding_rate: learning rate of embeddings, as a multiple.
        lazy_embeddings: update only the rows of embeddings that occur, which is much faster on a CPU.
        warmup: steps in which the rate rises.
        schedule: how it falls, ``"linear"`` or ``"cosine"``.
        epochs, batch: passes over the data, texts per step.
        clip: largest norm of the gradient.
        label_smoothing: share of the target that is spread over all classes.
    """

    tokeniser: str = "words"
    vocabulary: int = 30_000
    max_length: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    embedding_rate: float = 1.0
    lazy_embeddings: bool = True
    warmup: int = 100
    schedule: str = "cosine"
    epochs: int = 4
    batch: int = 32
    clip: float = 1.0
    label_smoothing: float = 0.0
