"""Cells, their store and their runner on a tiny made-up data set: nothing is run twice, nothing is lost."""

import dataclasses
import json
import math

import numpy as np
import pytest

from fieldsolver.errors import FileFormatError, OptionError
from fieldsolver.experiments.baselines import bag
from fieldsolver.experiments.compare import (
    Budget,
    CellStore,
    Entry,
    Pair,
    Recipe,
    Running,
    Study,
    collected,
    run_study,
)
from fieldsolver.experiments.compare import runner as runner_module
from fieldsolver.experiments.compare.cell_result import CellResult
from fieldsolver.experiments.compare.page import write_comparison
from fieldsolver.experiments.compare.plan import chosen_rate, final_cells, tuning_cells
from fieldsolver.experiments.compare.runner import dealt, run_cells
from fieldsolver.experiments.compare.splits import texts_of
from fieldsolver.experiments.options import Interrupted
from fieldsolver.models.parts import Preset

from .tiny_text_data import write_packs

BAG = Recipe("bag", "bag", options={"dim": 8, "buckets": 64, "dropout": 0.0}, vocabulary=200, max_length=16, batch=32,
             rates=(1e-2, 1e-1, 3e-1))  # fmt: skip
LINEAR = Recipe("tf-idf", "tfidf")
QUIET = Running(progress=False)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"))


@pytest.fixture(autouse=True)
def data(packs, monkeypatch):
    monkeypatch.setenv("FIELDSOLVER_DATA", str(packs))


def study(*entries, **options):
    rows = entries or (Entry(BAG, "ag_news", 2, Budget(epochs=6)), Entry(LINEAR, "ag_news", 2, Budget(epochs=1)))
    return Study(rows, **options)


