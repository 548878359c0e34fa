"""Tensors on disk, with plain data in the header: safetensors, never pickle; a file appears whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import FileFormatError

_COMPLEX = "#complex"


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
        save_file(stored, temporary, metadata={key: text})
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a loss of power must not leave the new name with nothing behind it
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_tensors(
    path: str | os.PathLike[str], *, key: str, schema: int, what: str, remedy: str = ""
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file, without its schema.

    Args:
        path: of the file.
        key: says what kind of file it must be.
        schema: version of the layout that is understood.
        what: the kind of file in words, for messages.
        remedy: what to do about a file that cannot be used.

    Raises:
        FileFormatError: no such file, truncated, not safetensors (a pickle, say), or of another kind or schema.
    """
    from safetensors import SafetensorError, safe_open

    path, then = Path(path), f"; {remedy}" if remedy else ""
    if not path.is_file():
        raise FileFormatError(f"there is no {what} {str(path)!r}{then}")
    try:
        with safe_open(path, framework="pt") as opened:
            text = (opened.metadata() or {}).get(key)
            stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{str(path)!r} is not a complete safetensors file: {error}{then}") from None
    if text is None:
        raise FileFormatError(f"{str(path)!r} holds tensors, but fieldsolver did not write it as a {what}{then}")
    try:
        header: dict[str, Any] = json.loads(text)
        found = header.pop("schema", None)
    except (json.JSONDecodeError, AttributeError, TypeError):
        raise FileFormatError(f"the header of {str(path)!r} is damaged{then}") from None
    if found != schema:
        or_else = f", or {remedy}" if remedy else ""
        raise FileFormatError(
            f"{str(path)!r} has schema {found!r}, this version reads {schema}; upgrade fieldsolver{or_else}"
        )
    tensors = {
        name.removesuffix(_COMPLEX): torch.view_as_complex(tensor) if name.endswith(_COMPLEX) else tensor
        for name, tensor in stored.items()
    }
    return tensors, header
