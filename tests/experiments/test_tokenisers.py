"""Tokenisers: fitted the same every time, saved and loaded without loss, strangers' files refused."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fieldsolver as fs
from fieldsolver.errors import MissingDependencyError
from fieldsolver.experiments.text import TOKENISERS, Tokeniser, fit_tokeniser, load_tokeniser, subwords
from fieldsolver.experiments.text.subwords import BytePairs, WordPieces
from fieldsolver.experiments.text.words import Words
from fieldsolver.models.parts import PAD, UNKNOWN

KINDS = list(TOKENISERS)
TEXTS = [
    "The field is a wave, and the wave's a field.",
    "Ein Café in Zürich — 日本語 and Ωmega don't mix.",
    "the wave of the field, the field of the wave: 42 fields & 17 waves!",
    "rest, resting, rested, unrest; wave, waving, waved, unwaved",
]
FITTED = {kind: fit_tokeniser(kind, TEXTS, 330) for kind in KINDS}


@pytest.fixture(params=KINDS)
def tokeniser(request: pytest.FixtureRequest) -> Tokeniser:
    return FITTED[request.param]


def words_with_ties(seed: int = 0, number: int = 3000) -> list[str]:
    """Texts in which many pairs of characters are equally frequent."""
    generator = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzäöüß0123456789"))
    return [" ".join("".join(generator.choice(letters, 5)) for _ in range(4)) for _ in range(number // 4)]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class TestSaveAndLoad:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_loaded_one_encodes_equally(self, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        saved = FITTED[kind]
        loaded = load_tokeniser(saved.save(tmp_path_factory.mktemp("tokeniser") / "t.json"))
        assert loaded.checksum == saved.checksum
        assert loaded.size == saved.size

        @given(st.lists(st.text(), max_size=5))
        @settings(max_examples=100)
        def check(texts: list[str]) -> None:
            assert same(loaded.encode(texts), saved.encode(texts))

        check()

    def test_the_merges_are_not_lost(self, tmp_path: Path) -> None:
        loaded = load_tokeniser(FITTED["bpe"].save(tmp_path / "t.json"))
        text = "the wave of the field"
        assert loaded.encode([text])[0].size < len(text) / 2  # without merges: a token for each byte

    def test_the_file_appears_whole(self, tokeniser: Tokeniser, tmp_path: Path) -> None:
        tokeniser.save(tmp_path / "t.json")
        assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


class TestEncoding:
    @given(st.text())
    def test_byte_pairs_decode_exactly(self, text: str) -> None:
        tokeniser = FITTED["bpe"]
        assert tokeniser.decode(tokeniser.encode([text])[0]) == text

    @given(st.text())
    def test_ids_lie_in_the_vocabulary(self, text: str) -> None:
        for tokeniser in FITTED.values():
            ids = tokeniser.encode([text])[0]
            assert ids.dtype == np.int32
            assert PAD not in ids
            assert ids.size == 0 or ids.max() < tokeniser.size

    def test_how_the_reserved_ids_are_written_is_no_way_to_smuggle_them_in(self, tokeniser: Tokeniser) -> None:
        ids = tokeniser.encode(["[PAD] [PAD][UNK]"])[0]
        assert ids.size >= 6
        assert PAD not in ids

    def test_neighbours_do_not_matter(self, tokeniser: Tokeniser) -> None:
        assert same(tokeniser.encode(TEXTS), [tokeniser.encode([text])[0] for text in TEXTS])

    def test_no_text_and_no_texts(self, tokeniser: Tokeniser) -> None:
        wave = 5 if tokeniser.kind == "characters" else 1
        assert [ids.shape for ids in tokeniser.encode(["", " wave"])] == [(0,), (wave,)]
        assert tokeniser.encode([]) == []

    def test_a_very_long_text(self, tokeniser: Tokeniser) -> None:
        ids = tokeniser.encode(["wave " * 100_000])[0]
        assert ids.size >= 100_000

    def test_half_a_surrogate_pair(self, tokeniser: Tokeniser) -> None:
        assert same(tokeniser.encode(["a \ud83d b"]), tokeniser.encode(["a ? b"]))

    def test_a_string_is_not_several_texts(self, tokeniser: Tokeniser) -> None:
        with pytest.raises(fs.StateError, match=r"got one string; write \[text\]"):
            tokeniser.encode("wave")

    def test_words(self) -> None:
        tokeniser = Words({"tokens": ["wave", "'", "don't", "."]})
        ids = tokeniser.encode(["Wave don't. 'Particle'"])[0]
        assert ids.tolist() == [2, 4, 5, 3, UNKNOWN, 3]
        assert tokeniser.decode(ids) == "wave don't . ' [UNK] '"

    def test_wordpiece_takes_the_longest_parts_from_the_left(self) -> None:
        """The example of Devlin et al. (2019), `tokenization.py`: unaffable is un ##aff ##able."""
        tokeniser = WordPieces({"tokens": ["un", "una", "##aff", "##able", "##ffable", "##f"]})
        assert tokeniser.decode(tokeniser.encode(["UNÁFFABLE"])[0]) == "unaffable"
        pieces = WordPieces({"tokens": ["un", "##aff", "##able"]}).encode(["unaffable unknown"])[0]
        assert pieces.tolist() == [2, 3, 4, UNKNOWN]

    def test_decoding_refuses_what_is_no_id(self, tokeniser: Tokeniser) -> None:
        assert tokeniser.decode([PAD, PAD]) == ""
        assert tokeniser.decode([UNKNOWN]).strip() == "[UNK]"
        for wrong in (-1, tokeniser.size):
            with pytest.raises(fs.StateError, match=rf"token ids lie in 0\.\.{tokeniser.size - 1}, got {wrong}"):
                tokeniser.decode([wrong])


