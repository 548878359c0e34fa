"""Output folders and files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import FileFormatError, OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def writable_folder(path: Path, option: str = "--out") -> Path:
    """Make the folder and prove that a file can be written there, before any work is done.

    Raises:
        OptionError: it cannot be made, or nothing can be written into it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OptionError(
            f"cannot write into the folder {str(path)!r}: {error.strerror}; choose another with {option}"
        ) from None
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` if the block succeeds, removed if it fails."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_figure(path: Path, figure: Figure) -> Path:
    """Write a figure whole."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path


Scalar = str | bool | int | float


def write_toml(path: Path, content: Mapping[str, Scalar | Mapping[str, Scalar]]) -> Path:
    """Write scalars, and one level of tables, as TOML."""
    lines = [f"{key} = {_toml(value)}" for key, value in content.items() if not isinstance(value, Mapping)]
    for key, table in content.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{key}]", *(f"{name} = {_toml(value)}" for name, value in table.items())]
    return write_text(path, "\n".join(lines) + "\n")


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; raises `FileFormatError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {str(path)!r}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read as TOML: {error}") from None


def _toml(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value)
