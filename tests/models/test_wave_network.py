"""Every preset: nothing leaks, everything matters, phases are used where they are said to be."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import Tensor, nn

from fieldsolver import testing
from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import TextModel, configured
from fieldsolver.models.wave_network import PRESETS, TRAINING, Columns, Config, WaveNetwork
from fieldsolver.models.wave_network.wave import Wave, as_wave

VOCABULARY = 17
SMALL = {"vocabulary": VOCABULARY, "classes": 3, "dim": 8}
QUICK = ("small", "best", "continuous")


def network(preset: str | None = None, seed: int = 0, **changes) -> TextModel:
    torch.manual_seed(seed)
    return build("wave_network", preset, **{**SMALL, **made_small(preset), **changes}).eval()


def made_small(preset: str | None) -> dict[str, int]:
    """A small table of pairs for presets that have one, few steps for those that take steps."""
    given = PRESETS[preset].changes if preset else {}
    steps = given.get("blocks") in (("nls",), ("continuous",))
    return {**({"bigrams": 13} if given.get("bigrams") else {}), **({"steps": 2} if steps else {})}


def texts(*lengths: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, VOCABULARY, (len(lengths), max(lengths)), generator=draw)
    return ids, torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def difference(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / one.norm()).item()


@pytest.mark.parametrize(
    "preset", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PRESETS]
)
def test_every_preset_passes_the_public_checks(preset: str) -> None:
    model = network(preset).double()
    tokens = model.config.head != "classes"
    example = testing.Example(
        texts(9, 9)[0], "B T -> B T V" if tokens else "B T -> B K", vocabulary=VOCABULARY, mask="mask"
    )
    report = testing.check_layer(
        model, example, causal=model.config.causal, make=lambda: network(preset, seed=1).double()
    )
    report.assert_pass()


@pytest.mark.parametrize("preset", PRESETS)
def test_padding_changes_nothing(preset: str) -> None:
    model = network(preset)
    ids, mask = texts(6, 1)
    with torch.no_grad():
        alone = model(ids, mask)
        for more in (10, 300):
            longer = torch.cat(
                [ids, torch.randint(VOCABULARY, (2, more), generator=torch.Generator().manual_seed(1))], 1
            )
            padded = model(longer, torch.cat([mask, torch.zeros(2, more, dtype=torch.bool)], 1))
            compared = padded if padded.dim() == 2 else padded[:, :6][mask]
            torch.testing.assert_close(compared, alone if alone.dim() == 2 else alone[mask], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("preset", PRESETS)
def test_padding_before_and_between_tokens_changes_nothing(preset: str) -> None:
    model = network(preset)
    ids, _ = texts(5)
    places = torch.tensor([2, 3, 6, 8, 9])
    spread = torch.randint(VOCABULARY, (1, 11), generator=torch.Generator().manual_seed(1))
    spread[:, places] = ids
    mask = torch.zeros(1, 11, dtype=torch.bool).index_fill(1, places, True)
    with torch.no_grad():
        alone, found = model(ids), model(spread, mask)
    torch.testing.assert_close(found if found.dim() == 2 else found[:, places], alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("preset", PRESETS)
def test_texts_without_a_token_or_with_one_have_finite_answers_and_gradients(preset: str) -> None:
    model = network(preset).train()
    ids, _ = texts(4, 4, 4)
    mask = torch.tensor([[False] * 4, [True, False, False, False], [True] * 4])
    torch.manual_seed(0)
    answer = model(ids, mask, detailed=True)
    assert torch.isfinite(answer.logits[mask.any(1)]).all()
    (answer.logits.square().mean() + answer.penalty).backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
    assert torch.isfinite(network(preset)(ids, torch.zeros_like(mask))).all()


def test_a_very_long_text_is_answered_by_waves_and_refused_by_attention() -> None:
    ids, _ = texts(100_000)
    with torch.no_grad():
        assert torch.isfinite(network("best")(ids)).all()
        with pytest.raises(StateError, match="at most 16,384; got 100,000: cut the texts"):
            network("hybrid")(ids)


def test_a_causal_network_reads_nothing_of_the_future() -> None:
    model = network("causal").double()
    ids, _ = texts(33, 33)
    other = texts(40, 40, seed=3)[0]
    with torch.no_grad():
        whole = model(ids)
        for t in (0, 1, 16, 31):
            changed = torch.cat([ids[:, : t + 1], other[:, t + 1 :]], 1)
            torch.testing.assert_close(model(changed)[:, : t + 1], whole[:, : t + 1], rtol=0, atol=1e-12)
        assert (
            difference(whole[:, 20], model(other[:, :33].index_copy(1, torch.tensor([20]), ids[:, 20:21]))[:, 20])
            > 1e-3
        )


@pytest.mark.parametrize("block", ["wave_attention", "attention", "mlp"])
def test_other_causal_blocks_read_nothing_of_the_future(block: str) -> None:
    model = network("causal", blocks=("wave", block), mode="learnable").double()
    ids, _ = texts(7)
    vectors = torch.zeros(1, 7, 8, dtype=torch.float64, requires_grad=True)
    x = model.embedding.words(ids) + vectors
    out = model.encoder(x, torch.ones(1, 7, dtype=torch.bool)).x
    (slope,) = torch.autograd.grad(out[0, 3].sum() + out[0, 3].square().sum(), vectors)
    assert not slope[0, 4:].any()
    assert slope[0, :4].any()


SWITCHES = [
    ("re_im", {"mode": "interference"}),
    ("re_im", {"mode": "learnable"}),
    ("re_im", {"amplitude": "norm"}),
    ("re_im", {"normalise": True}),
    ("conserving", {"conserve": False}),
    ("interference", {"conserve": True}),
    ("re_im", {"residual": False}),
    ("re_im", {"pool": "max"}),
    ("re_im", {"positions": "sinusoidal"}),
    ("paper", {"position_scale": 0.0}),
    ("re_im", {"embedding": "normal"}),
    ("re_im", {"embedding": "unit"}),
    ("re_im", {"eps": 0.09}),
    ("re_im", {"causal": True}),
    ("causal", {"forgetting": 0.5}),
    ("nls", {"duration": 2.0}),
    ("nls", {"steps": 1}),
    ("continuous", {"duration": 2.0}),
    ("continuous", {"steps": 1}),
    ("continuous", {"mode": "interference"}),
    ("re_im", {"readout": "phase"}),
    ("re_im", {"blocks": "wave, mlp"}),
    ("re_im", {"bigrams": 0}),
    ("hybrid", {"heads": 2}),
    ("mean_pool", {"expansion": 3}),
]
ELSEWHERE = {"vocabulary", "classes", "dim", "head", "dropout", "embedding_dropout", "word_dropout", "phase_diversity"}
"""Options of other tests: sizes, heads, and those of training alone."""


def test_no_option_is_forgotten_among_the_switches() -> None:
    tried = {name for _, change in SWITCHES for name in change}
    assert tried | ELSEWHERE == {field.name for field in dataclasses.fields(Config)}


@pytest.mark.parametrize(("preset", "change"), SWITCHES)
def test_every_switch_changes_the_output(preset: str, change: dict[str, object]) -> None:
    ids, mask = texts(9, 4)
    with torch.no_grad():
        assert difference(network(preset)(ids, mask), network(preset, **change)(ids, mask)) > 1e-3


def test_noise_and_penalties_are_those_of_training_alone() -> None:
    ids, mask = texts(9, 4)
    for change in ({"dropout": 0.5}, {"embedding_dropout": 0.5}, {"word_dropout": 0.5}):
        model = network("re_im", **{"dropout": 0.0, "word_dropout": 0.0, **change})
        with torch.no_grad():
            still = model(ids, mask)
            assert torch.equal(still, network("re_im", dropout=0.0)(ids, mask))
            assert difference(still, model.train()(ids, mask)) > 1e-3
    answer = network("deep", phase_diversity=0.5)(ids, mask, detailed=True)
    assert 0 < answer.penalty.item() < 0.5
    assert network("deep")(ids, mask, detailed=True).penalty.item() == 0


class FromWaves(nn.Module):
    """What a one-layer network makes of the waves after their superposition: complex (B, T, D) to logits."""

    def __init__(self, model: TextModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Tensor:
        encoder = self.model.encoder
        x = encoder.norm(encoder.blocks[0].read(as_wave(z)))
        return self.model.head(encoder.pooled(x, torch.ones(x.shape[:2], dtype=torch.bool)))


@pytest.mark.parametrize(("readout", "used"), [("abs", False), ("re", True), ("re_im", True), ("phase", True)])
def test_phases_are_used_unless_the_magnitude_is_read(readout: str, used: bool) -> None:
    model = FromWaves(network("re_im", readout=readout, normalise=False).double())
    z = torch.randn(2, 7, 8, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    assert testing.check_phase_use(model, testing.Example(z, "B T D -> B K")).status.holds is used


@pytest.mark.parametrize(
    ("readout", "mode", "seen"),
    [
        ("abs", "modulation", False),
        ("abs", "interference", True),
        ("re_im", "modulation", True),
        ("phase", "modulation", True),
    ],
)
def test_mixing_tokens_without_changing_the_norms_of_columns(readout: str, mode: str, seen: bool) -> None:
    """An orthogonal Q over the tokens leaves every G as it is: the paper's modulation cannot see it."""
    model = network("re_im", readout=readout, mode=mode, normalise=False).double()
    block = model.encoder.blocks[0]
    draw = torch.Generator().manual_seed(0)
    one, other = (torch.randn(1, 6, 8, dtype=torch.float64, generator=draw) for _ in range(2))
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=draw)).Q
    columns = Columns(torch.ones(1, 6, dtype=torch.bool))

    def read(one: Tensor, other: Tensor) -> Tensor:
        waves = (Wave(w, (w.square().sum(1, keepdim=True) - w.square()).sqrt()) for w in (one, other))
        return block.read(block.superposed(*waves, columns)).mean(1)

    changed = difference(read(one, other), read(turn @ one, turn @ other))
    assert changed > 1e-3 if seen else changed < 1e-12