class TestFitting:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_same_every_time(self, kind: str) -> None:
        texts = words_with_ties()
        checksums = {fit_tokeniser(kind, texts, 700).checksum for _ in range(3)}
        assert len(checksums) == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_size_is_an_upper_limit(self, kind: str) -> None:
        texts = words_with_ties()
        assert fit_tokeniser(kind, texts, 400).size == (43 if kind == "characters" else 400)
        assert FITTED[kind].size <= 330

    def test_words_are_ranked_by_frequency_then_by_alphabet(self) -> None:
        tokeniser = fit_tokeniser("words", ["b a b", "d a b c"], 5)
        assert tokeniser.tokens[2:] == ["b", "a", "c"]

    def test_byte_pairs_of_sennrich(self) -> None:
        """Sennrich et al. (2016), algorithm 1: first e s, es t, then, without its end of word, l o, lo w."""
        texts = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
        tokeniser = fit_tokeniser("bpe", texts, 258 + 4)
        assert tokeniser.content["merges"] == [["e", "s"], ["es", "t"], ["l", "o"], ["lo", "w"]]

    def test_what_continues_a_word_is_known_for_wordpiece(self) -> None:
        tokeniser = fit_tokeniser("wordpiece", ["ab ba"], 6)
        assert tokeniser.tokens[2:] == ["##a", "##b", "a", "b"]

    def test_rare_characters_are_unknown_to_wordpiece(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(subwords, "ALPHABET", 2)
        tokeniser = fit_tokeniser("wordpiece", ["a a a b b b c c"], 20)
        assert [ids.tolist()[0] == UNKNOWN for ids in tokeniser.encode(["a", "b", "c"])] == [False, False, True]

    @pytest.mark.parametrize(
        ("kind", "size", "message"),
        [
            ("words", 2, "needs a size of at least 3, got 2"),
            ("bpe", 257, "needs a size of at least 258, got 257"),
            ("wordpiece", 10, r"a wordpiece tokeniser needs a size of at least \d+, got 10"),
            ("bytes", 300, "there is no tokeniser 'bytes'; known: words, bpe, wordpiece"),
            ("word-piece", 300, "did you mean 'wordpiece'"),
        ],
    )
    def test_what_cannot_be_fitted(self, kind: str, size: int, message: str) -> None:
        with pytest.raises(fs.OptionError, match=message):
            fit_tokeniser(kind, TEXTS, size)

    @pytest.mark.parametrize("texts", [[], ["", " \n"]])
    def test_no_texts(self, texts: list[str]) -> None:
        with pytest.raises(fs.OptionError, match=f"got {len(texts)} without a word in them"):
            fit_tokeniser("words", texts, 100)

    def test_without_the_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'fieldsolver\[experiments\]', or take the kind"):
            fit_tokeniser("bpe", TEXTS, 300)
        assert fit_tokeniser("words", TEXTS, 300).size > 3


def sealed(kind: str, content: Any) -> str:
    """A file whose checksum is right, whatever it holds."""
    checksum = hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode()).hexdigest()
    record = {"format": "fieldsolver tokeniser", "version": 1, "kind": kind, "checksum": checksum, "content": content}
    return json.dumps(record)


