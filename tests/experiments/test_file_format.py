"""Equation files: what they declare, and the sentence for every way in which they can be wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import fieldsolver as fs
from fieldsolver.equations.file_format import MAX_BYTES, load_equation

GOOD = """
schema = 1
title = "test"
[equation]
text = "du/dt = D*laplacian(u) + net(u); dw/dt = -k*w"
components = { w = 2 }
space_order = 4
[grid]
shape = [8, 10]
bounds = [[0.0, 1.0], [-1.0, 1.0]]
[boundary]
u = { "x-" = { dirichlet = 0.5 }, "x+" = { neumann = "sin(t)" }, y = { robin = { a = 1.0, b = 2.0, value = 3.0 } } }
w = { neumann = 0.0 }
[parameters]
D = { value = 0.04, positive = true }
k = [1.0, 2.0]
c = 0.25
[modules]
net = { kind = "mlp", inputs = 1, hidden = [4], outputs = 1, seed = 3 }
[initial]
seed = 1
u = { expression = "x + c*y**2", noise = 0.1 }
w = 2
[solve]
t_span = [0.0, 0.1]
saves = 3
rtol = 1e-4
[output]
field = "u"
fps = 10
"""
PLAIN = """
schema = 1
[equation]
text = "du/dt = -k*u"
[parameters]
k = 1.0
[initial]
u = 1.0
[solve]
t_span = [0.0, 1.0]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_that_a_file_can_say(tmp_path: Path) -> None:
    file = load_equation(write(tmp_path, GOOD))
    assert (file.name, file.title) == ("case", "test")
    assert file.output == {"field": "u", "fps": 10}
    assert file.equation.fields == ("u", "w")
    assert file.equation.layout.space_order == 4
    conditions = file.equation.layout.conditions
    assert conditions["u"][0, 0] == fs.Dirichlet(0.5)
    assert conditions["u"][0, 1] == fs.Neumann("sin(t)")
    assert conditions["u"][1, 0] == conditions["u"][1, 1] == fs.Robin(1.0, 2.0, 3.0)
    assert conditions["w"][1, 1] == fs.Neumann(0.0)
    assert file.equation.declared["D"].trainable
    assert not file.equation.declared["k"].trainable
    assert file.equation.declared["k"].components == 2
    assert "c" not in file.equation.declared  # used by the initial state only
    assert file.initial["u"].shape == (8, 10)
    assert file.initial["w"].shape == (2, 8, 10)
    assert file.solve["t_span"] == (0.0, 0.1)
    assert file.solve["save_at"].tolist() == [0.0, 0.05, 0.1]
    solution = fs.solve(file.equation, file.initial, **file.solve)
    assert solution.success
    assert solution.y.dtype == torch.float64


def test_initial_values_are_those_of_the_expression_plus_seeded_noise(tmp_path: Path) -> None:
    noisy = load_equation(write(tmp_path, GOOD))
    again = load_equation(write(tmp_path, GOOD))
    smooth = load_equation(write(tmp_path, GOOD.replace("noise = 0.1", "noise = 0.0")))
    x, y = smooth.equation.grid.coordinates()
    torch.testing.assert_close(smooth.initial["u"], x + 0.25 * y**2, rtol=1e-14, atol=0)
    assert torch.equal(noisy.initial["u"], again.initial["u"])
    assert 0.05 < (noisy.initial["u"] - smooth.initial["u"]).std() < 0.15


def test_module_weights_follow_the_seed_and_leave_the_global_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = load_equation(write(tmp_path, GOOD)).equation.state_dict()
    assert torch.equal(torch.rand(3), expected)
    second = load_equation(write(tmp_path, GOOD)).equation.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_single_precision(tmp_path: Path) -> None:
    file = load_equation(write(tmp_path, GOOD.replace("saves = 3", 'saves = 3\ndtype = "float32"')))
    assert file.initial["u"].dtype == torch.float32
    assert fs.solve(file.equation, file.initial, **file.solve).y.dtype == torch.float32


def test_without_a_grid_and_with_a_complex_field(tmp_path: Path) -> None:
    text = PLAIN.replace("-k*u", "1j*k*u").replace("[parameters]", 'complex_fields = ["u"]\n[parameters]')
    file = load_equation(write(tmp_path, text.replace("u = 1.0", 'u = "1j"')))
    assert file.initial["u"].item() == 1j
    end = fs.solve(file.equation, file.initial, **file.solve)["u"][-1].item()
    assert abs(end - 1j * complex(math.cos(1), math.sin(1))) < 1e-5


