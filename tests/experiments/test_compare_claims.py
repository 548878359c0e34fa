"""Verdicts, tables and pages from results that are made up: what they say follows from the numbers alone."""

import dataclasses
import math

import numpy as np
import pytest
import xarray

from fieldsolver.errors import OptionError
from fieldsolver.experiments.compare import (
    Budget,
    CellResult,
    Claim,
    Computed,
    Entry,
    Evidence,
    Exceeds,
    Finding,
    Judgement,
    Measured,
    NotMeasured,
    Outcome,
    Pair,
    Reaches,
    Recipe,
    Row,
    Study,
    TimesSmaller,
    verdicts,
)
from fieldsolver.experiments.compare.page import Section, write_comparison
from fieldsolver.experiments.compare.requested import requested_study
from fieldsolver.experiments.compare.result import cells_csv, comparison_result
from fieldsolver.experiments.compare.tables import results_table
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.themes import THEMES

SAMPLES = 400
SPREAD = np.array([-1, -0.5, 0, 0.5, 1]) / np.std([-1, -0.5, 0, 0.5, 1], ddof=1)


def result(accuracy, seconds=10.0, total=1000):
    correct = np.arange(SAMPLES) < round(accuracy * SAMPLES)
    return CellResult(
        {"accuracy": accuracy, "precision": accuracy, "recall": accuracy, "f1": accuracy, "evaluations": 4.0},
        seconds, 5000, {"embedding": total // 2, "rest": total - total // 2, "total": total},
        {"macs_per_token": 12.0, "held_bytes": 1e6, "state_bytes": 2e6}, 100, "made-up rows", {"threads": 1},
        samples={"correct": correct},
    )  # fmt: skip


def outcome(pairs=(), **rows):
    """Rows by name with their accuracies; a row without any was not measured."""
    entries = {
        name: Entry(Recipe(name, "tfidf" if name == "linear" else "bag"), "made", max(1, len(values)), Budget(epochs=1))
        for name, values in rows.items()
    }
    return Outcome(
        Study(list(entries.values()), pairs),
        {
            (name, "made"): Row(entry, [result(value) for value in rows[name]], 1e-3, {1e-3: 0.5}, Budget(epochs=1))
            for name, entry in entries.items()
        },
    )


def judged(rule, found, **measured):
    return verdicts([Claim("it is so", "a paper", rule)], Evidence(found, measured))[0]


@pytest.mark.parametrize(
    ("stated", "judgement"), [(0.90, "reproduced"), (0.9061, "reproduced"), (0.9063, "not reproduced")]
)
def test_a_stated_accuracy_must_not_lie_above_the_interval(stated, judgement):
    """Mean 0.90, deviation 0.005, n = 5: the interval ends at 0.90 + 2.776 * 0.005 / sqrt(5) = 0.9062."""
    one = judged(Reaches("row", "made", stated), outcome(row=0.9 + 0.005 * SPREAD))
    assert one.judgement == judgement
    assert "90.00 % on made, made-up rows (95 % interval 89.38 to 90.62, 5 seeds)" in one.words


@pytest.mark.parametrize(
    ("stated", "judgement"), [(0.90, "reproduced"), (0.91, "not measured"), (0.93, "not reproduced")]
)
def test_noise_reproduces_nothing(stated, judgement):
    """Deviation 0.02: the interval ends at 0.9248, 2.5 points above the mean."""
    assert judged(Reaches("row", "made", stated), outcome(row=0.9 + 0.02 * SPREAD)).judgement == judgement


def test_a_short_run_judges_no_accuracy():
    found = outcome(row=[0.9, 0.91], other=[0.5, 0.51])
    short = Outcome(dataclasses.replace(found.study, quick=True), found.rows)
    for rule in (Reaches("row", "made", 0.5), Reaches("row", "made", 0.99), Exceeds("row", "other", "made")):
        one = judged(rule, short)
        assert one.judgement is Judgement.NOT_MEASURED
        assert "a short run decides nothing" in one.words


def test_an_advantage_needs_a_test_and_its_size():
    better, worse = [0.92, 0.93, 0.91, 0.925, 0.915], [0.90, 0.911, 0.888, 0.906, 0.895]
    found = outcome(first=better, second=worse, same=[0.919, 0.933, 0.909, 0.926, 0.914])
    assert judged(Exceeds("first", "second", "made"), found).judgement is Judgement.REPRODUCED
    assert judged(Exceeds("first", "second", "made", by=0.05), found).judgement is Judgement.NOT_REPRODUCED
    assert judged(Exceeds("second", "first", "made"), found).judgement is Judgement.NOT_REPRODUCED
    assert judged(Exceeds("first", "same", "made"), found).judgement is Judgement.NOT_REPRODUCED


def test_claims_of_a_table_share_their_risk():
    """p = 0.03: significant alone, not among two such."""
    rule = Computed(lambda: Finding(True, "numbers", 0.03))
    evidence = Evidence(outcome(row=[0.9]), {})
    alone, together = (verdicts([Claim("a", "b", rule)] * number, evidence) for number in (1, 2))
    assert alone[0].judgement is Judgement.REPRODUCED
    assert [one.judgement for one in together] == [Judgement.NOT_REPRODUCED] * 2
    assert together[0].words == "numbers; p = 0.06 after Holm"


def test_what_was_not_measured_is_said_to_be():
    found = outcome(empty=[], one=[0.9], linear=[0.8])
    for rule in (
        Reaches("empty", "made", 0.5),
        Reaches("absent", "made", 0.5),
        Reaches("one", "made", 0.5),  # one seed has no interval
        Exceeds("one", "empty", "made"),
        Exceeds("one", "absent", "made"),
        TimesSmaller("total", "parameters", "one", "empty", "made", 2.0),
        Measured("time", lambda _: Finding(True, "")),
        NotMeasured("no GPU"),
    ):
        one = judged(rule, found)
        assert one.judgement is Judgement.NOT_MEASURED, rule
        assert one.words
    assert judged(Measured("time", lambda found: Finding(found["x"] > 1, "x")), found, time={"x": 2}).judgement == (
        "reproduced"
    )


def test_times_smaller_is_a_ratio():
    found = outcome(small=[0.9], large=[0.9])
    found.rows["large", "made"].results[0] = result(0.9, total=3500)
    assert judged(TimesSmaller("total", "parameters", "small", "large", "made", 3.6), found).judgement == "reproduced"
    assert judged(TimesSmaller("total", "parameters", "small", "large", "made", 4), found).judgement == "not reproduced"


def test_a_classifier_stands_against_every_seed():
    found = outcome(net=[0.91, 0.93, 0.95], linear=[0.90])
    test = found.paired("net", "linear", "made")
    assert test.mean == pytest.approx(0.03)
    assert test.number == 3
    assert found.rows["linear", "made"].is_measured


def test_the_page_says_what_it_knows_and_what_not(tmp_path):
    pair = Pair("net", "linear", "made", "texts", "better?")
    found = outcome((pair,), net=[0.91, 0.93, 0.95], linear=[0.90], empty=[])
    claims = verdicts([Claim("a | b", "paper", Reaches("net", "made", 0.99))], Evidence(found, {}))
    sections = [Section("More", ["Nothing."])]
    page = write_comparison(
        found, tmp_path, "made", title="Title", about=["About."], command="fieldsolver compare x", judged=claims,
        sections=sections,
    ).read_text()  # fmt: skip
    for words in (
        "# Title", "About.", "made-up rows; judged by 400 test texts",
        "| net | 93.00 ± 2.00 | 88.03 to 97.97 | ± 1.28 |",
        "not measured: not run yet", "a \\| b", "**not reproduced**", "least possible 0.25", "## More", "1 epoch",
        "fieldsolver compare x", "without numbers: empty on made",
    ):  # fmt: skip
        assert words in page, words
    assert "short run" not in page
    names = {path.name for path in tmp_path.iterdir()}
    assert {"made.md", "made.nc", "made_cells.csv"} <= names
    for key in ("accuracy", "effort"):
        for theme in THEMES:
            assert f"made_{key}{'' if theme == 'light' else f'_{theme}'}.png" in names
    assert all(f"({name})" in page for name in names if name.endswith(".png"))
    stored = AnalysisResult.from_netcdf(tmp_path / "made.nc")
    assert stored.status is Verdict.FAIL
    assert isinstance(stored.dataset, xarray.Dataset)
    assert stored["accuracy"].sel(entry=0).values == pytest.approx([0.91, 0.93, 0.95])


def test_a_short_run_is_marked(tmp_path):
    found = outcome(net=[0.9, 0.8])
    short = Outcome(dataclasses.replace(found.study, quick=True), found.rows)
    page = write_comparison(short, tmp_path, "made", title="T", about=[], command="x --quick").read_text()
    assert page.splitlines()[2].startswith("> **A short run for demonstration.**")


@pytest.mark.parametrize(
    ("rows", "status"),
    [({"net": [0.9, 0.8]}, Verdict.PASS), ({"net": [0.9], "empty": []}, Verdict.INCONCLUSIVE)],
)
def test_the_result_is_labelled(rows, status):
    found = comparison_result(outcome(**rows))
    assert found.status is status
    assert found.schema == "comparison/1"
    for name, variable in {**found.dataset.data_vars, **found.dataset.coords}.items():
        assert {"units", "long_name"} <= set(variable.attrs), name
    assert math.isnan(found["accuracy"].values[-1, -1]) == ("empty" in rows)


def test_the_csv_has_a_line_per_run():
    lines = cells_csv(outcome(net=[0.91, 0.93], linear=[0.9])).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("row,data,seed,learning_rate,training_texts,seconds,tokens,accuracy")
    assert lines[2].startswith("net,made,1,0.001,100,10.0,5000,0.93")


def test_a_seed_keeps_its_number_when_an_earlier_one_is_missing():
    found = outcome(net=[0.91, 0.93, 0.95])
    row = found.rows["net", "made"]
    found.rows["net", "made"] = row._replace(results=[row.results[2]], seeds=(2,))
    assert cells_csv(found).splitlines()[1].startswith("net,made,2,0.001,100,10.0,5000,0.95")
    accuracy = comparison_result(found)["accuracy"].values[0]
    assert np.isnan(accuracy[:2]).all()
    assert accuracy[2] == 0.95


def test_networks_with_different_numbers_of_seeds_are_paired_over_the_common_ones():
    test = outcome(many=[0.91, 0.93, 0.95, 0.99], few=[0.90, 0.92]).paired("many", "few", "made")
    assert test.number == 2
    assert test.mean == pytest.approx(0.01)


def test_failed_runs_are_shown():
    found = outcome(net=[0.9])
    found.rows["net", "made"].results[0] = dataclasses.replace(result(0.9), metrics={}, failed="the loss is nan")
    assert "not measured: the loss is nan" in results_table(found, "made")[2]
    assert math.isnan(found.rows["net", "made"].mean("seconds"))


def test_a_requested_comparison_is_matched():
    study = requested_study(["wave_network/small", "transformer", "bag"], "ag_news", 4, Budget(tokens=1000))
    rows = {entry.recipe.name: entry for entry in study.entries}
    assert list(rows) == ["wave_network/small", "transformer", "bag", "majority", "tfidf"]
    assert rows["transformer"].recipe.like is rows["wave_network/small"].recipe
    reading = {
        (entry.recipe.tokeniser, entry.recipe.vocabulary, entry.recipe.max_length) for entry in study.entries[:3]
    }
    assert reading == {("wordpiece", 30_522, 128)}
    assert {entry.seeds for entry in study.entries} == {4}
    assert [(pair.second, pair.matched) for pair in study.pairs] == [
        ("transformer", "parameters, tokens"), ("bag", "tokens"), ("tfidf", "texts"),
    ]  # fmt: skip
    with pytest.raises(OptionError, match="did you mean 'wave_network'"):
        requested_study(["wave_netwrk/small"], "ag_news", 1, Budget(epochs=1))
    with pytest.raises(OptionError, match="name at least one model"):
        requested_study([], "ag_news", 1, Budget(epochs=1))
