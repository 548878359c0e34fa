"""The width of the transformer that has as many parameters as another model."""

from __future__ import annotations

from typing import Any

from fieldsolver.errors import OptionError
from fieldsolver.models.parts import TextModel

from .config import Config

LEAST_HEAD = 8
WIDEST = 2050
TOLERANCE = 0.05


def matched_transformer(model: TextModel, *, layers: int = 2, **changes: Any) -> Config:
    """The transformer whose numbers of parameters, of embeddings and of the rest, are closest to the model's.

    Args:
        model: with `vocabulary` and `classes` in its configuration.
        layers: number of blocks.
        changes: other options of `Config`.

    Raises:
        OptionError: the closest total is more than 5 % away.
    """
    table = model.parameter_table()
    vocabulary, classes = model.config.vocabulary, model.config.classes
    embeddings = {max(1, round(table["embedding"] / vocabulary) + shift) for shift in (-1, 0, 1)}
    sizes = [(embedding, width) for embedding in embeddings for width in range(2, WIDEST, 2)]

    def distance(size: tuple[int, int]) -> int:
        own = parameter_counts(vocabulary, classes, *size, layers)
        return sum(abs(own[kind] - table[kind]) for kind in ("embedding", "rest"))

    embedding, width = min(sizes, key=distance)
    found = sum(parameter_counts(vocabulary, classes, embedding, width, layers).values())
    if abs(found - table["total"]) > TOLERANCE * table["total"]:
        raise OptionError(
            f"the transformer of {layers} layers closest to {table['total']:,} parameters with {vocabulary:,} token "
            f"ids has {found:,}; take fewer layers"
        )
    heads = max(count for count in (1, 2, 4, 8) if width % count == 0 and (width // count >= LEAST_HEAD or count == 1))
    settled = {"heads": heads, **changes}
    return Config(vocabulary, classes, embedding=embedding, width=width, layers=layers, **settled)


def parameter_counts(vocabulary: int, classes: int, embedding: int, width: int, layers: int) -> dict[str, int]:
    """Numbers of parameters of embeddings and of the rest; the perceptron is 4 times as wide."""
    enter = 0 if embedding == width else embedding * width
    block = 12 * width**2 + 13 * width  # attention 4 w^2 + 4 w, perceptron 8 w^2 + 5 w, two norms 4 w
    head = 2 * width + (width + 1) * classes
    return {"embedding": vocabulary * embedding, "rest": enter + layers * block + head}
