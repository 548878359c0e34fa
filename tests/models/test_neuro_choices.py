"""Every kind of dynamics inside the text model, and how presets are trained."""

import pytest
import torch

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
