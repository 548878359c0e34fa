"""`fieldsolver list methods`: every method, with the numbers of its summary, in an aligned page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fieldsolver.experiments.cli import main
from fieldsolver.experiments.method_table import COLUMNS, HEADINGS, LEGEND, WIDTH, method_lines, method_page
from fieldsolver.methods import METHODS, MethodSummary, adaptive_methods

NUMBERS = ("dense_order", "stages", "evaluations", "extra_stages", "real_interval", "imaginary_interval", "ssp_radius")


@pytest.fixture(scope="module")
def summaries() -> dict[str, MethodSummary]:
    return {name: method.describe() for name, method in METHODS.items()}


@pytest.fixture(scope="module")
def page() -> list[str]:
    return "\n".join(method_page()).removeprefix(LEGEND).strip().splitlines()


def cells(line: str, first: int) -> list[str]:
    """The texts of the columns, cut where the columns lie."""
    starts = [0, *(first + sum(COLUMNS[:i]) for i in range(len(COLUMNS)))]
    return [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]


def test_every_method_has_a_row_with_the_numbers_of_its_summary(
    page: list[str], summaries: dict[str, MethodSummary]
) -> None:
    first = page[0].index("order")
    assert cells(page[0], first) == list(HEADINGS)
    rows = {line.split()[0]: cells(line, first) for line in page[1:] if not line.startswith(" ")}
    assert list(rows) == list(METHODS)
    for name, (_, order, *numbers, steps) in rows.items():
        facts = summaries[name]
        embedded = "" if facts.embedded_order is None else f"({facts.embedded_order})"
        assert order == ("1-12" if name == "abm" else f"{facts.order}{embedded}")
        assert steps == ("adaptive" if name in adaptive_methods() else "fixed")
        for attribute, shown in zip(NUMBERS, numbers, strict=True):
            value = getattr(facts, attribute)
            assert shown == "-" if value is None else float(shown) == pytest.approx(value, rel=1e-4), (name, attribute)


def test_published_numbers_are_in_the_row(page: list[str]) -> None:
    """SSPRK(10,4): Ketcheson 2008 gives the SSP coefficient 6 with 10 evaluations of f."""
    row = next(line for line in page if line.startswith("ssprk104"))
    assert row.split() == ["ssprk104", "4(3)", "3", "11", "10", "0", "13.917", "4.9215", "6", "adaptive"]


def test_sources_are_whole_and_lines_fit_the_page(page: list[str], summaries: dict[str, MethodSummary]) -> None:
    assert max(map(len, [*LEGEND.splitlines(), *page])) <= WIDTH
    unbroken = " ".join(" ".join(page).split())
    for facts in summaries.values():
        assert " ".join(facts.source.split()) in unbroken


def test_the_legend_explains_every_column() -> None:
    for heading in HEADINGS[1:]:
        assert re.search(rf"\b{heading}[,:]", LEGEND), heading


def test_numbers_that_a_family_of_methods_lacks_are_dashes(summaries: dict[str, MethodSummary]) -> None:
    bare = replace(
        summaries["euler"],
        dense_order=None,
        stages=None,
        evaluations=1,
        extra_stages=None,
        real_interval=None,
        imaginary_interval=float("inf"),
        ssp_radius=None,
    )
    row = next(method_lines(bare, adaptive=False, width=8))
    assert row.split() == ["euler", "1", "-", "-", "1", "-", "-", "inf", "-", "fixed"]


def test_one_method_alone_is_its_part_of_the_page(capsys: pytest.CaptureFixture[str], page: list[str]) -> None:
    assert main(["list", "methods", "--method", "tsit5"]) == 0
    shown = capsys.readouterr().out.removeprefix(LEGEND).strip().splitlines()
    at = next(i for i, line in enumerate(page) if line.startswith("tsit5"))
    assert shown == [page[0], *page[at : at + 2]]


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str], page: list[str]) -> None:
    assert main(["list", "methods"]) == 0
    assert capsys.readouterr().out == "\n".join([LEGEND, "", *page]) + "\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["methods", "--method", "tsit6"], "--method is one of euler, .*got 'tsit6'; did you mean 'tsit5'?"),
        (["equations", "--method", "tsit5"], "--method belongs to 'fieldsolver list methods', got 'list equations'"),
        (["operators", "--method", "tsit5"], "--method belongs to 'fieldsolver list methods'"),
    ],
)
def test_wrong_methods_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    assert main(["list", *arguments]) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert re.match(f"fieldsolver: {sentence}", streams.err)
