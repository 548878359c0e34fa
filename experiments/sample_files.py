"""The equation files that are shipped; `fieldsolver solve NAME` takes their names."""

from __future__ import annotations

from pathlib import Path

from fieldsolver.errors import FileFormatError, listing, nearest

FOLDER = Path(__file__).parent / "samples"


def sample_names() -> list[str]:
    """Names of the shipped equation files."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find_equation_file(name: str) -> Path:
    """The path that a name or a path means; raises `FileFormatError` when there is no such file."""
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir() and name not in sample_names():
        raise FileFormatError(f"{name!r} is a folder; name an equation file (TOML) in it")
    samples = sample_names()
    if name in samples:
        return FOLDER / f"{name}.toml"
    raise FileFormatError(
        f"there is no file {name!r}; shipped samples: {listing(samples)}{nearest(path.stem, samples)}"
    )
