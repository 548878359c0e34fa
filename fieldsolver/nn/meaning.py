"""What a weights file has to agree with beyond the equation's text: the modules, and the constants."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .equation_layer import EquationLayer

FEW = 16
"""Up to so many numbers of a constant are written out."""
LATER = ("modules", "constants")
"""Keys that files did not always have."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def meaning(layer: EquationLayer) -> dict[str, Any]:
    """``"modules"``: how each prints itself; ``"constants"``: values, or their digest, of what is neither trained nor
    fed. A key for what is not there is left out.
    """
    equation = layer.equation
    modules = {name: _ADDRESS.sub("", repr(module)) for name, module in equation.submodules.items()}
    constants = {
        name: _text(equation.get_buffer(f"constant_{name}"))
        for name, item in equation.declared.items()
        if not item.trainable and name not in layer.inputs.names
    }
    return {key: found for key, found in (("modules", modules), ("constants", constants)) if found}


def _text(value: Tensor) -> str:
    """In single precision, so that a layer may be saved in one precision and loaded in another."""
    if value.is_floating_point() or value.is_complex():
        value = value.to(torch.complex64 if value.is_complex() else torch.float32)
    value = value.detach().cpu().contiguous()
    if value.numel() <= FEW:
        return str(value.tolist())
    return f"{tuple(value.shape)} {hashlib.sha256(value.numpy().tobytes()).hexdigest()[:16]}"
