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
