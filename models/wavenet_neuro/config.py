"""`Config`: every switch of the token field."""

from __future__ import annotations

from dataclasses import dataclass

from .config_checks import check


@dataclass(frozen=True)
class Config:
    """A reaction-diffusion field for text; the unit of length is the distance of two tokens.

    Attributes:
        vocabulary, classes: numbers of token ids and of answers.
        embedding, channels: E and C, components of the token vectors and of the field.
        scale: length of a token vector at the start.
        bigrams: rows of a second table, for pairs of neighbouring tokens found by hashing; 0: none.
        projection: a linear map from E to C; without it both are equal.
        positions: ``"none"``, ``"sinusoidal"`` or ``"learned"`` (up to `max_length` tokens).
        max_length: tokens that learned positions know.
        dropout, word_dropout, head_dropout: of components of token vectors, of whole tokens, of the pooled vector.
        geometry: ``"line"``, ``"hilbert"`` or ``"raster"``, how tokens lie in space.
        boundary: ``"neumann"`` (nothing leaves the text), ``"periodic"`` or ``"dirichlet"`` (its ends absorb).
        diffusion: ``"channels"`` (D per channel), ``"matrix"`` (``L L^T``), ``"learned"`` (weights per distance, never
            amplifying), or ``"none"``.
        diffusivity: where D starts.
        shifts: distances of the learned diffusion, 1 .. `shifts`.
        transport: ``- a*d_dx(phi)`` with a trained speed per channel; it tells left from right.
        speed: spread of the speeds at the start.
        reaction: ``"mlp"``, ``"bounded"``, ``"gradient"``, ``"contractive"``, ``"mean_field"`` (contractive too, and
            every token feels the mean of its text), ``"consensus"`` (so is this; the mean alone is pulled along),
            ``"none"``, or kinetics by name.
        expansion: width of the reaction's hidden layer, as a multiple of C.
        gain: factor on the usual initial weights of the reaction's last layer.
        slopes: the reaction of kind ``"mlp"`` sees ``d_dx(phi)`` too.
        norm: the reaction of kind ``"mlp"`` sees the field normalised over channels, at every position by itself.
        limit: largest rate of the bounded reaction.
        margin: rate at which the reactions ``"contractive"``, ``"mean_field"`` and ``"consensus"`` bring all states
            together at least, 1/time.
        strength: rate at which they do so besides where they are saturated, 1/time; trained with ``"contractive"``.
        decay: where the trained rate k of ``- k*phi`` starts; 0: without the term.
        input: the text as ``"initial"`` state, as lasting ``"forcing"``, or as ``"both"``.
        stopping: ``"steps"`` (fixed), ``"time"`` (adaptive steps to a fixed time), ``"steady"`` (each text until it
            rests).
        duration: of the run, 0 for none; with ``"steady"`` the time after which a text gives up.
        steps: number of fixed steps; None: as many as stability asks for.
        step: length of fixed steps with ``"steady"``; 0: adaptive ones.
        method: a scheme of the solver by name.
        tolerance: of adaptive steps, and with ``"steady"`` the rate below which a field rests.
        gradient: mode by name; ``"auto"``: direct, checkpointed or implicit, as `stopping` goes; implicit to a tenth of
            `tolerance` where that is 1e-3 or more.
        states: that ``gradient="checkpointed"`` keeps, so that its memory does not depend on the number of steps; None:
            all of them while they take less than 64 MiB.
        ponder: weight of the length of the path to rest in the loss.
        causal: no position hears a later one.
        window: tokens back that a causal field hears in one step.
        readout: ``"mean"``, ``"max"``, ``"mean_max"``, ``"attention"``, ``"last"``, or ``"tokens"`` (an answer each).
        skip: the readout sees the token vectors beside the field.
        hidden: width of the head; 0: a linear head.
        overflow: size of a field beyond which a run is refused as unstable; 0: nobody looks.
        variant: ``"field"``, or other dynamics by name.

    Raises:
        OptionError: values that cannot be, or cannot be together.
    """

    vocabulary: int = 20_000
    classes: int = 2
    embedding: int = 64
    channels: int = 64
    scale: float = 1.0
    bigrams: int = 0
    projection: bool = True
    positions: str = "none"
    max_length: int = 512
    dropout: float = 0.0
    word_dropout: float = 0.0
    head_dropout: float = 0.0
    geometry: str = "line"
    boundary: str = "neumann"
    diffusion: str = "channels"
    diffusivity: float = 0.1
    shifts: int = 2
    transport: bool = False
    speed: float = 0.3
    reaction: str = "mlp"
    expansion: float = 2.0
    gain: float = 1.0
    slopes: bool = False
    norm: bool = False
    limit: float = 1.0
    margin: float = 0.5
    strength: float = 1.0
    decay: float = 0.0
    input: str = "initial"
    stopping: str = "steps"
    duration: float = 2.0
    steps: int | None = 4
    step: float = 0.0
    method: str = "euler"
    tolerance: float = 1e-3
    gradient: str = "auto"
    states: int | None = 4
    ponder: float = 0.0
    causal: bool = False
    window: int = 1
    readout: str = "mean"
    skip: bool = False
    hidden: int = 32
    overflow: float = 1e6
    variant: str = "field"

    def __post_init__(self) -> None:
        check(self)
