"""Weights on disk: files of tensors that name what they belong to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fieldsolver.errors import FileFormatError, OptionError
from fieldsolver.tensor_files import read_tensors, write_tensors

from .meaning import LATER

SCHEMA = 1
_KEY = "fieldsolver"


def save_weights(module: nn.Module, path: str | os.PathLike[str], config: Mapping[str, Any]) -> Path:
    """Write the state dict with `config` (plain data) in the header; the file appears whole or not at all.

    Raises:
        OptionError: there is no folder to write to.
    """
    refuse_missing_folder(path)
    return write_tensors(path, module.state_dict(), config, key=_KEY, schema=SCHEMA)


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the config of a file.

    Raises:
        FileFormatError: no such file, truncated, not safetensors (a pickle, say), or of another schema.
    """
    return read_tensors(path, key=_KEY, schema=SCHEMA, what="weights file")


def load_weights(module: nn.Module, path: str | os.PathLike[str], config: Mapping[str, Any]) -> None:
    """Load what `save_weights` wrote into a module with the same `config`; a refused file changes nothing.

    Raises:
        FileFormatError: the file belongs to something else, or names and shapes do not fit.
    """
    tensors, stored = read_weights(path)
    for key in (*config, *sorted(stored.keys() - config.keys())):
        if key in LATER and key not in stored:
            continue  # written before files had it
        if stored.get(key) != config.get(key):
            where, theirs, ours = _difference(key, stored.get(key), config.get(key))
            raise FileFormatError(
                f"{str(path)!r} was saved with {where} = {theirs!r}, but this one has {ours!r}; "
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


def refuse_missing_folder(path: str | os.PathLike[str]) -> None:
    """Raises `OptionError` where the folder of a file to be written does not exist."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise OptionError(f"there is no folder {str(folder)!r} to write {Path(path).name!r} to; make it first")


def _difference(key: str, theirs: Any, ours: Any) -> tuple[str, Any, Any]:
    """Of modules and constants the first that differs, not all of them."""
    if key in LATER and isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for name in sorted(theirs.keys() | ours.keys()):
            if theirs.get(name) != ours.get(name):
                return f"{key}[{name!r}]", _line(theirs.get(name)), _line(ours.get(name))
    return key, theirs, ours


def _line(text: Any) -> Any:
    return " ".join(text.split()) if isinstance(text, str) else text
