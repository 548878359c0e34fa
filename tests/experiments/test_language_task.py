"""What is asked of a model that predicts tokens, and how its answers are judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.experiments.baselines.token_counts import NOTHING
from fieldsolver.experiments.data import PlainTexts
from fieldsolver.experiments.text import EncodedSplit, fit_tokeniser, windows
from fieldsolver.experiments.training import TrainSettings, language_task, train
from fieldsolver.experiments.training.language_parts import LanguageParts, encoded, language_parts
from fieldsolver.experiments.training.language_task import evaluate_questions
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import IGNORED, PAD, UNKNOWN, Answer, TextModel, adopt, generate

TEXT = "abac" * 110
"""What comes after an a, the letter before it says."""


def plain(*parts: list[str], running: bool = True) -> PlainTexts:
    return PlainTexts("made", *parts, running, "made", "0")


def parts(predicts: str, length: int = 8) -> LanguageParts:
    data = plain([TEXT], [TEXT[:60]], [TEXT[:90]])
    return language_parts(data, fit_tokeniser("characters", data.train, 50), predicts=predicts, length=length)


@dataclass(frozen=True)
class Config:
    """Of another architecture: it says what it predicts, and nothing else knows its name."""

    vocabulary: int = 6
    dim: int = 8
    head: ClassVar[str] = "next_token"


class LastTokens(TextModel):
    """The next token from this one and the one before."""

    handed_on: ClassVar[tuple[str, ...]] = ("table",)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.table = nn.Embedding(config.vocabulary, config.dim)
        self.last = nn.Linear(2 * config.dim, config.vocabulary)

    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        x = self.table(ids)
        logits = self.last(torch.cat([x, torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)], -1))
        return Answer(logits, logits.new_zeros(()), logits.new_zeros(len(ids)))


def zeroed(model: LastTokens) -> LastTokens:
    """Every token is as likely as any other."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_windows_hold_every_token_once_and_none_of_another_text() -> None:
    texts = EncodedSplit.of([np.arange(2, 13), np.array([], int), np.array([20]), np.array([30, 31, 32])], [0] * 4)
    found = windows(texts, 4)
    assert [found[i].tolist() for i in range(len(found))] == [
        [2, 3, 4, 5], [6, 7, 8, 9], [10, 11, 12], [20], [30, 31, 32],
    ]  # fmt: skip
    assert found.labels.tolist() == [0, 0, 0, 2, 3]
    found = windows(texts, 5, overlap=1)
    assert [found[i].tolist() for i in range(len(found))] == [
        [2, 3, 4, 5, 6], [6, 7, 8, 9, 10], [10, 11, 12], [30, 31, 32],
    ]  # fmt: skip
    with pytest.raises(fs.OptionError, match="has to be longer than its overlap"):
        windows(texts, 1, overlap=1)


def test_every_token_but_the_first_of_a_text_is_asked_once() -> None:
    asked = parts("next_token").test
    assert asked.asked == asked.tokens - 1 == 89
    ids, mask, labels = asked.drawn([0, len(asked) - 1])
    assert torch.equal(ids[0, 1:], labels[0, :-1])
    assert mask.sum() == 8 + 89 % 8
    assert (labels[~mask] == IGNORED).all()
    assert (ids[~mask] == PAD).all()
    assert np.array_equal(asked.before.ids, asked.seen.ids)


def test_hidden_tokens_are_the_same_every_time_and_about_an_eighth() -> None:
    first, again = parts("masked_token").test, parts("masked_token").test
    assert np.array_equal(first.seen.ids, again.seen.ids)
    hidden = first.answers.ids != IGNORED
    assert 0.05 < hidden.mean() < 0.25
    assert (first.seen.ids[hidden] == UNKNOWN).mean() > 0.5
    assert (first.before.ids[first.before.offsets[:-1]] == NOTHING).all()
    whole = parts("masked_token").train
    assert whole.asked == whole.tokens  # what is hidden in training is drawn anew every time


