"""Files of tensors: what is written comes back, and a file that cannot be replaced is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from fieldsolver.errors import FileFormatError
from fieldsolver.tensor_files import read_tensors, write_tensors

TENSORS = {
    "real": torch.arange(6.0).reshape(2, 3).T,
    "complex": torch.tensor([1 + 2j, 3 - 4j]).conj(),
    "scalar": torch.tensor(1 - 1j),
    "flags": torch.tensor([True, False]),
    "empty": torch.empty(0, 3, dtype=torch.int64),
    "shared": torch.arange(6.0)[::2],
}


def test_tensors_and_header_come_back(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "a", TENSORS, {"x": [1.5, None]}, key="k", schema=3)
    tensors, header = read_tensors(path, key="k", schema=3, what="file")
    assert header == {"x": [1.5, None]}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tensors(tmp_path / "a", TENSORS, {}, key="k", schema=1)
    before = path.read_bytes()
    original = safetensors.torch.save_file

    def interrupted(tensors: object, file: Path, metadata: object) -> None:
        original({}, file)
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors.torch, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_tensors(path, {"a": torch.ones(1)}, {}, key="k", schema=1)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_messages_name_the_file_and_the_remedy(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "a", TENSORS, {}, key="k", schema=1)
    for key, schema, message in (
        ("other", 1, "did not write it as a thing; throw it away"),
        ("k", 2, "has schema 1, this version reads 2; upgrade fieldsolver, or throw it away"),
    ):
        with pytest.raises(FileFormatError, match=message):
            read_tensors(path, key=key, schema=schema, what="thing", remedy="throw it away")
    with pytest.raises(FileFormatError, match="there is no thing"):
        read_tensors(tmp_path / "b", key="k", schema=1, what="thing")
    for header in ("[1]", "{", "3"):
        safetensors.torch.save_file({}, path, metadata={"k": header})
        with pytest.raises(FileFormatError, match="damaged"):
            read_tensors(path, key="k", schema=1, what="thing")


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """Of the numbers, of their names, shapes and kinds, and of the header's text; padding and key names say nothing."""
    tensors = {"a": torch.arange(3, dtype=torch.float64), "c": torch.tensor(1 + 2j), "i": torch.tensor([3, 4])}
    path = write_tensors(tmp_path / "a", tensors, {"x": 1}, key="k", schema=1)
    whole, harmless = path.read_bytes(), 0
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found, header = read_tensors(path, key="k", schema=1, what="thing", sealed=True)
        except FileFormatError:
            continue
        harmless += 1
        assert header == {"x": 1}
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert harmless < len(whole) / 8


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "a", {"a": torch.zeros(2, dtype=torch.bfloat16)}, {}, key="k", schema=1)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(FileFormatError, match=r"a' is damaged: its checksum .*; delete it, or take another copy of it"):
        read_tensors(path, key="k", schema=1, what="thing")
    with pytest.raises(FileFormatError, match=r"is damaged: .*; throw it away, or take another copy of it"):
        read_tensors(path, key="k", schema=1, what="thing", remedy="throw it away")


def test_a_file_without_a_checksum_is_read_where_none_is_demanded(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(1)}, tmp_path / "a", metadata={"k": '{"schema": 1}'})
    tensors, _ = read_tensors(tmp_path / "a", key="k", schema=1, what="thing")
    assert torch.equal(tensors["a"], torch.ones(1))
    with pytest.raises(FileFormatError, match="is damaged: its checksum is missing"):
        read_tensors(tmp_path / "a", key="k", schema=1, what="thing", sealed=True)
