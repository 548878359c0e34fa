"""`fieldsolver analyze`: files, verdicts, the report page, and what happens when an analyser refuses or is stopped."""

from __future__ import annotations

import html
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray
from matplotlib.figure import Figure

from fieldsolver.analysis import registry
from fieldsolver.analysis.problem import Problem
from fieldsolver.analysis.registry import ANALYSERS, Analyser
from fieldsolver.errors import OptionError
from fieldsolver.experiments.cli import main
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.themes import THEMES

FILE = """
schema = 1
title = "Decay <of> u & v"
[equation]
text = "du/dt = D*laplacian(u) - u"
[grid]
shape = [8]
extent = 1.0
[boundary]
all = "periodic"
[parameters]
D = 0.01
[initial]
u = "1 + 0.1*cos(2*pi*x)"
[solve]
t_span = [0.0, 0.5]
saves = 4
method = "rk4"
dt = 0.1
"""


@pytest.fixture
def decay(tmp_path: Path) -> str:
    path = tmp_path / "decay.toml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


class Told:
    """Stands for the analysers of this test, and keeps what they were told."""

    problems: list[Problem]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    seen = Told()
    seen.problems = []

    def finds(status: Verdict):
        def study(problem: Problem) -> AnalysisResult:
            seen.problems.append(problem)
            data = xarray.Dataset(
                {
                    "answer": ((), 42.5, {"units": "s", "long_name": "the <answer>"}),
                    "row": (("place",), np.arange(3.0), {"units": "1", "long_name": "rows"}),
                }
            )
            return AnalysisResult(data, status, "because 1 < 2", "told/1")

        return study

    def refuses(problem: Problem) -> AnalysisResult:
        raise OptionError("no <good>")

    def stops(problem: Problem) -> AnalysisResult:
        raise KeyboardInterrupt

    idle = finds(Verdict.NOT_APPLICABLE)
    studies = {
        "idle": idle,
        "fine": finds(Verdict.PASS),
        "wrong": finds(Verdict.FAIL),
        "refuses": refuses,
        "stops": stops,
    }
    monkeypatch.setattr(Analyser, "load", lambda self: studies[self.module])
    monkeypatch.setattr("fieldsolver.results._PLOTTERS", {})
    register_plot("told/1")(lambda result: Figure())
    _offer(monkeypatch, "fine", "wrong")
    return seen


def _offer(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    offered = {name: Analyser(name, f"what is {name}?") for name in names}
    monkeypatch.setattr(registry, "ANALYSERS", offered)
    monkeypatch.setattr("fieldsolver.experiments.analyze_file.ANALYSERS", offered)


def test_one_analyser_writes_numbers_and_picture(told: Told, decay: str, tmp_path: Path, capsys) -> None:
    assert main(["analyze", "fine", decay, "--out", str(tmp_path / "o")]) == 0
    folder = tmp_path / "o" / "decay" / "analysis"
    assert sorted(path.name for path in folder.iterdir()) == ["fine.nc", "fine.png"]
    assert AnalysisResult.from_netcdf(folder / "fine.nc").status is Verdict.PASS
    assert capsys.readouterr().out == "fine: PASS: because 1 < 2\n"


def test_the_file_and_the_options_reach_the_analyser(told: Told, decay: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "o")]
    assert main(["analyze", "fine", decay, *out]) == 0
    assert main(["analyze", "fine", decay, *out, "--method", "euler", "--dt", "0.01", "--t-end", "2"]) == 0
    first, second = told.problems
    assert (first.method, first.dt, first.t_span, first.name) == ("rk4", 0.1, (0.0, 0.5), "decay")
    assert (second.method, second.dt, second.t_span) == ("euler", 0.01, (0.0, 2.0))
    assert first.start.shape == (1, 8)
    assert not {"method", "dt", "t_span", "save_at"} & set(first.settings)