def test_an_even_guess_is_worth_the_logarithm_of_the_vocabulary_and_one_bit_is_one_bit() -> None:
    model = zeroed(LastTokens(Config(vocabulary=8)))
    found = evaluate_questions(model, parts("next_token").test, predicts="next_token")
    assert found["loss"] == pytest.approx(math.log(8), abs=1e-6)
    assert found["perplexity"] == pytest.approx(8, abs=1e-5)
    assert found["bits_per_byte"] == pytest.approx(3, abs=1e-6)  # a token is a byte here
    data = plain(["äöü" * 20], ["äöü" * 20], ["äöü" * 20])
    made = language_parts(data, fit_tokeniser("characters", data.train, 50), predicts="next_token", length=4)
    found = evaluate_questions(model, made.test, predicts="next_token")
    assert found["bits_per_byte"] == pytest.approx(1.5, abs=1e-6)  # and half of a token here
    masked = evaluate_questions(model, parts("masked_token").test, predicts="masked_token")
    assert "bits_per_byte" not in masked


def test_the_loss_of_a_batch_is_that_of_its_pieces_whatever_their_lengths() -> None:
    """So that accumulation, several processes and ragged last windows count every token alike."""
    data = plain(["abcab", "c" * 30, "ab", "cabcabc" * 3], ["abc"], ["abc"], running=False)
    made = language_parts(data, fit_tokeniser("characters", data.train, 50), predicts="next_token", length=8)
    task = language_task(made.train, predicts="next_token", vocabulary=5)
    model, draws = LastTokens(Config(vocabulary=5)), torch.Generator()
    whole = task.loss(model, torch.arange(task.samples), draws).loss
    pieces = torch.arange(task.samples).split([2, 1, task.samples - 3])
    together = sum(task.loss(model, piece, draws).loss * len(piece) for piece in pieces) / task.samples
    torch.testing.assert_close(whole, torch.as_tensor(together))
    assert whole.item() == pytest.approx(evaluate_questions(model, made.train, predicts="next_token")["loss"], rel=1e-6)


def test_masked_tokens_are_drawn_anew_and_count_as_much_as_others() -> None:
    made, shown = parts("masked_token"), []

    class Spy(LastTokens):
        def answer(self, ids: Tensor, mask: Tensor) -> Answer:
            shown.append(ids)
            return super().answer(ids, mask)

    model = zeroed(Spy(Config(vocabulary=5)))
    task = language_task(made.train, predicts="masked_token", vocabulary=5)
    losses = [
        task.loss(model, torch.arange(task.samples), torch.Generator().manual_seed(seed)).loss.item()
        for seed in (0, 0, *range(1, 40))
    ]
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[1], shown[2])
    assert np.mean([(ids == UNKNOWN).float().mean().item() for ids in shown]) == pytest.approx(0.8 * 0.15, abs=0.01)
    assert losses[0] == losses[1] != losses[2]
    assert np.mean(losses) == pytest.approx(math.log(5), rel=0.03)  # an even guess


def test_what_is_asked_at_some_places_is_what_is_said_everywhere() -> None:
    model = build("wave_network", "masked", vocabulary=9, dim=8).double().eval()
    ids = torch.randint(2, 9, (3, 7))
    mask = torch.arange(7) < torch.tensor([[7], [4], [5]])
    places = (torch.rand(3, 7) < 0.5) & mask
    for one in (model, LastTokens(Config(vocabulary=9)).double()):
        torch.testing.assert_close(one(ids, mask, places=places), one(ids, mask)[places], rtol=1e-12, atol=0)
        nothing = one(ids, mask, places=torch.zeros_like(mask), detailed=True)
        assert nothing.logits.shape == (0, 9)
        assert nothing.evaluations.shape == (3,)


