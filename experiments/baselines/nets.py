"""The networks among the baselines; they are trained as every other model is."""

from __future__ import annotations

from fieldsolver.models.catalogue import Architecture

NETS: dict[str, Architecture] = {
    "bag": Architecture(
        "fieldsolver.experiments.baselines.bag", "mean of embeddings of words and hashed pairs (fastText)"
    ),
    "transformer": Architecture(
        "fieldsolver.experiments.baselines.transformer", "pre-norm encoder, padding masked, sinusoidal positions"
    ),
}
