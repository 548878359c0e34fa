"""Whole words in lower case, and punctuation marks: the vocabulary is the most frequent of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from fieldsolver.models.parts import UNKNOWN

from .tokeniser import RESERVED, Tokeniser

_TOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")


class Words(Tokeniser):
    """A word, with its apostrophes, is a token; so is every other character that is no white space."""

    kind: ClassVar[str] = "words"
    about: ClassVar[str] = "words in lower case and punctuation, the most frequent ones"

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self._ids = {token: number for number, token in enumerate(self.tokens) if number >= len(RESERVED)}

    @classmethod
    def fitted(cls, texts: Sequence[str], size: int) -> Words:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_split(text))
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        return cls({"tokens": ranked[: size - len(RESERVED)]})

    def encode_one_by_one(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        find = self._ids.get
        return ([find(token, UNKNOWN) for token in _split(text)] for text in texts)

    def join(self, tokens: list[str]) -> str:
        return " ".join(tokens)


def _split(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())
