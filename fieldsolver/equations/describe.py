"""An equation in words: its page, its parameters, and what identifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .field_equation import FieldEquation


def page(equation: FieldEquation) -> str:
    """The equation, its parameters and its grid."""
    lines = [str(equation), *(f"  {name} = {shown}" for name, shown in describe_parameters(equation).items())]
    if equation.grid is not None:
        lines.append(f"  on {equation.grid}")
    return "\n".join(lines)


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
        "space_order": layout.space_order,
        "calculus": equation.calculus,
        "complex_fields": list(equation.complex_fields),
        "definitions": {name: str(node) for name, node in equation.definitions.items()},
        "kernels": {name: kernel.edge for name, kernel in layout.kernels.items()},
        "transforms": {
            name: f"{type(item.transform).__name__}{item.transform or ''}" for name, item in equation.declared.items()
        },
    }
