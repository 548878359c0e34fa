"""Tensors on disk, with plain data in the header: safetensors, never pickle; a file appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import FileFormatError

_COMPLEX = "#complex"
_SEAL = "\nsha256 "
"""Between the header's text and the checksum: one entry for both, because several have no fixed order in a file."""


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: Mapping[str, Any], *, key: str, schema: int
) -> Path:
    """Write a file under a temporary name, and rename it when it is complete.

    Args:
        path: of the file; a file that is there is replaced.
        tensors: on any device; complex ones are stored as pairs of reals.
        header: plain data for JSON.
        key: says what kind of file it is.
        schema: version of its layout.

    Raises:
        OSError, safetensors.SafetensorError: it could not be written; a file that was there is as it was.
    """
    from safetensors.torch import save_file

    path = Path(path)
    stored = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous().clone()  # safetensors refuses shared storage
        if plain.is_complex():
            stored[name + _COMPLEX] = torch.view_as_real(plain.resolve_conj()).contiguous()
        else:
            stored[name] = plain
    text = json.dumps({"schema": schema, **header}, sort_keys=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # as the umask says: safetensors makes files that nobody else may read
        save_file(stored, temporary, metadata={key: text + _SEAL + _checksum(stored, text)})
        temporary.chmod(stat.S_IMODE(mode))
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a loss of power must not leave the new name with nothing behind it
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_tensors(
    path: str | os.PathLike[str], *, key: str, schema: int, what: str, remedy: str = "", sealed: bool = False
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file, without its schema.

    Args:
        path: of the file.
        key: says what kind of file it must be.
        schema: version of the layout that is understood.
        what: the kind of file in words, for messages.
        remedy: what to do about a file that cannot be used.
        sealed: whether a file without a checksum is refused; one that is there is always compared.

    Raises:
        FileFormatError: no such file, truncated or damaged, not safetensors (a pickle, say), or of another kind or
            schema.
    """
    from safetensors import SafetensorError, safe_open

    path, then = Path(path), f"; {remedy}" if remedy else ""
    if not path.is_file():
        raise FileFormatError(f"there is no {what} {str(path)!r}{then}")
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FileFormatError(f"{str(path)!r} is not a complete safetensors file: {error}{then}") from None
    if key not in metadata:
        raise FileFormatError(f"{str(path)!r} holds tensors, but fieldsolver did not write it as a {what}{then}")
    text, _, checksum = metadata[key].partition(_SEAL)
    if checksum and checksum != _checksum(stored, text):
        raise _damaged(path, "its checksum is not that of its contents", remedy)
    try:
        header: dict[str, Any] = json.loads(text)
        found = header.pop("schema", None)
    except (json.JSONDecodeError, AttributeError, TypeError):
        raise _damaged(path, "its header cannot be read", remedy) from None
    if found != schema:
        or_else = f", or {remedy}" if remedy else ""
        raise FileFormatError(
            f"{str(path)!r} has schema {found!r}, this version reads {schema}; upgrade fieldsolver{or_else}"
        )
    if not checksum and sealed:
        raise _damaged(path, "its checksum is missing", remedy)
    tensors = {
        name.removesuffix(_COMPLEX): torch.view_as_complex(tensor) if name.endswith(_COMPLEX) else tensor
        for name, tensor in stored.items()
    }
    return tensors, header


def _checksum(stored: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 of the header's text and of the tensors in the order of their names, as hexadecimal digits."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(stored):
        tensor = stored[name]
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _damaged(path: Path, why: str, remedy: str) -> FileFormatError:
    return FileFormatError(f"{str(path)!r} is damaged: {why}; {remedy or 'delete it'}, or take another copy of it")
