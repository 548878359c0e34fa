"""Bad input: refused with a sentence and a column, quickly, and never executed."""

from __future__ import annotations

import builtins
import contextlib
import os
import time

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import example, given, settings

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.grammar import Scope, parse_expression
from fieldsolver.errors import EquationError, EquationSyntaxError, EquationTypeError, UnknownNameError
from fieldsolver.space import Grid, Neumann

SCOPE = Scope({"u": build.field("u"), "w": build.field("w", 3), "k": build.parameter("k")}, {}, ("x",))


def refused(text, scope=SCOPE):
    with pytest.raises(EquationError) as caught:
        parse_expression(text, scope)
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind", "column", "message"),
    [
        ("u + velocty", UnknownNameError, 4, "unknown name 'velocty'; known here: u, w, k, x, t, pi, e"),
        ("u + kk", UnknownNameError, 4, "did you mean 'k'"),
        ("1 + sine(u)", UnknownNameError, 4, "did you mean 'sin'"),
        ("laplacain(u)", UnknownNameError, 0, "did you mean 'laplacian'"),
        ("u*y", UnknownNameError, 2, "unknown name 'y'"),
        ("u*(k + 1", EquationSyntaxError, 2, "this bracket is never closed"),
        ("u*k) + 1", EquationSyntaxError, 3, "closes a bracket that was never opened"),
        ("u*(k]", EquationSyntaxError, None, "cannot be read"),
        ('__import__("os")', EquationSyntaxError, 0, "__import__ is not part of the equation language"),
        ('__import__("os").system("true")', EquationSyntaxError, 0, "only a plain name can be called"),
        ("u.real", EquationSyntaxError, 0, "attribute access"),
        ("u.__class__.__bases__", EquationSyntaxError, 0, "attribute access"),
        ("lambda*u", EquationSyntaxError, 0, "write 'lam'"),
        ("u + (lambda: 1)()", EquationSyntaxError, 5, "write 'lam'"),
        ("(u := 3)", EquationSyntaxError, 1, "assignment"),
        ("f'{u}'", EquationSyntaxError, 0, "f-string"),
        ("u + 'a'", EquationSyntaxError, 4, "only numbers can be literals, got 'a'"),
        ("b'a'", EquationSyntaxError, 0, "only numbers can be literals"),
        ("where(0 < u < 1, u, k)", EquationSyntaxError, 6, "comparisons are single"),
        ("where(u == 1, u, k)", EquationSyntaxError, 6, "one of < <= > >="),
        ("u and k", EquationSyntaxError, 2, "nest where(condition, a, b) instead"),
        ("u if k else 1", EquationSyntaxError, 2, "nest where(condition, a, b) instead"),
        ("not u", EquationSyntaxError, 0, "nest where(condition, a, b) instead"),
        ("u^2", EquationSyntaxError, 0, "^ (use ** for powers) is not part of the language"),
        ("k + u@u", EquationTypeError, 6, "@ needs a matrix parameter on its left"),
        ("u % 2", EquationSyntaxError, 0, "% is not part of the language"),
        ("u // 2", EquationSyntaxError, 0, "// is not part of the language"),
        ("u << 2", EquationSyntaxError, 0, "LShift is not part of the language"),
        ("~u", EquationSyntaxError, 0, "not part of the equation language"),
        ("True*u", EquationSyntaxError, 0, "'True' is a Python keyword"),
        ("...", EquationSyntaxError, 0, "only numbers can be literals, got Ellipsis"),
        ("[u]", EquationSyntaxError, 0, "a list"),
        ("u, k", EquationSyntaxError, 0, "a tuple"),
        ("{u: k}", EquationSyntaxError, 0, "a dict"),
        ("{u}", EquationSyntaxError, 0, "a set"),
        ("sin(*u)", EquationSyntaxError, 4, "a star"),
        ("sin(x=u)", EquationSyntaxError, 0, "by position"),
        ("sin + u", EquationSyntaxError, 0, "sin is a function; write sin(...)"),
        ("u(k + 1)", EquationSyntaxError, 0, "u is not a function; to multiply, write u*(...)"),
        ("3(u)", EquationSyntaxError, 0, "only a plain name can be called"),
        ("u = 3", EquationSyntaxError, 2, "cannot be read"),
        ("u u", EquationSyntaxError, None, "cannot be read"),
        ("u +", EquationSyntaxError, None, "cannot be read"),
        ("", EquationSyntaxError, None, "the expression is empty"),
        ("u\0", EquationSyntaxError, None, "null bytes"),
        ("u + \ud800", EquationSyntaxError, None, "cannot be read"),
        ("k*ｕ", EquationSyntaxError, 2, "'ｕ' only looks like 'u'"),
        ("u²", EquationSyntaxError, 1, "'²' only looks like '2'"),
        ("u*𝐤", EquationSyntaxError, 2, "only looks like 'k'"),
        ("u + и", UnknownNameError, 4, "unknown name 'и'"),
        ("ééé*1 + und", UnknownNameError, 0, "unknown name"),
        ("u**65", EquationTypeError, 3, "integer exponents go up to 64, got 65"),
        ("u**-65", EquationTypeError, 3, "integer exponents go up to 64"),
        ("1e999*u", EquationTypeError, 0, "numbers must be finite"),
        ("1e999j*u", EquationTypeError, 0, "numbers must be finite"),
        ("u*" + "9" * 400, EquationTypeError, 2, "numbers must be finite"),
        ("u*" + "9" * 5000, EquationSyntaxError, None, "cannot be read"),
        ("sin(u, k)", EquationTypeError, 0, "sin takes 1 argument(s), got 2"),
        ("diffusion(u)", EquationTypeError, 0, "diffusion(D, u) takes 2 argument(s), got 1"),
        ("where(u, 1, 2)", EquationTypeError, 0, "where needs a comparison first"),
        ("where(u > 0, u > 1, 2)", EquationTypeError, 0, "belongs inside where"),
        ("where((u > 0) > 1, 1, 2)", EquationTypeError, 6, "belongs inside where"),
        ("1 + (u > 0)", EquationTypeError, 5, "belongs inside where"),
        ("sin(u > 0)", EquationTypeError, 0, "belongs inside where"),
        ("(u > 0)[0]", EquationTypeError, 0, "belongs inside where"),
        ("w[3]", EquationTypeError, 0, "no component 3"),
        ("w[-1]", EquationTypeError, 0, "a component is picked by an integer"),
        ("w[0.0]", EquationTypeError, 0, "a component is picked by an integer"),
        ("w[0:1]", EquationSyntaxError, 2, "Slice"),
        ("laplacian(k)", EquationTypeError, 0, "acts on something that varies in space"),
        ("d_dy(u)", EquationTypeError, 0, "needs an axis 'y'"),
        ("max(1j, u)", EquationTypeError, 0, "not defined for the complex argument"),
        ("where(1j > u, 1, 2)", EquationTypeError, 6, "complex numbers have no order"),
    ],
)
def test_message_and_column(text, kind, column, message):
    error = refused(text)
    assert isinstance(error, kind)
    assert message in error.message
    assert column is None or error.column == column
    if error.column is not None:
        shown = str(error).splitlines()
        assert shown[-1].endswith("^")
        assert f"(column {error.column + 1})" in str(error)


