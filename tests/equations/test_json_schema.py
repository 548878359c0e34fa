"""The JSON schema says what the loader says about the structure of a file, on good files and on spoilt ones."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fieldsolver as fs
from fieldsolver.equations.file_format import load_equation
from fieldsolver.equations.files import equation_file_schema
from fieldsolver.equations.files.document import Document
from fieldsolver.equations.files.json_schema import SCHEMA_FILE, schema_text
from fieldsolver.equations.files.problems import find_problems
from fieldsolver.experiments.sample_files import FOLDER, sample_names

SCHEMA = equation_file_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def faults(content: dict[str, Any]) -> list[str]:
    return [str(fault) for fault in Document(Path("case.toml"), "", content).faults()]


def test_the_shipped_schema_is_up_to_date() -> None:
    written = SCHEMA_FILE.read_text(encoding="utf-8")
    command = "python -c 'from fieldsolver.equations.files.json_schema import write_schema; write_schema()'"
    assert written == schema_text(), f"the structure has changed; run: {command}"
    assert json.loads(written) == SCHEMA


def test_it_is_a_schema_with_words_for_the_reader() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"]
    for place, part in parts(SCHEMA):
        for name, entry in part.get("properties", {}).items():
            assert entry["description"].endswith("."), (place, name)
        if part.get("type") == "object" and place:
            assert part["additionalProperties"] is False, place


def parts(schema: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if isinstance(schema, dict):
        yield place, schema
        for key, value in schema.items():
            yield from parts(value, (*place, key)) if key not in ("examples", "default") else ()
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value, place)


@pytest.mark.parametrize("name", sample_names())
def test_the_samples_are_valid_and_name_the_schema(name: str) -> None:
    path = FOLDER / f"{name}.toml"
    text = path.read_text(encoding="utf-8")
    VALIDATOR.validate(tomllib.loads(text))
    link = text.splitlines()[0].removeprefix("#:schema ")
    root = Path(__file__).resolve().parents[2] / "experiments" / "samples"
    assert (root / link).resolve() == SCHEMA_FILE.resolve()


def test_the_examples_in_the_schema_are_what_it_allows() -> None:
    for place, part in parts(SCHEMA):
        for example in part.get("examples", []):
            whole = {**{k: v for k, v in part.items() if k != "examples"}, "$defs": SCHEMA["$defs"]}
            jsonschema.Draft202012Validator(whole).validate(example), place


MINIMAL = {"schema": 1, "equation": {"text": "du/dt = -u"}, "initial": {"u": 1.0}, "solve": {"t_span": [0.0, 1.0]}}
WRONG: dict[str, dict[str, Any]] = {
    "no schema": {"schema": None},
    "another version": {"schema": 2},
    "unknown table": {"solver": {}},
    "no equation": {"equation": None},
    "unknown key": {"equation": {"text": "du/dt = -u", "txt": "x"}},
    "order 3": {"equation": {"text": "du/dt = -u", "space_order": 3}},
    "calculus": {"equation": {"text": "du/dt = -u", "calculus": "itô"}},
    "order twice": {"equation": {"text": "du/dt = -u", "space_order": 4, "scheme": {"kind": "spectral"}}},
    "scheme as a word": {"equation": {"text": "du/dt = -u", "scheme": "spectral"}},
    "scheme of no kind": {"equation": {"text": "du/dt = -u", "scheme": {"order": 4}}},
    "no scheme": {"equation": {"text": "du/dt = -u", "scheme": {}}},
    "another scheme": {"equation": {"text": "du/dt = -u", "scheme": {"kind": "finite_volume"}}},
    "scheme of order 3": {"equation": {"text": "du/dt = -u", "scheme": {"kind": "finite_difference", "order": 3}}},
    "key of another scheme": {"equation": {"text": "du/dt = -u", "scheme": {"kind": "spectral", "order": 4}}},
    "dealias": {"equation": {"text": "du/dt = -u", "scheme": {"kind": "spectral", "dealias": "clip"}}},
    "advection": {
        "equation": {"text": "du/dt = -u", "scheme": {"x": {"kind": "finite_difference", "advection": "upwind2"}}}
    },
    "kind and axes": {"equation": {"text": "du/dt = -u", "scheme": {"kind": "spectral", "x": {"kind": "spectral"}}}},
    "no scheme along x": {"equation": {"text": "du/dt = -u", "scheme": {"y": {"kind": "spectral"}}}},
    "components": {"equation": {"text": "du/dt = -u", "components": {"u": 0}}},
    "shape": {"grid": {"shape": [1], "extent": 1.0}},
    "four axes": {"grid": {"shape": [4, 4, 4, 4], "extent": 1.0}},
    "extent and bounds": {"grid": {"shape": [4], "extent": 1.0, "bounds": [0.0, 1.0]}},
    "neither": {"grid": {"shape": [4]}},
    "nodes": {"grid": {"shape": [4], "extent": 1.0, "nodes": [0.0, 1.0]}},
    "nodes of an axis": {"grid": {"shape": [4], "extent": 1.0, "nodes": {"w": [0.0, 1.0]}}},
    "kind of nodes": {"grid": {"shape": [4], "extent": 1.0, "nodes": {"x": {"kind": "uniform"}}}},
    "power of nodes": {"grid": {"shape": [4], "extent": 1.0, "nodes": {"x": {"kind": "polynomial", "power": 0.5}}}},
    "key of other nodes": {"grid": {"shape": [4], "extent": 1.0, "nodes": {"x": {"kind": "chebyshev", "power": 2}}}},
    "boundary word": {"boundary": {"all": "periodc"}},
    "two conditions": {"boundary": {"all": {"neumann": 0.0, "dirichlet": 0.0}}},
    "all and one": {"boundary": {"all": "periodic", "u": "periodic"}},
    "side": {"boundary": {"u": {"w-": {"neumann": 0.0}}}},
    "robin": {"boundary": {"u": {"robin": {"a": 1.0}}}},
    "absorbing at no speed": {"boundary": {"all": {"absorbing": 0.0}}},
    "absorbing": {"boundary": {"all": {"absorbing": {"speed": 1.0}}}},
    "parameter": {"parameters": {"k": True}},
    "parameter name": {"parameters": {"2k": 1.0}},
    "no value": {"parameters": {"k": {"positive": True}}},
    "deep list": {"parameters": {"k": [[[1.0]]]}},
    "half a complex": {"parameters": {"k": {"re": 1.0}}},
    "two kinds": {"parameters": {"k": {"value": 1.0, "spatial": "x"}}},
    "signal": {"signals": {"I": {"times": [0, 1]}}},
    "csv": {"signals": {"I": {"csv": "a.csv", "columns": ["t"]}}},
    "kernel": {"kernels": {"w": {"function": "x"}}},
    "edge": {"kernels": {"w": {"function": "x", "edge": "open"}}},
    "radius": {"kernels": {"w": {"function": "x", "edge": "zero", "radius": 0.0}}},
    "radius of samples": {"kernels": {"w": {"values": [1.0], "edge": "zero", "radius": 1.0}}},
    "normalise": {"kernels": {"w": {"function": "x", "edge": "zero", "normalise": True}}},
    "module": {"modules": {"n": {"kind": "python", "code": "x"}}},
    "module key": {"modules": {"n": {"kind": "conv", "channels": [1, 1], "hidden": [2]}}},
    "one event": {"events": {"condition": "u"}},
    "event without condition": {"events": [{"condition": "u"}, {"direction": "up"}]},
    "condition": {"events": [{"condition": 1.0}]},
    "event key": {"events": [{"condition": "u", "then": "stop"}]},
    "direction": {"events": [{"condition": "u", "direction": "rising"}]},
    "terminal": {"events": [{"condition": "u", "terminal": 1}]},
    "max_events": {"events": [{"condition": "u", "max_events": 0}]},
    "reset": {"events": [{"condition": "u", "reset": "u = 0"}]},
    "reset of no state": {"events": [{"condition": "u", "reset": {"u[0]": "0"}}]},
    "reset value": {"events": [{"condition": "u", "reset": {"u": True}}]},
    "events without end": {"events": [{"condition": "u"}] * 101},
    "initial name": {"initial": {"du": 1.0, "d2u/dt2": 1.0}},
    "initial": {"initial": {"u": {"noise": 1.0}}},
    "seed": {"initial": {"u": 1.0, "seed": -1}},
    "span": {"solve": {"t_span": [0.0]}},
    "dt": {"solve": {"t_span": [0.0, 1.0], "dt": 0.0}},
    "saves twice": {"solve": {"t_span": [0.0, 1.0], "saves": 3, "save_at": [0.0]}},
    "dtype": {"solve": {"t_span": [0.0, 1.0], "dtype": "float16"}},
    "fps": {"output": {"fps": "fast"}},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_wrong_for_the_editor_and_for_the_loader(case: str) -> None:
    content = {key: value for key, value in {**MINIMAL, **WRONG[case]}.items() if value is not None}
    assert not VALIDATOR.is_valid(content)
    if case not in ("no schema", "another version"):  # found before the structure is looked at
        assert faults(content)
    assert VALIDATOR.is_valid(MINIMAL)
    assert faults(MINIMAL) == []


# -- generated files ----------------------------------------------------------------------------------------------

WORDS = (
    "x",
    "1",
    "0.5*u",
    "exp(-x**2)",
    "2*k",
    "du/dt = -k*u",
    "d2u/dt2 = laplacian(u)",
    "du/dt = convolve(w, u)",
    "I",
)
NAMES = ("u", "v", "k", "w", "I", "n", "D_1", "u")


def content_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of ours allows; small ones."""
    if "$ref" in schema:
        return content_of(SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema and "type" not in schema:
            return st.one_of([content_of(way) for way in schema[key]])
    match schema["type"]:
        case "string":
            return st.sampled_from(WORDS)
        case "boolean":
            return st.booleans()
        case "integer":
            low = schema.get("minimum", 0)
            return st.integers(low, min(schema.get("maximum", low + 3), low + 3))
        case "number":
            above = schema.get("exclusiveMinimum", schema.get("minimum", -4.0))
            return st.floats(above, above + 8.0, exclude_min="exclusiveMinimum" in schema, width=32) | st.integers(1, 3)
        case "array":
            low = schema.get("minItems", 0)
            return st.lists(content_of(schema["items"]), min_size=low, max_size=min(schema.get("maxItems", 9), low + 2))
    return table_of(schema)


@st.composite
def table_of(draw: st.DrawFn, schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    one_of = [way["required"][0] for way in schema.get("oneOf", [])]
    chosen = [name for name in properties if name in schema.get("required", ()) or draw(st.booleans())]
    if one_of:
        chosen = [name for name in chosen if name not in one_of] + [draw(st.sampled_from(one_of))]
    chosen = [name for name in chosen if name not in schema.get("not", {}).get("required", ())[1:]]
    table = {name: draw(content_of(properties[name])) for name in chosen}
    for shape in schema.get("patternProperties", {}).values():
        table |= {name: draw(content_of(shape)) for name in draw(st.lists(st.sampled_from(NAMES), max_size=2))}
    return table


FILES = content_of(SCHEMA)
JUNK = st.sampled_from(
    [None, True, -1, 0, 1.5, "", "periodic", [], [1, "a"], [[1.0]], {}, {"re": 1.0}, {"x": {"y": 1}}]
)


def as_toml(content: dict[str, Any]) -> str:
    """A file with the content; tables of tables become inline tables."""
    lines = [f"{key} = {inline(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for key, table in content.items():
        if isinstance(table, dict):
            lines += [f"[{key}]", *(f"{json.dumps(name)} = {inline(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {inline(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return repr(float(value)) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


@settings(max_examples=150)
@given(FILES)
def test_what_the_schema_allows_has_no_structural_fault_and_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    VALIDATOR.validate(content)
    assert faults(content) == []
    path = tmp_path_factory.getbasetemp() / "generated.toml"
    path.write_text(as_toml(content), encoding="utf-8")
    assert tomllib.loads(path.read_text(encoding="utf-8")) == content
    with contextlib.suppress(fs.FieldSolverError):  # of the meaning; never another exception
        assert all(math.isfinite(end) for end in load_equation(path).solve["t_span"])


@settings(max_examples=200)
@given(FILES, st.data())
def test_schema_and_loader_agree_on_spoilt_files(content: dict[str, Any], data: st.DataObject) -> None:
    spoilt = copy.deepcopy(content)
    table: Any = spoilt
    while True:
        inside = [part for value in table.values() for part in (value if isinstance(value, list) else [value])]
        inside = [part for part in inside if isinstance(part, dict) and part]
        if not inside or data.draw(st.integers(0, 2)) == 0:
            break
        table = data.draw(st.sampled_from(inside))
    key = data.draw(st.sampled_from([*table, "unknown", "all", "y+", "du/dt", "é", "a b"]))
    match data.draw(st.sampled_from(["remove", "replace", "rename"])):
        case "replace":
            table[key] = data.draw(JUNK)
        case "remove":
            table.pop(key, None)
        case "rename":
            # 1.5, not 1.0: JSON Schema counts 1.0 as an integer, TOML does not.
            table[key + data.draw(st.sampled_from("sx-+"))] = table.pop(key, 1.5)
    assert VALIDATOR.is_valid(spoilt) == (faults(spoilt) == []), faults(spoilt)
    problems, file = find_problems(Document(Path("case.toml"), "", spoilt))  # and looking further never fails
    assert (file is None) == bool(problems)
