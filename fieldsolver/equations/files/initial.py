"""``[initial]``: the state at the start, through the same lowering as the equation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import listing, nearest

from .. import build
from ..declaration import make_scope
from ..field_equation import FieldEquation
from ..grammar import Scope
from ..graph import Depends, Node
from ..lowering import Lowering
from .document import Document
from .expressions import parse
from .limits import MAX_VALUES
from .values import is_plain, plain_number


def read_initial(
    document: Document, equation: FieldEquation, aside: Iterable[str], t0: float, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The state, ``(*grid)`` or ``(c, *grid)`` per field; with a batch axis if parameters are given per sample.

    Args:
        document: the file.
        equation: its equation.
        aside: parameters that the equation does not have and that the state may use.
        t0: the time for which it is.
        dtype: precision.
    """
    table = document.table("initial")
    fields = equation.fields
    for name in table:
        if name != "seed" and name not in fields:
            raise document.refuse(
                ("initial", name), f"has no field {name!r}; fields: {listing(fields)}{nearest(name, fields)}"
            )
    scope = _scope(document, equation, aside)
    batch = _batch(document, equation)
    generator = torch.Generator().manual_seed(table.get("seed", 0))
    state = {}
    for name, entry in table.items():
        if name == "seed":
            continue
        has_noise = isinstance(entry, dict) and "expression" in entry
        node = _node(document, equation, name, entry["expression"] if has_noise else entry, scope)
        state[name] = _values(equation, name, node, batch, t0, dtype)
        if has_noise and (level := entry.get("noise", 0.0)):
            state[name] += level * torch.randn(state[name].shape, generator=generator, dtype=state[name].dtype)
    equation.pack(state)  # a missing field, or one that is not finite, is found here
    return state


def _scope(document: Document, equation: FieldEquation, aside: Iterable[str]) -> Scope:
    axes = equation.given.axes
    whole, declared, definitions = make_scope(list(equation.statements), equation.orders, equation.given)
    symbols: dict[str, Node] = {name: whole.symbols[name] for name in (*declared, *definitions)}
    parameters, aside = document.table("parameters"), set(aside)
    symbols |= {name: build.number(plain_number(parameters[name])) for name in aside if is_plain(parameters[name])}
    for name, value in parameters.items():  # an expression uses those above it
        if name in aside and isinstance(value, str):
            node = parse(document, ("parameters", name), value, Scope(dict(symbols), {}, axes=axes))
            symbols[name] = build.defined(name, node)
    return Scope(symbols, {}, axes=axes)


def _batch(document: Document, equation: FieldEquation) -> tuple[int, ...]:
    sizes = {name: len(item.value) for name, item in equation.declared.items() if item.place == "per sample"}
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
        raise document.refuse(("parameters",), f"disagrees on the number of samples: {shown}")
    for name, size in sizes.items():
        if size * math.prod(equation.state_shape) > MAX_VALUES:
            raise document.refuse(
                ("parameters", name),
                f"has {size} samples for {name!r}; samples times values may be at most {MAX_VALUES}",
            )
    return tuple(set(sizes.values()))


def _node(document: Document, equation: FieldEquation, name: str, value: Any, scope: Scope) -> Node:
    keys, size = ("initial", name), equation.layout.fields[name][1]
    if isinstance(value, list):
        if len(value) != size or size == 1:
            several = f"a list of {size}, one entry per component," if size > 1 else "{ expression = ..., noise = ... }"
            raise document.refuse(keys, f"needs a number, an expression, or {several} for {name!r}, got {value!r}")
        node = build.stack(*(_node_of(document, keys, item, scope) for item in value))
    else:
        node = _node_of(document, keys, value, scope)
    parts = node.operands if isinstance(value, list) else (node,)
    legal = node.pointwise and not node.depends & Depends.NOISE
    if not legal or node.components not in (1, size) or any(part.components != 1 for part in parts if len(parts) > 1):
        raise document.refuse(keys, f"{name!r} must be a pointwise expression with 1 or {size} components, got {node}")
    if node.is_complex and name not in equation.complex_fields:
        field = name[1:-3] if name.endswith("/dt") else name
        raise document.refuse(keys, f"{name!r} is complex; declare complex_fields = [{field!r}] in [equation]")
    return node


def _node_of(document: Document, keys: tuple[str, ...], value: Any, scope: Scope) -> Node:
    return parse(document, keys, value, scope) if isinstance(value, str) else build.number(plain_number(value))


def _values(
    equation: FieldEquation, name: str, node: Node, batch: tuple[int, ...], t0: float, dtype: torch.dtype
) -> Tensor:
    """The values of one expression on the grid, evaluated in double precision."""
    size = equation.layout.fields[name][1]
    tape = (lowering := Lowering(equation.layout)).finish([lowering.compile(node)])
    wide = torch.complex128 if name in equation.complex_fields else torch.float64
    like = torch.zeros((*batch, *equation.state_shape), dtype=wide)
    with torch.no_grad():
        (value,) = equation.run_tape(tape, torch.tensor(t0, dtype=torch.float64), like)
    full = torch.as_tensor(value).to(wide).expand(*batch, size, *equation.state_shape[1:]).clone()
    full = full if size > 1 else full.squeeze(len(batch))
    return full if dtype == torch.float64 else full.to(torch.complex64 if wide.is_complex else torch.float32)
