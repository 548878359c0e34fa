"""`fieldsolver train MODEL` and `fieldsolver evaluate`: options, files, repetition, what goes wrong."""

from __future__ import annotations

import os
import re
import signal
import tomllib
from pathlib import Path

import pytest
import torch

import fieldsolver as fs
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.model_options import with_model_options
from fieldsolver.experiments.option_text import as_scalar, parse_options
from fieldsolver.experiments.training import BEST, CHECKPOINT, RESULT, TrainSettings, read_result, run, text_run
from fieldsolver.experiments.training.loaded_run import load_run
from fieldsolver.experiments.training.run_file import CONFIG, run_of, write_run
from fieldsolver.experiments.training.text_run import TOKENISER, TextRun

from .tiny_text_data import write_packs

TRAIN = ["train", "bag", "--data", "ag_news", "--epochs", "2", "--batch", "16", "--learning-rate", "0.01", "--dim", "8"]


@pytest.fixture(autouse=True)
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packs"
    folder.mkdir()
    write_packs(folder)
    monkeypatch.setenv("FIELDSOLVER_DATA", str(folder))


@pytest.fixture
def trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main([*TRAIN, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path / "bag"


def test_train_leaves_a_run_that_evaluate_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--out", str(tmp_path), "--weight-decay", "0", "--seed", "0"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("bag on ag_news: trained on 216 of 120,000 rows, 24 more for validation")
    assert [line.split(",")[0] for line in said[1:3]] == ["epoch 1", "epoch 2"]
    assert said[-1] == str(tmp_path / "bag")
    folder = tmp_path / "bag"
    files = {CONFIG, TOKENISER, BEST, CHECKPOINT, RESULT, "log.csv"}
    assert {path.name for path in folder.iterdir()} == files
    content = tomllib.loads((folder / CONFIG).read_text(encoding="utf-8"))
    assert content["options"] == {"dim": 8}
    assert content["settings"]["weight_decay"] == 0  # zero is a value, not an option left out
    found = read_result(folder / RESULT, None)
    assert main(["evaluate", str(folder)]) == 0
    shown = dict(line.split() for line in capsys.readouterr().out.splitlines()[1:])
    for name in ("accuracy", "f1", "loss"):
        assert float(shown[name]) == pytest.approx(found.test[name], abs=6e-5)


def test_evaluate_answers_texts(tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(trained), "--text", "team match goal", ""]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"(\w+(/\w+)? 0\.\d{3}  ){3}\| team match goal", first)
    assert second.endswith("| ")
    (tmp_path / "texts.txt").write_bytes("team\nbank\n".encode("utf-8-sig"))
    assert main(["evaluate", str(trained), "--file", str(tmp_path / "texts.txt")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_config_is_repeated_exactly(tmp_path: Path, trained: Path) -> None:
    assert main(["train", str(trained / CONFIG), "--out", str(tmp_path / "again")]) == 0
    first, second = (read_result(path / RESULT, None) for path in (trained, tmp_path / "again" / "bag"))
    assert first.test == second.test
    assert [row["loss"] for row in first.history] == [row["loss"] for row in second.history]
    changed = ["--seed", "3", "--set", "dim=4"]
    assert main(["train", str(trained / CONFIG), "--out", str(tmp_path / "other"), *changed]) == 0
    content = tomllib.loads((tmp_path / "other" / "bag" / CONFIG).read_text(encoding="utf-8"))
    assert (content["settings"]["seed"], content["options"]["dim"]) == (3, 4)


def test_ctrl_c_is_exit_code_130_and_resume_goes_on(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped, steps = run.Stepper.step, 0

    def step(self: run.Stepper, indices: torch.Tensor, rate: float) -> object:
        nonlocal steps
        steps += 1
        if steps == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return stepped(self, indices, rate)

    monkeypatch.setattr(run.Stepper, "step", step)
    command = [*TRAIN, "--out", str(tmp_path / "cut")]
    assert main(command) == 130
    folder = tmp_path / "cut" / "bag"
    said = capsys.readouterr().err
    assert f"interrupted; {folder / CHECKPOINT} holds 6 steps after epoch 0 of 2; continue with the same" in said
    assert main([*command, "--resume"]) == 0
    assert read_result(folder / RESULT, None).test == read_result(trained / RESULT, None).test
    done = steps
    assert main([*command, "--resume"]) == 0
    assert steps == done  # a finished run is only shown


def test_what_a_run_is_not_resumed_or_overwritten_by(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    for more, sentence in (
        ([], "holds a run already .*; go on with it by --resume, or choose another folder with --out"),
        (["--resume", "--batch", "8"], "is of a run with batch = 16, but now batch = 8"),
        (["--resume", "--tokeniser", "wordpiece"], "is of the kind 'words', this run wants 'wordpiece'"),
    ):
        assert main([*TRAIN, "--out", str(tmp_path), *more]) == 1
        assert re.search(sentence, capsys.readouterr().err)
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_files_of_another_run_are_refused(tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = ["--out", str(tmp_path / "other"), "--vocabulary", "50"]
    assert main([*TRAIN, *other]) == 0
    (trained / TOKENISER).write_bytes((tmp_path / "other" / "bag" / TOKENISER).read_bytes())
    with pytest.raises(fs.FileFormatError, match=r"was trained with tokeniser checksum .*take the files of one run"):
        load_run(trained)
    (trained / BEST).unlink()
    capsys.readouterr()
    assert main(["evaluate", str(trained)]) == 1
    assert re.search(r"there is no weights file .*best\.safetensors", capsys.readouterr().err)
    assert main(["evaluate", str(tmp_path / "nowhere")]) == 1
    assert "there is no file" in capsys.readouterr().err


WRONG = {
    ("--dat", "x"): "neither the command nor bag has the option '--dat'; did you mean 'data'",
    ("--dimm=3",): "has the option '--dimm=3'; did you mean 'dim'",
    ("--dim", "many"): "dim is a whole number, got 'many'",
    ("--set", "dimm=3"): "there is no option 'dimm'.*did you mean 'dim'",
    ("--set", "dim"): "an option of the model is written as name=value, got 'dim'",
    ("--set", "classes=3"): "'classes' is settled by the data",
    ("--preset", "nothing"): "there is no preset 'nothing'",
    ("--data", "ag_new"): "there is no data set 'ag_new'.*did you mean 'ag_news'",
    ("--tokeniser", "word"): "there is no tokeniser 'word'.*did you mean 'words'",
    ("--fraction", "0"): "the fraction of the training texts lies in 0 < f <= 1, got 0.0",
    ("--validation", "1"): "which picks the epoch, lies in 0 < v < 1, got 1.0",
    ("--seeds", "3"): "--seeds is an option of experiments, not of bag",
    ("--epochs", "0"): "--epochs is at least 1, got 0",
    ("--parallel", "ddp"): "--parallel ddp needs several processes; start it as: torchrun",
    ("--dense-embeddings", "--lazy-embeddings"): "exclude one another",
    ("--compile", "--lazy-embeddings"): "sparse gradients, which neither --parallel nor --compile can handle",
}


@pytest.mark.parametrize("more", WRONG)
def test_wrong_options_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    assert main([*TRAIN, "--out", str(tmp_path), *more]) == 1
    said = capsys.readouterr().err
    assert re.search(WRONG[more], said)
    assert "Traceback" not in said


def test_no_data_and_no_network_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldsolver.errors import DataUnavailable

    def nothing(*_: object, **__: object) -> None:
        raise DataUnavailable("ag_news: no network")

    monkeypatch.setattr("fieldsolver.experiments.training.text_run.load_text", nothing)
    assert main([*TRAIN, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "fieldsolver: ag_news: no network\n"


def test_models_need_data_and_experiments_take_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "wave_network", "--out", str(tmp_path)]) == 1
    assert "say what wave_network is trained on: --data ag_news | " in capsys.readouterr().err
    assert main(["train", "digits", "--data", "ag_news", "--lazy-embeddings"]) == 1
    assert "--data, --lazy-embeddings are options of models, not of digits" in capsys.readouterr().err


def test_a_preset_says_how_it_is_trained_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldsolver.experiments import train_text_model
    from fieldsolver.models.wave_network import TRAINING

    seen: list[TextRun] = []

    def record(run: TextRun, *_: object, **__: object) -> int:
        seen.append(run)
        return 0

    monkeypatch.setattr(train_text_model, "_train", record)
    command = ["train", "wave_network", "--data", "ag_news", "--preset", "paper", "--out", str(tmp_path)]
    assert main([*command, "--batch", "7"]) == 0
    assert main([*command, "--compile"]) == 0
    assert main([*command, "--dense-embeddings"]) == 0
    path = write_run(tmp_path / CONFIG, seen[0])
    assert main(["train", str(path), "--dense-embeddings"]) == 0
    assert [run.settings.lazy_embeddings for run in seen] == [True, False, False, False]
    assert seen[0].vocabulary == TRAINING["paper"].vocabulary
    assert seen[0].settings.learning_rate == TRAINING["paper"].learning_rate
    assert seen[0].settings.batch == 7


def test_list_models_shows_presets_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "models", "--model", "wave_network"]) == 0
    page = capsys.readouterr().out
    for word in ("  paper  ", "--dim ", "numbers per token"):
        assert word in page
    assert main(["list", "models", "--model", "wave"]) == 1
    assert main(["list", "data", "--model", "bag"]) == 1


def test_options_of_the_model_are_told_from_those_of_the_command() -> None:
    given = ["train", "wave_network", "--dim", "16", "--batch", "4", "--no-residual", "--causal", "--eps=1e-3"]
    assert with_model_options(given) == [
        "train", "wave_network", "--set", "dim=16", "--batch", "4", "--set", "residual=false", "--set", "causal=true",
        "--set", "eps=1e-3",
    ]  # fmt: skip
    for untouched in (["train", "digits", "--dim", "3"], ["solve", "wave_network"], ["train"], []):
        assert with_model_options(untouched) == untouched


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    settings = TrainSettings(3, 8, 2e-3, patience=2, precision="bfloat16", budget_seconds=7.5, lazy_embeddings=True)
    whole = TextRun(
        "wave_network", "imdb", settings, preset="deep", options={"blocks": ("wave", "mlp"), "causal": True, "dim": 12},
        fraction=0.5, tokeniser="bpe", vocabulary=300, max_length=99, label_smoothing=0.1,
    )  # fmt: skip
    path = write_run(tmp_path / CONFIG, whole)
    again = run_of(path, tomllib.loads(path.read_text(encoding="utf-8")))
    assert again.settings == settings
    assert text_run.config_of(again, 300, 2) == text_run.config_of(whole, 300, 2)
    for text, sentence in (
        ('model = "bag"', "lacks data"),
        ('model = "bag"\ndata = "imdb"', r"lacks the table \[settings\]"),
        ('model = "bag"\ndata = "imdb"\n[settings]\nepoch = 3', "there is no option 'epoch'.*did you mean 'epochs'"),
        ('schema = 9\nmodel = "bag"', "has schema 9"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(fs.FileFormatError, match=sentence):
            run_of(path, tomllib.loads(text))


def test_options_are_read_as_their_fields_declare() -> None:
    from fieldsolver.models.wave_network import Config

    read = parse_options(Config, {"dim": "16", "causal": "yes", "eps": "1e-4", "mode": "interference"})
    assert read == {"dim": 16, "causal": True, "eps": 1e-4, "mode": "interference"}
    assert parse_options(TrainSettings, {"patience": "none", "keep": "best"}) == {"patience": None, "keep": "best"}
    assert as_scalar(("wave", "mlp")) == "wave, mlp"
    for name, text, words in (
        ("causal", "2", "true or false"),
        ("eps", "small", "a number"),
    ):
        with pytest.raises(fs.OptionError, match=f"{name} is {words}, got '{text}'"):
            parse_options(Config, {name: text})
    with pytest.raises(fs.OptionError, match="keep is one of last, best, got 'worst'"):
        parse_options(TrainSettings, {"keep": "worst"})
