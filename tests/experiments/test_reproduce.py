"""Reproductions: what is declared hangs together, mathematics gives known numbers, the commands write whole pages."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from fieldsolver.errors import OptionError
from fieldsolver.experiments.baselines import NETS
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.compare import (
    Budget,
    CellResult,
    CellStore,
    Claim,
    Computed,
    Entry,
    Finding,
    Outcome,
    Pair,
    Reaches,
    Recipe,
    Row,
    Running,
    Study,
    collected,
    run_study,
)
from fieldsolver.experiments.compare import page as page_module
from fieldsolver.experiments.compare.costs import held_for_gradient, macs
from fieldsolver.experiments.compare.tables import pairs_table
from fieldsolver.experiments.reproductions import (
    REPRODUCTIONS,
    Measurement,
    Reproduction,
    catalogue,
    find_reproduction,
    reproduce,
    wave_network_mathematics,
    wavenet_neuro_mathematics,
)
from fieldsolver.experiments.reproductions.cost_of_length import held_over_length, slopes
from fieldsolver.experiments.reproductions.reproduce import _measured
from fieldsolver.experiments.reproductions.wave_network_seconds import planned_minutes, run_seconds
from fieldsolver.models.catalogue import build
from fieldsolver.models.wavenet_neuro.operation_counts import transformer_macs

from .tiny_text_data import write_packs

BAG = Recipe("bag", "bag", options={"dim": 8, "buckets": 64}, vocabulary=200, max_length=16, batch=32,
             rates=(3e-2, 1e-1, 3e-1))  # fmt: skip
LINEAR = Recipe("tf-idf", "tfidf")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    (tmp_path / "packs").mkdir()
    monkeypatch.setenv("FIELDSOLVER_DATA", str(write_packs(tmp_path / "packs", train=160, test=60)))


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_what_is_declared_hangs_together(name, quick):
    declared = find_reproduction(name).load()(quick)
    keys = {entry.key for entry in declared.study.entries}
    assert declared.study.pairs
    least = 5 if name.endswith("_scaling") else 10  # open questions are fewer than claims
    assert len({claim.text for claim in declared.claims}) == len(declared.claims) >= least
    known = {one.name for one in (*declared.measurements, *declared.readings)}
    for claim in declared.claims:
        rule = claim.rule
        if hasattr(rule, "name"):
            assert rule.name in known
        if not quick and hasattr(rule, "data"):
            assert {
                (getattr(rule, part), rule.data) for part in ("row", "first", "second") if hasattr(rule, part)
            } <= keys
    seeds = {entry.data: max(one.seeds for one in declared.study.entries if one.data == entry.data)
             for entry in declared.study.entries}  # fmt: skip
    assert quick or all(number == (3 if data == "imdb" else 5) for data, number in seeds.items())
    assert {"majority", "tfidf", "bag"} <= {entry.recipe.name for entry in declared.study.entries}
    assert any(entry.recipe.like is not None for entry in declared.study.entries)


def test_the_wave_network_is_planned_within_its_time():
    """150 minutes in all, of which times and memory take a few; a short run has 3; no network has more than 12."""
    whole, short = (find_reproduction("wave_network").load()(quick).study for quick in (False, True))
    assert planned_minutes(whole) < 147
    assert planned_minutes(short) < 2
    assert all(run_seconds(whole, one, 1.0) < 720 for one in whole.entries
               if one.recipe.is_network and not one.left_out)  # fmt: skip
    once = dataclasses.replace(whole, entries=[one for one in whole.entries if one.key == ("small", "imdb")], pairs=())
    milliseconds = 5.5 * (3 * (0.8 * 22_392 + 0.3 * 2_488) + 0.3 * 25_000)
    tuning = 5.5 * 3 * (0.8 * 2_239.2 + 0.3 * 2_488)
    assert planned_minutes(once) == pytest.approx((3 * milliseconds + 3 * 3 * tuning) / 1000 / 60 / 2)


@pytest.mark.parametrize(
    ("compute", "holds", "words"),
    [
        (wave_network_mathematics.parameters_of_the_paper, False, "24,626,692 with 30,522 WordPieces"),
        (wave_network_mathematics.modulus_of_a_modulation, False, "the same for all tokens"),
        (wave_network_mathematics.renormalisation_is_nothing, False, "the factor is 1 to"),
        (wave_network_mathematics.interference_conserves_energy, False, "gain or lose"),
        (wavenet_neuro_mathematics.operations, False, "is 2.4;"),
        (wavenet_neuro_mathematics.gelu_is_bounded, False, "its minimum is -0.16997 at -0.75"),
        (wavenet_neuro_mathematics.convergence_is_guaranteed, False, "goes on growing"),
        (wavenet_neuro_mathematics.step_bound, False, "the bound is 2/(D lambda_max) = 0.05"),
        (wavenet_neuro_mathematics.energy_decreases, False, "its rate is"),
        (wavenet_neuro_mathematics.full_coverage, False, "7 for n = 64, 15 for n = 256, 31 for n = 1024"),
        (wavenet_neuro_mathematics.average_work, False, "n^1.5"),
    ],
)
def test_mathematics_is_computed(compute, holds, words):
    finding = compute()
    assert finding.holds is holds
    assert words in finding.words
    assert "nan" not in finding.words


def test_a_text_under_three_seeds_is_one_observation():
    """Copies of a run must not make a correlation certain."""
    draw = np.random.default_rng(0)
    margin = draw.normal(size=40)
    samples = {"margin": margin, "evaluations": draw.normal(size=40) - 0.3 * margin, "tokens": np.arange(40),
               "correct": margin > 0}  # fmt: skip
    recipe = Recipe("adaptive", "wavenet_neuro", "adaptive")
    one = CellResult({"accuracy": 0.5}, 1.0, 1, {}, {}, 1, "", {}, samples=samples)
    read = find_reproduction("wavenet_neuro").load()(False).readings[0].read
    found = []
    for seeds in (1, 3):
        entry = Entry(recipe, "imdb", seeds, Budget(epochs=1))
        found.append(read(Outcome(Study([entry]), {entry.key: Row(entry, [one] * seeds, 1e-3, {}, None)})))
    for name in ("margin", "length"):
        assert found[0][name] == pytest.approx(found[1][name])
    assert found[0]["margin"][0] < 0
    assert found[0]["right"] == pytest.approx(samples["evaluations"][margin > 0].mean())


def test_macs_are_those_of_the_formula():
    package = NETS["transformer"].load()
    model = package.build(package.Config(50, 2, layers=3))
    ids = torch.randint(1, 50, (2, 40))
    mask = torch.ones_like(ids, dtype=torch.bool)
    assert macs(model, ids, mask) == 2 * (transformer_macs(40, 64, layers=3) + 64 * 2)
    assert held_for_gradient(model, ids, mask) < held_for_gradient(model, ids.repeat(2, 1), mask.repeat(2, 1))


def test_a_text_as_long_as_learned_positions_is_counted_and_weights_stay_trainable():
    model = build("wavenet_neuro", "original", vocabulary=50, classes=2, max_length=16, steps=2, duration=0.1)
    texts = {size: torch.randint(2, 50, (2, size)) for size in (4, 9, 16)}
    counted = {size: macs(model, ids, torch.ones_like(ids, dtype=torch.bool)) for size, ids in texts.items()}
    per_token = (counted[9] - counted[4]) / 5  # the head works once a text
    assert per_token > 0
    assert (counted[16] - counted[9]) / 7 == pytest.approx(per_token)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_held_bytes_and_slopes_follow_the_length():
    package = NETS["transformer"].load()
    sizes = [64, 128, 256]
    held = held_over_length(lambda: package.build(package.Config(1000, 2)), sizes)
    assert slopes(sizes, {"held": held})["held"]["slope"] == pytest.approx(1, abs=0.05)  # fused: no n x n matrix


def tiny(quick):
    return Reproduction(
        "Tiny",
        ["A test."],
        Study(
            [Entry(BAG, "ag_news", 2, Budget(epochs=4)), Entry(LINEAR, "ag_news", 1, Budget(epochs=1))],
            [Pair("bag", "tf-idf", "ag_news", "texts", "better?")],
            tuned_on=0.5, quick=quick,
        ),
        [
            Claim("half", "us", Reaches("bag", "ag_news", 0.5)),
            Claim("one is two", "us", Computed(lambda: Finding(1 == 2, "it is not"))),
        ],
        [Measurement("count", "Counting", lambda quick: {"number": calls.append(1) or 7},
                     lambda found: [f"There are {found['number']}."])],
    )  # fmt: skip


calls: list[int] = []


def test_a_reproduction_runs_from_a_clean_folder_and_repeats_nothing(tmp_path, monkeypatch):
    calls.clear()
    monkeypatch.setattr(catalogue.Known, "load", lambda self: tiny)
    monkeypatch.setattr(page_module, "drawings_of", lambda outcome: {})  # drawn elsewhere; three times is slow
    said = []
    page = reproduce("wave_network", tmp_path, tmp_path / "cells", Running(progress=False), say=said.append)
    text = page.read_text()
    assert page.name == "wave_network.md"
    assert "There are 7." in text
    assert [line.split(":")[0] for line in said] == ["reproduced", "not reproduced"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").rglob("*.json")}
    again = reproduce("wave_network", tmp_path, tmp_path / "cells", Running(progress=False), say=said.append)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").rglob("*.json")} == before
    assert calls == [1]
    without_time = [[line for line in one.splitlines() if not line.startswith("fieldsolver ")] for one in (
        text, again.read_text())]  # fmt: skip
    assert without_time[0] == without_time[1]
    whole = page.read_text()
    cells, quiet = tmp_path / "cells", Running(progress=False)
    short = reproduce("wave_network", tmp_path, cells, quiet, quick=True, say=said.append)
    assert short.name == "wave_network_quick.md"
    assert page.read_text() == whole
    assert said[-2].startswith("not measured: half")  # two seeds of a short run


def test_the_compare_command(tmp_path, capsys):
    arguments = ["compare", "bag/words", "--data", "ag_news", "--seeds", "2", "--epochs", "1", "--fraction", "0.5"]
    folders = ["--out", str(tmp_path / "out"), "--cells", str(tmp_path / "cells"), "--workers", "1"]
    assert main([*arguments, *folders]) == 0
    assert "| bag/words |" in capsys.readouterr().out
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert "`fieldsolver compare bag/words --data ag_news --seeds 2 --epochs 1 --fraction 0.5`" in page
    assert main([*arguments, *folders, "--minutes", "0.0001"]) == 0  # nothing is left to do


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce", "wave_net"], "there is no reproduction 'wave_net'; known: wave_network, wavenet_neuro"),
        (["compare", "bag"], "say which data to compare on, such as --data ag_news"),
        (["compare", "bagg", "--data", "ag_news"], "did you mean 'bag'"),
        (["compare", "bag", "--data", "ag_news", "--seeds", "0"], "seeds is at least 1, got 0"),
        (["compare", "bag", "--data", "ag_news", "--epochs", "1", "--budget-tokens", "5"], "got epochs, tokens"),
        (["compare", "bag", "--data", "ag_news", "--minutes", "-1"], "--minutes is positive, got -1"),
        (["compare", "bag", "--data", "ag_news", "--epochs", "0"], "a budget of epochs is positive, got 0"),
        (["compare", "bag", "--data", "ag_news", "--workers", "0"], "workers is at least 1, got 0"),
        (["compare", "bag", "--data", "ag_nwes"], "ag_news"),
    ],
)
def test_wrong_commands_end_with_one_sentence(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.slow  # starts a scheduler
# One worker: it is a thread here, and torch's generator is the process's.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning")
def test_a_dask_cluster_gives_the_same_results(tmp_path):
    distributed = pytest.importorskip("distributed")
    study = tiny(False).study
    here = run_study(study, CellStore(tmp_path / "here"), Running(progress=False))
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
    ) as cluster:
        there = run_study(
            study, CellStore(tmp_path / "there"), Running(cluster=cluster.scheduler_address, progress=False)
        )
    for key, row in here.rows.items():
        assert list(there.rows[key].accuracies) == list(row.accuracies)


def test_no_scheduler_is_a_sentence(tmp_path):
    pytest.importorskip("distributed")
    study = tiny(False).study
    with pytest.raises(OptionError, match="no Dask scheduler answers at 'nonsense://x'"):
        run_study(study, CellStore(tmp_path), Running(cluster="nonsense://x", progress=False))


def test_unmeasured_rows_are_printed_as_such(tmp_path):
    entry = Entry(dataclasses.replace(BAG, name="large"), "ag_news", 5, Budget(epochs=9), left_out="needs a GPU")
    study = Study([entry, Entry(LINEAR, "ag_news", 1, Budget(epochs=1))], [Pair("large", "tf-idf", "ag_news", "", "?")])
    outcome = collected(study, CellStore(tmp_path))
    assert "not measured" in pairs_table(outcome)[2]
    assert math.isnan(outcome.rows["large", "ag_news"].mean("seconds"))


def test_reproductions_that_share_a_folder_do_not_share_measurements(tmp_path) -> None:
    store, running = CellStore(tmp_path), Running()

    def found(name: str, number: float) -> dict[str, float]:
        one = Measurement("length", "Time", lambda quick: {"number": number}, lambda numbers: [], {})
        return _measured(name, one, store, running, True)

    assert [found("one", 1.0), found("two", 2.0), found("one", 3.0)] == [
        {"number": number} for number in (1.0, 2.0, 1.0)
    ]
