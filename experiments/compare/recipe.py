"""`Recipe` and `Budget`: what is trained, how, and for how long; data and seeds come from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.experiments.baselines import CLASSIFIERS, NETS
from fieldsolver.models.catalogue import MODELS, Architecture
from fieldsolver.models.parts import configured

LEAST_RATES = 3
RATES = (3e-4, 1e-3, 3e-3)


@dataclass(frozen=True)
class Budget:
    """How long a network is trained: exactly one of the four.

    Attributes:
        epochs: passes over the training split.
        tokens: real tokens, padding not counted.
        seconds: of training; evaluation is not counted.
        seconds_of: name of another row: the mean of its training seconds on the same data.
    """

    epochs: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    seconds_of: str | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) != 1:
            raise OptionError(f"a budget is one of epochs, tokens, seconds or seconds_of; got {listing(given)}")
        ((name, value),) = given.items()
        if name != "seconds_of" and not value > 0:
            raise OptionError(f"a budget of {name} is positive, got {value}")

    def __str__(self) -> str:
        if self.epochs is not None:
            return f"{self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        if self.tokens is not None:
            return f"{self.tokens:,} tokens"
        return f"{self.seconds:.0f} s" if self.seconds is not None else f"the seconds of {self.seconds_of}"


@dataclass(frozen=True)
class Recipe:
    """One row of a table.

    Attributes:
        name: of the row.
        model: an architecture of the catalogue, "bag", "transformer", or a classifier ("tfidf", "nbsvm", "majority").
        preset: of the architecture.
        options: changes to its configuration.
        tokeniser: "words", "bpe" or "wordpiece"; fitted on the training split.
        vocabulary: most token ids, the two reserved ones included.
        max_length: tokens of a text that are read.
        batch: texts per step.
        rates: learning rates that are tried on a tenth of the training split, at least three; a classifier has none.
        training: further options of the trainer, such as ``weight_decay``.
        label_smoothing: share of the target that is spread over all classes.
        like: another row; the transformer gets as many parameters as that one's model.
    """

    name: str
    model: str
    preset: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    tokeniser: str = "words"
    vocabulary: int = 20_000
    max_length: int = 256
    batch: int = 64
    rates: tuple[float, ...] = RATES
    training: Mapping[str, Any] = field(default_factory=dict)
    label_smoothing: float = 0.0
    like: Recipe | None = None

    def __post_init__(self) -> None:
        known = [*MODELS, *NETS, *CLASSIFIERS]
        if self.model not in known:
            raise OptionError(f"there is no model {self.model!r}; known: {listing(known)}{nearest(self.model, known)}")
        if self.is_network and len(set(self.rates)) < LEAST_RATES:
            raise OptionError(
                f"row {self.name!r} is tuned over {len(set(self.rates))} learning rates; every network gets at least "
                f"{LEAST_RATES}, or the comparison favours those that got more"
            )
        if self.like is not None and self.model != "transformer":
            raise OptionError(f"only the transformer is matched to another model, not {self.model!r}")

    @property
    def is_network(self) -> bool:
        """Whether it is trained by gradients; otherwise fitted once."""
        return self.model not in CLASSIFIERS

    @property
    def architecture(self) -> Architecture:
        """Where its network comes from."""
        return {**MODELS, **NETS}[self.model]

    def configuration(self) -> dict[str, Any]:
        """Every option of its network as plain data; tokeniser and data settle `vocabulary` and `classes`.

        Raises:
            OptionError: no such preset or option, or values that the configuration refuses.
        """
        package = self.architecture.load()
        settled = {"vocabulary": max(2, self.vocabulary), "classes": 2}
        whole = configured(package.Config, package.PRESETS, self.preset, **{**self.options, **settled})
        return {name: value for name, value in asdict(whole).items() if name not in settled}
