"""What outlives the weights of a run: trained numbers, evaluations predicted from the contraction at rest, a metric."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from fieldsolver.errors import OptionError
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import UNKNOWN
from fieldsolver.models.wavenet_neuro import readings
from fieldsolver.models.wavenet_neuro.rest import rest_of

IDS = torch.tensor([[2] * 6, [3] * 6, [4, 5, 6, 7, 8, 9]])
STEADY = {"reaction": "none", "decay": 0.5, "input": "forcing", "stopping": "steady", "duration": 200.0, "step": 0.25}


def model(**changes):
    torch.manual_seed(0)
    return build("wavenet_neuro", vocabulary=300, embedding=4, channels=4, **changes).double().eval()


def rest(**changes):
    one = model(**{**STEADY, **changes})
    ids = IDS.clone()
    return rest_of(*one.prepared(ids))


def test_evaluations_to_rest_are_those_that_a_linear_field_takes():
    """Of a constant text every step multiplies the rate by 1 - k dt = 0.875."""
    found = rest(tolerance=1e-3)
    assert found.contraction[:2].tolist() == pytest.approx([0.875] * 2, rel=1e-9)
    assert found.predicted[:2].tolist() == pytest.approx(found.counted[:2].tolist())
    assert found.counted[0] > 20
    # Other modes decay faster, and are gone at rest.
    assert 0.8 < float(found.contraction[2]) <= 0.875 + 1e-9
    assert float(found.predicted[2]) >= float(found.counted[2]) - 1


def test_predictions_follow_tolerance_and_rate():
    rough, fine, fast = rest(tolerance=1e-2), rest(tolerance=1e-4), rest(tolerance=1e-2, decay=1.0)
    steps = math.log(100) / -math.log(0.875)
    assert float(fine.predicted[0] - rough.predicted[0]) == pytest.approx(steps, abs=4)  # scales and ceilings differ
    assert float(fast.contraction[0]) == pytest.approx(0.75)
    assert float(fast.predicted[0]) < float(rough.predicted[0])


def test_texts_at_rest_from_the_start_are_left_out():
    """An empty text is fed nothing, and its field of zeros stays: 0/0 of it would be the reading of all."""
    one = model(**{**STEADY, "tolerance": 1e-3})
    mask = torch.tensor([[True] * 6, [False] * 6])
    found = rest_of(*one.prepared(IDS[:2], mask))
    assert found.contraction.isnan().tolist() == [False, True]
    assert found.predicted.isnan().tolist() == [False, True]
    assert one.readings(IDS[:2], mask) == one.readings(IDS[:1], mask[:1])
    assert "contraction" not in one.readings(IDS[1:2], mask[1:])


def test_what_one_step_brings_to_rest_is_predicted_so():
    """With k dt = 1 a constant text arrives in one step, and has no rate left."""
    found = rest(tolerance=1e-3, decay=4.0, projection=False)
    assert found.contraction[0] < 1e-6
    assert found.predicted[0] == found.counted[0]


def test_rest_without_contraction_is_predicted_never():
    """A constant text that lasts and nothing that decays: the rate stays, and is small only beside what it has made."""
    found = rest(tolerance=0.1, decay=0.0)
    assert found.counted[0] > 20
    assert found.contraction[0] == 1
    assert found.predicted[0] == math.inf
    assert found.predicted.isnan().sum() == 0


def test_percentiles_of_a_gpu_are_taken_on_the_host():
    """Tensors of a pretended GPU have devices, but no numbers; devices that do not fit would be refused first."""
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        readings._percentiles("D", torch.ones(4, device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("changes", [STEADY, {"variant": "metric"}, {"transport": True}])
def test_readings_are_the_same_on_a_gpu(changes):
    one, mask = model(**changes), torch.ones_like(IDS, dtype=torch.bool)
    expected = one.readings(IDS, mask)
    assert one.cuda().readings(IDS.cuda(), mask.cuda()) == pytest.approx(expected, rel=1e-9)


def test_steps_of_adaptive_runs_are_not_predicted():
    with pytest.raises(OptionError, match="steps to rest are predicted of fixed ones"):
        rest(step=0.0, method="bosh3")


def test_readings_are_the_trained_numbers():
    one = model(transport=True, decay=0.3)
    with torch.no_grad():
        one.dynamics.equation.raw["D"].copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]).log())
    found = one.readings(IDS, torch.ones_like(IDS, dtype=torch.bool))
    assert [found[f"D_{share}"] for share in (0, 50, 100)] == pytest.approx([0.1, 0.25, 0.4])
    assert [found[f"a_{share}"] for share in (0, 100)] == pytest.approx([-0.3, 0.3])
    assert found["k_50"] == pytest.approx(0.3)
    assert "contraction" not in found
    steady = model(**STEADY).readings(IDS, torch.ones_like(IDS, dtype=torch.bool))
    assert steady["counted"] == pytest.approx(rest(tolerance=1e-3).counted.mean())
    assert model(reaction="nagumo").readings(IDS, IDS > 0) == {}  # its numbers have other meanings
    assert model(variant="ssm").readings(IDS, IDS > 0) == {}


def test_a_metric_is_read_where_it_departs():
    one = model(variant="metric")
    mask = torch.ones_like(IDS, dtype=torch.bool)
    with torch.no_grad():
        one.dynamics.stretch.weight.zero_()
        one.dynamics.stretch.bias.fill_(math.atanh(0.5))
    ids = torch.cat([IDS, torch.full((1, 6), 200)])
    found = one.readings(ids, torch.cat([mask, mask[:1]]))
    assert found["width_0"] == pytest.approx(2**0.5)
    assert [found[name] for name in ("common", "rare", "ends", "middle")] == pytest.approx([0.5] * 4)
    with torch.no_grad():
        one.dynamics.stretch.weight.copy_(one.vectors(ids[3:, :1], mask[:1, :1])[0])  # along the rare word
        one.dynamics.stretch.bias.zero_()
    found = one.readings(ids, torch.cat([mask, mask[:1]]))
    assert found["rare"] > found["common"]
    assert found["width_100"] > found["width_50"]
    assert "rare" not in one.readings(IDS, mask)
    strange = torch.cat([IDS, torch.full((1, 6), UNKNOWN)])  # it stands for the rarest words, not for a frequent one
    assert one.readings(strange, torch.cat([mask, mask[:1]]))["common"] == one.readings(IDS, mask)["common"]
    text = torch.tensor([[200, *[2] * 10, 200, 0, 0, 0]])  # its ends are its first and last token, a tenth of 12
    found = one.readings(text, text > 0)
    assert found["ends"] == pytest.approx(found["rare"])
    assert found["middle"] == pytest.approx(found["common"])