def test_the_caret_points_at_the_character():
    scope = Scope({"θ": build.parameter("θ")}, {}, ())
    error = refused("θ*θ + velocity", scope)
    *_, line, caret = str(error).split("\n")
    assert line[caret.index("^") :] == "velocity"
    long = "θ + " * 500 + "velocity"
    *_, line, caret = str(refused(long, scope)).split("\n")
    assert line[caret.index("^") :].startswith("velocity")
    assert len(line) < 120


def deep(opening, closing="", core="u", depth=5000):
    return opening * depth + core + closing * depth


@pytest.mark.parametrize(
    "text",
    [
        deep("(", ")"), deep("sin(", ")"), deep("-"), deep("u**"), deep("-", depth=100_000), deep("w[", "]"),
        "u" + "/2" * 3000, "u" + "/2*3" * 250, "u" + "/2" * 300, deep("sin(", ")", depth=201), deep("u**", depth=250),
        "+".join(["u"] * 20_000), "u" * 300_000, "sin(" * 60_000,
    ],
)  # fmt: skip
def test_huge_and_deep_texts_are_refused_quickly(text):
    start = time.perf_counter()
    refused(text)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "text",
    [
        deep("(", ")", depth=199), deep("sin(", ")", depth=150), deep("-", depth=150), "u" + "/2" * 150,
        "+".join(["u"] * 400), "*".join(["u"] * 400), "+".join(f"{i}*u" for i in range(300)),
        deep("(1 + ", ")", depth=150),
    ],
)  # fmt: skip
def test_what_is_within_the_limits_works_all_the_way(text):
    equation = FieldEquation(f"du/dt = {text}")
    assert torch.isfinite(equation(0.0, torch.tensor([0.5], dtype=torch.float64))).all()
    assert FieldEquation(str(equation)).right_sides == equation.right_sides


