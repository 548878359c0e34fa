"""Single blocks against their formulas, and what can be seen of a network."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import sinusoids
from fieldsolver.models.wave_network import Columns, Config, WaveNetwork, plots, represent
from fieldsolver.models.wave_network.continuous import KEPT, ContinuousWave
from fieldsolver.models.wave_network.embedding import places_of
from fieldsolver.models.wave_network.readouts import PhaseSensitive
from fieldsolver.models.wave_network.superposition import interference, mixture, modulation, normalised
from fieldsolver.models.wave_network.trace import forward_trace, waves_of
from fieldsolver.models.wave_network.wave import as_complex, as_wave
from fieldsolver.models.wave_network.wave_attention import WaveAttention

D, N = 6, 5


def vectors() -> tuple[Tensor, Columns]:
    x = torch.randn(2, N, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x, Columns(torch.tensor([[True] * N, [True, True, True, False, False]]))


def config(**changes) -> Config:
    torch.manual_seed(0)
    return Config(**{"vocabulary": 9, "classes": 2, "dim": D, **changes})


def test_wave_attention_looks_where_waves_interfere() -> None:
    """The formula with complex numbers, head by head and token by token."""
    block = WaveAttention(config(blocks="wave_attention", heads=2)).double()
    x, columns = vectors()
    h = block.norm(x)
    query, key = (as_complex(represent(linear(h), columns)) for linear in (block.query, block.key))
    value, half = block.value(h), D // 2
    expected = torch.zeros_like(x)
    for row in range(2):
        real = int(columns.mask[row].sum())
        for head in (slice(0, half), slice(half, D)):
            q, k, v = (one[row, :real, head] for one in (query, key, value))
            scores = (q @ k.conj().T).real / (q.norm(dim=1, keepdim=True) * k.norm(dim=1)) * math.sqrt(half)
            assert scores.abs().max() <= math.sqrt(half) + 1e-12
            expected[row, :real, head] = scores.softmax(-1) @ v
    got = block(x, columns).x
    torch.testing.assert_close(got[columns.mask], (x + block.out(expected))[columns.mask])


@pytest.mark.parametrize("mode", ["modulation", "interference", "learnable"])
def test_continuous_depth_moves_as_the_block_says(mode: str) -> None:
    """The first moment of the declared equation, against the waves of the closed form."""
    short = 1e-5
    block = ContinuousWave(config(blocks="continuous", mode=mode, duration=short, steps=1)).double()
    x, columns = vectors()
    one, other = (represent(linear(x), columns, eps=1e-3) for linear in (block.first, block.second))
    if mode == "learnable":
        z = mixture(one, other, torch.tensor(0.5), columns)
    else:
        z = normalised((modulation if mode == "modulation" else interference)(one, other), columns)
    rate = block.read(torch.cat(z, -1)) - F.softplus(block.rate) * x
    with torch.no_grad():
        moved = (block(x, columns).x - x) / short
    torch.testing.assert_close(moved[columns.mask], rate[columns.mask], rtol=1e-3, atol=1e-3)
    assert block(x, columns).evaluations == 2


def test_the_continuous_form_follows_its_weights_to_another_precision() -> None:
    """The layer of each length is kept; one that was made for other numbers must not be."""
    block = ContinuousWave(config(blocks="continuous"))
    x, columns = vectors()
    block(x.float(), columns)
    assert list(block._layers) == [N]
    used, fresh = block.double(), ContinuousWave(config(blocks="continuous")).double()
    assert not used._layers  # their tables do not move to another device with the block
    fresh.load_state_dict(used.state_dict())
    assert torch.equal(used(x, columns).x, fresh(x, columns).x)
    with torch.no_grad():
        used.read.weight.mul_(2)
    assert (used(x, columns).x - fresh(x, columns).x).abs().max() > 1e-3


def test_the_layers_of_the_last_lengths_are_kept() -> None:
    block = ContinuousWave(config(blocks="continuous"))
    for length in range(2, KEPT + 4):
        block.layer(length)
    assert list(block._layers) == list(range(4, KEPT + 4))


def test_no_token_of_the_continuous_form_runs_away() -> None:
    """The drive is bounded by the norms of its last map, so |w| stays below that over the decay."""
    block = ContinuousWave(config(blocks="continuous", duration=20.0, steps=80)).double()
    x, columns = vectors()
    with torch.no_grad():
        end = block(30 * x, columns).x[columns.mask].abs().amax(0)
        weight, bias = block.read.weight, block.read.bias
        bound = (math.sqrt(N) * weight.norm(dim=1) * math.sqrt(2 * D) + bias.abs()) / F.softplus(block.rate)
    assert (end <= bound + 1e-3).all()


def test_a_complex_read_out_turns_with_its_input() -> None:
    """Up to the last map: (A z) has its angle turned, and modReLU leaves angles alone."""
    read = PhaseSensitive(D).double()
    torch.nn.init.constant_(read.threshold, -0.1)
    x, _ = vectors()
    z = torch.complex(x, x.flip(1))
    inside = []
    read.both.register_forward_pre_hook(lambda _, given: inside.append(as_complex(given[0])))
    turn = torch.exp(torch.tensor(0.7j, dtype=torch.complex128))
    read(as_wave(z))
    read(as_wave(turn * z))
    torch.testing.assert_close(inside[1], turn * inside[0])
    linear = z @ torch.complex(read.real.weight, read.imaginary.weight).T
    torch.testing.assert_close(inside[0], linear / linear.abs() * (linear.abs() - 0.1).clamp(min=0))


def test_places_are_counted_without_padding() -> None:
    mask = torch.tensor([[False, True, False, True], [True, True, False, False]])
    sines = sinusoids(places_of(mask), 4).float()
    torch.testing.assert_close(sines[0, 3], sines[1, 1])
    torch.testing.assert_close(sines[0, 1], torch.tensor([0.0, 1.0, 0.0, 1.0]))
    expected = [math.sin(1.0), math.cos(1.0), math.sin(0.01), math.cos(0.01)]
    torch.testing.assert_close(sines[0, 3], torch.tensor(expected))


def network(preset: str = "deep") -> tuple[WaveNetwork, Tensor, Tensor]:
    torch.manual_seed(0)
    model = build("wave_network", preset, vocabulary=9, dim=16, bigrams=50, amplitude="norm").eval()
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0]])
    return model, ids, ids > 0


def test_a_trace_ends_where_the_network_does() -> None:
    model, ids, mask = network()
    trace = forward_trace(model, ids, mask)
    assert list(trace) == ["embedding", "1 wave", "2 wave", "3 wave", "norm"]
    assert torch.equal(model.head(model.encoder.pooled(trace["norm"], mask)), model(ids, mask))
    waves = waves_of(model, ids, mask, block=2)
    read = model.encoder.blocks[2].read(waves.whole)
    torch.testing.assert_close(trace["2 wave"] + read, trace["3 wave"])
    with pytest.raises(OptionError, match="block 3 has no waves"):
        waves_of(model, ids, mask, block=3)
    with pytest.raises(OptionError, match=r"those that have: \[0\]"):
        waves_of(network("hybrid")[0], ids, mask, block=1)


def test_pictures_show_the_numbers() -> None:
    model, ids, mask = network()
    waves = waves_of(model, ids, mask)
    phases, semantics, plane, modes, way = Figure().subplots(1, 5)
    plots.draw_phases(phases, waves)
    plots.draw_global_semantics(semantics, waves)
    plots.draw_plane(plane, waves, text=1, dimension=2, labels=["a", "b"])
    plots.draw_modes(modes, waves)
    plots.draw_trace(way, forward_trace(model, ids, mask), text=1, labels=["a", "b"])
    x, y = plane.lines[1].get_data()
    torch.testing.assert_close(torch.tensor(x).float(), waves.first.real[1, :2, 2])
    assert torch.hypot(torch.tensor(x), torch.tensor(y)).diff().abs().max() < 1e-5  # on the circle
    flat, moving = (torch.tensor(one.get_ydata()) for one in modes.lines)
    assert flat.std() < 1e-5 < moving.std()
    assert flat.mean().item() == pytest.approx(moving.mean().item()) == pytest.approx(1)
    assert {text.get_text() for text in plane.texts} == {"a", "b"}
    with pytest.raises(OptionError, match=r"0\.\.15, got 16"):
        plots.draw_plane(plane, waves, dimension=16)
