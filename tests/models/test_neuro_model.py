"""The text model around the field: the public test kit, switches, presets, odd texts."""

import dataclasses

import pytest
import torch

from fieldsolver import testing
from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.catalogue import build
from fieldsolver.models.wavenet_neuro import PRESETS, Config

SMALL = {"vocabulary": 11, "classes": 3, "embedding": 4, "channels": 4, "hidden": 4, "expansion": 1.0}
QUIET = {"dropout": 0.0, "word_dropout": 0.0, "head_dropout": 0.0}


def model(preset=None, **changes):
    torch.manual_seed(0)
    return build("wavenet_neuro", preset, **{**SMALL, **QUIET, **changes}).double().eval()


def tokens(batch=3, length=9, vocabulary=11):
    return torch.randint(2, vocabulary, (batch, length), generator=torch.Generator().manual_seed(1))


KIT: dict[str, dict[str, object]] = {
    "line": {
        "transport": True,
        "norm": True,
        "input": "both",
        "readout": "mean_max",
        "skip": True,
        "steps": 2,
        "bigrams": 20,
    },
    "hilbert": {"geometry": "hilbert", "readout": "attention", "steps": 2, "positions": "sinusoidal"},
    "circle": {  # read by the largest value: a mean does not notice that a field drifts around
        "boundary": "periodic", "transport": True, "slopes": True, "steps": 2, "readout": "max",
    },
    "absorbing": {
        "boundary": "dirichlet",
        "speed": 1.0,
        "scale": 2.0,
        "diffusion": "none",
        "transport": True,
        "decay": 0.3,
        "steps": 2,
    },
    "learned": {"diffusion": "learned", "geometry": "raster", "reaction": "bounded", "decay": 0.5, "steps": 2},
    "kinetics": {"reaction": "fitzhugh_nagumo", "input": "both", "steps": 2},
}  # fmt: skip


SLOWER = ("kinetics", "learned", "circle")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOWER else n for n in KIT])
def test_kit_of_fixed_steps(name):
    made = {**KIT[name], "hidden": 0}
    example = testing.Example(tokens(), "B T -> B K", vocabulary=11, mask="mask")
    report = testing.check_layer(model(**made), example, causal=False, make=lambda: model(**made))
    report.assert_pass()


@pytest.mark.parametrize("preset", ["adaptive", "gradient_flow", "time"])
def test_adaptive_steps_know_neither_padding_nor_neighbours(preset):
    changes = {"tolerance": 1e-2}
    changes |= {"stopping": "time", "step": 0.0, "method": "bosh3", "duration": 1.0} if preset == "time" else {}
    one = model("adaptive" if preset == "time" else preset, **changes)
    example = testing.Example(tokens(2, 7), "B T -> B K", vocabulary=11, mask="mask")
    testing.check_padding(one, example).assert_pass()
    testing.check_batch_independence(one, example).assert_pass()


def test_causal_answers_do_not_read_the_future():
    made = {"classes": 11, "window": 2, "steps": 3, "hidden": 0}
    example = testing.Example(tokens(2, 33), "B T -> B T V", vocabulary=11, mask="mask")
    report = testing.check_layer(model("causal", **made), example, make=lambda: model("causal", **made))
    report.assert_pass()


def test_a_field_that_looks_both_ways_is_found_out():
    example = testing.Example(tokens(2, 17), "B T -> B T V", vocabulary=11, mask="mask")
    open_field = model("causal", causal=False, classes=11)
    assert not testing.check_causality(open_field, example).status.holds


@pytest.mark.parametrize(
    "changes",
    [
        {"stopping": "steady", "input": "forcing"}, {"stopping": "time"}, {"geometry": "hilbert"},
        {"boundary": "periodic"}, {"transport": True}, {"diffusion": "learned"}, {"slopes": True},
        {"reaction": "gray_scott"},
    ],
)  # fmt: skip
def test_causal_refuses_what_reads_the_future(changes):
    with pytest.raises(OptionError, match=r"causal=True|past|both ways"):
        Config(**{**SMALL, "causal": True, **changes})


