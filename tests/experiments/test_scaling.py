"""The questions of scale: rows run through the machinery on made-up news, and verdicts follow the numbers."""

import dataclasses
import math

import numpy as np
import pytest

from fieldsolver.errors import StabilityError
from fieldsolver.experiments.compare import (
    Budget,
    Cell,
    CellResult,
    CellStore,
    Entry,
    Outcome,
    Row,
    Running,
    Study,
    run_cell,
    run_study,
)
from fieldsolver.experiments.compare.plan import content
from fieldsolver.experiments.reproductions import (
    find_reproduction,
    wavenet_neuro_scaling,
    wavenet_neuro_scaling_readings,
)
from fieldsolver.experiments.reproductions.wavenet_neuro_scaling import BASE, CHANNELS
from fieldsolver.models.wavenet_neuro.readings import SHARES
from fieldsolver.themes import THEMES, drawn_in

from .tiny_text_data import write_packs

READ = {one.name: one for one in wavenet_neuro_scaling.READINGS}


def declared(quick=False):
    return find_reproduction("wavenet_neuro_scaling").load()(quick)


def test_rows_vary_one_number_at_a_time():
    """Every row is the preset but for what its name says."""
    recipes = {entry.recipe.name: entry.recipe for entry in declared().study.entries}
    base = recipes[BASE].configuration()
    expected = {
        **{f"{size} channels": {"channels": size, "embedding": size} for size in CHANNELS},
        "1 step": {"steps": 1, "duration": 0.5}, "4 steps": {"steps": 4, "duration": 2.0},
        "8 steps": {"steps": 8, "duration": 4.0}, "D = 0.01": {"steps": 4, "diffusivity": 0.01},
        "D = 0.1": {"steps": 4}, "D = 1": {"steps": 4, "diffusivity": 1.0},
    }  # fmt: skip
    for name, changes in expected.items():
        found = recipes[name].configuration()
        assert {key for key in base if found[key] != base[key]} == {key for key in changes if base[key] != changes[key]}
        assert {key: found[key] for key in changes} == changes
    assert recipes["0 steps"].configuration()["duration"] == 0
    metric = recipes["metric"].configuration()
    assert (metric["variant"], metric["channels"], metric["steps"]) == ("metric", base["channels"], base["steps"])
    assert recipes["metric"].training == recipes[BASE].training


def small(name):
    recipe = next(entry.recipe for entry in declared().study.entries if entry.recipe.name == name)
    options = {**recipe.options, "bigrams": 16}
    if name.endswith("channels"):
        options |= {
            "channels": recipe.options.get("channels", 32) // 8,
            "embedding": recipe.options.get("channels", 32) // 8,
        }
    return dataclasses.replace(recipe, options=options, vocabulary=120, max_length=12)


@pytest.mark.slow
def test_rows_run_and_are_read(tmp_path, monkeypatch):
    (tmp_path / "packs").mkdir()
    monkeypatch.setenv("FIELDSOLVER_DATA", str(write_packs(tmp_path / "packs", train=96, test=40)))
    names = ["8 channels", "16 channels", BASE, "D = 0.01", "D = 1", "adaptive", "metric"]
    entries = [
        Entry(small(name), "ag_news", 1, Budget(epochs=1), rates_of=None if name == BASE else BASE) for name in names
    ]
    outcome = run_study(Study(entries, tuned_on=0.5), CellStore(tmp_path / "cells"), Running(progress=False))
    for reading in declared().readings:
        found = reading.read(outcome)
        assert found is not None, reading.name
        text = "\n".join(reading.lines(found))
        assert "nan" not in text
    rest = READ["rest"].read(outcome)
    assert rest is not None
    assert 0 < rest["contraction"] < 1
    assert rest["counted"] == pytest.approx(rest["evaluations"], abs=3)  # of all test texts: here 40 of 40
    learnt = READ["learnt"].read(outcome)
    assert learnt is not None
    assert learnt["rows"]["D = 0.01"]["D"][2] == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("judged", [False, True])
def test_a_field_that_overflows_is_a_result_and_stops_no_study(tmp_path, monkeypatch, judged):
    (tmp_path / "packs").mkdir()
    monkeypatch.setenv("FIELDSOLVER_DATA", str(write_packs(tmp_path / "packs", train=48, test=20)))
    recipe = small(BASE)
    if not judged:
        recipe = dataclasses.replace(recipe, options={**recipe.options, "overflow": 1e-9})
    monkeypatch.setattr(run_cell, "judged_texts", overflowing)
    cell = Cell(recipe, "ag_news", content("ag_news"), Budget(epochs=1), 0, 1e-3)
    result = run_cell.run_cell(cell, CellStore(tmp_path / "cells"))
    assert ("where overflow=1e-09 is the limit" in result.failed) is not judged
    assert ("text 7" in result.failed) is judged
    assert math.isnan(result.accuracy)
    assert (result.tokens > 0) is (result.seconds > 0) is judged  # training had ended


