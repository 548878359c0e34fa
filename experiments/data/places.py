"""Where data lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from fieldsolver.errors import OptionError

DATA, CACHE = "FIELDSOLVER_DATA", "FIELDSOLVER_CACHE"


def pack_folder(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder of packs: the given one, else that of the environment variable FIELDSOLVER_DATA, else None.

    Raises:
        OptionError: a folder is named that is none.
    """
    named = os.environ.get(DATA) if folder is None else folder
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_dir():
        origin = f"${DATA}" if folder is None else "folder="
        raise OptionError(f"{origin} names {str(path)!r}, which is no folder; name the one that holds the data packs")
    return path


def cache_folder() -> Path:
    """Where downloads are kept: FIELDSOLVER_CACHE, else ``fieldsolver`` in XDG_CACHE_HOME, else in ``~/.cache``."""
    if own := os.environ.get(CACHE):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")  # its specification: a relative path is to be ignored
    return (Path(base) if base and os.path.isabs(base) else Path.home() / ".cache") / "fieldsolver"
