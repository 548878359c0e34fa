"""Weights on disk: safetensors, never pickle; a file appears whole or not at all, and names what it belongs to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import FileFormatError

SCHEMA = 1
_KEY = "fieldsolver"
_COMPLEX = "#complex"


def save_weights(module: nn.Module, path: str | os.PathLike[str], config: Mapping[str, Any]) -> Path:
    """Write the state dict with `config` (plain data) in the header; complex tensors are stored as pairs of reals."""
    from safetensors.torch import save_file

    path = Path(path)
    tensors = {}
    for name, tensor in module.state_dict().items():
        plain = tensor.detach().cpu().contiguous().clone()  # safetensors refuses shared storage
        tensors[name + _COMPLEX if plain.is_complex() else name] = (
            torch.view_as_real(plain).contiguous() if plain.is_complex() else plain
        )
    header = {_KEY: json.dumps({"schema": SCHEMA, **config}, sort_keys=True)}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, temporary, metadata=header)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the config of a file.

    Raises:
        FileFormatError: no such file, truncated, not safetensors (a pickle, say), or of another schema.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"there is no weights file {str(path)!r}")
    try:
        with safe_open(path, framework="pt") as opened:
            header = (opened.metadata() or {}).get(_KEY)
            stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{str(path)!r} is not a complete safetensors file: {error}") from None
    if header is None:
        raise FileFormatError(f"{str(path)!r} holds tensors, but fieldsolver did not write it")
    try:
        config = json.loads(header)
    except json.JSONDecodeError:
        raise FileFormatError(f"the header of {str(path)!r} is damaged") from None
    if config.get("schema") != SCHEMA:
        raise FileFormatError(
            f"{str(path)!r} has schema {config.get('schema')!r}, this version reads {SCHEMA}; upgrade fieldsolver"
        )
    tensors = {
        name.removesuffix(_COMPLEX): torch.view_as_complex(tensor) if name.endswith(_COMPLEX) else tensor
        for name, tensor in stored.items()
    }
    return tensors, config


def load_weights(module: nn.Module, path: str | os.PathLike[str], config: Mapping[str, Any]) -> None:
    """Load what `save_weights` wrote into a module with the same `config`; a refused file changes nothing.

    Raises:
        FileFormatError: the file belongs to something else, or names and shapes do not fit.
    """
    tensors, stored = read_weights(path)
    for key, value in config.items():
        if stored.get(key) != value:
            raise FileFormatError(
                f"{str(path)!r} was saved with {key} = {stored.get(key)!r}, but this one has {value!r}; "
                "build the module as it was when saved"
            )
    own = module.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        raise FileFormatError(f"{str(path)!r} lacks {missing or 'nothing'} and has {extra or 'nothing'} in excess")
    for name, tensor in own.items():
        if tensors[name].shape != tensor.shape:
            raise FileFormatError(
                f"{name!r} has shape {tuple(tensors[name].shape)} in {str(path)!r}, expected {tuple(tensor.shape)}"
            )
    module.load_state_dict(tensors)