@pytest.mark.parametrize("what", ["_readings", "_costs"])
def test_what_cannot_be_read_from_a_model_is_missing_with_the_reason(tmp_path, monkeypatch, what):
    (tmp_path / "packs").mkdir()
    monkeypatch.setenv("FIELDSOLVER_DATA", str(write_packs(tmp_path / "packs", train=48, test=20)))
    monkeypatch.setattr(run_cell, what, lambda *_: overflowing(None, None))
    cell, store = Cell(small(BASE), "ag_news", content("ag_news"), Budget(epochs=1), 0, 1e-3), CellStore(tmp_path)
    store.write(cell, run_cell.run_cell(cell, store))
    result = store.read(cell)
    assert result.missing == f"no {what[1:]}: text 7 overflows"
    assert not result.failed
    assert result.accuracy >= 0
    assert ("D_50" in result.costs) is (what == "_costs")
    assert ("macs_per_token" in result.costs) is (what == "_readings")
    assert not store.run_folder(cell).exists()


def overflowing(model, split):
    raise StabilityError("text 7 overflows", math.nan)


def outcome_of(values, quick=False):
    """Accuracies per seed and costs by row."""
    rows, entries = {}, []
    recipes = {entry.recipe.name: entry.recipe for entry in declared().study.entries}
    for name, (accuracies, costs) in values.items():
        entry = Entry(recipes[name], "imdb", len(accuracies), Budget(epochs=1))
        results = [
            CellResult({"accuracy": value, "evaluations": 9.0}, 1.0, 1, {}, costs, 1, "", {}) for value in accuracies
        ]
        entries.append(entry)
        rows[entry.key] = Row(entry, results, 1e-3, {}, None)
    return Outcome(Study(entries, quick=quick), rows)


def test_a_power_law_is_found_or_is_not_there():
    seeds = np.array([0.98, 1.0, 1.02])
    law = outcome_of({f"{size} channels": (list(1 - 0.3 * size**-0.25 * seeds), {}) for size in CHANNELS})
    found = READ["size"].read(law)
    assert found is not None
    assert found["slope"] == pytest.approx(-0.25, abs=0.005)
    assert found["factor"] == pytest.approx(0.3, rel=0.02)
    assert wavenet_neuro_scaling_readings.size_verdict(found).holds is True
    noise = {size: np.roll(seeds, place) * (1 - 0.001 * place) for place, size in enumerate(CHANNELS)}
    flat = outcome_of({f"{size} channels": (list(1 - 0.2 * noise[size]), {}) for size in CHANNELS})
    finding = wavenet_neuro_scaling_readings.size_verdict(READ["size"].read(flat) or {})
    assert finding.holds is False
    assert "no trend" in finding.words
    assert "C^(-0.0" in finding.words  # it falls, but not by more than seeds differ
    short = outcome_of({f"{size} channels": ([0.7, 0.8], {}) for size in CHANNELS}, quick=True)
    assert wavenet_neuro_scaling_readings.size_verdict(READ["size"].read(short) or {}).holds is None
    assert READ["size"].read(outcome_of({"8 channels": ([0.7], {})})) is None


@pytest.mark.parametrize(("ends", "holds"), [((0.05, 0.1, 0.2), True), ((0.011, 0.1, 0.9), False)])
def test_diffusivities_have_found_one_another_or_not(ends, holds):
    costs = [{f"D_{share}": end for share in SHARES} for end in ends]
    rows = {f"D = {start:g}": ([0.8, 0.81], cost) for start, cost in zip((0.01, 0.1, 1.0), costs, strict=True)}
    found = READ["learnt"].read(outcome_of(rows))
    assert found is not None
    assert wavenet_neuro_scaling_readings.diffusivity_verdict(found).holds is holds


@pytest.mark.parametrize(("width", "holds"), [(1.05, False), (1.2, True), (0.85, True)])
def test_a_metric_departs_or_not(width, holds):
    costs = {f"width_{share}": width for share in SHARES} | dict.fromkeys(("common", "rare", "ends", "middle"), 0.1)
    found = READ["geometry"].read(outcome_of({"metric": ([0.8], costs)}))
    assert found is not None
    assert wavenet_neuro_scaling_readings.geometry_verdict(found).holds is holds


@pytest.mark.parametrize(("error", "holds"), [(0.1, True), (0.4, False)])
def test_evaluations_are_predicted_or_not(error, holds):
    costs = {"contraction": 0.8, "predicted": 12.0, "counted": 11.0, "prediction_error": error}
    found = READ["rest"].read(outcome_of({"adaptive": ([0.8], costs)}))
    assert found is not None
    assert wavenet_neuro_scaling_readings.rest_verdict(found).holds is holds
    assert READ["rest"].read(outcome_of({"adaptive": ([0.8], {})})) is None


def test_figures_show_rows_and_law(tmp_path):
    rows = {
        f"{size} channels": ([1 - 0.3 * size**-0.25] * 2, {f"D_{n}": 0.05 + n / 500 for n in SHARES})
        for size in CHANNELS
    }
    outcome = outcome_of(rows)
    for name, labels in (("size", "$C^{-0.250}$"), ("learnt", "at the end")):
        (draw,) = READ[name].drawings.values()
        for theme in THEMES:
            with drawn_in(theme):
                figure = draw(READ[name].read(outcome) or {})
                legend = figure.axes[0].get_legend()
                assert legend is not None
                assert labels in [text.get_text() for text in legend.get_texts()]
                figure.savefig(tmp_path / f"{name}_{theme}.png")
    assert math.isfinite(figure.axes[0].get_xlim()[0])
