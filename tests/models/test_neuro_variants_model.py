"""Every variant inside the whole model: the public test kit, odd texts, every reaction of the literature."""

import pytest
import torch

from fieldsolver import testing
from fieldsolver.models.catalogue import build
from fieldsolver.models.wavenet_neuro.kinetics import KINETICS
from fieldsolver.models.wavenet_neuro.variants import VARIANTS

SMALL = {
    "vocabulary": 11, "classes": 3, "embedding": 4, "channels": 4, "hidden": 0, "duration": 2.0, "steps": 3,
    "scale": 3.0, "readout": "mean_max",  # the mean alone sees little of what diffusion conserves
}  # fmt: skip
FAST = ("metric", "spiking")
EXCUSED = {
    "stochastic": {"load_bearing"},  # without noise in evaluation its strength bears no load
    "spiking": {"gradient_check"},  # surrogate slopes are no derivatives
}


def model(**changes):
    torch.manual_seed(0)
    return build("wavenet_neuro", None, **{**SMALL, **changes}).double().eval()


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in VARIANTS])
def test_public_kit(name):
    ids = torch.randint(2, 11, (3, 11), generator=torch.Generator().manual_seed(1))
    example = testing.Example(ids, "B T -> B K", vocabulary=11, mask="mask")
    report = testing.check_layer(model(variant=name), example, causal=False, make=lambda: model(variant=name))
    missed = {check for check, one in report.items() if not one.status.holds and one.status.name != "NOT_APPLICABLE"}
    assert missed == EXCUSED.get(name, set()), str(report)


@pytest.mark.parametrize("name", VARIANTS)
def test_odd_texts(name):
    made = model(variant=name)
    for ids, mask in (
        (torch.zeros(2, 1, dtype=torch.long), torch.zeros(2, 1, dtype=torch.bool)),  # nothing but padding
        (torch.tensor([[5]]), None),
        (torch.randint(2, 11, (1, 300), generator=torch.Generator().manual_seed(0)), None),
    ):
        answer = made(ids, mask, detailed=True)
        assert answer.logits.shape == (len(ids), 3)
        assert answer.logits.isfinite().all()
        assert answer.evaluations.shape == (len(ids),)


STIFF = ("brusselator", "oregonator")


@pytest.mark.parametrize("name", [n for n in KINETICS if KINETICS[n].smooth and n != "gierer_meinhardt"])
def test_reactions_of_the_literature_answer_and_learn(name):
    # Gierer and Meinhardt divide by a species that a text can drive through zero: nothing is claimed of it.
    duration = 0.08 if name in STIFF else 1.0
    made = model(reaction=name, input="both", steps=8, channels=8, scale=1.0, duration=duration).train()
    ids = torch.randint(2, 11, (3, 9), generator=torch.Generator().manual_seed(2))
    mask = torch.arange(9) < torch.tensor([9, 4, 0])[:, None]
    answer = made(ids, mask, detailed=True)
    answer.logits.square().sum().backward()
    assert answer.logits.isfinite().all()
    for label, value in made.named_parameters():
        assert value.grad is not None, label
        assert value.grad.isfinite().all(), label
