"""`fieldsolver check`: what it says of sound files, and that it finds everything in the others, with the line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import fieldsolver as fs
from fieldsolver.equations.files.lines import line_of
from fieldsolver.experiments.check_file import check_file
from fieldsolver.experiments.check_warnings import fastest_growth
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.sample_files import sample_names

GOOD = """\
schema = 1
[equation]
text = \"\"\"
du/dt = D*laplacian(u) - u**3
\"\"\"
[grid]
shape = [32, 16]
extent = 2.0
[boundary]
all = "periodic"
[parameters]
D = 0.1
[initial]
u = "1 + cos(pi*x)"
[solve]
t_span = [0.0, 1.0]
"""
ODE = (
    'schema = 1\n[equation]\ntext = "du/dt = -k*u"\n[parameters]\nk = 1.0\n'
    "[initial]\nu = 1.0\n[solve]\nt_span = [0, 1]\n"
)
Check = Callable[[str], tuple[str, int]]


@pytest.fixture
def checked(tmp_path: Path) -> Check:
    def check(text: str) -> tuple[str, int]:
        path = tmp_path / "case.toml"
        path.write_text(text, encoding="utf-8")
        page, code = check_file(path)
        return page.replace(str(path), "case.toml"), code

    return check


@pytest.mark.parametrize("name", sample_names())
def test_the_samples_are_fine_and_raise_no_warning(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["check", name]) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"{name}.toml is fine: (1 field|2 fields) \(\w(, v)?\)( on |, 2 parameters, 1 event, )", shown)
    assert "Warning" not in shown
    assert re.search("(∂²?u/∂t²?|d[vx]/dt) = ", shown)


def test_a_sound_file_is_summed_up(checked: Check) -> None:
    page, code = checked(GOOD)
    assert code == 0
    assert page.split("\n") == [
        "case.toml is fine: 1 field (u) on 32 x 16 cells, 1 parameter, from t = 0 to 1.", "",
        "  ∂u/∂t = D ∇²u − u³",
    ]  # fmt: skip
    more = (
        '[signals]\nI = { times = [0, 1], values = [0, 1] }\n[modules]\nm = { kind = "mlp", inputs = 1, outputs = 1 }\n'
    )
    page, _ = checked(ODE.replace("-k*u", "-k*m(u) + I").replace("k = 1.0", "k = { per_sample = [1, 2] }") + more)
    assert "1 field (u), 1 parameter, 1 signal, 1 module, 2 samples, from t = 0 to 1." in page


def test_events_are_shown_and_what_they_leave_unused_is_warned_of(checked: Check) -> None:
    events = '[[events]]\nname = "half"\ncondition = "u - 0.5"\n[[events]]\ncondition = "u - 0.4"\nterminal = true\n'
    page, code = checked(ODE + events)
    assert code == 0
    assert page.split("\n") == [
        "case.toml is fine: 1 field (u), 1 parameter, 2 events, from t = 0 to 1.", "",
        "  du/dt = −k u",
        "  event half: u - 0.5 crosses zero",
        "  event u - 0.4: u - 0.4 crosses zero; the end",
    ]  # fmt: skip
    page, _ = checked(ODE + events + "max_events = 3\n")
    assert "\nWarning: [events] #2 has max_events, which only events with a reset use" in page
    page, _ = checked(ODE + events + "max_events = 3\nreset = { u = 1 }\n")
    assert "Warning" not in page


def test_everything_wrong_is_listed_with_its_line(checked: Check) -> None:
    text = GOOD.replace("[grid]", "componets = { u = 2 }\n[grid]").replace("[32, 16]", '[32, "a"]')
    text = text.replace("D = 0.1", "D = { valu = 0.1 }\nk = true").replace('u = "1', 'seed = -1\nu = "1')
    text = text.replace('all = "periodic"', 'u = { "x-" = { neuman = 0 } }') + "rtoll = 1e-3\n[plot]\n"
    page, code = checked(text)
    assert code == 1
    found = [line.strip() for line in page.split("\n")]
    assert found[0] == "case.toml has 8 problems:"
    for start in (
        "line 21: the top level does not know the key 'plot'",
        "line 6: [equation] does not know the key 'componets'; known: text, components",
        "line 8: [grid] needs a list of one to three integers, at least 2 each, for 'shape', got [32, 'a']",
        "line 11: [boundary] u x- does not know the key 'neuman'; known: dirichlet, neumann, robin, absorbing; did",
        "line 13: [parameters] D does not know the key 'valu'",
        "line 14: [parameters] needs a finite number, a list of them",
        "line 16: [initial] needs an integer, at least 0, for 'seed', got -1",
        "line 20: [solve] does not know the key 'rtoll'",
    ):
        assert any(line.startswith(start) for line in found), start


SEMANTIC = {
    "unknown name": (GOOD.replace("laplacian(u)", "laplacian(uu)"), "line 4: unknown name 'uu'"),
    "unused": (GOOD.replace("D = 0.1", "D = 0.1\nq = 1"), "line 13: parameter 'q' appears in no equation"),
    "start": (GOOD.replace("cos(pi*x)", "cos(pi*w)"), r"line 14: [initial] 'u': unknown name 'w'"),
    "no start": (GOOD.replace('u = "1 + cos(pi*x)"', ""), "the state lacks the field 'u'"),
    "range": (
        ODE.replace("k = 1.0", "k = { value = -1, positive = true }"),
        "line 5: parameter 'k': a positive parameter",
    ),
    "boundary": (GOOD.replace("all =", "x ="), "line 9: side 'y-' of 'u' has no condition"),
    "bounds": (GOOD.replace("extent = 2.0", "extent = -2.0"), "line 6: every axis must run upwards"),
    "nodes": (GOOD.replace("extent", "nodes = { z = [0.0, 1.0] }\nextent"), "line 6: nodes names the axis 'z'"),
    "scheme": (
        GOOD.replace("[grid]", 'scheme = { x = { kind = "spectral" } }\n[grid]'),
        "line 6: [equation] 'scheme': scheme gives nothing for the axis 'y'",
    ),
    "scheme and walls": (
        GOOD.replace("[grid]", 'scheme = { kind = "spectral" }\n[grid]').replace('"periodic"', "{ neumann = 1.0 }"),
        "line 10: ",
    ),
    "method": (GOOD + 'method = "rk5"\n', "line 15: [solve] cannot be used: unknown method 'rk5'"),
    "span": (ODE.replace("[0, 1]", "[1, 0]"), "line 8: [solve] cannot be used: t_span runs from 1 to 0"),
    "saves": (ODE + "save_at = [0, 5]\n", "line 8: [solve] cannot be used: save_at has the time 5"),
}


@pytest.mark.parametrize("case", SEMANTIC)
def test_without_structural_faults_the_first_error_of_meaning_is_shown(checked: Check, case: str) -> None:
    text, sentence = SEMANTIC[case]
    page, code = checked(text)
    assert code == 1
    assert page.startswith("case.toml has 1 problem:\n")
    assert sentence in page


def test_the_equation_is_looked_at_even_so(checked: Check) -> None:
    page, code = checked(GOOD.replace("laplacian(u)", "laplacian(uu)") + "rtoll = 1\ndt = -1\n")
    assert code == 1
    assert page.startswith("case.toml has 3 problems:")
    assert "and without those entries, in the equation:\n  line 4: unknown name 'uu'" in page
    page, _ = checked(GOOD.replace("laplacian(u)", "laplacian(uu)").replace("D = 0.1", "D = true"))
    assert "uu" not in page  # what D is decides what can be said of the equation


WARNINGS = {
    "noise": (ODE.replace('u"\n', 'u + white_noise(0)"\ncalculus = "ito"\n'), "there is no stochastic method yet"),
    "white noise in the plane": (
        GOOD.replace("- u**3", "+ white_noise(2)").replace("[grid]", 'calculus = "ito"\n[grid]'),
        "white_noise(2) on a grid with 2 axes has no continuum limit",
    ),
    "short wave": (
        GOOD.replace("D*laplacian(u)", "-D*laplacian(u) - 1e-3*biharmonic(u)").replace("2.0", "8.0"),
        "along x the fastest growing wave of the linear part is 0.88",
    ),
    "no limit": (
        GOOD.replace("D*laplacian(u)", "-D*laplacian(u)"),
        "along x and y the linear part makes waves grow the faster the shorter they are",
    ),
    "blow-up": (ODE.replace("-k*u", "k/(u - 1)"), "the first step fails: The state or its derivative became NaN"),
    "signal": (
        ODE.replace("-k*u", "-k*u + I") + "[signals]\nI = { times = [0.5, 2], values = [0, 1] }\n",
        "the signal 'I' is known from 0.5 to 2, the solution runs from 0 to 1",
    ),
    "seed": (ODE.replace("u = 1.0", "u = 1.0\nseed = 3"), "[initial] has a seed and no noise"),
    "tolerances": (GOOD + "dt = 0.001\nrtol = 1e-3\n", "[solve] has rtol, which fixed steps (dt) do not use"),
    "check": (ODE + 'check = "off"\n', "[solve] has check, which only fixed steps (dt) use"),
    "periodic": (GOOD.replace("extent", 'periodic = ["x"]\nextent'), "[grid] has periodic, which only node-centred"),
    "output": (ODE + "[output]\nfps = 3\n", "[output] is about the animation, and without a grid there is none"),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_is_legal_and_probably_not_meant(checked: Check, case: str) -> None:
    text, sentence = WARNINGS[case]
    page, code = checked(text)
    assert code == 0, page
    warnings = [line for line in page.split("\n") if line.startswith("Warning: ")]
    assert any(sentence in warning for warning in warnings), page
    assert len(warnings) == (2 if case in ("short wave", "white noise in the plane") else 1)  # axes; no method


def test_growth_is_that_of_kuramoto_sivashinsky_and_of_no_wave_equation() -> None:
    grid = fs.Grid(64, 64.0)
    text = "du/dt = -laplacian(u) - biharmonic(u) - u*d_dx(u)"
    growth = fastest_growth(fs.FieldEquation(text, grid=grid, boundary=fs.Periodic()), 0)
    assert growth is not None
    assert growth.rate == pytest.approx(0.25, rel=1e-3)
    assert growth.length == pytest.approx(2 * 3.14159 * 2**0.5, rel=2e-2)
    for quiet in ("d2u/dt2 = laplacian(u)", "du/dt = u + laplacian(u)", "du/dt = x*laplacian(u)"):
        assert fastest_growth(fs.FieldEquation(quiet, grid=grid, boundary=fs.Periodic()), 0) is None


def test_a_file_that_cannot_be_read_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def says(text: str | None, sentence: str) -> None:
        path = tmp_path / "bad.toml"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text, encoding="utf-8")
        assert main(["check", str(path)]) == 1
        assert sentence in capsys.readouterr().err

    says(None, "there is no file")
    says(GOOD.replace("schema = 1", "schema = 7") + "[new]\nx = 1\n", "has schema 7, this fieldsolver reads up to 1")
    says(GOOD.replace("D = 0.1", "D = = 0.1"), "is not TOML: Invalid value (at line 12")
    says(GOOD.replace("schema = 1", ""), "does not say its schema; begin it with 'schema = 1'")
    says("", "does not say its schema")


def test_lines_are_found_among_texts_comments_and_inline_tables() -> None:
    text = '\n'.join([
        "schema = 1", "# k = 3", '[ "parameters" ]', 'text = """', "k = 1", "[solve]", '"""', "'k' = 2", "a.b = 1",
        "[equation.components]", "u = 2", "[solve] # the end", "t_span = [", "0.0,", "k = 1.0]",
    ])  # fmt: skip
    places = {("schema",): 1, ("parameters",): 3, ("parameters", "text"): 4, ("parameters", "k"): 8, ("solve",): 12,
              ("parameters", "k", "value"): 8, ("parameters", "a", "b"): 9, ("equation", "components", "u"): 11,
              ("solve", "t_span"): 13, ("solve", "dt"): 12, ("none",): None}  # fmt: skip
    assert {keys: line_of(text, keys) for keys in places} == places


def test_a_hostile_file_is_answered_soon(checked: Check) -> None:
    many = "".join(f"k{number} = 1\n" for number in range(60_000))
    page, code = checked(GOOD + many)  # in [solve]
    assert code == 1
    assert "only the first 100 are listed" in page
    page, code = checked(GOOD.replace("D = 0.1\n", "D = 0.1\n" + many))
    assert "[parameters] has 60001 entries; at most 1000 are allowed" in page


def test_a_step_that_solve_would_refuse_is_a_problem(checked: Check) -> None:
    page, code = checked(GOOD + "dt = 0.5\n")
    assert code == 1
    assert "dt=0.5 is beyond the stability limit" in page