def test_an_architecture_that_nothing_knows_is_trained_resumed_and_goes_on(tmp_path) -> None:
    made = parts("next_token")
    task = language_task(made.train, made.validation, made.test, predicts="next_token", vocabulary=6, known=made.known)
    settings = TrainSettings(4, 8, 0.05, monitor="log_likelihood", keep="best")
    torch.manual_seed(0)
    model = LastTokens(Config())
    run = train(model, task, settings, tmp_path)
    assert run.test["loss"] < 0.15
    assert math.log(2) / 2 == pytest.approx(run.test["bigram_loss"], abs=0.05)
    assert 1.5 * math.log(2) == pytest.approx(run.test["unigram_loss"], abs=0.05)
    assert run.best["log_likelihood"] == -run.best["validation_loss"]
    assert run.test["loss"] == pytest.approx(math.log(run.test["perplexity"]))
    fresh = LastTokens(Config())
    again = train(fresh, task, settings, tmp_path, resume=True)
    assert again.test == run.test
    ids = torch.tensor([[2, 3]])
    written = generate(fresh, ids, 6, temperature=0.0)
    for place in range(2, 8):
        assert torch.equal(written[:, place], fresh(written[:, :place])[:, -1, 1:].argmax(-1) + 1)
    other = LastTokens(Config())
    adopt(other, fresh)
    assert torch.equal(other.table.weight, fresh.table.weight)
    assert not torch.equal(other.last.weight, fresh.last.weight)


def test_a_masked_run_repeats_bitwise_when_it_is_broken_off(tmp_path) -> None:
    made = parts("masked_token")
    task = language_task(made.train, made.validation, made.test, predicts="masked_token", vocabulary=6)

    def model() -> TextModel:
        torch.manual_seed(0)
        return build("wave_network", "masked", vocabulary=6, dim=8, blocks=("wave",))

    settings = TrainSettings(2, 8, 0.01, monitor="log_likelihood", keep="best")
    whole, broken, steps = model(), model(), 0
    train(whole, task, settings, tmp_path / "whole")

    def crashing(*arguments):
        nonlocal steps
        steps += 1
        if steps == 10:
            raise RuntimeError("power cut")
        return task.loss(*arguments)

    with pytest.raises(RuntimeError, match="power cut"):
        train(broken, replace(task, loss=crashing), settings, tmp_path / "broken", save_steps=1)
    train(broken, task, settings, tmp_path / "broken", resume=True)
    for one, other in zip(whole.parameters(), broken.parameters(), strict=True):
        assert torch.equal(one, other)


def test_generation_draws_what_the_model_predicts_and_never_what_it_must_not() -> None:
    model = build("wave_network", "causal", vocabulary=12, dim=8)
    prompt, draws = torch.tensor([[3]]).expand(4000, 1), torch.Generator().manual_seed(0)
    drawn = generate(model, prompt, 1, generator=draws, never=(PAD, UNKNOWN, 7))[:, 1]
    allowed = [number for number in range(2, 12) if number != 7]
    shares = torch.bincount(drawn, minlength=12)[allowed] / 4000
    logits = model.eval()(prompt[:1])[0, 0, allowed]
    torch.testing.assert_close(shares, logits.softmax(-1).detach(), atol=0.03, rtol=0)
    assert not torch.isin(drawn, torch.tensor([PAD, UNKNOWN, 7])).any()
    cold = generate(model, prompt[:3], 5, temperature=1e-300, generator=draws)
    assert torch.equal(cold, generate(model, prompt[:3], 5, temperature=0.0))
    with pytest.raises(fs.OptionError, match="temperature is finite"):
        generate(model, prompt, 1, temperature=math.inf, generator=draws)


def test_parts_that_are_too_short_are_one_sentence() -> None:
    data = plain(["abcabcabc"], ["abc"], ["abcabc"])
    tokeniser = fit_tokeniser("characters", data.train, 50)
    with pytest.raises(fs.OptionError, match="the validation part of made has 3 tokens and a window has 5"):
        language_parts(data, tokeniser, predicts="next_token", length=4)
    single = plain(["abc"], ["a"], ["abc"], running=False)
    with pytest.raises(fs.OptionError, match="the validation part of made has no token to predict"):
        language_parts(single, tokeniser, predicts="next_token", length=4)


def test_characters_come_back_as_they_were() -> None:
    tokeniser = fit_tokeniser("characters", ["To be,\nor not\tto be", "é"], 50)
    ids = tokeniser.encode(["not to\nBe é", "z"])
    assert tokeniser.decode(ids[0]) == "not to\n[UNK]e é"
    assert ids[1].tolist() == [UNKNOWN]
    assert encoded(tokeniser, ["to", ""]).lengths.tolist() == [2, 0]