def test_the_paper_has_the_parameters_of_its_own_count() -> None:
    table = WaveNetwork(Config(**PRESETS["paper"].changes)).parameter_table()
    assert table == {"embedding": 23_440_896, "rest": 2 * 590_592 + 1_536 + 3_076, "total": 24_626_692}


def test_the_controls_of_the_ablation_have_equal_parameters() -> None:
    with_waves, without = (network(name).parameter_table() for name in ("re_im", "mean_pool"))
    assert with_waves == without
    assert with_waves["total"] > network("re_only").parameter_table()["total"]


def test_the_linear_control_is_linear() -> None:
    block = network("re_only").encoder.blocks[0]
    x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(0))
    columns = Columns(torch.ones(1, 5, dtype=torch.bool))
    h = block.norm(x)
    torch.testing.assert_close(block(x, columns).x, x + block.first(h) + block.second(h))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": "modulate"}, "mode is one of .*got 'modulate'; did you mean 'modulation'"),
        ({"blocks": ("wave", "waves")}, "a block is one of .*did you mean 'wave'"),
        ({"blocks": ()}, "at least one block"),
        ({"blocks": 3}, "blocks are names"),
        ({"dim": 0}, "dim is a whole number of at least 1, got 0"),
        ({"dim": 128.0}, "dim is a whole number"),
        ({"vocabulary": 1}, "at least 2"),
        ({"dropout": 1.0}, "dropout has to be a share, at least 0 and below 1, got 1.0"),
        ({"eps": 0.0}, "eps has to be"),
        ({"eps": float("nan")}, "eps has to be"),
        ({"duration": float("inf")}, "duration has to be a finite number"),
        ({"forgetting": 0.0}, "forgetting is a factor"),
        ({"forgetting": 0.9}, "add causal=True"),
        ({"head": "next_token"}, "every token sees the whole text; add causal=True"),
        ({"causal": True, "blocks": ("nls",)}, "'nls' couples tokens both ways"),
        ({"blocks": ("attention",), "dim": 10, "heads": 4}, "no multiple of heads=4"),
        ({"positions": "sinusoidal", "dim": 9}, "even dim, got 9"),
        ({"conserve": True, "normalise": True}, "keep one"),
        ({"conserve": True, "mode": "learnable"}, "keep one"),
        ({"readout": "abs", "normalise": True}, "is 1 everywhere"),
        ({"readout": "abs", "conserve": True}, "would not see the second wave"),
        ({"phase_diversity": 0.1, "blocks": ("mlp",)}, "phase_diversity=0.1 changes nothing without a block 'wave'"),
        ({"amplitude": "rms", "blocks": ("continuous",)}, "'wave' or 'wave_attention' or 'nls', and there is none"),
        ({"steps": 8}, "leave it at 4"),
        ({"position_scale": 1.0}, "changes nothing with positions='none'"),
    ],
)
def test_configurations_without_sense_are_refused_in_a_sentence(change: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        configured(Config, PRESETS, **change)


def test_a_configuration_comes_back_from_a_file_and_from_a_command_line() -> None:
    config = Config(blocks=("wave", "mlp"), mode="learnable")
    assert Config(**json.loads(json.dumps(WaveNetwork(config).described()))) == config
    assert Config(blocks="wave, mlp", mode="learnable") == config


def test_every_preset_says_how_it_is_trained() -> None:
    assert TRAINING.keys() == PRESETS.keys()
    assert (TRAINING["paper"].learning_rate, TRAINING["paper"].vocabulary, TRAINING["paper"].epochs) == (
        1e-3,
        30_522,
        2,
    )
