"""Output files appear whole or not at all."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import fieldsolver as fs
from fieldsolver.experiments.files import whole_file, writable_folder, write_text, write_toml


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = write_text(tmp_path / "report.md", "old")

    def fail() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half of the new", encoding="utf-8")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_success_replaces_it(tmp_path: Path) -> None:
    path = write_text(tmp_path / "report.md", "old")
    assert write_text(path, "new").read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path: Path) -> None:
    folder = writable_folder(tmp_path / "a" / "b")
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(fs.OptionError, match=r"cannot write into the folder .*file.*choose another with --out"):
        writable_folder(tmp_path / "file" / "b")


def test_toml_reads_back(tmp_path: Path) -> None:
    content = {"a": 1, "b": True, "c": 1e-5, "d": 'say "hi"\\\n', "t": {"x": 0.5, "y": "z"}}
    assert tomllib.loads(write_toml(tmp_path / "c.toml", content).read_text(encoding="utf-8")) == content
