"""How the command line reads numbers and names that may be left out."""

from __future__ import annotations

from typing import Annotated, Any

import tyro


def _number(kind: type[float] | type[int], words: str) -> tyro.constructors.PrimitiveConstructorSpec[Any]:
    """How the command line reads a number that may be left out: a message that names no Python class."""

    def read(texts: list[str]) -> float | int:
        try:
            return kind(texts[0])
        except ValueError:
            raise ValueError(f"{texts[0]!r} is not {words}") from None

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=kind.__name__.upper(),
        instance_from_str=read,
        is_instance=lambda value: value is None or isinstance(value, kind),
        str_from_instance=lambda value: [str(value)],
    )


Float = Annotated[float | None, _number(float, "a number")]
Int = Annotated[int | None, _number(int, "a whole number")]
