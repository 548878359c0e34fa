"""Every kind of dynamics inside the text model, and how presets are trained."""

import pytest
import torch

from fieldsolver import testing
from fieldsolver.errors import OptionError
from fieldsolver.models.catalogue import build
from fieldsolver.models.wavenet_neuro import PRESETS, TRAINING
from fieldsolver.models.wavenet_neuro.kinetics import KINETICS
from fieldsolver.models.wavenet_neuro.variants import VARIANTS

SMALL = {"vocabulary": 11, "classes": 3, "embedding": 12, "channels": 12, "hidden": 4}
IDS = torch.tensor([[2, 3, 4, 5, 6], [7, 8, 9, 10, 2]])
MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])


@pytest.mark.parametrize(
    "changes", [*({"variant": name} for name in VARIANTS), *({"reaction": name} for name in KINETICS)]
)
def test_it_runs_as_a_text_model(changes):
    if changes.get("reaction") == "amari":
        pytest.skip("a step function, which Config refuses")
    torch.manual_seed(0)
    model = build("wavenet_neuro", **SMALL, **changes, duration=0.2, steps=4).double().eval()
    logits = model(IDS, MASK)
    logits.square().sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    torch.testing.assert_close(model(IDS[1:, :3]), logits[1:].detach(), rtol=1e-9, atol=1e-12)


def test_a_variant_has_no_trajectory_of_one_equation():
    model = build("wavenet_neuro", **SMALL, variant=next(iter(VARIANTS)))
    with pytest.raises(OptionError, match="no trajectory"):
        model.trajectory(IDS)


def test_every_preset_says_how_it_is_trained():
    assert set(TRAINING) == set(PRESETS)
    assert all(one.max_length <= 512 and one.epochs >= 1 for one in TRAINING.values())


@pytest.mark.parametrize("input", ["initial", "forcing", "both"])
def test_concentrations_start_positive_where_there_is_no_token(input):
    """Gierer and Meinhardt divide by the inhibitor; cells without tokens hold some too."""
    torch.manual_seed(0)
    changes = {"reaction": "gierer_meinhardt", "input": input, "duration": 0.08, "steps": 8}
    model = build("wavenet_neuro", **SMALL, **changes).double().eval()
    mask = torch.tensor([[True] * 5, [False] * 5])
    logits = model(IDS, mask)
    logits.square().sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_causal_or_refuses_to_be(name):
    changes = {**SMALL, "classes": 11, "hidden": 0, "causal": True, "readout": "tokens", "variant": name}
    if not VARIANTS[name].causal:
        with pytest.raises(OptionError, match="reads the future"):
            build("wavenet_neuro", **changes)
        return
    torch.manual_seed(0)
    ids = torch.randint(2, 11, (2, 6), generator=torch.Generator().manual_seed(0))
    example = testing.Example(ids, "B T -> B T V", vocabulary=11, mask="mask")
    testing.check_causality(build("wavenet_neuro", **changes).double().eval(), example).assert_pass()


def test_a_variant_does_not_ignore_switches_of_the_field():
    with pytest.raises(OptionError, match="would ignore geometry, diffusion"):
        build("wavenet_neuro", **SMALL, variant="metric", geometry="hilbert", diffusion="matrix")


@pytest.mark.parametrize("changes", [{"stopping": "time"}, {"stopping": "steady", "input": "both"}])
def test_adaptive_steps_need_an_error_estimate(changes):
    with pytest.raises(OptionError, match="method='bosh3'"):
        build("wavenet_neuro", **SMALL, **changes, method="euler")
