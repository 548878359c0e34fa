"""`Config`: everything that a Wave Network is, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldsolver.errors import OptionError, listing
from fieldsolver.models.parts import POOLS, check_between, check_choice, check_not_negative, check_share, check_whole

from .representation import AMPLITUDES
from .superposition import MODES

BLOCKS = ("wave", "wave_attention", "attention", "mlp", "nls", "continuous")
READOUTS = ("re_im", "abs", "re", "phase")
HEADS = ("classes", "next_token", "masked_token")
POSITIONS = ("none", "sinusoidal")
EMBEDDINGS = ("uniform", "normal", "unit")
READ_BY = {
    "mode": ("wave", "continuous"),
    "normalise": ("wave",),
    "conserve": ("wave",),
    "readout": ("wave",),
    "residual": ("wave",),
    "phase_diversity": ("wave",),
    "amplitude": ("wave", "wave_attention", "nls"),
    "eps": ("wave", "wave_attention", "nls"),
    "heads": ("attention", "wave_attention"),
    "expansion": ("mlp",),
    "duration": ("nls", "continuous"),
    "steps": ("nls", "continuous"),
}
"""Options that only some blocks read."""
LOOKS_AHEAD = ("nls", "continuous")
"""Blocks that have no causal form."""


@dataclass(frozen=True)
class Config:
    """A Wave Network.

    Attributes:
        vocabulary: number of token ids.
        classes: number of classes.
        dim: numbers per token, the paper's d.
        blocks: what the tokens go through, in this order; names, or one string with commas.
        mode: how two waves become one.
        amplitude: what stands in the imaginary part: the ``"norm"`` of the other tokens, as in the paper, or their
            ``"rms"``.
        normalise: divide every superposition by the root mean square of its columns; ``"learnable"`` always does.
        conserve: give every superposition the energy of its waves.
        readout: from complex to real: a linear map of ``"re_im"``; ``"abs"``, as in the paper; ``"re"``, a control;
            ``"phase"``, a complex linear map and modReLU before the linear map.
        residual: blocks are added to what they are given, which is normalised first; False: the paper's plain block.
        pool: over tokens, before the head.
        head: ``"classes"`` answers (B, K); the others (B, N, vocabulary), with the embedding's own weights.
        causal: no token depends on later ones.
        forgetting: factor per token of causal sums; 1 forgets nothing.
        positions: what is added to embeddings.
        position_scale: amplitude of the sines; the paper leaves it open.
        bigrams: rows of a second table for pairs of neighbouring tokens, found by hashing; 0: none.
        embedding: initial values: ``"uniform"`` in +-0.1, ``"normal"`` with deviation 0.02, ``"unit"``: uniform rows of
            length 1.
        eps: smallest imaginary part, relative to the numbers of the text.
        dropout: of what every block adds, and of what the head sees.
        embedding_dropout: of the numbers of embeddings.
        word_dropout: of whole tokens while training.
        phase_diversity: weight of the penalty on equal phases.
        heads: of the attention blocks.
        expansion: hidden width of ``"mlp"`` blocks over `dim`.
        duration, steps: of ``"nls"`` and ``"continuous"`` blocks.

    Raises:
        OptionError: values that make no sense, alone or together.
    """

    vocabulary: int = 30522
    classes: int = 4
    dim: int = 128
    blocks: tuple[str, ...] = ("wave",)
    mode: str = "modulation"
    amplitude: str = "norm"
    normalise: bool = False
    conserve: bool = False
    readout: str = "re_im"
    residual: bool = True
    pool: str = "mean"
    head: str = "classes"
    causal: bool = False
    forgetting: float = 1.0
    positions: str = "none"
    position_scale: float = 0.1
    bigrams: int = 0
    embedding: str = "uniform"
    eps: float = 1e-6
    dropout: float = 0.0
    embedding_dropout: float = 0.0
    word_dropout: float = 0.0
    phase_diversity: float = 0.0
    heads: int = 4
    expansion: int = 2
    duration: float = 1.0
    steps: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", _names(self.blocks))
        for name, known in _CHOICES.items():
            check_choice(name, getattr(self, name), known)
        for block in self.blocks:
            check_choice("a block", block, BLOCKS)
        for name in ("vocabulary", "classes", "dim", "heads", "expansion", "steps"):
            check_whole(name, getattr(self, name), 1)
        check_whole("vocabulary", self.vocabulary, 2)  # padding and what is unknown
        check_whole("bigrams", self.bigrams, 0)
        for name in ("dropout", "embedding_dropout", "word_dropout"):
            check_share(name, getattr(self, name))
        check_between("eps", self.eps, 1e-12, 0.1, "1e-12 <= value < 0.1")
        for name in ("phase_diversity", "position_scale", "duration"):
            check_not_negative(name, getattr(self, name))
        if not 0.0 < self.forgetting <= 1.0:
            raise OptionError(f"forgetting is a factor with 0 < value <= 1, got {self.forgetting!r}")
        self._check_together()

    def _check_together(self) -> None:
        waves = "wave" in self.blocks
        if not self.blocks:
            raise OptionError(f"a network needs at least one block; known: {listing(BLOCKS)}")
        if any("attention" in block for block in self.blocks) and self.dim % self.heads:
            raise OptionError(f"dim={self.dim} is no multiple of heads={self.heads}; choose heads that divide it")
        if self.positions == "sinusoidal" and self.dim % 2:
            raise OptionError(f"sinusoidal positions need an even dim, got {self.dim}")
        if self.conserve and (self.normalise or self.mode == "learnable"):
            raise OptionError("conserve sets the energy of a column, and normalise divides it out again; keep one")
        if waves and self.readout == "abs" and self.mode == "modulation" and self.amplitude == "norm":
            if self.normalise:
                raise OptionError("|Z| of a normalised modulation is 1 everywhere; take another readout than 'abs'")
            if self.conserve:
                raise OptionError("|Z1 Z2/|Z2|| is |Z1|: 'abs' would not see the second wave; take another readout")
        self._check_read()
        self._check_causality()

    def _check_read(self) -> None:
        """An option that nothing reads would be a silent one."""
        for name, blocks in READ_BY.items():
            value, plain = getattr(self, name), type(self).__dataclass_fields__[name].default
            if value != plain and not set(blocks) & set(self.blocks):
                raise OptionError(
                    f"{name}={value!r} changes nothing without a block {' or '.join(map(repr, blocks))}, and there is "
                    f"none; leave it at {plain!r}"
                )
        if self.positions == "none" and self.position_scale != type(self).position_scale:
            raise OptionError(f"position_scale={self.position_scale!r} changes nothing with positions='none'")

    def _check_causality(self) -> None:
        ahead = [block for block in self.blocks if block in LOOKS_AHEAD]
        if self.head == "next_token" and not self.causal:
            raise OptionError(
                "head='next_token' predicts the next token, but every token sees the whole text; add causal=True"
            )
        if self.causal and ahead:
            raise OptionError(f"a block {ahead[0]!r} couples tokens both ways; leave it out of a causal network")
        if self.forgetting != 1.0 and not self.causal:
            raise OptionError("forgetting needs an order of tokens; add causal=True")


_CHOICES = {
    "mode": MODES,
    "amplitude": AMPLITUDES,
    "readout": READOUTS,
    "pool": POOLS,
    "head": HEADS,
    "positions": POSITIONS,
    "embedding": EMBEDDINGS,
}


def _names(blocks: Any) -> tuple[str, ...]:
    """Blocks from a tuple, from a list of a file, or from a string of a command line."""
    if isinstance(blocks, str):
        return tuple(blocks.replace(",", " ").split())
    if not isinstance(blocks, (tuple, list)):
        raise OptionError(f"blocks are names, such as ('wave', 'mlp'), got {blocks!r}")
    return tuple(blocks)
