"""Encoded splits and batches: nothing lost, nothing twice, little padding, few lengths, the same by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError

import fieldsolver as fs
from fieldsolver.errors import FieldSolverWarning
from fieldsolver.experiments.data import TextSplit
from fieldsolver.experiments.text import (
    EncodedSplit,
    Tokeniser,
    batches,
    collate,
    encode_split,
    encoded,
    fit_tokeniser,
    length_ladder,
    padded_length,
    shard,
)
from fieldsolver.experiments.text.words import Words
from fieldsolver.models.parts import PAD, checked_tokens

LENGTHS = st.lists(st.integers(0, 300), min_size=1, max_size=120)


def split_of(lengths: Sequence[int]) -> EncodedSplit:
    """Sample i has this many tokens, all of them 2 + i."""
    return EncodedSplit.of([np.full(length, 2 + index) for index, length in enumerate(lengths)], range(len(lengths)))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestLadder:
    @given(st.integers(1, 100_000))
    def test_padding_is_at_most_a_quarter_or_eight(self, longest: int) -> None:
        ladder = length_ladder(longest)
        assert ladder[-1] == longest
        steps = np.diff(ladder)
        assert (steps > 0).all()
        assert (steps <= np.maximum(8, ladder[:-1] / 4)).all()
        assert len(ladder) <= 42

    def test_the_next_rung(self) -> None:
        ladder = length_ladder(100)
        assert [padded_length(length, ladder) for length in (0, 1, 8, 9, 97, 100)] == [8, 8, 8, 16, 100, 100]
        with pytest.raises(fs.OptionError, match="101 tokens do not fit"):
            padded_length(101, ladder)
        with pytest.raises(fs.OptionError, match="at least one place, got 0"):
            length_ladder(0)


class TestEncodedSplit:
    @given(LENGTHS)
    def test_every_text_comes_out_as_it_went_in(self, lengths: list[int]) -> None:
        split = split_of(lengths)
        assert len(split) == len(lengths)
        assert split.lengths.tolist() == lengths
        assert split.tokens == sum(lengths)
        for index, length in enumerate(lengths):
            assert split[index].tolist() == [2 + index] * length
        assert split[-1].tolist() == split[len(lengths) - 1].tolist()

    @given(st.lists(st.lists(st.integers(2, 9), max_size=12), min_size=1, max_size=10), st.integers(1, 10))
    def test_truncation_keeps_the_first_tokens(self, ids: list[list[int]], most: int) -> None:
        cut = EncodedSplit.of([np.array(one, dtype=int) for one in ids], np.zeros(len(ids))).truncated(most)
        assert [cut[index].tolist() for index in range(len(ids))] == [one[:most] for one in ids]

    def test_selection(self) -> None:
        split = split_of([3, 0, 2])
        chosen = split.select([2, 0])
        assert [chosen[0].tolist(), chosen[1].tolist(), chosen.labels.tolist()] == [[4, 4], [2, 2, 2], [2, 0]]
        assert len(split.select(slice(0, 0))) == 0
        assert split.select(np.array([True, False, True])).labels.tolist() == [0, 2]

    def test_what_does_not_fit(self) -> None:
        with pytest.raises(fs.StateError, match="1 texts came with 2 labels"):
            EncodedSplit.of([np.array([2])], [0, 1])
        with pytest.raises(fs.OptionError, match="max_length is at least 1, got 0"):
            split_of([1]).truncated(0)
        with pytest.raises(IndexError):
            split_of([1])[1]


class TestBatches:
    @given(LENGTHS, st.integers(1, 40), st.one_of(st.none(), st.integers(0, 3)))
    def test_every_sample_is_in_exactly_one(self, lengths: list[int], size: int, seed: int | None) -> None:
        groups = batches(split_of(lengths), size, None if seed is None else seeded(seed))
        assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
        sizes = [len(group) for group in groups]
        assert max(sizes) <= size
        assert sum(number < size for number in sizes) <= 2
        assert min(sizes) >= min(len(lengths), size // 2)

    def test_neighbours_have_similar_lengths(self) -> None:
        lengths = np.random.default_rng(0).integers(1, 300, 2000)
        split = split_of(lengths.tolist())
        groups = batches(split, 32, seeded())
        padded = sum(collate(split, group).ids.numel() for group in groups)
        assert padded < 1.25 * lengths.sum()  # in one heap: 2 times
        assert len({collate(split, group).ids.shape[1] for group in groups}) <= len(split.ladder)

    def test_the_order_is_drawn_by_the_generator(self) -> None:
        split = split_of(np.random.default_rng(0).integers(1, 50, 300).tolist())
        generator = seeded()
        first, second = batches(split, 16, generator), batches(split, 16, generator)
        again = batches(split, 16, seeded())
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        assert {tuple(sorted(group)) for group in first} != {tuple(sorted(group)) for group in second}

    def test_lengths_come_in_no_order_while_training_and_in_order_for_evaluation(self) -> None:
        split = split_of(np.random.default_rng(0).integers(1, 200, 640).tolist())
        widths = [collate(split, group).ids.shape[1] for group in batches(split, 16, seeded())]
        assert np.corrcoef(widths, np.arange(40))[0, 1] < 0.6
        groups = batches(split, 16)
        assert (np.diff(split.lengths[np.concatenate(groups)]) >= 0).all()
        assert all(np.array_equal(a, b) for a, b in zip(groups, batches(split, 16), strict=True))

    def test_no_samples(self) -> None:
        assert batches(split_of([]), 4, seeded()) == []

    def test_a_given_ladder(self) -> None:
        split = split_of([3, 60, 5, 70])
        ladder = np.array([64, 128])
        assert collate(split, [0, 2], ladder).ids.shape == (2, 64)
        with pytest.raises(fs.OptionError, match="70 tokens do not fit"):
            batches(split, 3, seeded(), np.array([64]))
        with pytest.raises(fs.OptionError, match="at least one sample, got 0"):
            batches(split, 0)


class TestShards:
    @given(LENGTHS, st.integers(1, 4))
    def test_processes_share_every_batch(self, lengths: list[int], world: int) -> None:
        groups = batches(split_of(lengths), 2 * world, seeded())
        if len(lengths) < world:
            return
        shares = [shard(groups, rank, world) for rank in range(world)]
        for number, group in enumerate(groups):
            parts = [share[number] for share in shares]
            assert sorted(np.concatenate(parts).tolist()) == sorted(group.tolist())
            sizes = [len(part) for part in parts]
            assert min(sizes) >= 1
            assert max(sizes) - min(sizes) <= 1
        assert {len(share) for share in shares} == {len(groups)}

    def test_one_process_takes_all(self) -> None:
        groups = batches(split_of([3, 4, 5]), 2)
        assert [part.tolist() for part in shard(groups, 0, 1)] == [group.tolist() for group in groups]

    def test_what_cannot_be_shared(self) -> None:
        groups = batches(split_of([3, 4, 5]), 2)
        with pytest.raises(fs.OptionError, match=r"the rank lies in 0\.\.1, got 2"):
            shard(groups, 2, 2)
        with pytest.raises(fs.OptionError, match="one has 1; take batches of 4 samples or more, or fewer processes"):
            shard(groups, 0, 2)


class TestCollate:
    @given(LENGTHS)
    def test_rectangles(self, lengths: list[int]) -> None:
        split = split_of(lengths)
        chosen = np.arange(len(lengths))[::-3]
        batch = collate(split, chosen)
        assert batch.ids.shape == batch.mask.shape
        assert batch.ids.dtype == torch.int64
        for row, index in enumerate(chosen):
            assert batch.ids[row, : lengths[index]].tolist() == split[int(index)].tolist()
            assert (batch.ids[row, lengths[index] :] == PAD).all()
            assert batch.mask[row].sum() == lengths[index]
        assert batch.indices.tolist() == chosen.tolist()
        assert batch.labels.tolist() == chosen.tolist()

    def test_empty_texts_are_rows_of_padding_that_models_take(self) -> None:
        batch = collate(split_of([0, 0]), [0, 1])
        assert batch.ids.shape == (2, 1)
        assert not batch.mask.any()
        ids, mask = checked_tokens(batch.ids, batch.mask, 2)
        assert (ids.tolist(), mask.tolist()) == ([[0], [0]], [[False], [False]])

    def test_a_text_of_100_000_tokens(self) -> None:
        split = EncodedSplit.of([np.full(100_000, 7), np.array([3])], [0, 1])
        assert collate(split, [0]).ids.shape == (1, 100_000)
        assert collate(split.truncated(256), [0, 1]).ids.shape == (2, 256)

    def test_another_device(self, device: torch.device) -> None:
        batch = collate(split_of([2]), [0]).to(device)
        assert {tensor.device.type for tensor in batch} == {device.type}


SPLIT = TextSplit(["the wave and the field", "", "a field " * 30], np.array([0, 1, 1]))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every split is worth keeping; how many texts each call of encode got."""
    calls: list[int] = []
    encode = Tokeniser.encode

    def counting(self: Tokeniser, texts: Sequence[str]) -> list[np.ndarray]:
        calls.append(len(texts))
        return encode(self, texts)

    monkeypatch.setattr(Tokeniser, "encode", counting)
    monkeypatch.setattr(encoded, "WORTH_KEEPING", 0)
    return calls