class Page(HTMLParser):
    """Collects the text and the pictures of a page, and whether every tag is closed."""

    VOID = ("meta", "img", "source")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("img", "source"):
            self.pictures.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_all_writes_one_page(told: Told, decay: str, tmp_path: Path, capsys) -> None:
    assert main(["analyze", "all", decay, "--out", str(tmp_path / "o")]) == 0
    path = tmp_path / "o" / "decay" / "analysis" / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert not page.open
    for words in ("Decay <of> u & v", "du/dt", "what is fine?", "because 1 < 2", "the <answer> (s)", "42.5"):
        assert words in page.text
    assert len(page.pictures) == 2 * len(THEMES)
    assert len({picture.get("src") or picture["srcset"] for picture in page.pictures}) == 2  # light and dark
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    assert {entry.name for entry in path.parent.iterdir()} == {
        "fine.nc", "fine.png", "wrong.nc", "wrong.png", "report.html",
    }  # fmt: skip


def test_an_analyser_that_refuses_stops_no_other(told: Told, decay: str, tmp_path: Path, capsys, monkeypatch) -> None:
    _offer(monkeypatch, "refuses", "fine")
    assert main(["analyze", "all", decay, "--out", str(tmp_path / "o")]) == 1
    text = (tmp_path / "o" / "decay" / "analysis" / "report.html").read_text(encoding="utf-8")
    assert html.escape("no <good>") in text
    assert "because 1" in text
    assert main(["analyze", "refuses", decay, "--out", str(tmp_path / "o")]) == 1
    assert "fieldsolver: no <good>" in capsys.readouterr().err


def test_interrupted_all_keeps_what_is_done(told: Told, decay: str, tmp_path: Path, monkeypatch) -> None:
    _offer(monkeypatch, "fine", "stops", "wrong")
    assert main(["analyze", "all", decay, "--out", str(tmp_path / "o")]) == 130
    folder = tmp_path / "o" / "decay" / "analysis"
    assert "what is fine?" in (folder / "report.html").read_text(encoding="utf-8")
    assert not (folder / "wrong.nc").exists()


def test_what_does_not_apply_has_no_picture(told: Told, decay: str, tmp_path: Path, monkeypatch) -> None:
    """There is nothing in such a result that could be drawn."""
    _offer(monkeypatch, "idle", "fine")
    register_plot("told/1")(_draw_what_applies)
    assert main(["analyze", "all", decay, "--out", str(tmp_path / "o")]) == 0
    folder = tmp_path / "o" / "decay" / "analysis"
    assert sorted(path.name for path in folder.iterdir()) == ["fine.nc", "fine.png", "idle.nc", "report.html"]


def _draw_what_applies(result: AnalysisResult) -> Figure:
    if result.status is Verdict.NOT_APPLICABLE:
        raise KeyError("batch")
    return Figure()


def test_strict_fails_where_a_verdict_does(told: Told, decay: str, tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "o"), "--strict"]
    assert main(["analyze", "fine", decay, *out]) == 0
    assert main(["analyze", "wrong", decay, *out]) == 1
    assert "FAIL: because" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stabilty", "gray_scott"], "there is no analyser 'stabilty'"),
        (["energy", "grey_scott"], "gray_scott"),
        (["energy", "gray_scott", "--t-end", "-1"], "--t-end must lie after the start"),
        (["energy", "gray_scott", "--dt", "-1"], "--dt is a positive step"),
        (["stability", "gray_scott", "--dt", "0"], "--dt is a positive step"),
    ],
)
def test_wrong_words_are_answered_before_any_work(arguments: list[str], words: str, tmp_path: Path, capsys) -> None:
    assert main(["analyze", *arguments, "--out", str(tmp_path / "o")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_every_analyser_has_a_study_and_a_question() -> None:
    for name, analyser in ANALYSERS.items():
        assert callable(analyser.load()), name
        assert analyser.question[0].islower()
        assert not analyser.question.endswith(".")