@pytest.mark.parametrize(
    "text",
    ["(((9**64)**64)**64)**64", "1/0", "0**-1", "(-2)**0.5", "log(0)", "log(-1)", "sqrt(-1)", "exp(1e9)",
     "(10.0**64)**64",      "acos(2)", "where(1/0 > 1, 1, 2)", "tan(1)/0"],
)  # fmt: skip
def test_constants_without_a_value(text):
    start = time.perf_counter()
    with pytest.raises(EquationTypeError, match="has no finite real value"):
        FieldEquation(f"du/dt = {text}*u")
    assert time.perf_counter() - start < 1


@pytest.fixture
def no_escape(monkeypatch):
    """Anything that would run code or touch the system fails the test."""

    def caught(*args, **kwargs):
        raise AssertionError(f"text was executed: {args!r}")

    for name in ("eval", "exec", "open", "input"):
        monkeypatch.setattr(builtins, name, caught)
    for name in ("system", "popen"):
        monkeypatch.setattr(os, name, caught)


PIECES = [
    "u", "k", "w", "x", "t", "pi", "1", "2.5", "1j", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "**",
    "%", "@", "^", "~", "<", ">", "<=", "==", "!=", ",", ".", ":", ":=", ";", "=", "sin", "where", "laplacian",
    "diffusion", "__import__", "eval", "exec", "open", "'os'", '"', "'", "f'", "lambda", "and", "or", "not",
    "if", "else", "for", "in", "import", "\\", "\n", "\t", "\x00", " ", "#", "é", "\uff55", "²", "\ud800",
    "\u202e", "__class__", "await", "yield", "None", "...", "1e999", "0x10", "1_000", "0o7",
    "99999999999999999999999999999999999999999999999999", "e", "E", "`", "$", "?", "!", "->",
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("__import__('os').system('true')")
@example("eval('1')")
@example("u.__class__.__mro__[1].__subclasses__()")
@example("[c for c in ().__class__.__base__.__subclasses__()]")
@example("u if eval('1') else u")
def test_fuzzed_texts_are_refused_by_equation_errors_only(text):
    try:
        node = parse_expression(text, SCOPE)
    except EquationError as refusal:
        str(refusal)
    else:
        assert parse_expression(str(node), SCOPE) is node


@settings(max_examples=300)
@given(st.text(max_size=40))
def test_arbitrary_text_is_refused_by_equation_errors_only(text):
    for source in (text, "du/dt = " + text, text + "/dt = 1"):
        with contextlib.suppress(EquationError):
            FieldEquation(source)


def test_nothing_is_ever_executed(no_escape):
    for text in ("__import__('os').system('true')", "eval('1')", "exec('1')", "open('f')", "u.__init__.__globals__",
                 "(lambda: open('f'))()", "[open('f') for _ in (1,)]", "f'{open(1)}'"):  # fmt: skip
        refused(text)


# -- whole systems ----------------------------------------------------------------------------------------------------

LINE = {"grid": Grid(8, extent=1), "boundary": Neumann(0)}


class Identity(torch.nn.Module):
    def forward(self, values):
        return values


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("du/dt = u; du/dt = 1", {}, "two equations for the field 'u'"),
        ("du/dt = u", {"parameters": {"k": 1.0}}, "parameter 'k' appears in no equation and no boundary"),
        ("du/dt = u", {"modules": {"net": Identity()}}, "module 'net' appears in no equation"),
        ("du/dt = u + sin", {"parameters": {"sin": 1.0}}, "'sin' is a word of the equation language"),
        ("dsin/dt = 1", {}, "'sin' is a word of the equation language and cannot name a field"),
        ("dpi/dt = 1", {}, "'pi' is a word of the equation language"),
        ("dt/dt = 1", {}, "'t' is a word of the equation language"),
        ("du/dt = u*u", {"parameters": {"u": 1.0}}, "'u' is declared as a field and as a parameter"),
        ("du/dt = a*a(u)", {"parameters": {"a": 1.0}, "modules": {"a": Identity()}}, "as a parameter and as a module"),
        ("du/dt = x*u", {"parameters": {"x": 1.0}, **LINE}, "'x' is a coordinate of the grid"),
        ("du/dt = x(u)", {"modules": {"x": Identity()}, **LINE}, "and cannot name a module too"),
        ("du/dt = k*u", {"parameters": {"k 1": 1.0}}, "which is not a name"),
        ("du/dt = __k*u", {"parameters": {"__k": 1.0}}, "which is not a name"),
        ("du/dt = w", {"parameters": {"w": torch.ones(3)}}, "du/dt has 3 components, but u has 1; declare components="),
        ("du/dt = u; dv/dt = u", {"components": {"u": 3, "v": 2}}, "dv/dt has 3 components, but v has 2"),
        ("du/dt = u*v; dv/dt = v", {"components": {"u": 3, "v": 2}},
         "needs equal numbers of components, got u (3) and v (2)"),
        ("du/dt = u", {"components": {"U": 3}}, "components names 'U', but the fields are u"),
        ("du/dt = u", {"components": {"u": 0}}, "must be a positive integer, got 0"),
        ("du/dt = u", {"components": {"u": 2.0}}, "must be a positive integer"),
        ("du/dt = 1j*u", {}, "du/dt is complex; declare complex_fields=('u',)"),
        ("du/dt = A; dA/dt = u", {"complex_fields": ("A",)}, "du/dt is complex"),
        ("du/dt = u", {"complex_fields": ("B",)}, "complex_fields names 'B', but the fields are u"),
        ("du/dt = u > 0", {}, "a right side cannot be a comparison; use where(...)"),
        ("du/dt = laplacian(u)", {}, "laplacian needs a grid; pass grid=fs.Grid(...)"),
        ("du/dt = u*x", {}, "unknown name 'x'"),
        ("d3u/dt3 = -u", {}, "du/dt"),
        ("d3u/dt3 = -u", {}, "order 3 over order 3"),
        ("d2u/dt = -u", {}, "order 2 over order 1"),
        ("u = 1", {}, "the left side must be a time derivative"),
        ("du/dx = 1", {}, "the left side must be a time derivative"),
        ("d" + "9" * 5000 + "u/dt = u", {}, "the left side must be a time derivative"),
        ("du/dt", {}, "an equation needs '='"),
        ("", {}, "there is no equation in the text"),
        ("# du/dt = u", {}, "there is no equation in the text"),
        (3, {}, "equations are text such as 'du/dt = -u', or a dict"),
        ("du/dt = net(u)", {"modules": {"net": 3}}, "must be an nn.Module, got int"),
        ("du/dt = net(u)", {"modules": {"net": torch.nn.Linear(2, 1)}}, "components last, shape (2, 1), and failed"),
        ("du/dt = net(u)", {"modules": {"net": torch.nn.Linear(1, 2)}}, "du/dt has 2 components, but u has 1"),
        ("du/dt = net(u)", {"modules": {"net": torch.nn.BatchNorm1d(1)}}, "mixes samples of a batch"),
        ("du/dt = net()", {"modules": {"net": Identity()}}, "net needs at least one argument"),
        ("du/dt = net(u)", {"modules": {"net": torch.nn.Flatten(0)}}, "expected (2, components)"),
    ],
)  # fmt: skip
def test_systems_that_cannot_be(text, options, message):
    with pytest.raises((EquationError, ValueError)) as caught:
        FieldEquation(text, **options)
    assert message in str(caught.value)
    assert type(caught.value).__module__ == "fieldsolver.errors"
