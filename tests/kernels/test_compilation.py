"""Loops kept on disk are those of the sources that are there; threads change no bit."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldsolver.kernels import compilation, linking_matrix
from fieldsolver.kernels.compilation import compiled


def loaded(path: Path) -> Any:
    """The module of this file, as a new process would see it."""
    specification = importlib.util.spec_from_file_location("kept", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_loop_is_compiled_anew_when_any_source_of_the_room_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.py"
    kept.write_text(
        "from fieldsolver.kernels.compilation import compiled\n\n\n@compiled\ndef doubled(x):\n    return 2 * x\n"
    )

    def hits(digest: str) -> int:
        monkeypatch.setattr(compilation, "sources_digest", lambda: digest)
        doubled = loaded(kept).doubled
        assert doubled(1.0) == 2.0
        return sum(doubled.stats.cache_hits.values())

    assert [hits(digest) for digest in ("one", "one", "two", "two", "one")] == [0, 1, 0, 1, 1]


def test_the_digest_reads_every_source_of_the_room() -> None:
    assert len(compilation.sources_digest()) == 64


def test_where_nothing_can_be_kept_loops_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compilation, "_RoomCache", refused)
    assert compiled(lambda x: x + 1)(1.0) == 2.0


def test_threads_change_no_bit() -> None:
    program = (
        "import numpy as np; from fieldsolver.kernels import linking_matrix\n"
        "curves = list(np.random.default_rng(0).normal(size=(12, 30, 3)))\n"
        "print(linking_matrix(curves).to_dense().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**os.environ, "NUMBA_NUM_THREADS": "2"},
    )  # fmt: skip
    here = linking_matrix(list(np.random.default_rng(0).normal(size=(12, 30, 3))))
    assert done.stdout.strip() == str(here.to_dense().tolist())
