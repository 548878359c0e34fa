"""Layers as ONNX files: the exported program in the operators that other runtimes know."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.onnx import OnnxExporterError, ONNXProgram

from fieldsolver.errors import OptionError

from .export import about_torch_alone, export
from .recurrent_field_layer import RecurrentFieldLayer
from .weights import refuse_missing_folder

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
        OptionError: as `export`; a `RecurrentFieldLayer` itself; no folder for the file; the packages ``onnx`` and
            ``onnxscript`` are not installed; or there is no ONNX for an operation of the layer.
    """
    try:
        for package in ("onnx", "onnxscript"):  # torch imports both later, and says less
            importlib.import_module(package)
    except ImportError as missing:
        raise OptionError(
            f"writing ONNX needs the package {missing.name!r}; pip install 'fieldsolver[export]'"
        ) from missing
    refuse_missing_folder(path)
    if isinstance(layer, RecurrentFieldLayer):
        raise OptionError(
            "ONNX holds tensors alone, and a RecurrentFieldLayer returns a RecurrentState too; export a module whose "
            "forward returns the read-outs, layer(sequence)[0]"
        )
    program = export(layer, *example)
    with torch.no_grad(), about_torch_alone(), _quiet():
        translated = _translated(program)
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        translated.save(temporary, external_data=False)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _translated(program: ExportedProgram) -> ONNXProgram:
    try:
        translated = torch.onnx.export(program, dynamo=True, verbose=False)
    except OnnxExporterError as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        raise OptionError(
            f"torch cannot write an operation of this layer as ONNX: {reason}; take fs.nn.export instead"
        ) from error
    if translated is None:
        raise OptionError("torch.onnx.export returned no program, although it was given no file")
    translated.optimize()
    return translated


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger(REGISTRATION)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
