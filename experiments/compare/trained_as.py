"""How an architecture wants a preset to be trained, as fields of a `Recipe`."""

from __future__ import annotations

from typing import Any

from fieldsolver.models.catalogue import MODELS

READ = ("tokeniser", "vocabulary", "max_length", "batch")
TRAINED = ("weight_decay", "clip", "embedding_rate", "lazy_embeddings", "schedule")


def trained_as(model: str, preset: str | None) -> dict[str, Any]:
    """Tokens, batch, rates to try and options of the trainer; empty if the architecture's TRAINING does not say."""
    wanted = _wanted(model, preset)
    if wanted is None:
        return {}
    return {
        **{key: getattr(wanted, key) for key in READ},
        "rates": rates_around(wanted.learning_rate),
        "training": {
            **{key: getattr(wanted, key) for key in TRAINED if hasattr(wanted, key)}, "warmup_steps": wanted.warmup
        },
        "label_smoothing": getattr(wanted, "label_smoothing", 0.0),
    }  # fmt: skip


def epochs_of(model: str, preset: str, otherwise: int) -> int:
    """Passes over the data that the architecture asks for."""
    wanted = _wanted(model, preset)
    return otherwise if wanted is None else int(wanted.epochs)


def rates_around(rate: float) -> tuple[float, ...]:
    """Three rates, a factor of about three apart: what an architecture recommends, in the middle."""
    return tuple(float(f"{factor * rate:.1g}") for factor in (1 / 3, 1.0, 3.0))


def _wanted(model: str, preset: str | None) -> Any:
    known = getattr(MODELS[model].load(), "TRAINING", {})
    return known.get(preset) if preset is not None else None
