"""`CellStore`: a folder of finished cells; what is in it is never computed again."""

from __future__ import annotations

import dataclasses
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fieldsolver.errors import FileFormatError
from fieldsolver.experiments.files import whole_file, write_text

from .cell import SCHEMA, Cell
from .cell_result import CellResult


class CellStore:
    """Results of cells, one small JSON file each, and an array file beside it where there are samples.

    Args:
        folder: made when the first result is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, cell: Cell) -> Path:
        """The cell's file; whoever reads the folder finds it by its words, the program by its fingerprint."""
        return self.folder / f"{cell.title}-{cell.fingerprint}.json"

    def __contains__(self, cell: Cell) -> bool:
        return self._found(cell) is not None

    def run_folder(self, cell: Cell) -> Path:
        """Where the trainer keeps the checkpoint of an unfinished run."""
        return self.folder / "runs" / cell.fingerprint

    def read(self, cell: Cell) -> CellResult:
        """The result of a finished cell.

        Raises:
            FileFormatError: its file is damaged.
            KeyError: it is not finished.
        """
        path = self._found(cell)
        if path is None:
            raise KeyError(cell.title)
        content = read_json(path)
        if content.get("fingerprint") != cell.fingerprint or "result" not in content:
            raise FileFormatError(f"{path} is not the result of this cell; delete it to run the cell again")
        return CellResult(**content["result"], samples=_samples(path.with_suffix(".npz")))

    def write(self, cell: Cell, result: CellResult) -> Path:
        """Keep a result: first the arrays, then the JSON file that says they are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(cell)
        if result.samples:
            with whole_file(path.with_suffix(".npz")) as temporary:
                np.savez_compressed(temporary, **result.samples)  # type: ignore[arg-type]  # numpy's stub: only bool
        left_out = {"samples", *(() if result.missing else ("missing",))}  # versions before do not know the latter
        plain = {one.name: getattr(result, one.name) for one in dataclasses.fields(result) if one.name not in left_out}
        content = {"schema": SCHEMA, "fingerprint": cell.fingerprint, "cell": cell.described(), "result": plain}
        return write_text(path, json.dumps(content, indent=1, default=_number) + "\n")

    def measured(self, name: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Plain numbers that are no training run: computed once, kept under name and key."""
        path = self.folder / f"{name}-{key}.json"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps({"schema": SCHEMA, "measured": compute()}, indent=1, default=_number) + "\n")
        return dict(read_json(path)["measured"])

    def _found(self, cell: Cell) -> Path | None:
        path = self.path(cell)
        if path.is_file():
            return path
        # The same run under another row's name.
        return next(iter(sorted(self.folder.glob(f"*-{cell.fingerprint}.json"))), None)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of this schema; raises `FileFormatError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read as JSON: {error}; delete it to run the cell again") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise FileFormatError(f"{path} is of another version of fieldsolver; delete it to run the cell again")
    return content


def _samples(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            return {name: opened[name] for name in opened.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileFormatError(f"{path} is damaged: {error}; delete it and the JSON file beside it") from None


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
