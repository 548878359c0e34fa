"""Texts come to rest each in its own time: reactions that feel the mean, training, and the ponder cost."""

import pytest
import torch

from fieldsolver.models.catalogue import build
from fieldsolver.models.wavenet_neuro import Config, FieldDynamics
from fieldsolver.models.wavenet_neuro.reactions import ConsensusReaction, MeanFieldReaction, TextMean
from fieldsolver.nn.contractive import spectral_norm_bound

LENGTH = 16


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_all_states_of_a_text_approach_at_any_weights(scale):
    """The symmetric part of the Jacobian over all tokens is at most -margin, and the bound is nearly reached."""
    torch.manual_seed(0)
    react, share = MeanFieldReaction(3, 5, margin=0.25, strength=2.0).double(), TextMean()
    with torch.no_grad():
        for weight in (react.apart, react.mean, react.last):
            weight.mul_(scale)
        react.source.bias.zero_()
    source = torch.zeros(7, 3, dtype=torch.float64)

    def rate(flat):
        phi = flat.reshape(7, 3)
        inside = torch.ones(1, 1, 7, dtype=torch.float64)
        mean = share(torch.cat([phi.T.unsqueeze(0), inside], 1))[0].T
        return react(torch.cat([phi, mean, source], -1)).flatten()

    slowest = []
    for size in (0.0, 0.3, 3.0):
        at = size * torch.randn(21, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        jacobian = torch.autograd.functional.jacobian(rate, at)
        slowest.append(float(torch.linalg.eigvalsh((jacobian + jacobian.T) / 2).max()))
    assert max(slowest) <= -0.25 + 1e-12
    if scale >= 1:
        assert slowest[0] > -0.3  # votes in balance: near the margin
        assert slowest[2] < -0.5  # and faster where they agree


def consensus(scale):
    torch.manual_seed(0)
    react = ConsensusReaction(3, 2, margin=0.25, strength=2.0).double()
    with torch.no_grad():
        react.weight.mul_(scale).add_(0.1 * scale * torch.randn(2, 3, dtype=torch.float64))
    share = TextMean()

    def rate(flat, source):
        phi = flat.reshape(7, 3)
        mean = share(torch.cat([phi.T.unsqueeze(0), torch.ones(1, 1, 7, dtype=torch.float64)], 1))[0].T
        return (react(torch.cat([phi, mean], -1)) + source).flatten()

    return react, rate


@pytest.mark.parametrize("scale", [0.3, 1.0, 30.0])
def test_consensus_goes_downhill_in_its_energy_which_is_curved_everywhere(scale):
    """The rate is -dE/dphi of the docstring, and E is curved by the margin at least, at any weights."""
    react, rate = consensus(scale)
    source = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weight = react.weight.detach()
    weight = weight / spectral_norm_bound(weight).clamp(min=1)

    def energy(flat):
        phi = flat.reshape(7, 3)
        pull = torch.log(torch.cosh(weight @ phi.mean(0) + react.bias)).sum()
        return 0.5 * 2.25 * phi.square().sum() - (source * phi).sum() - 7 * 2.0 * pull

    for size in (0.0, 0.3, 3.0):
        at = size * torch.randn(21, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        downhill = -torch.autograd.functional.jacobian(energy, at)
        torch.testing.assert_close(rate(at, source), downhill, rtol=1e-10, atol=1e-10)
        jacobian = torch.autograd.functional.jacobian(lambda one: rate(one, source), at)
        torch.testing.assert_close(jacobian, jacobian.mT, rtol=0, atol=1e-12)
        assert torch.linalg.eigvalsh(jacobian).max() <= -0.25 + 1e-12


def test_consensus_is_slow_where_votes_balance():
    _, rate = consensus(1.0)
    slowest = []
    for votes in (0.0, 5.0):
        phi = torch.full((7, 3), votes, dtype=torch.float64).flatten()
        jacobian = torch.autograd.functional.jacobian(lambda one: rate(one, torch.zeros(7, 3).double()), phi)
        slowest.append(-float(torch.linalg.eigvalsh(jacobian).max()))
    assert slowest[0] < 0.3  # about the margin
    assert slowest[1] > 4 * slowest[0]


def test_the_mean_is_over_tokens_only():
    inside = torch.tensor([[[1.0, 1.0, 0.0]]])
    mean = TextMean()(torch.cat([torch.tensor([[[1.0, 3.0, 8.0]]]), inside], 1))
    assert torch.equal(mean, torch.full((1, 1, 3), 2.0))


def votes(batch, generator):
    """Words 2 to 5 are for, 6 to 9 against, 10 to 13 say nothing; the majority is the label, its lead how clear."""
    ids = torch.randint(10, 14, (batch, LENGTH), generator=generator)
    lead = torch.randint(1, LENGTH // 2 + 1, (batch,), generator=generator)
    label = torch.randint(0, 2, (batch,), generator=generator)
    place = torch.rand(batch, LENGTH, generator=generator).argsort(1)
    pairs = 2
    word = torch.randint(2, 6, (batch, LENGTH), generator=generator)
    winners = place < (lead + pairs).unsqueeze(1)
    losers = ~winners & (place < (lead + 2 * pairs).unsqueeze(1))
    ids = torch.where(winners, word + 4 * label.unsqueeze(1), ids)
    return torch.where(losers, word + 4 * (1 - label).unsqueeze(1), ids), label, lead


def trained(ponder, steps=40, **changes):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = build(
        "wavenet_neuro", "adaptive", vocabulary=14, embedding=4, channels=4, bigrams=0, word_dropout=0.0,
        head_dropout=0.0, transport=False, readout="mean", ponder=ponder, **changes,
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters(), 2e-2)
    for _ in range(steps):
        ids, label, _ = votes(32, generator)
        answer = model(ids, detailed=True)
        loss = torch.nn.functional.cross_entropy(answer.logits, label) + answer.penalty
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    ids, label, lead = votes(300, generator)
    with torch.no_grad():
        answer = model.eval()(ids, detailed=True)
    return answer.evaluations, float((answer.logits.argmax(1) == label).double().mean()), lead


def rank_correlation(one, other):
    ranks = torch.stack([(values.unsqueeze(1) > values).double().sum(1) for values in (one, other)])
    ties = torch.stack([(values.unsqueeze(1) == values).double().sum(1) / 2 for values in (one, other)])
    return float(torch.corrcoef(ranks + ties)[0, 1])


@pytest.fixture(scope="module")
def free():
    return trained(0.0)


def test_doubtful_texts_take_longer(free):
    evaluations, accuracy, lead = free
    assert accuracy > 0.95
    assert rank_correlation(evaluations, lead) < -0.6
    assert evaluations.max() >= 2 * evaluations.min()
    assert evaluations.mean() < 15


def test_the_ponder_cost_of_a_consensus_buys_fewer_evaluations(free):
    pondered, accuracy, _ = trained(0.3)
    assert pondered.mean() < free[0].mean() - 1
    assert accuracy > 0.85


def test_the_ponder_cost_buys_fewer_evaluations_at_no_cost_where_rates_are_alike():
    """Where the rate is nearly the same for all texts a shorter way takes less time; accuracy need not suffer."""
    alike = {"reaction": "contractive", "margin": 0.5, "strength": 1.0}
    (free, _, _), (some, accuracy, _), (much, _, _) = (trained(weight, **alike) for weight in (0.0, 0.3, 1.0))
    assert some.mean() < free.mean() - 1
    assert much.mean() < some.mean() - 1
    assert accuracy > 0.95


def test_rest_is_reached_well_before_a_text_gives_up():
    one = FieldDynamics(Config(**{**ADAPTIVE, "duration": 20.0}))
    values = torch.randn(8, 12, 4, generator=torch.Generator().manual_seed(0))
    assert one(values, torch.ones(8, 12, dtype=torch.bool)).evaluations.max() < 0.5 * 20.0 / 0.25


ADAPTIVE = {
    "channels": 4, "embedding": 4, "reaction": "mean_field", "margin": 0.25, "strength": 2.0, "input": "forcing",
    "stopping": "steady", "step": 0.25, "tolerance": 0.03,
}  # fmt: skip


def slowest(speed):
    """Largest eigenvalue of the symmetric part of the Jacobian of a text of nine words, near balance."""
    torch.manual_seed(0)
    adaptive = build("wavenet_neuro", "adaptive", vocabulary=9, channels=2, embedding=2, diffusivity=1e-6, speed=speed)
    equation = adaptive.dynamics.equation.double()
    start = 0.01 * torch.randn(1, *equation.state_shape, dtype=torch.float64)

    def rate(flat):
        return equation(0.0, flat.reshape(start.shape)).flatten()

    jacobian = torch.autograd.functional.jacobian(rate, start.flatten())
    return float(torch.linalg.eigvalsh((jacobian + jacobian.mT) / 2).max())


def test_transport_leaves_rest_certain_below_twice_the_margin():
    """Closed ends reflect what drifts into them: speed/2 at most is added to the rate of contraction, -margin."""
    assert slowest(1e-9) == pytest.approx(-0.25, abs=0.01)
    assert slowest(0.49) < 0
    assert slowest(5.0) > 0
