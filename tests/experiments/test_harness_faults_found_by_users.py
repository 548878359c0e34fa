"""Faults of training, evaluation and comparison that users found; each test is named after what they saw."""

from __future__ import annotations

import csv
import io
import lzma
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.compare import Budget, CellStore, Entry, Recipe, Running, Study
from fieldsolver.experiments.compare.cell import Cell
from fieldsolver.experiments.compare.cell_result import CellResult
from fieldsolver.experiments.compare.outcome import Outcome, Row, collected
from fieldsolver.experiments.compare.page import write_comparison
from fieldsolver.experiments.compare.plan import chosen_rate, tuning_cells
from fieldsolver.experiments.compare.runner import run_cells
from fieldsolver.experiments.compare.splits import _texts, _whole
from fieldsolver.experiments.compare.tables import rates_table
from fieldsolver.experiments.data import load_text
from fieldsolver.experiments.reproductions.cost_of_length import grows_linearly
from fieldsolver.experiments.training.run_file import CONFIG
from fieldsolver.models.catalogue import build

from .tiny_text_data import write_packs

RATES = (0.01, 0.1, 0.3)
TRAIN = ["train", "bag", "--data", "ag_news", "--epochs", "1", "--batch", "16", "--dim", "4"]


@pytest.fixture(autouse=True)
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "packs"
    folder.mkdir()
    monkeypatch.setenv("FIELDSOLVER_DATA", str(folder))
    _whole.cache_clear()
    _texts.cache_clear()
    return write_packs(folder)


def rewrite(packs: Path, labels: tuple[str, ...]) -> None:
    """Keep the training rows of these labels."""
    path = packs / "ag_news_train_subset.csv.xz"
    rows = list(csv.reader(io.StringIO(lzma.decompress(path.read_bytes()).decode())))
    text = io.StringIO()
    csv.writer(text).writerows([rows[0], *(row for row in rows[1:] if row[0] in labels)])
    path.write_bytes(lzma.compress(text.getvalue().encode()))


