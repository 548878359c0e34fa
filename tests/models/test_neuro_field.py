"""The laws of the token field: masks, conservation, stability, reach, energy."""

import math

import pytest
import torch

import fieldsolver as fs
from fieldsolver.errors import OptionError, StabilityError
from fieldsolver.models.catalogue import build
from fieldsolver.models.wavenet_neuro import Config, FieldDynamics, FieldEnergy, descending_step, largest_step
from fieldsolver.models.wavenet_neuro.places import hilbert_curve, place, sizes

GEOMETRIES = ["line", "raster", "hilbert"]


def dynamics(**changes):
    torch.manual_seed(0)
    made = {"channels": 3, "embedding": 3, "expansion": 2.0, **changes}
    return FieldDynamics(Config(**made)).double()


def features(batch=3, length=11, channels=3, seed=0):
    return torch.randn(batch, length, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mask_of(lengths, length=11):
    return torch.arange(length) < torch.tensor(lengths).unsqueeze(1)


def evolve(one, values, mask):
    return one(values * mask.unsqueeze(-1), mask).features


@pytest.mark.parametrize("boundary", ["neumann", "dirichlet", "periodic"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_padding_is_a_mask_of_the_equation(geometry, boundary):
    """The fed terms say the same as ``FieldEquation(mask=)``: the specification."""
    one = dynamics(geometry=geometry, boundary=boundary, transport=True, slopes=True, decay=0.2, diffusivity=0.3)
    size = 11 if geometry == "line" else 4
    where = place(one.config, size)
    lengths = torch.tensor([11, 6, 1])
    values = features() * mask_of([11, 6, 1]).unsqueeze(-1)
    layer, _, inputs, start = one.problem(values, lengths, size)
    inside = where.spread(mask_of([11, 6, 1]).unsqueeze(-1))[:, 0]
    axes = "x" if geometry == "line" else "xy"
    circle = {**dict.fromkeys(axes, fs.Periodic()), "mask": fs.Neumann(0)}
    condition = {"neumann": fs.Neumann(0), "dirichlet": fs.Dirichlet(0), "periodic": circle}[boundary]
    speeds = {name: fs.Parameter(torch.zeros(3)) for name in "ab"[: len(axes)]}
    ramp = " ".join(f"- {name}*d_d{axis}(phi)" for name, axis in zip(speeds, axes, strict=True))
    slopes = "".join(f", d_d{axis}(phi)" for axis in axes)
    masked = fs.FieldEquation(
        f"dphi/dt = D*laplacian(phi) {ramp} - k*phi + react(phi{slopes})",
        grid=where.grid, boundary=condition, mask=inside, components={"phi": 3}, modules=dict(one.equation.submodules),
        parameters={"D": fs.Parameter(torch.ones(3), positive=True), "k": fs.Parameter(torch.ones(3), positive=True)}
        | speeds,
    )  # fmt: skip
    masked.raw = one.equation.raw
    slow = fs.nn.FieldLayer(masked, duration=2.0, dt=0.5, method="euler", gradient="direct", check="off")
    if geometry == "line" and boundary == "periodic":  # there each text has a circle of its own length
        return
    torch.testing.assert_close(layer(inputs, start), slow(start), rtol=1e-12, atol=1e-13)


def test_a_circle_joins_the_end_of_each_text_to_its_beginning():
    one = dynamics(boundary="periodic", transport=True)
    mask = mask_of([11, 7, 3])
    out = evolve(one, features(), mask)
    rolled = torch.stack([row.roll(1, 0) for row in features()[1:2, :7]])
    turned = one(rolled, torch.ones(1, 7, dtype=torch.bool)).features
    torch.testing.assert_close(turned[0], out[1, :7].roll(1, 0))


@pytest.mark.parametrize("diffusion", ["channels", "matrix", "learned"])
@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_mass_is_conserved_and_constants_rest(geometry, boundary, diffusion):
    one = dynamics(geometry=geometry, boundary=boundary, diffusion=diffusion, reaction="none", diffusivity=0.2)
    mask = mask_of([11, 6, 2])
    before = features() * mask.unsqueeze(-1)
    after = evolve(one, before, mask)
    torch.testing.assert_close(after.sum(1), before.sum(1), rtol=0, atol=1e-12)
    assert (after - before).abs().max() > 1e-2  # something happened
    assert (after.square().sum((1, 2)) <= before.square().sum((1, 2))).all()  # and it took energy out
    flat = torch.ones_like(before) * mask.unsqueeze(-1)
    torch.testing.assert_close(evolve(one, flat, mask), flat, rtol=0, atol=1e-12)


def test_absorbing_ends_lose_mass():
    one = dynamics(boundary="dirichlet", reaction="none")
    mask = mask_of([11, 6, 2])
    assert (evolve(one, torch.ones(3, 11, 3).double(), mask).sum(1) < mask.sum(1, keepdim=True)).all()


def test_bounded_reaction_keeps_the_maximum_principle():
    """``|phi| <= max(|phi(0)|, M/k)`` for dt <= 1/(k + 2 d D/h^2), whatever the weights."""
    limit, decay, diffusivity = 2.0, 0.5, 0.4
    dt = 1 / (decay + 2 * diffusivity)
    one = dynamics(reaction="bounded", limit=limit, decay=decay, diffusivity=diffusivity, duration=200 * dt, steps=200)
    with torch.no_grad():
        for parameter in one.equation.submodules.parameters():
            parameter.mul_(30)
    for scale in (1.0, 20.0):
        start = scale * features()
        bound = max(start.abs().max().item(), limit / decay)
        after = evolve(one, start, mask_of([11, 6, 1]))
        assert after.abs().max() <= bound * (1 + 1e-12)
    assert after.abs().max() > 0.5 * limit / decay  # the bound is not idle


@pytest.mark.parametrize("boundary", ["neumann", "periodic", "dirichlet"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_euler_is_stable_up_to_h2_over_2dD_and_not_beyond(dimension, boundary):
    D, points = 0.7, 16 if dimension < 3 else 8
    condition = {"neumann": fs.Neumann(0), "periodic": fs.Periodic(), "dirichlet": fs.Dirichlet(0)}[boundary]
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u)", grid=fs.Grid((points,) * dimension, extent=float(points)), boundary=condition,
        parameters={"D": D},
    )  # fmt: skip
    whole = 1 / (2 * dimension * D)
    limit = largest_step(equation, "euler")
    assert whole * (1 - 1e-12) <= limit < 1.06 * whole  # between walls the roughest mode is a little smoother
    state = torch.randn(1, *(points,) * dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for factor, grows in ((0.99, False), (1.01, True)):
        u = state
        for _ in range(2000):
            u = u + factor * limit * equation(0.0, u)
        assert bool(u.abs().max() > 1e6 * state.abs().max()) == grows


def test_steps_are_as_many_as_stability_asks_for():
    one = dynamics(diffusivity=2.0, decay=0.5, steps=None, duration=3.0)
    assert 3.0 / one.steps < 2 / (4 * 2.0 + 0.5) * 1.01
    with pytest.raises(StabilityError, match="stable"):
        dynamics(diffusivity=2.0, steps=4, duration=3.0)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_domain_of_dependence_grows_by_one_token_a_step(steps):
    one = dynamics(steps=steps, duration=0.2 * steps, transport=True, slopes=True)
    values = features(1, 15).requires_grad_()
    out = one(values, torch.ones(1, 15, dtype=torch.bool)).features
    (reached,) = torch.autograd.grad(out[0, 7].sum(), values)
    heard = reached[0].abs().sum(1) > 0
    assert heard.tolist() == [abs(i - 7) <= steps for i in range(15)]


def test_reach_in_a_square_is_a_diamond():
    """The five-point stencil: k steps hear what is within k moves along the axes."""
    one = dynamics(geometry="hilbert", steps=2, duration=0.4)
    values = features(1, 64).requires_grad_()
    out = one(values, torch.ones(1, 64, dtype=torch.bool)).features
    curve = hilbert_curve(8)
    token = int((curve == 3 * 8 + 4).nonzero())
    (reached,) = torch.autograd.grad(out[0, token].sum(), values)
    x, y = curve % 8, curve // 8
    assert torch.equal(reached[0].abs().sum(1) > 0, (x - 4).abs() + (y - 3).abs() <= 2)


@pytest.mark.parametrize("side", [2, 8, 16, 5])
def test_hilbert_curve_visits_every_cell_by_single_moves(side):
    cells = hilbert_curve(side)
    points = math.isqrt(len(cells))
    assert points >= side
    assert torch.equal(cells.sort().values, torch.arange(points**2))
    assert ((cells % points).diff().abs() + (cells // points).diff().abs() == 1).all()


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("stopping", ["steps", "time"])
def test_every_token_has_a_cell_of_its_own(geometry, stopping):
    config = Config(geometry=geometry, stopping=stopping, method="bosh3")
    lengths = torch.arange(1, 300)
    for length, size in zip(lengths.tolist(), sizes(config, lengths, 300).tolist(), strict=True):
        where = place(config, size)
        assert math.prod(where.shape) >= len(where.cells) >= length
        assert len(where.cells) <= max(4 * length, 300)
    tokens = features(2, 9)
    torch.testing.assert_close(where.collect(where.spread(tokens), 9), tokens, rtol=0, atol=0)


def downhill(**changes):
    one = dynamics(reaction="gradient", input="both", decay=0.3, expansion=4.0, **changes)
    with torch.no_grad():
        one.equation.submodules["react"].directions.weight.mul_(4)
    mask = mask_of([11, 6, 1])
    lengths = mask.sum(1)
    size = int(sizes(one.config, lengths, 11).max())
    layer, where, inputs, start = one.problem(features() * mask.unsqueeze(-1), lengths, size)
    inside = where.spread(mask.unsqueeze(-1))[:, 0]
    return layer, inputs, start, FieldEnergy(one, where, inside)


@pytest.mark.parametrize("boundary", ["neumann", "dirichlet"])
def test_the_rate_is_minus_the_gradient_of_the_energy(boundary):
    layer, inputs, start, energy = downhill(boundary=boundary)
    start.requires_grad_()
    (gradient,) = torch.autograd.grad(energy(start, inputs["I"]).sum(), start)
    with torch.no_grad():
        rate = layer._driven(inputs)(0.0, start)
    torch.testing.assert_close(rate, -gradient, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("dt", "steps"), [(0.01, 200), (1.0, 500), (1e6, 500), pytest.param(1.0, 10_000, marks=pytest.mark.slow)]
)
def test_the_energy_never_rises(dt, steps):
    """For any dt: the stabilised splitting is an Euler step below ``2/curvature``."""
    layer, inputs, state, energy = downhill()
    step = descending_step(dt, energy.curvature())
    equation = layer._driven(inputs)
    with torch.no_grad():
        last = first = energy(state, inputs["I"])
        for _ in range(steps):
            state = state + step * equation(0.0, state)
            now = energy(state, inputs["I"])
            assert (now <= last + 1e-12 * last.abs().clamp(min=1)).all()
            last = now
    assert (last < first).all()


def test_the_bound_of_the_curvature_is_needed():
    """Well beyond it plain Euler climbs: the law is not met by chance."""
    layer, inputs, state, energy = downhill()
    equation, risen = layer._driven(inputs), False
    with torch.no_grad():
        last = energy(state, inputs["I"])
        for _ in range(50):
            state = state + 20 / energy.curvature() * equation(0.0, state)
            now = energy(state, inputs["I"])
            risen, last = risen or bool((now > last).any()), now
    assert risen


def test_no_energy_without_a_potential():
    one = dynamics(reaction="mlp")
    with pytest.raises(OptionError, match="reaction='gradient'"):
        FieldEnergy(one, place(one.config, 11), mask_of([11]))


def test_trajectory_of_a_text():
    torch.manual_seed(0)
    one = build("wavenet_neuro", "gradient_flow", vocabulary=11, channels=4, embedding=4, duration=3.0).eval()
    with torch.no_grad():
        solution = one.trajectory(torch.randint(2, 11, (2, 6)), saves=5)
    assert solution.y.shape == (5, 2, 4, 6)
    assert not solution.y[0].any()  # fed from zero
