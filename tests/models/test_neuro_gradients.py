"""What training the token field needs: gradients of rest, of the way there, and their memory; cost in tokens."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fieldsolver.gradients.discrete.checkpoints import CheckpointRecorder
from fieldsolver.models.wavenet_neuro import Config, FieldDynamics

REST = {"reaction": "contractive", "input": "forcing", "stopping": "steady", "duration": 200.0, "method": "bosh3"}


def dynamics(**changes):
    torch.manual_seed(0)
    return FieldDynamics(Config(**{"channels": 3, "embedding": 3, "expansion": 1.0, **changes})).double()


def texts(batch=3, length=6):
    values = torch.randn(batch, length, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(length) < torch.tensor([length, 4, 1])[:batch].unsqueeze(1)
    return values * mask.unsqueeze(-1), mask


def gradients(one):
    values, mask = texts()
    values.requires_grad_()
    features = one(values, mask).features
    wanted = [values, *one.parameters()]
    return features, torch.autograd.grad(features.pow(3).sum(), wanted)


@pytest.mark.parametrize("reaction", ["contractive", "gradient"])
def test_implicit_gradient_at_rest_is_that_of_the_unrolled_run(reaction):
    """The equilibrium by a tight tolerance, against Runge-Kutta steps to a time when all has come to rest."""
    tight = {**REST, "reaction": reaction, "transport": reaction == "contractive", "tolerance": 1e-9}
    rest, implicit = gradients(dynamics(**tight))
    run, unrolled = gradients(
        dynamics(**{**tight, "stopping": "steps", "duration": 40.0, "steps": 100, "method": "rk4"})
    )
    torch.testing.assert_close(rest, run, rtol=1e-7, atol=1e-8)
    for one, other in zip(implicit, unrolled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6 * float(other.abs().max()))


def test_gradient_of_checkpointed_steps_agrees_with_differences():
    one = dynamics(transport=True, input="both", gradient="checkpointed", steps=40)
    values, mask = texts()
    weights = dict(one.named_parameters())["layer.equation.submodules.react.expand.weight"]
    (exact,) = torch.autograd.grad(one(values, mask).features.pow(3).sum(), weights)
    direction = torch.randn(weights.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sums = []
    with torch.no_grad():
        for shift in (1e-5, -2e-5):
            weights += shift * direction
            sums.append(one(values, mask).features.pow(3).sum().item())
    numeric = (sums[0] - sums[1]) / 2e-5
    assert (exact * direction).sum().item() == pytest.approx(numeric, rel=1e-5)


def states_kept(monkeypatch, steps, **changes):
    """The most states that the solver keeps at a time for the backward pass of so many steps."""
    recorders, made = [], CheckpointRecorder.__init__

    def watched(self, *arguments):
        recorders.append(self)
        made(self, *arguments)

    monkeypatch.setattr(CheckpointRecorder, "__init__", watched)
    one = dynamics(steps=steps, duration=0.05 * steps, gradient="checkpointed", **changes)
    values, mask = texts(1, 32)
    one(values, mask).features.sum().backward()
    return max(recorder.peak for recorder in recorders)


@pytest.mark.parametrize("stopping", [{}, {"stopping": "time", "method": "bosh3", "tolerance": 1e-6}])
def test_memory_of_checkpoints_does_not_depend_on_evaluations(monkeypatch, stopping):
    counts = [states_kept(monkeypatch, steps, **stopping) for steps in (4, 16, 64)]
    assert counts == [4, 4, 4]
    without = [states_kept(monkeypatch, n, **stopping, states=None) for n in (4, 64)]
    assert without[1] > 2 * without[0]  # the count counts


def test_few_checkpoints_give_the_same_gradient():
    few, many = (gradients(dynamics(steps=20, gradient="checkpointed", states=states)) for states in (2, None))
    for one, other in zip(few[1], many[1], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_ponder_cost_has_a_gradient_and_shortens_the_way():
    """An integer number of steps has none. Evaluations follow the time the way takes, and change too."""
    one = dynamics(**REST, ponder=1.0, tolerance=1e-2).train()
    values, mask = texts()
    first = one(4 * values, mask)
    optimiser = torch.optim.SGD(one.parameters(), lr=0.5)
    first.penalty.backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in one.parameters())
    optimiser.step()
    last = one(4 * values, mask)
    assert 0 < last.penalty < 0.8 * first.penalty
    assert not torch.equal(last.evaluations, first.evaluations)
    assert one.eval()(values, mask).penalty == 0


def test_penalty_of_a_batch_is_the_mean_of_its_texts():
    one = dynamics(**REST, ponder=1.0, tolerance=1e-2).train()
    values, mask = texts()
    apart = [one(values[i : i + 1], mask[i : i + 1]).penalty for i in range(3)]
    torch.testing.assert_close(one(values, mask).penalty, torch.stack(apart).mean())


def test_every_text_stops_by_itself():
    """The shorter one of a batch takes the steps that it takes alone, with as much padding as it needs."""
    one = dynamics(**REST)
    values, mask = texts(3)
    together, alone = one(values, mask), one(values[2:, :1], mask[2:, :1])
    torch.testing.assert_close(together.evaluations[2:], alone.evaluations)
    torch.testing.assert_close(together.features[2:, :1], alone.features, rtol=1e-12, atol=1e-13)
    values[1] = 0.0
    assert one(values, mask).evaluations[1] < together.evaluations[1]


@pytest.mark.parametrize("geometry", ["line", "hilbert"])
def test_cost_is_proportional_to_the_number_of_tokens(geometry):
    one = dynamics(geometry=geometry, steps=4)
    counts = []
    for length in (64, 256, 1024):
        text = torch.zeros(1, length, 3).double(), torch.ones(1, length, dtype=torch.bool)
        one(*text)  # declares the place, which tries the modules once
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            one(*text)
        counts.append(counter.get_total_flops())
    assert counts[0] > 0
    assert counts == [counts[0], 4 * counts[0], 16 * counts[0]]


def test_a_change_of_the_numbers_reaches_every_place():
    """Places that were declared before training share the trained numbers, in copies too."""
    import copy

    one = dynamics(transport=True)
    values, mask = texts()
    before = one(values, mask).features
    twin = copy.deepcopy(one)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.1)
    assert (twin(values, mask).features - before).abs().max() > 1e-3
    torch.testing.assert_close(one(values, mask).features, before, rtol=0, atol=0)
    one.load_state_dict(twin.state_dict())
    torch.testing.assert_close(one(values, mask).features, twin(values, mask).features, rtol=0, atol=0)
    changed = {name: value + 0.2 for name, value in one.named_parameters()}
    other = torch.func.functional_call(one, changed, (values, mask)).features
    assert (other - twin(values, mask).features).abs().max() > 1e-3