WRONG = {
    "unknown table": (PLAIN + "[solv]\n", r"the top level does not know the key 'solv'.*did you mean 'solve'"),
    "unknown key": (PLAIN + "rtoll = 1e-3\n", r"\[solve\] does not know the key 'rtoll'.*did you mean 'rtol'"),
    "no schema": (PLAIN.replace("schema = 1", ""), r"does not say its schema; begin it with 'schema = 1'"),
    "newer schema": (PLAIN.replace("schema = 1", "schema = 2"), r"has schema 2, this fieldsolver reads up to 1"),
    "schema no integer": (PLAIN.replace("schema = 1", "schema = true"), r"needs an integer, at least 1, for 'schema'"),
    "no equation": ("schema = 1\n[initial]\nu = 1\n[solve]\n", r"has no \[equation\] table"),
    "table is text": ('schema = 1\nequation = "du/dt = u"\n', r"needs a table for 'equation'"),
    "text is a number": (PLAIN.replace('"du/dt = -k*u"', "3"), r"\[equation\] needs text for 'text', got 3"),
    "no text": (PLAIN.replace('text = "du/dt = -k*u"', ""), r"\[equation\] lacks 'text'"),
    "not TOML": (PLAIN.replace("k = 1.0", "k = = 1.0"), r"is not TOML: .*line 6"),
    "no t_span": (PLAIN.replace("t_span = [0.0, 1.0]", ""), r"\[solve\] lacks 't_span', such as \[0.0, 100.0\]"),
    "t_span of one": (PLAIN.replace("[0.0, 1.0]", "[1.0]"), r"needs two numbers.*got \[1.0\]"),
    "rtol is text": (PLAIN + 'rtol = "small"\n', r"\[solve\] needs a finite number for 'rtol', got 'small'"),
    "nan": (PLAIN + "rtol = nan\n", r"needs a finite number for 'rtol', got nan"),
    "saves twice": (PLAIN + "saves = 3\nsave_at = [1.0]\n", r"has saves and save_at; give one"),
    "saves too few": (PLAIN + "saves = 1\n", r"an integer, at least 2 and at most 1000000, for 'saves', got 1"),
    "save_at empty": (PLAIN + "save_at = []\n", r"needs a list of times for 'save_at'"),
    "dtype": (PLAIN + 'dtype = "half"\n', r"one of float64, float32 for 'dtype', got 'half'"),
    "parameter is true": (PLAIN.replace("k = 1.0", "k = true"), r"\[parameters\] needs a finite number, a list of"),
    "parameter key": (
        PLAIN.replace("k = 1.0", "k = { valu = 1 }"),
        r"\[parameters\] k does not know the key 'valu'.*'value'",
    ),
    "no value": (PLAIN.replace("k = 1.0", "k = { positive = true }"), r"\[parameters\] k lacks 'value'"),
    "bounds": (
        PLAIN.replace("k = 1.0", "k = { value = 1, bounds = [0] }"),
        r"needs two numbers \[low, high\] for 'bounds'",
    ),
    "flag": (PLAIN.replace("k = 1.0", "k = { value = 1, positive = 1 }"), r"needs true or false for 'positive', got 1"),
    "module kind": (
        PLAIN + '[modules]\nn = { kind = "mpl" }\n',
        r"asks for the kind 'mpl'; known: mlp, conv; did you mean 'mlp'",
    ),
    "module key": (
        PLAIN + '[modules]\nn = { kind = "mlp", inputs = 1, outputs = 1, width = 3 }\n',
        r"\[modules\] n does not know the key 'width'",
    ),
    "hidden": (
        PLAIN + '[modules]\nn = { kind = "mlp", inputs = 1, outputs = 1, hidden = 3 }\n',
        r"needs a list of positive integers for 'hidden', got 3",
    ),
    "initial field": (PLAIN.replace("u = 1.0", "u = 1.0\nq = 1.0"), r"\[initial\] has no field 'q'; fields: u"),
    "initial type": (PLAIN.replace("u = 1.0", "u = [1.0]"), r"\[initial\] needs a number, an expression, or"),
    "initial key": (
        PLAIN.replace("u = 1.0", 'u = { expresion = "1" }'),
        r"\[initial\] u does not know the key 'expresion'.*did you mean 'expression'",
    ),
    "initial name": (PLAIN.replace("u = 1.0", 'u = "kk"'), r"\[initial\] 'u': unknown name 'kk'.*did you mean 'k'"),
    "initial coordinate": (PLAIN.replace("u = 1.0", 'u = "x"'), r"\[initial\] 'u': unknown name 'x'"),
    "initial code": (PLAIN.replace("u = 1.0", "u = \"__import__('os')\""), r"\[initial\] 'u': .*__import__"),
    "initial comparison": (PLAIN.replace("u = 1.0", 'u = "k < 2"'), r"'u' cannot be a comparison; use where"),
    "initial complex": (PLAIN.replace("u = 1.0", 'u = "1j"'), r"'u' is complex; declare complex_fields"),
    "initial tensor": (
        PLAIN.replace("k = 1.0", "k = 1.0\nq = [1.0, 2.0]").replace("u = 1.0", 'u = "q"'),
        r"has 'q', which only \[initial\] uses; make it a plain number",
    ),
    "output field": (PLAIN + '[output]\nfield = "v"\n', r"\[output\] needs one of the fields u for 'field', got 'v'"),
    "shape missing": (PLAIN + "[grid]\nextent = 1.0\n", r"\[grid\] lacks 'shape'"),
    "grid key": (PLAIN + "[grid]\nsize = [8]\n", r"\[grid\] does not know the key 'size'"),
    "shape is text": (PLAIN + '[grid]\nshape = "8"\n', r"\[grid\] needs a list of one to three integers"),
    "periodic": (PLAIN + "[grid]\nshape = [8]\nextent = 1.0\nperiodic = 1\n", r"needs a list of names for 'periodic'"),
    "condition word": (
        PLAIN
        + '[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nu = { "x-" = { neumann = 0 }, "x+" = { neuman = 0 } }\n',
        r"\[boundary\] u x\+ does not know the key 'neuman'.*did you mean 'neumann'",
    ),
    "condition for side": (
        PLAIN + "[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nu = { neuman = 0 }\n",
        r"\[boundary\] u does not know the key 'neuman'; known: x, x-.* z\+, dirichlet, .* absorbing; did you mean",
    ),
    "condition text": (
        PLAIN + '[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nall = "periodc"\n',
        r"\[boundary\] needs \"periodic\", \"antiperiodic\" or a table such as .* for 'all', got 'periodc'",
    ),
    "two conditions": (
        PLAIN + "[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nall = { neumann = 0, dirichlet = 0 }\n",
        r"\[boundary\] all needs exactly one of dirichlet, neumann, robin",
    ),
    "all and more": (
        PLAIN + '[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nall = "periodic"\nu = "periodic"\n',
        r"\[boundary\] does not know the key 'u'; known: all",
    ),
    "robin": (
        PLAIN + "[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nall = { robin = { a = 1.0 } }\n",
        r"\[boundary\] all robin lacks 'b'",
    ),
    "wall value": (
        PLAIN + "[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nall = { neumann = [1] }\n",
        r"needs a number or an expression such as",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_with_one_sentence(tmp_path: Path, case: str) -> None:
    text, sentence = WRONG[case]
    path = write(tmp_path, text)
    with pytest.raises(fs.FileFormatError, match=sentence) as caught:
        load_equation(path)
    assert str(path) in str(caught.value)


REFUSED_BY_THE_EQUATION = {
    "unused parameter": (PLAIN.replace("k = 1.0", "k = 1.0\nq = 2.0"), fs.ParameterError, "'q' appears in no equation"),
    "negative": (PLAIN.replace("k = 1.0", "k = { value = -1.0, positive = true }"), fs.ParameterError, "above zero"),
    "checked though constant": (
        PLAIN.replace("k = 1.0", "k = { value = -1.0, positive = true, trainable = false }"),
        fs.ParameterError, "above zero",
    ),
    "missing field": (PLAIN.replace("u = 1.0", ""), fs.StateError, "lacks the field 'u'"),
    "infinite start": (PLAIN.replace("u = 1.0", 'u = "1/(k - 1)"'), fs.StateError, "NaN or infinity"),
    "missing side": (
        PLAIN + '[grid]\nshape = [8]\nextent = 1.0\n[boundary]\nu = { "x-" = { neumann = 0 } }\n',
        fs.BoundaryError, "side 'x\\+' of 'u' has no condition",
    ),
    "unknown name": (PLAIN.replace("-k*u", "-k*uu"), fs.EquationError, "unknown name 'uu'"),
    "code": (PLAIN.replace("-k*u", "__import__('os').system('true')"), fs.EquationError, "not part|only a plain name"),
    "nested list": (PLAIN.replace("k = 1.0", "k = [[1.0], [2.0, 3.0]]"), fs.ParameterError, "must be a number"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_BY_THE_EQUATION)
def test_what_the_equation_itself_refuses(tmp_path: Path, case: str) -> None:
    text, kind, sentence = REFUSED_BY_THE_EQUATION[case]
    with pytest.raises(kind, match=sentence):
        load_equation(write(tmp_path, text))


def test_a_missing_file_a_folder_binary_rubbish_and_a_huge_file(tmp_path: Path) -> None:
    with pytest.raises(fs.FileFormatError, match="there is no file"):
        load_equation(tmp_path / "none.toml")
    with pytest.raises(fs.FileFormatError, match="cannot be read: Is a directory"):
        load_equation(tmp_path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(fs.FileFormatError, match="is not TOML: UnicodeDecodeError"):
        load_equation(tmp_path / "b.toml")
    (tmp_path / "h.toml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(fs.FileFormatError, match="at most"):
        load_equation(tmp_path / "h.toml")
    with pytest.raises(fs.FileFormatError, match="is not TOML"):
        load_equation(write(tmp_path, "a = " + "[" * 5000))


def test_a_constant_parameter_may_be_written_as_a_table(tmp_path: Path) -> None:
    text = PLAIN.replace("k = 1.0", "k = { value = 2.0, bounds = [1.0, 3.0], trainable = false }")
    assert not load_equation(write(tmp_path, text)).equation.declared["k"].trainable
