"""`Cell`: one run of one row on one data set with one seed; its fingerprint names what its result depends on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from .recipe import Budget, Recipe

SCHEMA = 1
"""Raised when a change of the program makes results of before worthless."""

Purpose = Literal["tuning", "final"]


@dataclass(frozen=True)
class Cell:
    """Everything that decides the result of one run.

    Attributes:
        recipe: the row.
        data: name of the data set.
        content: fingerprint of the data set as it was read.
        budget: epochs, tokens or seconds.
        seed: of weights, batches and dropout; the validation split is the same for all seeds.
        rate: learning rate; 0 of a classifier.
        purpose: "tuning" sees a part of the training split and never the test split.
        fraction: part of the training split that is used.
        validation: part of the validation split; None: the same.
        test_samples: texts of the test split, drawn evenly from the classes; None: all.
    """

    recipe: Recipe
    data: str
    content: str
    budget: Budget
    seed: int
    rate: float
    purpose: Purpose = "final"
    fraction: float = 1.0
    validation: float | None = None
    test_samples: int | None = None

    def described(self) -> dict[str, Any]:
        """As plain data, presets written out; the row's name and its rates are left out: they change no result."""
        recipe = self.recipe
        plain = {**dataclasses.asdict(self), "recipe": _plain(recipe)}
        plain["recipe"]["like"] = None if recipe.like is None else _plain(recipe.like)
        if not recipe.is_network:
            for name in ("tokeniser", "vocabulary", "max_length", "batch", "training", "label_smoothing"):
                plain["recipe"].pop(name)
            plain["budget"] = None
        return plain

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of what the result depends on."""
        content = json.dumps({"schema": SCHEMA, **self.described()}, sort_keys=True, default=list)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """For files and messages; two different cells differ at least in their fingerprints."""
        words = f"{self.data} {self.recipe.name} {self.purpose} rate {self.rate:g} seed {self.seed}"
        return re.sub(r"[^A-Za-z0-9.+-]+", "_", words)


def _plain(recipe: Recipe) -> dict[str, Any]:
    kept = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    for name in ("name", "rates", "like"):
        kept.pop(name)
    plain = {name: dict(value) if name in ("options", "training") else value for name, value in kept.items()}
    return {**plain, "config": recipe.configuration()} if recipe.is_network else plain