BASE = {"transport": True, "input": "both", "decay": 0.4, "steps": 4}
SWITCHES = {
    "positions": "sinusoidal", "geometry": "hilbert", "boundary": "dirichlet", "diffusion": "none",
    "diffusivity": 0.3, "transport": False, "speed": 0.7, "reaction": "gradient", "gain": 2.0, "slopes": True,
    "norm": True, "decay": 0.0, "input": "initial", "stopping": "time", "duration": 0.5, "steps": 8, "method": "rk4",
    "readout": "max", "skip": True, "projection": False, "bigrams": 50,
}  # fmt: skip
MORE = {"stopping": {"method": "bosh3"}}


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_changes_the_output(switch):
    """Weights that both models have are the same, so that it is the switch that makes the difference."""
    plain, switched = model(**BASE), model(**{**BASE, **MORE.get(switch, {}), switch: SWITCHES[switch]})
    shared = {
        name: value
        for name, value in plain.state_dict().items()
        if name in switched.state_dict() and switched.state_dict()[name].shape == value.shape
        and not (switch in ("diffusivity", "speed") and ".raw." in name)
        and not (switch == "gain" and ".contract.weight" in name)
    }  # fmt: skip
    switched.load_state_dict(shared, strict=False)
    before, after = plain(tokens()), switched(tokens())
    assert (before - after).norm() > 1e-3 * before.norm()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs_and_every_parameter_learns(preset):
    changes = {"steps": 5, "duration": 0.5} if preset == "original" else {}
    one = model(preset, **changes).train()
    answer = one(tokens(4), torch.arange(9) < torch.tensor([[9], [4], [1], [7]]), detailed=True)
    (answer.logits.square().sum() + answer.penalty).backward()
    still = [name for name, p in one.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []
    assert answer.evaluations.shape == (4,)
    assert bool((answer.evaluations > 0).all()) == (one.config.duration > 0)


def test_presets_of_the_source_document_have_its_sizes():
    made = build("wavenet_neuro", "original")
    assert (made.config.embedding, made.config.channels, made.config.duration / made.config.steps) == (64, 64, 0.1)


def test_empty_short_and_padded_texts():
    one = model(**BASE)
    mask = torch.tensor([[False] * 9, [True] + [False] * 8, [True] * 9])
    logits = one(tokens(), mask)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(one(tokens(), torch.zeros(3, 9, dtype=torch.bool)), logits[:1].expand(3, -1))
    torch.testing.assert_close(one(tokens()[1:2, :1]), logits[1:2])
    assert one(torch.zeros(0, 5, dtype=torch.long)).shape == (0, 3)
    assert one(torch.zeros(2, 0, dtype=torch.long)).shape == (2, 3)


def test_real_tokens_need_not_come_first():
    one = model(**BASE, readout="tokens")
    ids = tokens(1, 4)
    inside = torch.tensor([[False, True, False, True, True, True]])
    spread = torch.full((1, 6), 7).masked_scatter(inside, ids)
    torch.testing.assert_close(one(spread, inside)[inside], one(ids)[0])
    assert not one(spread, inside)[~inside].any()


@pytest.mark.parametrize("geometry", ["line", "hilbert"])
def test_a_very_long_text(geometry):
    one = model(geometry=geometry, steps=1, channels=2, embedding=2).float()
    with torch.no_grad():
        assert torch.isfinite(one(tokens(1, 100_000))).all()


def test_learned_positions_end_somewhere():
    with pytest.raises(StateError, match="max_length"):
        model(positions="learned", max_length=8)(tokens())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"geometry": "torus"}, "geometry is one of"),
        ({"channels": 0}, "channels is a whole number"),
        ({"dropout": 1.0}, "dropout has to be a share"),
        ({"steps": 0}, "steps is a whole number"),
        ({"tolerance": 0.0}, "tolerance has to be a positive"),
        ({"diffusivity": 0.0}, "diffusion='none'"),
        ({"stopping": "steady"}, "forgets where it began"),
        ({"ponder": 0.1}, "ponder weighs"),
        ({"duration": 0.0, "input": "forcing"}, "without time"),
        ({"reaction": "bounded"}, "decay"),
        ({"reaction": "gray_scott", "channels": 5, "embedding": 5}, "2 species"),
        ({"reaction": "amari"}, "amari_smooth"),
        ({"projection": False, "embedding": 5}, "must be equal"),
        ({"slopes": True, "reaction": "none"}, "slopes are arguments"),
        ({"diffusion": "learned", "boundary": "dirichlet"}, "closed ends"),
    ],
)
def test_configurations_that_cannot_be(changes, words):
    with pytest.raises(OptionError, match=words):
        Config(**{**SMALL, **changes})


def test_the_configuration_is_plain_data():
    assert Config(**dataclasses.asdict(Config(**SMALL))) == Config(**SMALL)


def test_dropout_acts_while_training_only():
    one = model(**BASE, dropout=0.5, word_dropout=0.5, head_dropout=0.5)
    torch.testing.assert_close(one(tokens()), one(tokens()), rtol=0, atol=0)
    one.train()
    assert not torch.equal(one(tokens()), one(tokens()))
