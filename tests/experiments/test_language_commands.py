"""`fieldsolver train`, `evaluate` and `generate` with models that predict tokens, and `--start-from`."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import fieldsolver as fs
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.data import load_corpus, load_plain
from fieldsolver.experiments.language_report import COUNTS, NUMBERS
from fieldsolver.experiments.training import BEST, CHECKPOINT, RESULT, read_result
from fieldsolver.experiments.training.loaded_run import load_run
from fieldsolver.experiments.training.run_file import CONFIG
from fieldsolver.experiments.training.text_run import TOKENISER
from fieldsolver.tensor_files import read_tensors

from .tiny_corpus import WORDS, write_corpus
from .tiny_text_data import write_packs

SMALL = ["--dim", "16", "--blocks", "wave", "--batch", "16", "--warmup", "0.1"]
CAUSAL = ["train", "wave_network", "--preset", "causal", "--data", "tiny_shakespeare", *SMALL, "--max-length", "12"]
MASKED = ["train", "wave_network", "--preset", "masked", "--data", "ag_news", *SMALL, "--epochs", "1"]
FINE = ["train", "wave_network", "--preset", "re_im", "--data", "ag_news", *SMALL, "--epochs", "1", "--bigrams", "0"]


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(write_packs(tmp_path_factory.mktemp("packs")))


@pytest.fixture(autouse=True)
def environment(packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDSOLVER_DATA", str(packs))


@pytest.fixture(scope="module")
def causal(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(packs, tmp_path_factory, [*CAUSAL, "--epochs", "4", "--learning-rate", "0.02"])


@pytest.fixture(scope="module")
def masked(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(packs, tmp_path_factory, MASKED)


@pytest.fixture(scope="module")
def fine(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(packs, tmp_path_factory, FINE)


def trained(packs: Path, factory: pytest.TempPathFactory, command: Sequence[str]) -> Path:
    out = factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDSOLVER_DATA", str(packs))
        assert main([*command, "--out", str(out)]) == 0
    return out / "wave_network"


def test_a_causal_run_beats_counts_and_is_evaluated_as_it_was_tested(
    causal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_result(causal / RESULT, None)
    assert found.test["loss"] < found.test["unigram_loss"] - 0.5
    best = max(found.history, key=lambda row: row["log_likelihood"])
    assert found.best["epoch"] == best["epoch"]
    assert main(["evaluate", str(causal)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("wave_network on the test part of tiny_shakespeare")
    shown = {match[1].strip().replace(" ", "_"): float(match[2]) for line in lines if (match := VALUE.fullmatch(line))}
    for name in (*NUMBERS, *COUNTS):
        assert shown[name] == pytest.approx(found.test[name], abs=6e-5)
    assert lines[-1].startswith("the model is not asked for all of the text: a tokeniser of the kind 'words'")


VALUE = re.compile(r"(\D+?) *(-?\d+\.\d+)")


def test_training_says_what_it_is_and_never_reads_the_test_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*CAUSAL, "--epochs", "1", "--fraction", "0.5", "--tokeniser", "characters", "--out", str(tmp_path)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "wave_network (preset causal) on tiny_shakespeare: trained on the first" in said
    for words in ("nats per token", "perplexity", "bits per byte", "counts alone: unigram loss", "bigram loss"):
        assert words in said
    content = tomllib.loads((tmp_path / "wave_network" / CONFIG).read_text(encoding="utf-8"))
    assert content["settings"]["monitor"] == "log_likelihood"
    assert content["settings"]["lazy_embeddings"] is False  # every row of a tied table moves in every step
    assert content["label_smoothing"] == 0
    data = load_plain("tiny_shakespeare", fraction=0.5)
    loaded = load_run(tmp_path / "wave_network")
    assert set(loaded.tokeniser.tokens[2:]) == set(data.train[0])
    assert (loaded.classes, loaded.model.predicts) == ((), "next_token")


def test_the_parts_of_a_corpus_follow_one_another() -> None:
    whole = load_plain("tiny_shakespeare", validation=0.2)
    half = load_plain("tiny_shakespeare", validation=0.2, fraction=0.5)
    assert (whole.validation, whole.test) == (half.validation, half.test)
    assert whole.train[0].startswith(half.train[0])
    assert len(whole.train[0]) == round(0.8 * len(whole.train[0] + whole.validation[0]))
    corpus = load_corpus("tiny_shakespeare")
    assert whole.train + whole.validation + whole.test == [
        corpus.train[: len(whole.train[0])], corpus.train[len(whole.train[0]) :], corpus.validation,
    ]  # fmt: skip
    texts = load_plain("ag_news", validation=0.1)
    assert (len(texts.train), len(texts.validation), len(texts.test), texts.running) == (216, 24, 120, False)
    assert texts.note.endswith("without labels")


@pytest.mark.parametrize("name", ["tiny_shakespeare", "ag_news"])
@pytest.mark.parametrize("given", [{"fraction": 2.0}, {"fraction": 0.0}, {"validation": 1.0}, {"validation": -0.1}])
def test_no_fraction_reaches_into_another_part(name: str, given: dict[str, float]) -> None:
    option, value = next(iter(given.items()))
    with pytest.raises(fs.OptionError, match=rf"{option} is .* got {value}"):
        load_plain(name, **given)


def test_a_text_goes_on_as_the_corpus_does(causal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", str(causal), "--prompt", "The king and", "--tokens", "30", "--seed", "3"]
    assert main([*command, "--temperature", "0.5"]) == 0
    written = capsys.readouterr().out.split()
    assert written[:3] == ["the", "king", "and"]
    assert len(written) == 33
    steps = [(WORDS.index(after) - WORDS.index(before)) % len(WORDS) for before, after in pairwise(written)]
    assert sum(step in (1, 2) for step in steps) > 24  # by chance 2 of 11
    texts = []
    for more in ([], [], ["--seed", "4"], ["--temperature", "0"], ["--temperature", "0", "--seed", "4"]):
        assert main([*command, *more]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[3] == texts[4]


def test_what_of_a_prompt_is_unknown_is_said(causal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(causal), "--prompt", "the king Lear", "--tokens", "2"]) == 0
    assert capsys.readouterr().err == "fieldsolver: 1 of the prompt's 3 tokens are not in the vocabulary\n"


def test_a_classifier_starts_where_a_masked_run_ended(
    masked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldsolver.experiments.training import text_training

    begun = []

    def kept(model, *arguments, **options):
        begun.append({name: value.clone() for name, value in model.state_dict().items()})
        return train(model, *arguments, **options)

    train = text_training.train
    monkeypatch.setattr(text_training, "train", kept)
    half = ["--fraction", "0.5"]  # whose texts would give other tokens
    assert main([*FINE, *half, "--start-from", str(masked), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"starts with the embedding and encoder of {masked}" in said
    folder = tmp_path / "wave_network"
    assert (folder / TOKENISER).read_bytes() == (masked / TOKENISER).read_bytes()
    weights, _ = read_tensors(masked / BEST, key="fieldsolver_best", schema=2, what="weights", sealed=True)
    shared = [name for name in weights if name.startswith(("embedding.", "encoder."))]
    assert shared
    for name in shared:
        assert torch.equal(begun[0][name], weights[name])
    assert main(["train", str(folder / CONFIG), "--out", str(tmp_path / "again")]) == 0
    first, second = (read_result(path / RESULT, None) for path in (folder, tmp_path / "again" / "wave_network"))
    assert first.test == second.test
    fresh = [*FINE, *half, "--out", str(tmp_path / "fresh")]
    assert main(fresh) == 0
    assert read_result(tmp_path / "fresh" / "wave_network" / RESULT, None).test["loss"] != first.test["loss"]
    assert main([*fresh, "--start-from", str(masked), "--resume"]) == 1
    assert f"is of a run with started_from = None, but now started_from = '{masked}'" in capsys.readouterr().err


@pytest.mark.parametrize("removed", [(RESULT,), (CHECKPOINT,), (RESULT, CHECKPOINT)])
def test_a_run_goes_on_when_the_one_it_started_from_is_gone(
    removed: tuple[str, ...], masked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was taken over is in the checkpoint; only a run that has none has to begin anew."""
    before = shutil.copytree(masked, tmp_path / "before")
    command = [*FINE, "--start-from", str(before), "--out", str(tmp_path)]
    assert main(command) == 0
    folder = tmp_path / "wave_network"
    first = read_result(folder / RESULT, None)
    before.rename(tmp_path / "moved")
    for name in removed:
        (folder / name).unlink()
    capsys.readouterr()
    assert main([*command, "--resume"]) == int(len(removed) == 2)
    if len(removed) == 2:
        assert "there is no file" in capsys.readouterr().err
        return
    assert "starts with" not in capsys.readouterr().out
    assert read_result(folder / RESULT, None).test == first.test
    assert main([*FINE, "--out", str(tmp_path), "--resume"]) == 1  # which is not how it began
    assert "but now started_from = None" in capsys.readouterr().err


