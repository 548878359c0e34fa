"""An equation in words: its page, its parameters, and what identifies it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from fieldsolver.space.mask import Mask

if TYPE_CHECKING:
    from .field_equation import FieldEquation


def page(equation: FieldEquation) -> str:
    """The equation, its parameters and its grid."""
    lines = [str(equation), *(f"  {name} = {shown}" for name, shown in describe_parameters(equation).items())]
    for grid, fields in equation.fields_by_grid().items():
        lines.append(f"  {', '.join(fields)} on {grid}" if equation.layout.domains else f"  on {grid}")
    if equation.layout.graph is not None:
        lines.append(f"  on {equation.layout.graph}")
    if equation.layout.mask is not None:
        lines.append(f"  inside a mask of {_size(equation.layout.mask)}, with {_at_mask(equation)} at its border")
    return "\n".join(lines)


def _size(mask: Mask) -> str:
    """``"1200 of 4096 cells"``."""
    counts = mask.inside.flatten(-mask.grid.dimension).sum(-1)
    low, high = int(counts.min()), int(counts.max())
    total = f"{low} of {mask.grid.size} cells" if low == high else f"{low} to {high} of {mask.grid.size} cells"
    return total if mask.samples is None else f"{total} in {mask.samples} samples"


def _at_mask(equation: FieldEquation) -> str:
    """Its condition, or those of the fields where they differ."""
    conditions = equation.layout.mask_conditions
    kinds = {str(condition): condition for condition in conditions.values()}
    return ", ".join(kinds) if len(kinds) == 1 else ", ".join(f"{name}: {c}" for name, c in conditions.items())


def _fingerprint_of_mask(equation: FieldEquation) -> dict[str, Any]:
    mask = equation.layout.mask
    if mask is None:
        return {}
    digest = hashlib.sha256(mask.inside.cpu().numpy().tobytes()).hexdigest()
    conditions = {name: str(condition) for name, condition in equation.layout.mask_conditions.items()}
    return {"mask": {"shape": list(mask.inside.shape), "sha256": digest, "boundary": conditions}}


def _fingerprint_of_kernel(equation: FieldEquation, name: str) -> str:
    """Its edge rule and, of a kernel that is not learned, its values."""
    kernel = equation.layout.kernels[name]
    if isinstance(kernel.values, nn.Module):
        return kernel.edge
    return f"{kernel.edge} {_digest(equation.kernel_values()[name])}"


def _fingerprint_of_metric(equation: FieldEquation) -> dict[str, Any]:
    metric = equation.layout.metric
    if metric is None:
        return {}
    return {"metric": "learned" if metric.source is not None else _digest(metric.components())}


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]


def describe_parameters(equation: FieldEquation) -> dict[str, str]:
    """Every declared parameter's value as short text."""
    shown = {}
    for name, value in equation.parameter_values().items():
        item = equation.declared[name]
        text = f"{value.item():.6g}" if value.dim() == 0 else f"tensor{tuple(value.shape)}"
        kind = "" if item.place == "global" else f" ({item.place})"
        shown[name] = text + kind + (" (trainable)" if item.trainable else "")
    return shown | {name: str(node) for name, node in equation.definitions.items()}


def fingerprint(equation: FieldEquation) -> dict[str, Any]:
    """What gives the stored numbers their meaning, as plain data."""
    layout = equation.layout
    return {
        "equation": str(equation),
        "grid": repr(equation.grid),
        "boundary": {name: {str(side): str(c) for side, c in v.items()} for name, v in layout.conditions.items()},
        "scheme": [repr(scheme) for scheme in layout.schemes],
        "calculus": equation.calculus,
        "complex_fields": list(equation.complex_fields),
        "definitions": {name: str(node) for name, node in equation.definitions.items()},
        "kernels": {name: _fingerprint_of_kernel(equation, name) for name in layout.kernels},
        "transforms": {
            name: f"{type(item.transform).__name__}{item.transform or ''}" for name, item in equation.declared.items()
        },
        **_fingerprint_of_mask(equation),
        **_fingerprint_of_metric(equation),
        **({} if layout.graph is None else {"edges": layout.graph.digest()}),
    }
