"""Fields that outgrow every sensible size are refused with words, and told over time; nobody else pays for that."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fieldsolver.errors import OptionError, SolveFailed, StabilityError
from fieldsolver.experiments.training import TrainingFailed, TrainSettings, read_offending_batch, train
from fieldsolver.experiments.training.task import Measured, Task
from fieldsolver.models.catalogue import build
from fieldsolver.models.wavenet_neuro import growth
from fieldsolver.models.wavenet_neuro.overflow import evolve_watched
from fieldsolver.models.wavenet_neuro.variants import Evolved

IDS = torch.tensor([[2, 3, 4, 5, 6, 7], [7, 8, 9, 10, 2, 3], [2, 2, 2, 2, 2, 2]])
MASK = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] * 6])


def field(diffusivity, **changes):
    """A line of diffusion alone; text 2 is constant, which diffusion leaves as it is."""
    torch.manual_seed(0)
    options = {
        "reaction": "none",
        "projection": False,
        "embedding": 3,
        "channels": 3,
        "duration": 10.0,
        "steps": 20,
        "readout": "max",
    }  # the mean is conserved, and would not show it
    model = build("wavenet_neuro", vocabulary=11, hidden=0, **{**options, **changes}).double().eval()
    with torch.no_grad():
        if "D" in model.dynamics.equation.raw:
            model.dynamics.equation.raw["D"].fill_(math.log(diffusivity))
    return model


@pytest.mark.filterwarnings("ignore:dt=")  # the watch of the step says so too
def test_an_unstable_step_is_refused_with_text_sizes_and_steps():
    """Alternating modes are multiplied by 1 - 4 D dt = -7 at D = 4, dt = 1/2; the limit is 1/(2 D)."""
    with pytest.raises(StabilityError) as caught:
        field(4.0)(IDS, MASK)
    said = str(caught.value)
    assert caught.value.limit == pytest.approx(0.125, rel=0.02)  # of 16 cells: not quite 4 D
    assert "in 20 steps of 0.5 by 'euler', where overflow=1e+06 is the limit" in said
    assert "text 0 of the batch (6 tokens)" in said or "text 1 of the batch (4 tokens)" in said
    steps = int(said.partition("write steps=")[2].partition(",")[0])
    assert field(4.0, steps=steps)(IDS, MASK).isfinite().all()
    assert field(4.0, overflow=0.0)(IDS, MASK).abs().max() > 1e6
    field(4.0)(IDS[2:], MASK[2:])


@pytest.mark.filterwarnings("ignore:dt=")
def test_the_text_is_named_where_texts_lie_on_places_of_several_sizes():
    model = field(4.0, geometry="raster", duration=20.0)
    rows = torch.tensor([2, 2, 1])
    with pytest.raises(StabilityError, match=r"text 2 of the batch \(4 tokens\)"):
        model(IDS[rows], torch.stack([MASK[0], MASK[2], MASK[1]]))
    size = growth(model, IDS[rows[1:]], torch.stack([MASK[2], MASK[1]]))["size"].values
    assert size[-1, 1] > 1e6
    assert size[-1, 0] == pytest.approx(size[0, 0])  # the constant text, on the larger square


@pytest.mark.filterwarnings("ignore:dt=")
@pytest.mark.parametrize("transport", [False, True])
def test_a_field_beyond_all_numbers_says_the_same(transport):
    """The solver knows only the sample of a group; with transport the limit is that of diffusion."""
    model = field(4.0, duration=1000.0, steps=2000, transport=transport, speed=0.1)
    with pytest.raises(StabilityError, match=r"a field beyond all numbers in 2000 steps.*stable in steps up to 0\.12"):
        model(IDS, MASK)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, r"stable in steps up to 5\.\d+, so it is another term that grows.*'bounded'"),
        ({"diffusion": "matrix"}, r"what steps are stable is not known: compare with steps=160.*'bounded'"),
    ],
)
def test_reactions_that_grow_are_told_from_steps_that_are_too_long(changes, words):
    model = field(0.1, reaction="mlp", duration=40.0, steps=80, **changes)
    with torch.no_grad():
        for weight in model.dynamics.equation.submodules["react"].parameters():
            weight.abs_().mul_(4.0)
    with pytest.raises(StabilityError, match=words):
        model(IDS, MASK)


def test_vectors_that_are_not_finite_are_no_matter_of_the_step():
    model = field(0.1)
    with torch.no_grad():
        next(model.vectors.parameters()).fill_(math.nan)
    with pytest.raises(SolveFailed):
        model(IDS, MASK)


def resting(diffusivity, **changes):
    """Runs to rest in fixed steps; with decay 1 diffusion is stable up to about 2/(4 D + 1)."""
    steady = {"stopping": "steady", "steps": None, "step": 0.5, "decay": 1.0, "input": "forcing", "tolerance": 0.01}
    return field(diffusivity, **{**steady, "duration": 50.0, **changes})


def test_a_text_that_does_not_rest_is_no_overflow():
    with pytest.raises(SolveFailed, match="was not at rest when its time was over; raise max_time"):
        resting(0.1, duration=1.0)(IDS, MASK)
    assert resting(0.1)(IDS, MASK).isfinite().all()
    assert growth(resting(0.1, duration=1.0), IDS, MASK).status.name == "PASS"
    with pytest.raises(StabilityError, match=r"text \d of.*in 20 steps of 0.5 by 'euler', where overflow=1e\+06"):
        resting(4.0, duration=10.0)(IDS, MASK)  # far beyond the limit, though finite when its time is over


@pytest.mark.parametrize(("step", "status"), [(0.5, "FAIL"), (0.1, "PASS")])
def test_growth_of_what_runs_to_rest_takes_the_steps_of_the_model(step, status):
    """D = 4: unstable beyond 2/17; adaptive steps would hide it."""
    model = resting(4.0, step=step, duration=1000.0)
    assert growth(model, IDS, MASK).status.name == status
    if status == "FAIL":
        with pytest.raises(StabilityError, match="a field beyond all numbers in 2000 steps"):
            model(IDS, MASK)


def test_trajectories_of_what_runs_to_rest_are_steps_of_the_model():
    """One Euler step from zero: dt times the source."""
    model = resting(0.1)
    solution = model.trajectory(IDS[:1], saves=101)
    _, vectors, _ = model.prepared(IDS[:1])
    torch.testing.assert_close(solution.y[1], 0.5 * vectors.mT)
    assert solution.stats.nfev.max() == 100


class Reads(TorchDispatchMode):
    """Counts numbers that are read from tensors, and maxima."""

    def __init__(self):
        super().__init__()
        self.count = {"_local_scalar_dense": 0, "amax": 0}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.partition(".")[0]
        if name in self.count:
            self.count[name] += 1
        return function(*args, **(kwargs or {}))


def big(vectors, mask):
    return Evolved(1e9 * vectors, vectors.new_zeros(()), vectors.new_zeros(len(vectors)))


def test_one_number_is_read_and_none_under_a_transform():
    vectors, mask = torch.ones(2, 3, 1), torch.ones(2, 3, dtype=torch.bool)
    found = []
    for limit in (0.0, 1e10):
        with Reads() as reads:
            evolve_watched(big, vectors, mask, limit)
        found.append(reads.count)
    assert found == [{"_local_scalar_dense": 0, "amax": 0}, {"_local_scalar_dense": 1, "amax": 1}]
    with pytest.raises(StabilityError, match="train at a lower rate"):
        evolve_watched(big, vectors, mask, 1e6)
    with pytest.raises(StabilityError, match="a field beyond all numbers"):
        evolve_watched(lambda one, mask: big(one * math.nan, mask), vectors, mask, 1e6)
    many = torch.func.vmap(lambda one: evolve_watched(big, one, mask, 1e6).features)(vectors.expand(4, 2, 3, 1))
    assert many.max() == 1e9
    whole = torch.compile(lambda one: evolve_watched(big, one, mask, 1e6).features, backend="eager", fullgraph=True)
    assert whole(vectors).max() == 1e9
    assert evolve_watched(big, vectors[:0], mask[:0], 1e6).features.shape == (0, 3, 1)


def test_variants_are_watched_too():
    torch.manual_seed(0)
    model = build("wavenet_neuro", vocabulary=11, embedding=3, channels=3, variant="metric", overflow=1e-3)
    with pytest.raises(StabilityError, match=r"text \d of the batch \(\d tokens\).*where overflow=0.001"):
        model(IDS, MASK)


@pytest.mark.filterwarnings("ignore:dt=")
def test_growth_follows_the_largest_mode():
    """From step to step the field grows by 4 D dt - 1 = 7 times cos^2 of the finest mode of 6 cells."""
    model = field(4.0)
    result = growth(model, IDS, MASK, saves=21)
    size = result["size"].values
    assert result.status.name == "FAIL"
    assert "2 of 3 texts grow beyond 1e+06" in result.reason
    factor = 16 * 0.5 * math.cos(math.pi / 12) ** 2 - 1
    assert size[20, 0] / size[19, 0] == pytest.approx(factor, rel=5e-3)  # the second mode: (5/6.46)^20 = 0.006
    assert size[:, 2] == pytest.approx(size[0, 2])
    assert list(result["tokens"].values) == [6, 4, 6]
    calm = growth(field(0.1), IDS, MASK)
    assert calm.assert_pass()["size"].values.max() == pytest.approx(calm["size"].values[0].max())
    with pytest.raises(OptionError, match="no trajectory"):
        growth(build("wavenet_neuro", vocabulary=11, variant="metric"), IDS)


@pytest.mark.filterwarnings("ignore:dt=")
def test_growth_of_a_run_that_failed_ends_where_it_failed():
    result = growth(field(4.0, duration=1000.0, steps=2000), IDS, MASK, saves=5)
    assert math.isnan(result["size"].values[-1, 0])
    assert result["size"].values[-1, 2] == pytest.approx(result["size"].values[0, 2])


@pytest.mark.filterwarnings("ignore:dt=")
def test_training_stops_at_an_overflow_and_keeps_the_batch(tmp_path):
    model = field(4.0)

    def loss(trained, indices, noise):
        return Measured(trained(IDS[indices], MASK[indices]).square().mean())

    with pytest.raises(TrainingFailed, match=r"no loss was found \(text \d of.*at step 1.*lower the learning"):
        train(model, Task(3, loss), TrainSettings(learning_rate=0.1, epochs=1, batch=3), tmp_path, progress=False)
    assert read_offending_batch(tmp_path / "offending_batch.safetensors").step == 1
