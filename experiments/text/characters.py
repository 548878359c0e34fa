"""Single characters: nothing is joined, and the vocabulary is the most frequent of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from fieldsolver.models.parts import UNKNOWN

from .tokeniser import RESERVED, Tokeniser


class Characters(Tokeniser):
    """Every character is a token, white space and capitals too; decoding is exact but for characters never met."""

    kind: ClassVar[str] = "characters"
    about: ClassVar[str] = "single characters, capitals and white space too, the most frequent ones"
    exact: ClassVar[bool] = True

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self._ids = {token: number for number, token in enumerate(self.tokens) if number >= len(RESERVED)}

    @classmethod
    def fitted(cls, texts: Sequence[str], size: int) -> Characters:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        return cls({"tokens": ranked[: size - len(RESERVED)]})

    def encode_one_by_one(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        find = self._ids.get
        return ([find(character, UNKNOWN) for character in text] for text in texts)

    def join(self, tokens: list[str]) -> str:
        return "".join(tokens)
