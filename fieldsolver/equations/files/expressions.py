"""Expressions of a file that are evaluated when it is read: which names they use, and their values on a grid.

They go through the grammar of the language and its own evaluation; nothing is executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import EquationError

from .. import build
from ..calculus.evaluate import evaluate
from ..grammar import Scope, parse_expression
from ..graph import Comparison, Depends, Node
from .document import Document
from .shapes import Keys
from .values import is_plain, plain_number

_NAME = re.compile(r"[^\W\d]\w*")


def names_in(value: Any) -> set[str]:
    """Every name in the texts of a value, whatever it means there."""
    return {name for text in _texts(value) for name in _NAME.findall(text)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def with_definitions(names: set[str], parameters: Mapping[str, Any]) -> set[str]:
    """The names, and those in the expressions of the parameters among them."""
    reached, fresh = set(), set(names)
    while fresh:
        reached |= fresh
        texts = [parameters[name] for name in fresh if isinstance(parameters.get(name), str)]
        fresh = names_in(texts) - reached
    return reached


def literals(document: Document, axes: tuple[str, ...]) -> dict[str, Node]:
    """The parameters whose values the file fixes: plain numbers, and expressions of those."""
    parameters = document.table("parameters")
    symbols = {name: build.number(plain_number(value)) for name, value in parameters.items() if is_plain(value)}
    for name, value in parameters.items():
        if isinstance(value, str):
            with suppress(
                EquationError
            ):  # it uses something else, or is wrong: the equation says so if it is used there
                symbols[name] = build.defined(name, parse_expression(value, Scope(dict(symbols), {}, axes=axes)))
    return symbols


def parse(document: Document, keys: Keys, text: str, scope: Scope) -> Node:
    """Parse an expression of the file; raises `FileFormatError` with its place."""
    try:
        node = parse_expression(text, scope)
    except EquationError as error:
        raise document.refuse(keys, f"{' '.join(map(repr, keys[1:2]))}: {error}") from None
    if isinstance(node, Comparison):
        raise document.refuse(keys, f"{keys[1]!r} cannot be a comparison; use where(...)")
    return node


def fixed_values(
    document: Document,
    keys: Keys,
    text: str,
    symbols: Mapping[str, Node],
    axes: tuple[str, ...],
    points: tuple[Tensor, ...],
) -> Tensor:
    """The values of a real scalar expression in coordinates and plain parameters, of the shape of `points`."""
    name = keys[1]
    if missing := sorted(names_in(text) & (set(document.table("parameters")) - set(symbols))):
        raise document.refuse(
            keys,
            f"{name!r} uses {missing[0]!r}, which is no plain number; only plain numbers and expressions of them are "
            "known when the file is read",
        )
    node = parse(document, keys, text, Scope(symbols, {}, axes=axes))
    if node.components != 1 or not node.pointwise or node.is_complex or node.depends & ~Depends.SPACE:
        raise document.refuse(keys, f"{name!r} must be a real scalar expression in {', '.join(axes)}, got {node}")
    (values,) = evaluate(node, dict(zip(axes, points, strict=True)))
    values = values.to(torch.float64).expand(points[0].shape).clone()
    if not torch.isfinite(values).all():
        raise document.refuse(keys, f"{name!r} has the value NaN or infinity at some point: {text}")
    return values