def trained(tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[Path, str]:
    assert main([*TRAIN, "--out", str(tmp_path), *more]) == 0
    return tmp_path / "bag", capsys.readouterr().out


def sentence(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a refused command says: one sentence."""
    assert main(list(command)) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


class TestRowCounts:
    def test_a_fraction_is_said_by_train_and_by_evaluate(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder, said = trained(tmp_path, capsys, "--fraction", "0.25")
        rows = "trained on 56 of 120,000 rows, 8 more for validation; tested on 120 of 7,600 rows"
        part = load_text("ag_news").part(0.25)
        assert (len(part.train), len(part.validation)) == (56, 8)  # of four classes with 54 and 6
        assert rows in said
        assert main(["evaluate", str(folder)]) == 0
        assert rows in capsys.readouterr().out

    def test_training_rows_of_another_data_set_are_not_claimed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder, _ = trained(tmp_path, capsys)
        assert main(["evaluate", str(folder), "--data", "ag_news_clean"]) == 0
        head = capsys.readouterr().out.splitlines()[0]
        assert head.endswith("120 texts; trained on ag_news; tested on 120 of 7,600 rows")

    def test_complete_splits_need_no_remark(self) -> None:
        data = replace(load_text("ag_news", validation=0), official=(240, 120))
        assert data.note == "trained on all 240 rows"

    def test_a_comparison_says_what_its_cells_were_trained_on(self, tmp_path: Path) -> None:
        recipe = Recipe("bag", "bag", options={"dim": 4}, rates=RATES)
        store = CellStore(tmp_path / "cells")
        cell = Cell(recipe, "ag_news", load_text("ag_news").fingerprint, Budget(epochs=1), 0, 0.1, "tuning", 0.5)
        run_cells([cell], store, Running(1, progress=False))
        assert store.read(cell).note.startswith("trained on 108 of 120,000 rows, 12 more for validation")


def test_one_class_is_not_learned_silently(tmp_path: Path, packs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(packs, ("2",))
    said = sentence(capsys, *TRAIN, "--out", str(tmp_path))
    assert "no text of the classes 'World', 'Business', 'Sci/Tech'" in said


def test_a_fraction_without_a_text_of_a_class_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = sentence(capsys, *TRAIN, "--out", str(tmp_path), "--fraction", "0.00001")
    assert "a fraction of 1e-05 leaves less than one text of the class 'World' of ag_news" in said
    least = float(said.split("take ")[1].split()[0])
    assert len(load_text("ag_news").part(least).train) == 4  # the remedy works


class TestTimeSlopes:
    @pytest.mark.parametrize(
        ("slope", "low", "high", "holds"),
        [
            (1.20, 0.65, 1.76, None),  # as was seen on a busy machine
            (1.0, -0.1, 2.1, None),  # holds 1 and 2
            (1.0, math.nan, math.nan, None),
            (1.02, 0.98, 1.06, True),
            (1.9, 1.7, 2.1, False),
            (1.3, 1.2, 1.4, False),
        ],
    )
    def test_noise_refutes_nothing(self, slope: float, low: float, high: float, holds: bool | None) -> None:
        found = grows_linearly({"slope": slope, "low": low, "high": high}, "of time")
        assert found.holds is holds
        assert ("too noisy" in found.words) == (holds is None)


@pytest.mark.parametrize("device", ["foo", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    assert f"no device '{device}'; it has cpu" in sentence(
        capsys, *TRAIN, "--out", str(tmp_path / "new"), "--device", device
    )
    assert not list((tmp_path / "new").glob("bag/*"))
    folder, _ = trained(tmp_path, capsys)
    assert f"no device '{device}'" in sentence(capsys, "evaluate", str(folder), "--device", device)


@pytest.mark.parametrize(("name", "preset"), [("wave_network", "deep"), ("wavenet_neuro", "fixed")])
def test_texts_without_a_place_are_answered_as_empty_ones(name: str, preset: str) -> None:
    torch.manual_seed(0)
    model = build(name, preset, vocabulary=20, classes=3).eval()
    with torch.no_grad():
        none = model(torch.zeros(2, 0, dtype=torch.int64))
        empty = model(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.bool))
    torch.testing.assert_close(none, empty)


class TestEqualRates:
    def results(
        self, folder: Path, losses: dict[float, float], accuracies: dict[float, float] | None = None
    ) -> tuple[Study, CellStore]:
        recipe = Recipe("bag", "bag", options={"dim": 4}, rates=tuple(losses))
        study = Study([Entry(recipe, "ag_news", 1, Budget(epochs=1))])
        store = CellStore(folder)
        for cell in tuning_cells(study, study.entries[0], store):
            metrics = {"accuracy": (accuracies or {}).get(cell.rate, 0.25), "validation_loss": losses[cell.rate]}
            store.write(cell, CellResult(metrics, 1.0, 1, {"total": 1}, {}, 1, "", {}))
        return study, store

    def test_the_lower_validation_loss_decides_and_it_is_said(self, tmp_path: Path) -> None:
        study, store = self.results(tmp_path / "cells", {0.001: 1.3, 0.01: 1.1, 0.1: 1.2})
        assert chosen_rate(study, study.entries[0], store) == 0.01
        assert "0.01, by validation loss: the accuracies are equal |" in rates_table(collected(study, store))[-1]

    def test_a_lead_in_accuracy_is_not_called_a_tie(self, tmp_path: Path) -> None:
        study, store = self.results(tmp_path / "cells", {0.001: 1.3, 0.01: 1.3, 0.1: 1.3}, {0.1: 0.3})
        assert "equal" not in rates_table(collected(study, store))[-1]


@pytest.mark.parametrize(
    ("option", "value"), [("--learning-rate", "nan"), ("--clip", "-1"), ("--learning-rate", "inf")]
)
def test_a_wrong_number_is_named_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    said = sentence(capsys, *TRAIN, "--out", str(tmp_path), f"{option}={value}")
    assert f"{option[2:].replace('-', '_')} must be positive" in said
    assert "TrainSettings" not in said


def test_another_configuration_than_the_weights_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = trained(tmp_path, capsys)
    path = folder / CONFIG
    path.write_text(path.read_text(encoding="utf-8").replace("dim = 4", "dim = 5"), encoding="utf-8")
    assert "was trained with dim = 4, but config.toml gives 5" in sentence(capsys, "evaluate", str(folder))


def test_weights_may_be_read_by_whom_the_umask_allows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = os.umask(0o027)
    try:
        folder, _ = trained(tmp_path, capsys)
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o640"}


def test_lines_end_at_line_feeds_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = trained(tmp_path, capsys)
    texts = tmp_path / "texts.txt"
    texts.write_bytes("team\u2028goal\x0cmatch\u0085\r\nbank\n".encode())
    assert main(["evaluate", str(folder), "--file", str(texts)]) == 0
    assert capsys.readouterr().out.count("| ") == 2


def test_text_without_a_text_scores_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = trained(tmp_path, capsys)
    assert "--text came without a text" in sentence(capsys, "evaluate", str(folder), "--text")
    assert main(["evaluate", str(folder), "--text", "None"]) == 0
    assert capsys.readouterr().out.endswith("| None\n")


def test_no_figure_where_nothing_was_measured(tmp_path: Path) -> None:
    entry = Entry(Recipe("bag", "bag", rates=RATES), "ag_news", 1, Budget(epochs=1))
    outcome = Outcome(Study([entry]), {entry.key: Row(entry, [], None, {}, None)})
    page = write_comparison(outcome, tmp_path, "none", title="None", about=[], command="x")
    assert ".png" not in page.read_text(encoding="utf-8")
    assert not list(tmp_path.glob("*.png"))


def test_every_finished_cell_is_a_line_where_no_bar_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = load_text("ag_news").fingerprint
    cells = [Cell(Recipe(name, name), "ag_news", content, Budget(epochs=1), 0, 0.0) for name in ("majority", "tfidf")]
    run_cells(cells, CellStore(tmp_path / "cells"), Running(), "final runs")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"final runs: {number} of 2 finished" for number in (1, 2)]
    run_cells(cells, CellStore(tmp_path / "cells"), Running(), "final runs")
    assert capsys.readouterr().err == ""


def test_seconds_of_a_very_short_run_are_no_empty_budget() -> None:
    from fieldsolver.experiments.compare.plan import _rounded

    assert [_rounded(value, 1) for value in (0.0412, 3.14159)] == [0.041, 3.1]
    assert np.isfinite(_rounded(1e-6, 2))


def test_fieldsolver_errors_are_what_the_library_raises(packs: Path) -> None:
    rewrite(packs, ("1", "2", "3"))
    with pytest.raises(fs.FileFormatError, match="no text of the class 'Sci/Tech'"):
        load_text("ag_news").for_training()
