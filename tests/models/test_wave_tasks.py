"""What else a wave encoder is for: going on with a text, guessing hidden tokens, images, sounds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fieldsolver import testing
from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.catalogue import build
from fieldsolver.models.wave_network import Config, WaveNetwork
from fieldsolver.models.wave_network.generation import IGNORED, generate, joined, read_on, token_loss
from fieldsolver.models.wave_network.modalities import ImagePatches, SoundFrames, WaveClassifier
from fieldsolver.models.wave_network.pretraining import adopt, masked_batch, pretrain


def network(preset: str, seed: int = 0, **changes) -> WaveNetwork:
    torch.manual_seed(seed)
    return build(
        "wave_network",
        preset,
        **{"vocabulary": 12, "dim": 16, "bigrams": 0, "dropout": 0.0, "word_dropout": 0.0, **changes},
    )


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def train(model: WaveNetwork, batch: tuple[Tensor, Tensor, Tensor], steps: int, rate: float) -> float:
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    ids, mask, labels = batch
    for _ in range(steps):
        loss = token_loss(model(ids, mask), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item()


def test_a_causal_network_learns_to_write_the_target_of_a_source() -> None:
    """Copy the first token of the source: nothing but the sums over the past can bring it to the target."""
    sources = [[first, other] for first in range(3, 9) for other in range(3, 9)]
    batch = joined(sources, [[source[0]] for source in sources], separator=2)
    model = network("causal", forgetting=0.7)
    assert train(model, batch, 80, 2e-2) < 0.1
    prompts = torch.tensor([[*source, 2] for source in sources])
    written = generate(model, prompts, 2, temperature=0.0)
    assert (written[:, 3] == prompts[:, 0]).float().mean() > 0.95
    assert (written[:, 4] == 2).all()


def test_pairs_are_joined_with_labels_for_the_target_alone() -> None:
    ids, mask, labels = joined([[5, 6], [7]], [[8], [9, 10]], separator=2)
    assert ids.tolist() == [[5, 6, 2, 8, 2], [7, 2, 9, 10, 2]]
    assert mask.all()
    assert labels.tolist() == [[IGNORED, IGNORED, 8, 2, IGNORED], [IGNORED, 9, 10, 2, IGNORED]]
    ids, mask, labels = joined([[5]], [[]], separator=2)
    assert (ids.tolist(), labels.tolist()) == ([[5, 2, 2]], [[IGNORED, 2, IGNORED]])
    with pytest.raises(StateError, match="holds the separator 2"):
        joined([[2]], [[3]], separator=2)
    with pytest.raises(StateError, match="1 sources and 2 targets"):
        joined([[3]], [[3], [4]], separator=2)


def test_generation_repeats_by_seed_and_never_draws_padding() -> None:
    model = network("causal").train()
    prompt = torch.tensor([[3, 4], [5, 6]])
    first, again, other = (generate(model, prompt, 20, generator=draws(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first != 0).all()
    assert model.training
    assert first.shape == (2, 22)


def test_generation_needs_a_causal_network_and_something_to_begin_with() -> None:
    with pytest.raises(OptionError, match="head='next_token', got 'classes'"):
        generate(network("deep"), torch.tensor([[3]]), 1, temperature=0.0)
    with pytest.raises(OptionError, match="generator"):
        generate(network("causal"), torch.tensor([[3]]), 1)
    with pytest.raises(StateError, match="N at least 1"):
        generate(network("causal"), torch.zeros(1, 0, dtype=torch.int64), 1, temperature=0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"forgetting": 1.0, "amplitude": "norm", "normalise": True},
        {"mode": "learnable", "positions": "sinusoidal", "bigrams": 50},
        {"mode": "interference", "conserve": True},
        {"blocks": "wave, attention, wave_attention, mlp"},
    ],
    ids=["causal", "norm", "learnable", "conserving", "hybrid"],
)
def test_a_text_in_pieces_is_answered_like_the_whole(changes: dict[str, Any]) -> None:
    model = network("causal", vocabulary=30, **changes).double().eval()
    ids = torch.randint(1, 30, (3, 17), generator=draws())
    memory, found = None, []
    for piece in ids.split([5, 1, 1, 7, 1, 1, 1], 1):
        logits, memory = read_on(model, piece, memory)
        found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), model(ids), rtol=1e-12, atol=1e-13)
    written = generate(model, ids[:, :4], 6, temperature=0.0)
    for place in range(4, 10):
        assert torch.equal(written[:, place], model(written[:, :place])[:, -1, 1:].argmax(-1) + 1)


def test_waves_remember_as_much_of_a_long_text_as_of_a_short_one() -> None:
    model = network("causal")
    _, short = read_on(model, torch.full((1, 2), 3))
    _, long = read_on(model, torch.full((1, 200), 3))
    assert [one.shape for one in short.kept] == [one.shape for one in long.kept]
    with pytest.raises(OptionError, match="causal=True"):
        read_on(network("masked"), torch.tensor([[3]]))
    with pytest.raises(StateError, match="N at least 1"):
        read_on(model, torch.zeros(1, 0, dtype=torch.int64))


def test_tokens_are_hidden_in_the_shares_of_the_source() -> None:
    ids = torch.full((100, 200), 7)
    mask = torch.arange(200).expand(100, -1) < 150
    seen, labels = masked_batch(ids, mask, 1000, draws())
    chosen = labels != IGNORED
    assert not chosen[~mask].any()
    assert chosen[mask].float().mean().item() == pytest.approx(0.15, abs=0.01)
    shares = [(seen[chosen] == kind).float().mean().item() for kind in (1, 7)]
    assert shares == pytest.approx([0.8, 0.1], abs=0.02)
    assert (seen[~chosen] == 7).all()
    assert (seen >= 1).all()
    with pytest.raises(OptionError, match="share"):
        masked_batch(ids, mask, 1000, draws(), share=0.0)


def test_pretraining_lowers_the_loss_and_hands_its_encoder_on() -> None:
    """Texts repeat one word: a hidden one is known from the others."""
    model = network("masked")
    random = draws()
    batches = []
    for _ in range(120):
        ids = torch.randint(2, 12, (16, 1), generator=random).expand(-1, 8).contiguous()
        batches.append((ids, torch.ones_like(ids, dtype=torch.bool)))
    losses = pretrain(model, batches, learning_rate=1e-2, generator=random)
    assert sum(losses[:10]) / 10 > 2.0
    assert sum(losses[-10:]) / 10 < 0.5
    classifier = network("deep", seed=1)
    adopt(classifier, model)
    ids = torch.tensor([[3, 4, 5]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    ours, theirs = (one.eval().encoder(one.embedding(ids, mask), mask).x for one in (classifier, model))
    assert torch.equal(ours, theirs)
    with pytest.raises(OptionError, match=r"differ in encoder\.blocks"):
        adopt(network("re_im"), model)
    with pytest.raises(OptionError, match="head='masked_token', got 'classes'"):
        pretrain(classifier, [], learning_rate=1e-2, generator=random)


def classifier(front, **changes) -> WaveClassifier:
    torch.manual_seed(0)
    return WaveClassifier(
        front, Config(dim=16, classes=2, normalise=True, positions="sinusoidal", position_scale=1.0, **changes)
    )


def fitted(model: WaveClassifier, inputs: Tensor, labels: Tensor, steps: int = 80) -> float:
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (model(inputs).argmax(-1) == labels).float().mean().item()


def test_images_are_told_apart_by_where_a_patch_is() -> None:
    random = draws()
    images = 0.1 * torch.randn(40, 1, 8, 8, generator=random)
    labels = torch.arange(40) % 2
    images[labels == 0, :, :2, :2] += 1  # the same square in one corner or in the other
    images[labels == 1, :, -2:, -2:] += 1
    model = classifier(ImagePatches(1, 2, 16))
    assert fitted(model, images, labels) > 0.95
    with pytest.raises(StateError, match="multiples of 2"):
        model(torch.zeros(1, 1, 7, 8))


def test_a_patch_is_a_square_of_the_image() -> None:
    front = ImagePatches(2, 2, 8)
    torch.nn.init.eye_(front.linear.weight)
    torch.nn.init.zeros_(front.linear.bias)
    images = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    tokens, mask = front(images)
    assert mask.shape == (1, 6)
    assert torch.equal(tokens[0, 4], images[0, :, 2:4, 2:4].flatten())


def test_sounds_are_told_apart_and_samples_after_their_end_are_not_heard() -> None:
    time = torch.arange(400.0)
    labels = torch.arange(30) % 2
    shift = torch.rand(30, 1, generator=draws())
    sounds = torch.sin(0.3 * (1 + labels.unsqueeze(1)) * (time + 20 * shift))
    model = classifier(SoundFrames(64, 32, 16))
    assert fitted(model, sounds, labels, steps=40) > 0.95
    lengths = torch.full((30,), 200)
    spoilt = torch.where(time < 200, sounds, 7.0)
    with torch.no_grad():
        torch.testing.assert_close(model(spoilt, lengths), model(sounds[:, :200]), rtol=1e-5, atol=1e-5)
    with pytest.raises(StateError, match="at least 64 samples"):
        model(torch.zeros(1, 10))
    with pytest.raises(OptionError, match="hop"):
        SoundFrames(64, 65, 16)


def test_other_modalities_pass_the_public_checks() -> None:
    torch.manual_seed(0)
    model = WaveClassifier(ImagePatches(1, 2, 4), Config(dim=4, classes=2, positions="sinusoidal")).double()
    images = torch.randn(3, 1, 4, 4, dtype=torch.float64, generator=draws())
    example = testing.Example(images, "B C X Y -> B K")
    testing.check_batch_independence(model, example).assert_pass()
    testing.check_load_bearing(model, example).assert_pass()