def altered(change: Callable[[dict[str, Any]], Any]) -> str:
    record = json.loads(sealed("words", {"tokens": ["a", "b"]}))
    change(record)
    return json.dumps(record)


LETTERS = sorted("abc")
STRANGERS = {
    "no JSON": ("tokens: a b", "is no JSON, or cut off"),
    "cut off": (sealed("words", {"tokens": ["a"]})[:-10], "is no JSON, or cut off"),
    "a list": ("[1, 2]", "is JSON of something else"),
    "tokenizers": ('{"model": {}, "pre_tokenizer": null}', r"is a tokenizer\.json of the tokenizers library; make one"),
    "another version": (altered(lambda r: r.update(version=2)), "has version 2, this one reads 1; upgrade"),
    "altered": (altered(lambda r: r["content"]["tokens"].append("c")), "was altered: its checksum is not"),
    "renamed": (altered(lambda r: r.update(kind="wordpiece")), "was altered"),
    "no content": (altered(lambda r: r.pop("content")), "was altered"),
    "unknown kind": (sealed("morse", {"tokens": ["a"]}), "of the kind 'morse'; known: words, bpe, wordpiece"),
    "no tokens": (sealed("words", {}), "is a list of strings; this one is not"),
    "numbers": (sealed("wordpiece", {"tokens": [1, 2]}), "is a list of strings; this one is not"),
    "twice": (sealed("words", {"tokens": ["a", "a"]}), "names every token once"),
    "padding": (sealed("words", {"tokens": ["a", "[PAD]"]}), "names every token once"),
    "no merges": (sealed("bpe", {"tokens": LETTERS}), "this one has none"),
    "wrong merge": (sealed("bpe", {"tokens": LETTERS, "merges": [["a", "b"]]}), r"\['a', 'b'\] does not"),
    "half a merge": (sealed("bpe", {"tokens": LETTERS, "merges": [["a"]]}), r"\['a'\] does not"),
}


class TestStrangersFiles:
    @pytest.mark.parametrize("kind", STRANGERS)
    def test_one_sentence(self, kind: str, tmp_path: Path) -> None:
        text, message = STRANGERS[kind]
        (tmp_path / "t.json").write_text(text, encoding="utf-8")
        with pytest.raises(fs.FileFormatError, match=message) as caught:
            load_tokeniser(tmp_path / "t.json")
        assert "\n" not in str(caught.value)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(fs.FileFormatError, match=r"cannot read the tokeniser .*No such file"):
            load_tokeniser(tmp_path / "absent.json")

    def test_another_encoding(self, tmp_path: Path) -> None:
        (tmp_path / "t.json").write_bytes('{"ü": 1}'.encode("latin-1"))
        with pytest.raises(fs.FileFormatError, match="is no JSON"):
            load_tokeniser(tmp_path / "t.json")


def test_kinds_have_different_checksums() -> None:
    assert Words({"tokens": ["a"]}).checksum != WordPieces({"tokens": ["a"]}).checksum
    assert len({tokeniser.checksum for tokeniser in FITTED.values()}) == len(KINDS)
    assert isinstance(FITTED["bpe"], BytePairs)
