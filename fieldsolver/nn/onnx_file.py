"""Layers as ONNX files: the exported program in the operators that other runtimes know."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fieldsolver.errors import OptionError

from .export import _about_torch_alone, export

REGISTRATION = "torch.onnx._internal.exporter._registration"
"""Its logger misses packages that have nothing to do with the layer."""


def export_onnx(layer: nn.Module, *example: Any, path: str | os.PathLike[str]) -> Path:
    """Write the layer as ONNX, weights included, with a free batch axis; the file appears whole or not at all.

    Times and steps stay float64, as in torch, whatever the state is.

    Args:
        layer: as for `export`.
        *example: as for `export`.
        path: of the file; a file that is there is replaced.

    Raises:
        OptionError: as `export`, or the packages ``onnx`` and ``onnxscript`` are not installed.
    """
    try:
        import onnx  # noqa: F401  # torch imports both later, and says less
        import onnxscript  # noqa: F401
    except ImportError as missing:
        raise OptionError(
            f"writing ONNX needs the package {missing.name!r}; pip install 'fieldsolver[export]'"
        ) from missing
    program = export(layer, *example)
    with torch.no_grad(), _about_torch_alone(), _quiet():
        translated = torch.onnx.export(program, dynamo=True, verbose=False)
        if translated is None:  # only with a file name of its own, which would not appear whole
            raise OptionError("torch.onnx.export returned no program")
        translated.optimize()
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        translated.save(temporary, external_data=False)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger(REGISTRATION)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
