"""Equation files: a TOML file that declares an equation, its grid, boundaries, parameters, start and solver settings.

Such files come from strangers: the text goes through the grammar, modules come from a fixed list, and every key that is
not understood is refused, with the table it stands in and the nearest known key.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import EquationError, FileFormatError, listing, nearest
from fieldsolver.space.boundary import Condition, Dirichlet, Neumann, Periodic, Robin
from fieldsolver.space.grid import Grid

from . import build
from .field_equation import FieldEquation
from .grammar import Scope, parse_expression
from .graph import Comparison, Node
from .parameters import Parameter
from .torch_lowering import Lowering

SCHEMA = 1
MAX_BYTES = 2**20
DTYPES = {"float64": torch.float64, "float32": torch.float32}
_TABLES = ("equation", "grid", "boundary", "parameters", "modules", "initial", "solve", "output")
_CONDITIONS = ("dirichlet", "neumann", "robin")
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class EquationFile:
    """What an equation file declares.

    Attributes:
        equation: the declared equation.
        initial: per field, a tensor ``(*grid)`` or ``(c, *grid)``.
        solve: keyword arguments of `fieldsolver.solve`: t_span, save_at, and what the file gives of method, dt, ...
        name: name of the file without its ending.
        title, source: what it is, and where it comes from (may be empty).
        output: ``field`` and ``fps`` of the animation, where given.
    """

    equation: FieldEquation
    initial: dict[str, Tensor]
    solve: dict[str, Any]
    name: str
    title: str
    source: str = ""
    output: dict[str, Any] = field(default_factory=dict)


def load_equation(path: str | os.PathLike[str]) -> EquationFile:
    """Read an equation file.

    Raises:
        FileFormatError: no such file, not TOML, a newer schema, an unknown key, or a value of the wrong type.
        EquationError, BoundaryError, ParameterError, GridError, StateError: what it declares is not possible.
    """
    path = Path(path)
    top = _Table(str(path), "the top level", _parse(path))
    top.only(("schema", "title", "source", *_TABLES))
    _check_schema(top)
    parts = {name: top.table(name) for name in _TABLES}
    missing = [name for name in ("equation", "initial", "solve") if name not in top.content]
    if missing:
        raise FileFormatError(f"{path} has no [{missing[0]}] table; it needs [equation], [initial] and [solve]")
    solve, dtype = _solve(parts["solve"])
    parameters = {name: _parameter(parts["parameters"], name) for name in parts["parameters"].content}
    starts = _initial_expressions(parts["initial"])
    only_initial = _only_initial(parts, parameters, starts)
    equation = _equation(parts, {name: value for name, value in parameters.items() if name not in only_initial}, dtype)
    initial = _initial(parts["initial"], equation, only_initial, float(solve["t_span"][0]), dtype)
    title, source = top.text("title", path.stem), top.text("source", "")
    return EquationFile(equation, initial, solve, path.stem, title, source, _output(parts["output"], equation))


@dataclass(frozen=True)
class _Table:
    """One table of the file, with typed access; every refusal names the file and the place."""

    path: str
    where: str
    content: dict[str, Any]

    def only(self, known: Sequence[str]) -> None:
        for key in self.content:
            if key not in known:
                raise self.error(f"does not know the key {key!r}; known: {listing(known)}{nearest(key, known)}")

    def error(self, message: str) -> FileFormatError:
        return FileFormatError(f"{self.path}: {self.where} {message}")

    def wrong(self, key: str, expected: str) -> FileFormatError:
        return self.error(f"needs {expected} for {key!r}, got {self.content.get(key)!r}")

    def table(self, key: str, where: str | None = None) -> _Table:
        content = self.content.get(key, {})
        if not isinstance(content, dict):
            raise self.wrong(key, "a table")
        return _Table(self.path, where or f"[{key}]", content)

    def text(self, key: str, default: str | None = None) -> str:
        if not isinstance(value := self.content.get(key, default), str):
            raise self.wrong(key, "text") if key in self.content else self.error(f"lacks {key!r} (text)")
        return value

    def integer(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        value = self.content.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(key, f"an integer, at least {least},")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        if not is_number(value := self.content.get(key, default)):
            raise self.wrong(key, "a finite number")
        return value  # type: ignore[return-value]  # is_number has just said so

    def flag(self, key: str, default: bool) -> bool:
        if not isinstance(value := self.content.get(key, default), bool):
            raise self.wrong(key, "true or false")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of names")
        return tuple(value)

    def numbers(self, key: str) -> Any:
        if not _is_numeric(self.content[key]):
            raise self.wrong(key, "a finite number or a list of them")
        return self.content[key]


def is_number(value: Any) -> bool:
    """A finite real number; booleans are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_numeric(value: Any) -> bool:
    return all(_is_numeric(item) for item in value) if isinstance(value, list) else is_number(value)


