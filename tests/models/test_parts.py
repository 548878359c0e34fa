"""What all architectures share: checked tokens, pooling without padding, presets, the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.catalogue import MODELS, build, find_model
from fieldsolver.models.parts import (
    Answer,
    Preset,
    TextModel,
    checked_tokens,
    configured,
    masked_max,
    masked_mean,
    prediction_of,
)


@dataclass(frozen=True)
class Config:
    vocabulary: int = 10
    classes: int = 3
    dim: int = 4


class Bag(TextModel):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocabulary, config.dim)
        self.head = nn.Linear(config.dim, config.classes)

    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        logits = self.head(masked_mean(self.embedding(ids), mask))
        return Answer(logits, logits.new_zeros(()), logits.new_zeros(len(ids)))


@dataclass(frozen=True)
class Asked:
    vocabulary: int
    head: str


@dataclass(frozen=True, slots=True)
class Slotted:
    vocabulary: int = 10
    head: str = "masked_token"


@dataclass(frozen=True)
class Fixed:
    head: ClassVar[str] = "next_token"


def test_what_is_predicted_is_the_default_of_the_field() -> None:
    assert prediction_of(Slotted) == prediction_of(Slotted()) == "masked_token"
    assert prediction_of(Slotted, {"head": "classes"}) == "classes"
    assert prediction_of(Asked, {"head": "next_token"}) == prediction_of(Asked(9, "next_token")) == "next_token"
    assert prediction_of(Fixed) == "next_token"
    assert prediction_of(Config) == "classes"
    with pytest.raises(OptionError, match="no usual head; say which, one of classes, next_token, masked_token"):
        prediction_of(Asked, {"vocabulary": 9})
    with pytest.raises(OptionError, match="got 'next'"):
        prediction_of(Asked(9, "next"))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (torch.ones(3, 12, dtype=torch.long), "got torch.int64 of shape"),
        (torch.ones(3, 11, dtype=torch.bool), r"ids' shape \(3, 12\).*got torch.bool of shape \(3, 11\)"),
        (torch.ones(12, dtype=torch.bool), r"of shape \(12,\)"),
    ],
)
def test_places_are_marked_in_the_shape_of_the_ids(places: Tensor, words: str) -> None:
    model = build("wave_network", "masked", vocabulary=9, dim=8)
    with pytest.raises(StateError, match=words):
        model(torch.full((3, 12), 2), places=places)


@pytest.mark.parametrize("name", ["wave_network", "wavenet_neuro"])
def test_places_are_not_asked_of_a_classifier(name: str) -> None:
    ids = torch.full((2, 3), 2)
    with pytest.raises(StateError, match="places are asked of models that predict tokens"):
        build(name, vocabulary=9)(ids, places=ids > 0)


def test_texts_without_a_place_have_none_to_ask() -> None:
    model = build("wave_network", "masked", vocabulary=9, dim=8).eval()
    empty = torch.zeros(2, 0, dtype=torch.long)
    assert model(empty, places=empty.bool()).shape == (0, 9)


def test_padding_may_hold_anything() -> None:
    values = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, True, False, False], [False] * 5])
    spoilt = torch.where(mask.unsqueeze(-1), values, torch.nan)
    for pool, expected in ((masked_mean, values[0, :3].mean(0)), (masked_max, values[0, :3].amax(0))):
        pooled = pool(spoilt, mask)
        torch.testing.assert_close(pooled[0], expected)
        assert torch.equal(pooled[1], torch.zeros(3))


@pytest.mark.parametrize("pool", [masked_mean, masked_max])
def test_padding_gets_no_gradient(pool) -> None:
    values = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    pool(values, mask).sum().backward()
    assert torch.isfinite(values.grad).all()
    assert not values.grad[~mask].any()
    assert values.grad[mask].any()


def test_what_is_padded_need_not_be_a_token() -> None:
    ids, mask = checked_tokens(torch.tensor([[3, -7, 10**12]]), torch.tensor([[True, False, False]]), vocabulary=4)
    assert ids.tolist() == [[3, 0, 0]]
    assert mask.tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    ("ids", "mask", "said"),
    [
        (torch.tensor([1, 2]), None, r"shape \(B, N\), got torch.int64 of shape \(2,\)"),
        (torch.tensor([[1.0]]), None, "integers"),
        (torch.tensor([[True]]), None, "integers"),
        (torch.tensor([[10]]), None, r"0..9, got 10"),
        (torch.tensor([[-1]]), None, r"0..9, got -1"),
        (torch.tensor([[1, 2]]), torch.tensor([[True]]), r"shape \(1, 2\).*got torch.bool of shape \(1, 1\)"),
        (torch.tensor([[1, 2]]), torch.tensor([[1, 0]]), "the mask is bool"),
    ],
)
def test_what_are_no_tokens_is_refused(ids, mask, said) -> None:
    with pytest.raises(StateError, match=said):
        checked_tokens(ids, mask, vocabulary=10)


def test_a_text_model_says_what_it_is() -> None:
    torch.manual_seed(0)
    model = Bag(Config())
    ids = torch.tensor([[1, 2, 0]])
    answer = model(ids, detailed=True)
    assert torch.equal(model(ids), answer.logits)
    assert model.described() == {"vocabulary": 10, "classes": 3, "dim": 4}
    assert model.parameter_table() == {"embedding": 40, "rest": 15, "total": 55}


def test_a_preset_lies_between_the_defaults_and_single_changes() -> None:
    presets = {"wide": Preset("wider", {"dim": 8, "classes": 2})}
    assert configured(Config, presets) == Config()
    assert configured(Config, presets, "wide") == Config(dim=8, classes=2)
    assert configured(Config, presets, "wide", classes=5) == Config(dim=8, classes=5)
    with pytest.raises(OptionError, match=r"no preset 'wid'.*did you mean 'wide'"):
        configured(Config, presets, "wid")
    with pytest.raises(OptionError, match=r"no option 'dims'.*did you mean 'dim'"):
        configured(Config, presets, dims=3)


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(OptionError, match="did you mean 'wave_network'"):
        find_model("wave_netwrk")


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_of_the_catalogue_is_built_by_name(name: str) -> None:
    model = build(name, vocabulary=11, classes=3)
    assert isinstance(model, TextModel)
    assert model(torch.tensor([[1, 2, 3]])).shape == (1, 3)
    for preset in find_model(name).presets().values():
        assert preset.about
