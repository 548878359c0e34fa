"""`EnergyProbe` looks on without touching anything."""

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import EnergyProbe
from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

DENSITY = "0.5*p**2 + 0.5*w**2*q**2"


def layer(damping=0.1, **options):
    equation = FieldEquation("dq/dt = p; dp/dt = -w**2*q - c*p", parameters={"w": fs.Parameter(1.3), "c": damping})
    return fs.nn.FieldLayer(equation, duration=1.0, method="rk4", dt=0.1, **options)


def start(batch=5):
    return torch.randn(batch, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def trained(one, steps, probe=None):
    """Losses and the final parameter of a few steps of descent."""
    optimiser = torch.optim.SGD(one.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (one(start()) ** 2).sum()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, [p.detach().clone() for p in one.parameters()]


def test_training_is_the_same_to_the_last_bit():
    plain, watched = layer(), layer()
    losses, weights = trained(plain, 4)
    with EnergyProbe(watched, DENSITY) as probe:
        seen, same = trained(watched, 4)
    assert seen == losses
    assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))
    assert len(probe) == 4


def test_the_log_holds_energy_budget_and_drift():
    one = layer()
    with EnergyProbe(one, DENSITY) as probe:
        end = one(start()).detach()
    result = probe.result().assert_pass()
    w = 1.3
    for name, y in (("energy_start", start()), ("energy", end)):
        assert float(result[name][0]) == pytest.approx(float((0.5 * y[:, 1] ** 2 + 0.5 * w**2 * y[:, 0] ** 2).mean()))
    assert float(result["drift_rel"][0]) < 0
    damping = result["budget"].sel(term="dp/dt: -(c*p)").values
    assert damping == pytest.approx(float((-0.1 * end[:, 1] ** 2).mean()))
    assert float(result["rate"][0]) == pytest.approx(float(damping[0]))
    assert result.schema == "energy/1"


def test_the_budget_follows_the_parameters_as_they_are_trained():
    one = layer()
    with EnergyProbe(one, DENSITY) as probe:
        one(start())
        with torch.no_grad():
            one.equation.raw["w"].mul_(2)
        one(start())
    values = probe.result()["energy_start"].values
    assert values[1] > values[0]


def test_every_nth_call_and_bounded_memory():
    one = layer()
    with EnergyProbe(one, DENSITY, every=3, most=2) as probe, torch.no_grad():
        for _ in range(10):
            one(start())
    assert probe.calls == 10
    assert probe.result()["call"].values.tolist() == [7, 10]
    one(start())
    assert probe.calls == 10  # it has stopped looking


def test_no_graph_is_kept():
    one = layer()
    with EnergyProbe(one, DENSITY) as probe:
        one(start()).sum().backward()
    assert not any(isinstance(value, torch.Tensor) for entry in probe._entries for value in vars(entry).values())
    assert probe._last is None


def test_states_of_a_solve_are_noted_by_its_callback():
    equation = layer().equation
    probe = EnergyProbe(equation, DENSITY)
    fs.solve(equation, start(1)[0], t_span=(0, 1), dt=0.1, method="rk4", callback=probe.note)
    result = probe.result().assert_pass()
    assert len(probe) == 10
    assert result["energy_start"].values[1:] == pytest.approx(result["energy"].values[:-1], rel=1e-12)
    assert (result["drift_rel"].values[1:] < 0).all()


def test_single_precision_and_blow_ups():
    one = layer().float()
    with EnergyProbe(one, DENSITY) as probe, torch.no_grad():
        one(start().float())
    assert probe.result().status is Verdict.PASS
    probe = EnergyProbe(one.equation, DENSITY)
    probe.note(0.0, torch.full((2,), torch.nan))
    assert probe.result().status is Verdict.INCONCLUSIVE
    assert EnergyProbe(one.equation, DENSITY).result().status is Verdict.INCONCLUSIVE


def test_the_log_is_saved_and_drawn(tmp_path):
    one = layer()
    with EnergyProbe(one, DENSITY) as probe, torch.no_grad():
        for _ in range(3):
            one(start())
    result = probe.result()
    again = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "probe.nc"))
    assert again["budget"].equals(result["budget"])
    for name, variable in result.dataset.variables.items():
        assert {"units", "long_name"} <= set(variable.attrs), name
    for theme in ("light", "dark"):
        result.plot(theme).savefig(tmp_path / f"{theme}.png")
    assert np.isfinite(again["energy"].values).all()


@pytest.mark.parametrize(
    ("subject", "options", "sentence"),
    [
        (torch.nn.Linear(2, 2), {}, "FieldLayer or a FieldEquation, got Linear"),
        (layer(readout="q"), {}, "to the whole state"),
        (layer(save_at=[0.5, 1.0]), {}, "to the whole state"),
        (layer(), {"every": 0}, "every is a whole number"),
        (layer(), {"most": 1.5}, "most is a whole number"),
    ],
)
def test_what_cannot_be_probed_is_refused_in_one_sentence(subject, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        EnergyProbe(subject, DENSITY, **options)


def test_an_equation_is_not_attached_to():
    with pytest.raises(OptionError, match=r"probe\.note"):
        EnergyProbe(layer().equation, DENSITY).attach()