def _parse(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {str(path)!r}") from None
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise FileFormatError(f"{path} has {len(raw)} bytes; an equation file has at most {MAX_BYTES}")
    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise FileFormatError(f"{path} is not TOML: {reason}") from None


def _check_schema(top: _Table) -> None:
    if "schema" not in top.content:
        raise FileFormatError(f"{top.path} does not say its schema; begin it with 'schema = {SCHEMA}'")
    version = top.integer("schema", least=1)
    if version > SCHEMA:
        raise FileFormatError(f"{top.path} has schema {version}, this fieldsolver reads up to {SCHEMA}; upgrade it")


def _equation(parts: Mapping[str, _Table], parameters: Mapping[str, Any], dtype: torch.dtype) -> FieldEquation:
    declared = parts["equation"]
    declared.only(("text", "components", "complex_fields", "space_order"))
    components = declared.table("components", "[equation] components")
    modules, grid = parts["modules"], _grid(parts["grid"])
    return FieldEquation(
        declared.text("text"),
        grid=grid,
        boundary=_boundary(parts["boundary"], grid),
        parameters=parameters,
        modules={name: _module(modules.table(name, f"[modules] {name}"), dtype) for name in modules.content},
        components={name: components.integer(name, least=1) for name in components.content},
        complex_fields=declared.names("complex_fields"),
        space_order=declared.integer("space_order", 2),
    )


def _grid(table: _Table) -> Grid | None:
    if not table.content:
        return None
    table.only(("shape", "extent", "bounds", "centring", "periodic"))
    if "shape" not in table.content:
        raise table.error("lacks 'shape', such as shape = [128, 128]")
    numbers = {key: table.numbers(key) for key in ("shape", "extent", "bounds") if key in table.content}
    return Grid(**numbers, centring=table.text("centring", "cell"), periodic=table.names("periodic"))


def _boundary(table: _Table, grid: Grid | None) -> Any:
    if not table.content:
        return None
    if "all" in table.content:
        table.only(("all",))
        return _condition(table, "all")
    return {key: _sides_or_condition(table, key, grid.axes if grid else ()) for key in table.content}


def _sides_or_condition(table: _Table, key: str, axes: Sequence[str]) -> Any:
    if not isinstance(table.content[key], dict) or set(table.content[key]) & set(_CONDITIONS):
        return _condition(table, key)
    sides = table.table(key, f"{table.where} {key}")
    sides.only([*(axis + end for axis in axes for end in ("", "-", "+")), *_CONDITIONS])
    return {side: _condition(sides, side) for side in sides.content}


def _condition(table: _Table, key: str) -> Condition:
    value = table.content[key]
    if value == "periodic":
        return Periodic()
    if not isinstance(value, dict):
        raise table.wrong(key, '"periodic" or a table such as { neumann = 0.0 }')
    inner = table.table(key, f"{table.where} {key}")
    inner.only(_CONDITIONS)
    if len(value) != 1:
        raise inner.error(f"needs exactly one of {listing(_CONDITIONS)}, got {listing(value)}")
    if "robin" in value:
        robin = inner.table("robin", f"{inner.where} robin")
        robin.only(("a", "b", "value"))
        return Robin(robin.number("a"), robin.number("b"), _wall_value(robin, "value"))
    kind = Dirichlet if "dirichlet" in value else Neumann
    return kind(_wall_value(inner, next(iter(value))))


def _wall_value(table: _Table, key: str) -> float | str:
    value = table.content.get(key, 0.0)
    if isinstance(value, str) or is_number(value):
        return value
    raise table.wrong(key, 'a number or an expression such as "sin(2*pi*t)"')


def _parameter(table: _Table, name: str) -> Any:
    """A number, a list (one entry per component), or a `Parameter` for the table form."""
    if not isinstance(table.content[name], dict):
        return table.numbers(name)
    inner = table.table(name, f"{table.where} {name}")
    inner.only(("value", "trainable", "positive", "bounds"))
    if "value" not in inner.content:
        raise inner.error("lacks 'value'")
    bounds = inner.numbers("bounds") if "bounds" in inner.content else None
    if bounds is not None and not (isinstance(bounds, list) and len(bounds) == 2 and all(map(is_number, bounds))):
        raise inner.wrong("bounds", "two numbers [low, high]")
    value = inner.numbers("value")
    checked = Parameter(value, positive=inner.flag("positive", False), bounds=tuple(bounds) if bounds else None)
    return checked if inner.flag("trainable", True) else value


def mlp(table: _Table, dtype: torch.dtype) -> nn.Module:
    """A small perceptron: ``inputs``, ``hidden`` (a list), ``outputs``, ``seed``; tanh between the layers."""
    table.only(("kind", "inputs", "hidden", "outputs", "seed"))
    hidden = table.content.get("hidden", [])
    if not isinstance(hidden, list) or not all(type(n) is int and n > 0 for n in hidden):
        raise table.wrong("hidden", "a list of positive integers")
    sizes = [table.integer("inputs", least=1), *hidden, table.integer("outputs", least=1)]
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):  # the file's seed must not disturb the caller's random numbers
        torch.manual_seed(table.integer("seed", 0))
        for given, made in itertools.pairwise(sizes):
            layers += [nn.Linear(given, made, dtype=dtype), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


MODULES: dict[str, Callable[[_Table, torch.dtype], nn.Module]] = {"mlp": mlp}
"""The module kinds that a file may ask for; there is no way to name anything else."""


def _module(table: _Table, dtype: torch.dtype) -> nn.Module:
    kind = table.text("kind")
    if kind not in MODULES:
        raise table.error(f"asks for the kind {kind!r}; known: {listing(MODULES)}{nearest(kind, MODULES)}")
    return MODULES[kind](table, dtype)


def _initial_expressions(table: _Table) -> dict[str, str]:
    table.integer("seed", 0)
    expressions = {}
    for name, value in table.content.items():
        if name == "seed":  # of the noise
            continue
        if isinstance(value, dict):
            inner = table.table(name, f"{table.where} {name}")
            inner.only(("expression", "noise"))
            inner.number("noise", 0.0)
            value = inner.content.get("expression")
        if not isinstance(value, str) and not is_number(value):
            raise table.wrong(name, "a number, an expression, or { expression = ..., noise = ... }")
        expressions[name] = value if isinstance(value, str) else repr(value)
    return expressions


def _only_initial(
    parts: Mapping[str, _Table], parameters: Mapping[str, Any], starts: Mapping[str, str]
) -> dict[str, Node]:
    """Parameters that only the initial state uses, as literals: the equation would refuse them as unused."""
    elsewhere = set(_NAME.findall(f"{parts['equation'].content.get('text')} {parts['boundary'].content}"))
    here = {name for text in starts.values() for name in _NAME.findall(text)}
    only = {}
    for name, value in parameters.items():
        if name in here and name not in elsewhere:
            if not is_number(value):
                raise parts["parameters"].error(f"has {name!r}, which only [initial] uses; make it a plain number")
            only[name] = build.number(value)
    return only


def _initial(
    table: _Table, equation: FieldEquation, literals: Mapping[str, Node], t0: float, dtype: torch.dtype
) -> dict[str, Tensor]:
    for name in table.content:
        if name != "seed" and name not in equation.fields:
            fields = equation.fields
            raise table.error(f"has no field {name!r}; fields: {listing(fields)}{nearest(name, fields)}")
    symbols: dict[str, Node] = dict(literals)
    for name, item in equation.declared.items():
        symbols[name] = build.parameter(name, item.components, is_complex=item.value.is_complex())
    scope = Scope(symbols, {}, equation.grid.axes if equation.grid else ())
    generator = torch.Generator().manual_seed(table.integer("seed", 0))
    state = {}
    for name, text in _initial_expressions(table).items():
        state[name] = _evaluate(table, name, text, scope, equation, t0, dtype)
        given = table.content[name]
        if isinstance(given, dict) and given.get("noise"):
            noise = torch.randn(state[name].shape, generator=generator, dtype=state[name].dtype)
            state[name] += given["noise"] * noise
    equation.pack(state)  # a missing field, or one that is not finite, is found here
    return state


def _evaluate(
    table: _Table, name: str, text: str, scope: Scope, equation: FieldEquation, t0: float, dtype: torch.dtype
) -> Tensor:
    """The values of one initial expression on the grid, through the same lowering as the equation."""
    try:
        node = parse_expression(text, scope)
    except EquationError as error:
        raise table.error(f"{name!r}: {error}") from None
    size = equation.layout.fields[name][1]
    if isinstance(node, Comparison) or not node.pointwise or node.components not in (1, size):
        raise table.error(f"{name!r} must be a pointwise expression with 1 or {size} components, got {node}")
    if node.is_complex and name not in equation.complex_fields:
        raise table.error(f"{name!r} is complex; declare complex_fields = [{name!r}] in [equation]")
    tape = (lowering := Lowering(equation.layout)).finish([lowering.compile(node)])
    wide = torch.complex128 if name in equation.complex_fields else torch.float64
    like = torch.zeros(equation.state_shape, dtype=wide)
    with torch.no_grad():
        (value,) = equation.run_tape(tape, torch.tensor(t0, dtype=torch.float64), like)
    full = torch.as_tensor(value).to(wide).expand(size, *equation.state_shape[1:]).clone()
    full = full if size > 1 else full.squeeze(0)
    return full if dtype == torch.float64 else full.to(torch.complex64 if wide.is_complex else torch.float32)


def _solve(table: _Table) -> tuple[dict[str, Any], torch.dtype]:
    numbers, texts = ("dt", "rtol", "atol"), ("method", "check")
    table.only(("t_span", "saves", "save_at", "dtype", "max_steps", *numbers, *texts))
    span = table.content.get("t_span")
    if not isinstance(span, list) or len(span) != 2 or not all(map(is_number, span)):
        raise table.wrong("t_span", "two numbers, such as [0.0, 100.0],")
    options: dict[str, Any] = {"t_span": (float(span[0]), float(span[1])), "save_at": _save_at(table, span)}
    options["max_steps"] = table.integer("max_steps", 1_000_000, least=1)
    options |= {key: float(table.number(key)) for key in numbers if key in table.content}
    options |= {key: table.text(key) for key in texts if key in table.content}
    dtype = table.text("dtype", "float64")
    if dtype not in DTYPES:
        raise table.wrong("dtype", f"one of {listing(DTYPES)}")
    return options, DTYPES[dtype]


def _save_at(table: _Table, span: Sequence[float]) -> Tensor:
    if "save_at" not in table.content:
        return torch.linspace(float(span[0]), float(span[1]), table.integer("saves", 101, least=2), dtype=torch.float64)
    points = table.content["save_at"]
    if "saves" in table.content:
        raise table.error("has saves and save_at; give one of them")
    if not isinstance(points, list) or not points or not all(map(is_number, points)):
        raise table.wrong("save_at", "a list of times")
    return torch.tensor(points, dtype=torch.float64)


def _output(table: _Table, equation: FieldEquation) -> dict[str, Any]:
    table.only(("field", "fps"))
    if "field" in table.content and table.text("field") not in equation.fields:
        raise table.wrong("field", f"one of the fields {listing(equation.fields)}")
    table.integer("fps", 1, least=1)
    return table.content