@pytest.fixture(scope="module")
def finished(packs, tmp_path_factory):
    store = CellStore(tmp_path_factory.mktemp("cells"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDSOLVER_DATA", str(packs))
        return store, run_study(study(pairs=(Pair("bag", "tf-idf", "ag_news", "data", "which?"),)), store, QUIET)


def test_a_study_is_measured(finished):
    _, outcome = finished
    bag, linear = outcome.on("ag_news")
    assert outcome.is_complete
    assert len(bag.results) == 2
    assert len(linear.results) == 1
    assert bag.accuracy().mean > 0.8  # of four classes; the rate that wins the tie by its loss overshoots a little
    assert linear.accuracy().mean > 0.9
    assert set(bag.tried) == set(BAG.rates)
    assert bag.tried[bag.rate] == max(bag.tried.values())
    result = bag.results[0]
    assert result.tokens == pytest.approx(6 * 216 * 12, rel=0.01)  # epochs, 0.9 of the texts, tokens of a text
    assert result.rows == 216
    assert linear.results[0].rows == 240
    assert result.parameters["total"] == result.parameters["embedding"] + 8 * 4 + 4
    assert len(result.samples["correct"]) == 120
    assert result.samples["correct"].mean() == result.accuracy
    np.testing.assert_array_equal(result.samples["margin"] > 0, result.samples["correct"])
    assert outcome.comparisons()[0].test.number == 2


def test_costs_are_counted_by_hand(finished):
    _, outcome = finished
    result = outcome.rows["bag", "ag_news"].results[0]
    assert result.costs["macs_per_token"] == pytest.approx(8 * 4 / 12, rel=0.01)  # the head, once a text
    assert result.costs["state_bytes"] == 16 * result.parameters["total"]
    assert result.costs["held_bytes"] > 32 * 12 * 8  # at least the ids


def test_tuning_never_sees_the_test_split_nor_more_than_its_part(finished):
    store, outcome = finished
    entry = outcome.study.entries[0]
    for cell in tuning_cells(outcome.study, entry, store):
        found = store.read(cell)
        assert found.rows == pytest.approx(21, abs=2)
        assert not found.samples
        assert len(texts_of(cell).validation) == 24  # all: a tenth of them would judge by chance


def test_a_row_may_choose_its_rate_on_a_part_of_its_own_and_the_page_says_so(finished, tmp_path):
    store, _ = finished
    alone = Entry(dataclasses.replace(BAG, name="alone"), "ag_news", 1, Budget(epochs=1), tuned_on=1.0)
    rows = study(Entry(BAG, "ag_news", 1, Budget(epochs=1)), alone)
    parts = [{cell.fraction for cell in tuning_cells(rows, entry, store)} for entry in rows.entries]
    assert parts == [{0.1}, {1.0}]
    halved = dataclasses.replace(rows, fraction=0.5)
    assert {cell.fraction for cell in tuning_cells(halved, alone, store)} == {0.5}
    store = CellStore(tmp_path / "cells")
    for entry in rows.entries:
        for cell in tuning_cells(rows, entry, store):
            store.write(cell, CellResult({"accuracy": cell.rate}, 1.0, 1, {"total": 1}, {}, 1, "", {}))
    page = write_comparison(collected(rows, store), tmp_path / "out", "rows", title="rows", about=[], command="none")
    assert "`alone` on ag_news: on 100%, in as many passes" in page.read_text(encoding="utf-8")


def test_finished_cells_are_never_run_again(finished, monkeypatch):
    store, outcome = finished
    monkeypatch.setattr(runner_module, "run_cell", lambda *_: pytest.fail("a finished cell was run again"))
    again = run_study(outcome.study, store, QUIET)
    np.testing.assert_array_equal(again.on("ag_news")[0].accuracies, outcome.on("ag_news")[0].accuracies)


def test_a_result_survives_the_store_unchanged(finished):
    store, outcome = finished
    cell = final_cells(outcome.study, outcome.study.entries[0], store)[1]
    result = store.read(cell)
    other = CellStore(store.folder / "copy")
    other.write(cell, result)
    copy = other.read(cell)
    for field in dataclasses.fields(result):
        if field.name != "samples":
            assert getattr(copy, field.name) == getattr(result, field.name), field.name
    assert all((copy.samples[name] == values).all() for name, values in result.samples.items())


def test_the_fingerprint_has_what_the_result_depends_on_and_nothing_else(finished):
    store, outcome = finished
    cell = final_cells(outcome.study, outcome.study.entries[0], store)[0]
    renamed = dataclasses.replace(cell, recipe=dataclasses.replace(BAG, name="another", rates=(1.0, 2.0, 3.0)))
    assert renamed.fingerprint == cell.fingerprint
    assert renamed in store
    changed = [
        {"seed": 1}, {"rate": 0.5}, {"content": "other"}, {"budget": Budget(epochs=4)}, {"budget": Budget(tokens=3)},
        {"purpose": "tuning"}, {"fraction": 0.5}, {"test_samples": 5}, {"data": "imdb"},
        {"validation": 0.5},
        *({"recipe": dataclasses.replace(BAG, **change)} for change in (
            {"model": "transformer", "options": {}}, {"preset": "words"}, {"options": {}}, {"tokeniser": "bpe"},
            {"vocabulary": 7}, {"max_length": 7}, {"batch": 7}, {"training": {"clip": 2.0}}, {"label_smoothing": 0.1},
        )),
    ]  # fmt: skip
    others = [dataclasses.replace(cell, **change).fingerprint for change in changed]
    assert len({cell.fingerprint, *others}) == 1 + len(changed)


def test_a_preset_that_changed_is_another_cell(finished, monkeypatch):
    """Results of the numbers that a preset had before must not be taken for those of the numbers it has now."""
    store, outcome = finished
    cell = final_cells(outcome.study, outcome.study.entries[0], store)[0]
    recipe = dataclasses.replace(BAG, preset="words", options={})
    matched = dataclasses.replace(BAG, model="transformer", options={}, like=recipe)
    before = [dataclasses.replace(cell, recipe=one).fingerprint for one in (recipe, matched)]
    monkeypatch.setitem(bag.PRESETS, "words", Preset("", {"buckets": 0, "dim": 16}))
    after = [dataclasses.replace(cell, recipe=one).fingerprint for one in (recipe, matched)]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, monkeypatch):
    """Ctrl-C in the middle of the second epoch: the finished cells stay, the run goes on from its checkpoint."""
    entry = Entry(dataclasses.replace(BAG, rates=(1e-2, 2e-2, 3e-2)), "ag_news", 1, Budget(epochs=3))
    straight, broken = CellStore(tmp_path / "a"), CellStore(tmp_path / "b")
    run_study(study(entry), straight, QUIET)
    run_cells(tuning_cells(study(entry), entry, broken), broken, QUIET)
    (cell,) = final_cells(study(entry), entry, broken)
    calls = []

    from fieldsolver.experiments.baselines.bag import BagOfEmbeddings

    def counted(self, ids, mask, *, detailed=False):
        calls.append(len(ids))
        if self.training and len(calls) == 12:
            raise KeyboardInterrupt
        return original(self, ids, mask, detailed=detailed)

    original = BagOfEmbeddings.forward
    monkeypatch.setattr(BagOfEmbeddings, "forward", counted)
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        run_cells([cell], broken, QUIET)
    assert cell not in broken
    assert any(broken.run_folder(cell).iterdir())
    steps = len(calls)
    run_cells([cell], broken, QUIET)
    assert len(calls) - steps < 24  # it did not begin anew: 3 epochs of 7 batches, evaluated, make 27 with the end
    assert broken.read(cell).metrics == straight.read(cell).metrics
    np.testing.assert_array_equal(broken.read(cell).samples["margin"], straight.read(cell).samples["margin"])
    assert not broken.run_folder(cell).exists()


def test_a_run_that_diverges_is_a_result_and_its_rate_is_not_chosen(tmp_path):
    wild = dataclasses.replace(BAG, rates=(1e-2, 3e-2, 1e38), training={"clip": 1e30, "weight_decay": 1.0})
    entry = Entry(wild, "ag_news", 1, Budget(epochs=2))
    store = CellStore(tmp_path)
    outcome = run_study(study(entry), store, QUIET)
    row = outcome.rows["bag", "ag_news"]
    assert math.isnan(row.tried[1e38])
    assert row.rate != 1e38
    assert chosen_rate(outcome.study, entry, store) == row.rate
    assert row.is_measured


def test_equal_seconds_are_those_of_the_other_row(finished, tmp_path):
    store, _ = finished
    first = Entry(BAG, "ag_news", 2, Budget(epochs=6))
    timed = Entry(dataclasses.replace(BAG, name="timed"), "ag_news", 1, Budget(seconds_of="bag"), rates_of="bag")
    whole = study(first, timed)
    outcome = run_study(whole, store, QUIET)
    row, reference = outcome.rows["timed", "ag_news"], outcome.rows["bag", "ag_news"]
    assert row.budget is not None
    assert row.budget.seconds == pytest.approx(reference.mean("seconds"), abs=0.05)
    assert row.mean("seconds") == pytest.approx(row.budget.seconds, abs=0.2)
    assert row.tried == reference.tried
    assert collected(whole, CellStore(tmp_path / "empty")).rows["timed", "ag_news"].budget is None


@pytest.mark.slow  # two more processes import torch
def test_several_processes_give_the_same_results(finished, tmp_path):
    _, outcome = finished
    store = CellStore(tmp_path)
    parallel = run_study(outcome.study, store, Running(workers=2, progress=False))
    for key, row in outcome.rows.items():
        np.testing.assert_array_equal(parallel.rows[key].accuracies, row.accuracies)


def test_cells_are_dealt_evenly_longest_first():
    class Named(str):
        __slots__ = ()

    seconds = [5.0, 1.0, 4.0, 2.0, 3.0, 3.0]
    lists = dealt([Named(value) for value in seconds], seconds, 2)
    sums = [sum(map(float, own)) for own in lists]
    assert sums == [9.0, 9.0]
    assert all(list(own) == sorted(own, key=float, reverse=True) for own in lists)


def test_no_cell_is_begun_after_the_time(tmp_path):
    outcome = run_study(study(), CellStore(tmp_path), Running(until=0.0, progress=False))
    assert not outcome.is_complete
    assert not any(row.results for row in outcome.rows.values())
    assert all(math.isnan(row.mean("seconds")) for row in outcome.rows.values())


def test_damaged_files_are_named(finished, tmp_path):
    store, outcome = finished
    cell = final_cells(outcome.study, outcome.study.entries[0], store)[0]
    other = CellStore(tmp_path)
    path = other.write(cell, store.read(cell))
    whole = path.read_text()
    for text, message in (
        (whole[: len(whole) // 2], "cannot be read as JSON"),
        (json.dumps({**json.loads(whole), "schema": 99}), "another version of fieldsolver"),
        (json.dumps({**json.loads(whole), "fingerprint": "0"}), "not the result of this cell"),
    ):
        path.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            other.read(cell)
    path.write_text(whole)
    arrays = path.with_suffix(".npz")
    content = arrays.read_bytes()
    broken = bytearray(content)
    broken[100:140] = bytes(40)  # inside the first array
    for bad in (b"PK nonsense", content[: len(content) // 2], bytes(broken)):
        arrays.write_bytes(bad)
        with pytest.raises(FileFormatError, match="is damaged"):
            other.read(cell)


def test_another_data_set_under_the_same_name_is_not_mixed_in(finished, tmp_path, monkeypatch):
    store, outcome = finished
    monkeypatch.setenv("FIELDSOLVER_DATA", str(write_packs(tmp_path, seed=1)))
    again = collected(outcome.study, store)
    assert not any(row.results for row in again.rows.values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Budget(), "one of epochs, tokens, seconds or seconds_of; got none"),
        (lambda: Budget(epochs=1, tokens=5), "got epochs, tokens"),
        (lambda: Budget(seconds=0.0), "positive, got 0"),
        (lambda: Recipe("x", "bagg"), "did you mean 'bag'"),
        (lambda: Recipe("x", "bag", rates=(1e-3, 1e-3)), "tuned over 1 learning rates; every network gets at least 3"),
        (lambda: Recipe("x", "bag", like=BAG), "only the transformer is matched"),
        (lambda: Running(workers=0), "at least 1, got 0"),
        (lambda: study(*[Entry(BAG, "ag_news", 1, Budget(epochs=1))] * 2), "occurs twice on 'ag_news'"),
        (lambda: study(pairs=(Pair("bag", "tfidf", "ag_news", "", ""),)), "no row 'tfidf' on 'ag_news'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()