def test_masked_runs_are_evaluated_on_other_texts(masked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_result(masked / RESULT, None)
    assert "bits_per_byte" not in found.test
    assert main(["evaluate", str(masked), "--data", "tiny_shakespeare"]) == 0
    assert "100.00% of the tokens are unknown" in capsys.readouterr().out
    assert main(["evaluate", str(masked), "--data", "ag_news_clean"]) == 0
    assert "; trained on ag_news" in capsys.readouterr().out


WRONG = [
    (["generate", "CAUSAL", "--prompt", ""], "the prompt is empty"),
    (["generate", "CAUSAL", "--prompt", " \n"], "the prompt is empty"),
    (["generate", "CAUSAL"], "the prompt is empty"),
    (["generate", "CAUSAL", "--prompt", "Zeus Hera"], "nothing of the prompt 'Zeus Hera' is in the vocabulary"),
    (["generate", "CAUSAL", "--prompt", "a", "--tokens", "0"], "--tokens is at least 1, got 0"),
    (["generate", "CAUSAL", "--prompt", "a", "--temperature", "-1"], "--temperature is finite and at least 0"),
    (["generate", "CAUSAL", "--prompt", "a", "--temperature", "nan"], "--temperature is finite and at least 0"),
    (["generate", "MASKED", "--prompt", "a"], "guesses hidden tokens and cannot go on with a text"),
    (["generate", "NOWHERE", "--prompt", "a"], "there is no file"),
    (["evaluate", "CAUSAL", "--text", "a"], "predicts tokens and has no classes for texts"),
    (
        ["evaluate", "FINE", "--data", "tiny_shakespeare"],
        "running text without labels, and the run answers with classes",
    ),
    (["generate", "FINE", "--prompt", "a"], r"answers with classes \(World, .*and cannot go on with a text"),
    (["evaluate", "CAUSAL", "--data", "shakespeare"], "there is no data set 'shakespeare'"),
    ([*CAUSAL, "--max-length", "400"], "the validation part of tiny_shakespeare has .* a window has 401; take"),
    ([*CAUSAL, "--max-length", "0"], "has to be longer than its overlap"),
    ([*CAUSAL, "--head", "next"], "the head of a text model is one of classes, next_token, masked_token, got 'next'"),
    ([*CAUSAL, "--no-causal"], "but every token sees the whole text; add causal=True"),
    ([*CAUSAL, "--data", "tiny_shakespear"], "there is no data set.*did you mean 'tiny_shakespeare'"),
    ([*FINE, "--data", "tiny_shakespeare"], "running text without labels.*take --preset causal or masked, or take a"),
    (["train", "bag", "--data", "tiny_shakespeare"], "running text without labels.*classes; take a data set with"),
    ([*FINE, "--start-from", "NOWHERE"], "there is no file"),
    ([*FINE, "--start-from", "MASKED", "--dim", "8"], "the networks differ in .*that run has --set dim=16"),
    (
        [*FINE, "--start-from", "MASKED", "--tokeniser", "bpe"],
        "was trained with --tokeniser words.*leave the option out",
    ),
    ([*FINE, "--start-from", "MASKED", "--vocabulary", "99"], "was trained with --vocabulary 40000"),
    (["train", "bag", "--data", "ag_news", "--start-from", "MASKED"], "is a run of wave_network, and bag cannot begin"),
]


@pytest.mark.parametrize(("command", "sentence"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_wrong_use_is_one_sentence(
    command: list[str],
    sentence: str,
    causal: Path,
    masked: Path,
    fine: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"CAUSAL": str(causal), "MASKED": str(masked), "FINE": str(fine), "NOWHERE": str(tmp_path / "nowhere")}
    given = [places.get(word, word) for word in command]
    assert main([*given, "--out", str(tmp_path / "out")] if given[0] == "train" else given) == 1
    said = capsys.readouterr().err
    assert re.search(sentence, said)
    assert said.count("\n") == 1
    if "--start-from" in command:  # refused before anything is read or written
        assert list((tmp_path / "out").rglob("*.*")) == []