class TestEncodeSplit:
    tokeniser = fit_tokeniser("words", SPLIT.texts, 50)

    def test_it_is_what_the_tokeniser_says(self) -> None:
        split = encode_split(self.tokeniser, SPLIT, max_length=10)
        assert split.lengths.tolist() == [5, 0, 10]
        assert split.labels.tolist() == [0, 1, 1]
        assert self.tokeniser.decode(split[0]) == SPLIT.texts[0]

    def test_the_second_time_nothing_is_encoded(self, tmp_path: Path, counted: list[int]) -> None:
        first = encode_split(self.tokeniser, SPLIT, cache=tmp_path / "cache")
        second = encode_split(self.tokeniser, SPLIT, max_length=4, cache=tmp_path / "cache")
        assert counted == [3]
        assert np.array_equal(second.ids, first.truncated(4).ids)
        assert second.ids.dtype == first.ids.dtype

    def test_another_text_or_tokeniser_is_another_file(self, tmp_path: Path, counted: list[int]) -> None:
        other = Words({"tokens": ["field"]})
        changed = TextSplit([*SPLIT.texts[:2], "something else"], SPLIT.labels)
        relabelled = TextSplit(SPLIT.texts, 1 - SPLIT.labels)
        encode_split(self.tokeniser, SPLIT, cache=tmp_path)
        assert encode_split(other, SPLIT, cache=tmp_path)[0].tolist() == [1, 1, 1, 1, 2]
        assert encode_split(self.tokeniser, changed, cache=tmp_path)[2].size == 2
        assert encode_split(self.tokeniser, relabelled, cache=tmp_path).labels.tolist() == [1, 0, 0]

    def test_a_damaged_file_is_made_again(self, tmp_path: Path, counted: list[int]) -> None:
        first = encode_split(self.tokeniser, SPLIT, cache=tmp_path)
        (kept,) = tmp_path.iterdir()
        data = bytearray(kept.read_bytes())
        data[-1] ^= 1
        kept.write_bytes(data)
        with pytest.warns(FieldSolverWarning, match="texts are encoded again: .*checksum"):
            second = encode_split(self.tokeniser, SPLIT, cache=tmp_path)
        assert np.array_equal(second.ids, first.ids)
        encode_split(self.tokeniser, SPLIT, cache=tmp_path)
        assert counted == [3, 3]

    def test_where_nothing_can_be_kept_the_work_goes_on(self, tmp_path: Path, counted: list[int]) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.warns(FieldSolverWarning, match="encoded texts cannot be kept"):
            assert len(encode_split(self.tokeniser, SPLIT, cache=tmp_path / "file" / "cache")) == 3

    def test_a_full_disk_stops_no_work(
        self, tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

        monkeypatch.setattr("safetensors.torch.save_file", full)
        with pytest.warns(FieldSolverWarning, match="encoded texts cannot be kept in .*No space left"):
            assert len(encode_split(self.tokeniser, SPLIT, cache=tmp_path)) == 3
        assert list(tmp_path.iterdir()) == []

    def test_little_work_is_not_kept(self, tmp_path: Path) -> None:
        encode_split(self.tokeniser, SPLIT, cache=tmp_path)
        assert list(tmp_path.iterdir()) == []
