"""The kinetics: their literature's numbers, and nothing that only our own runs say."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.errors import OptionError, ParameterError
from fieldsolver.models.wavenet_neuro.kinetics import (
    DEMOS,
    KINETICS,
    bump_widths,
    critical_ratio,
    critical_wavenumber,
    demo,
    find_kinetics,
    fisher_speed,
    front_positions,
    front_speed,
    growth_rates,
    hat,
    hat_integral,
    nagumo_front,
    nagumo_speed,
    reaction_jacobian,
    uniform_states,
)


def on_line(name, points, extent, boundary=None, order=4, **changes):
    line = fs.Grid(points, extent=extent)
    scheme = None if find_kinetics(name).kernels else fs.FiniteDifference(order=order)
    return find_kinetics(name).equation(
        grid=line, boundary=fs.Neumann(0) if boundary is None else boundary, scheme=scheme, **changes
    ), line.coordinates()[0]


# -- what every one of them can do -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINETICS)
def test_alone_on_a_grid_and_as_the_reaction_of_a_token_field(name):
    kinetics = KINETICS[name]
    torch.manual_seed(0)
    species = len(kinetics.species)
    point = torch.rand(species, dtype=torch.float64) + 0.1
    alone = kinetics.equation()(0.0, point)
    tokens = kinetics.equation(
        grid=fs.Grid(12, extent=12.0), boundary=fs.Neumann(0), components=3, trainable=True, forcing=kinetics.species
    )
    assert alone.shape == (species,)
    assert tokens.state_shape == (3 * species, 12)
    rate = tokens(0.0, point.repeat_interleave(3)[:, None].expand(-1, 12))
    if not kinetics.kernels:  # a uniform field does what a point does
        assert torch.allclose(rate, alone.repeat_interleave(3)[:, None].expand(-1, 12), atol=1e-6)
    assert kinetics.source
    if kinetics.smooth:
        state = torch.rand(3 * species, 12, requires_grad=True)
        (tokens(0.0, state) * torch.randn(rate.shape)).sum().backward()
        assert state.grad is not None
        for number, value in tokens.named_parameters():
            assert value.grad is not None, number
            assert value.grad.abs().min() > 0, number


def test_unknown_names_are_refused():
    with pytest.raises(OptionError, match="did you mean 'gray_scott'"):
        find_kinetics("gray_scot")
    with pytest.raises(OptionError, match="schnakenberg has no 'c'"):
        KINETICS["schnakenberg"].equation(c=1.0)
    with pytest.raises(OptionError, match="has no 'w'"):
        KINETICS["schnakenberg"].equation(forcing=("w",))
    with pytest.raises(OptionError, match="has no 'D_u'"):
        KINETICS["schnakenberg"].equation(trainable=("D_u",))  # a point has no diffusion


# -- steady states and their stability -------------------------------------------------------------------------------


def test_steady_states_have_their_closed_forms():
    for name, state in (("schnakenberg", [1.0, 0.9]), ("brusselator", [3.0, 3.0]), ("gierer_meinhardt", [1.1, 1.21])):
        assert uniform_states(KINETICS[name], starts=6) == pytest.approx(np.array([state]))
    F, k = 0.03, 0.055
    u = (1 + np.array([-1, 1]) * math.sqrt(1 - 4 * (F + k) ** 2 / F)) / 2
    gray_scott = KINETICS["gray_scott"].equation(F=F, k=k)
    for value in u:
        rate = gray_scott(0.0, torch.tensor([value, (F + k) / value], dtype=torch.float64))
        assert rate.abs().max() < 1e-15
    numbers = KINETICS["oregonator"].numbers()
    f, q = numbers["f"], numbers["q"]
    b = f + q - 1  # u^2 + (f + q - 1) u - q (1 + f) = 0
    u = (-b + math.sqrt(b**2 + 4 * q * (1 + f))) / 2
    assert uniform_states(KINETICS["oregonator"], bounds=(0.0, 0.1), starts=6)[-1] == pytest.approx([u, u])


def test_fitzhugh_nagumo_oscillates_between_the_known_currents():
    kinetics = KINETICS["fitzhugh_nagumo"]

    def trace(J):
        (state,) = uniform_states(kinetics, bounds=(-2.0, 2.0), starts=2, J=J)
        return np.trace(reaction_jacobian(kinetics, state, J=J))

    (rest,) = uniform_states(kinetics, bounds=(-2.0, 2.0), starts=4)
    assert rest == pytest.approx([-1.1994, -0.6243], abs=1e-4)
    for low, high in ((0.3303, 0.3323), (1.4197, 1.4177)):  # at rest, then oscillating
        assert trace(low) < 0 < trace(high)


def test_wilson_cowan_has_inhibition_with_a_minus_and_its_limit_cycle():
    kinetics = KINETICS["wilson_cowan"]
    J = reaction_jacobian(kinetics, np.array([0.2, 0.1]))
    assert J[0, 1] < 0 < J[1, 0]  # inhibition lowers excitation, which raises inhibition
    for P, moves in ((1.25, True), (0.0, False)):
        run = fs.solve(
            kinetics.equation(P=P),
            {"E": 0.1, "I": 0.05},
            t_span=(0, 60),
            save_at=torch.linspace(40, 60, 100),
            rtol=1e-4,
            atol=1e-6,
        )
        swing = float(run["E"].max() - run["E"].min())
        assert (swing > 0.1) == moves, swing
        assert moves or swing < 1e-4


def test_oregonator_relaxes_in_cycles_and_stays_positive():
    run = fs.solve(
        KINETICS["oregonator"].equation(),
        {"u": 0.1, "v": 0.1},
        t_span=(0, 5),
        save_at=torch.linspace(1, 5, 200),
        rtol=1e-4,
        atol=1e-7,
    )
    assert run["u"].min() > 0
    assert run["u"].max() / run["u"].min() > 100


# -- A5: Turing ------------------------------------------------------------------------------------------------------


def test_turing_numbers_of_schnakenberg():
    kinetics = KINETICS["schnakenberg"]
    state = uniform_states(kinetics)[0]
    J = reaction_jacobian(kinetics, state)
    assert pytest.approx(np.array([[0.8, 1.0], [-1.8, -1.0]])) == J
    ratio = critical_ratio(J)
    assert ratio == pytest.approx(8.57, abs=0.005)
    assert critical_wavenumber(J, np.array([1.0, ratio])) == pytest.approx(0.585, abs=5e-4)
    k = np.linspace(0.2, 0.8, 2401)
    for D_v, fastest, growth in ((20.0, 0.4865, 0.2632), (40.0, 0.4205, 0.4110)):
        rates = growth_rates(kinetics, state, k, D_v=D_v)
        assert k[rates.argmax()] == pytest.approx(fastest, abs=5e-4)
        assert rates.max() == pytest.approx(growth, abs=1e-4)
    for D_v, grows in ((ratio * 0.999, False), (ratio * 1.001, True)):
        assert (growth_rates(kinetics, state, k, D_v=D_v).max() > 0) == grows


def test_turing_thresholds_with_closed_forms_and_what_cannot_be_unstable():
    kinetics = KINETICS["brusselator"]
    A, D_u, D_v = 3.0, 5.0, 12.0
    B = (1 + A * math.sqrt(D_u / D_v)) ** 2
    k = np.linspace(0.1, 1.5, 2801)
    for share, grows in ((0.999, False), (1.001, True)):
        state = np.array([A, share * B / A])
        assert (growth_rates(kinetics, state, k, B=share * B).max() > 0) == grows
    with pytest.raises(ParameterError, match="tr J < 0"):
        critical_ratio(np.array([[1.0, -1.0], [2.0, -0.5]]))


def grown(D_v, duration, points, extent):
    equation, _ = on_line("schnakenberg", points, extent, fs.Periodic(), D_v=D_v)
    noise = 0.01 * torch.randn(2, points, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    start = {"u": 1.0 + noise[0], "v": 0.9 + noise[1]}
    return fs.solve(equation, start, t_span=(0, duration), rtol=1e-5, atol=1e-7)["u"][-1]


def test_the_fastest_turing_mode_wins_first():
    extent, points = 20 * 2 * math.pi / 0.4865, 320
    u = grown(20.0, 12.0, points, extent)
    spectrum = torch.fft.rfft(u - u.mean()).abs().square()
    k = 2 * math.pi * torch.arange(len(spectrum)) / extent
    assert spectrum.sum() > 0
    assert float((k * spectrum).sum() / spectrum.sum()) == pytest.approx(0.4865, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("ratio", "patterned"), [(8.0, False), (9.5, True)])
def test_a_pattern_stands_beyond_the_critical_ratio_only(ratio, patterned):
    extent = 6 * 2 * math.pi / 0.57
    u = grown(ratio, 800.0, 48, extent)
    assert (float(u.std()) > 0.1) == patterned
    assert patterned or float(u.std()) < 1e-4


# -- A2: fronts ------------------------------------------------------------------------------------------------------


def test_nagumo_front_has_its_shape_and_speed():
    equation, x = on_line("nagumo", 192, 48.0)
    times = torch.linspace(10, 30, 11)
    run = fs.solve(equation, {"u": nagumo_front(x - 16.0)}, t_span=(0, 30), save_at=times, dt=0.03, method="rk4")
    assert nagumo_speed() == pytest.approx(0.353553, abs=1e-6)
    assert front_speed(times, x, run["u"]) == pytest.approx(nagumo_speed(), rel=1e-3)
    assert (run["u"][-1] - nagumo_front(x - 16.0 - 30 * nagumo_speed())).abs().max() < 1e-3


def test_nagumo_front_turns_round_at_one_half():
    equation, x = on_line("nagumo", 160, 32.0, a=0.75)
    times = torch.linspace(5, 15, 11)
    run = fs.solve(equation, {"u": nagumo_front(x - 16.0)}, t_span=(0, 15), save_at=times, dt=0.02, method="rk4")
    assert front_speed(times, x, run["u"]) == pytest.approx(nagumo_speed(a=0.75), rel=2e-3)


def test_fisher_front_comes_up_to_its_speed_as_theory_says():
    equation, x = on_line("fisher_kpp", 400, 130.0)
    times = torch.linspace(35, 45, 11)
    run = fs.solve(equation, {"u": (x < 8.0).double()}, t_span=(0, 45), save_at=times, dt=0.05, method="rk4")
    measured = front_speed(times, x, run["u"])
    assert fisher_speed() == 2.0
    # What is left is O(1/t^2); halving h and dt leaves it at -16/t^2 for this level.
    assert measured == pytest.approx(fisher_speed(t=40.0), abs=20 / 40.0**2)
    assert abs(measured - 2.0) > abs(measured - fisher_speed(t=40.0))  # the approach, not the limit


def test_allen_cahn_wall_stands_still():
    equation, x = on_line("allen_cahn", 201, 20.0)
    wall = torch.tanh((x - 10.0) / math.sqrt(2))
    assert equation(0.0, wall[None]).abs().max() < 1e-4


def test_front_positions_are_nan_where_there_is_no_front():
    x = torch.linspace(0, 1, 5)
    values = torch.tensor([[1.0, 1, 1, 1, 1], [0, 0, 0, 0, 0], [1, 1, 0.75, 0.25, 0]])
    positions = front_positions(x, values)
    assert positions[:2].isnan().all()
    assert positions[2] == pytest.approx(0.625)


# -- A6: Amari -------------------------------------------------------------------------------------------------------


def bump(width, points=960, extent=12.0):
    """The width that remains of a bump that starts with this one; 0 if it has gone."""
    equation, x = on_line("amari", points, extent)
    start = torch.where((x - extent / 2).abs() < width / 2, 1.0, 0.0).double()
    u = fs.solve(equation, {"u": start}, t_span=(0, 30), dt=0.1, method="euler")["u"][-1]
    theta = equation.parameter_values()["theta"]
    if not (u > theta).any():
        return 0.0
    right = x >= extent / 2
    return 2 * (float(front_positions(x[right], u[right][None], float(theta))[0]) - extent / 2)


def test_amari_bumps_have_the_width_of_theory_and_the_narrow_one_is_unstable():
    narrow, wide = bump_widths()
    assert hat_integral(narrow) == pytest.approx(0.5)
    assert hat_integral(wide) == pytest.approx(0.5)
    assert hat(wide) < 0 < hat(narrow)
    for start in (narrow * 1.1, wide * 0.8, wide * 1.3):
        assert bump(start) == pytest.approx(wide, rel=0.01)
    assert bump(narrow * 0.9) == 0.0
    with pytest.raises(ParameterError, match="two bumps"):
        bump_widths(theta=5.0)
    with pytest.raises(OptionError, match="A > B > 0"):
        on_line("amari", 32, 12.0, A=0.1)


# -- demonstrations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in DEMOS if name != "oregonator"])
def test_every_demonstration_starts(name):
    run = demo(name, saves=2, share=0.005)
    assert run.success
    assert run.y.isfinite().all()


def test_every_kinetics_has_a_demonstration():
    assert list(DEMOS) == list(KINETICS)


def winding(u, v, radius):
    """How often the phase turns on a circle around the middle: an integer, which cannot change gradually."""
    angle = torch.linspace(0, 2 * math.pi, 401)
    middle = (len(u) - 1) / 2
    x, y = (middle + radius * angle.cos()).round().long(), (middle + radius * angle.sin()).round().long()
    logs = [values[x, y].log() for values in (v, u)]
    phase = torch.atan2(*(one - (one.max() + one.min()) / 2 for one in logs))
    turns = torch.remainder(phase.diff() + math.pi, 2 * math.pi) - math.pi
    return round(float(turns.sum()) / (2 * math.pi))


@pytest.mark.slow
def test_the_spiral_of_the_oregonator_keeps_its_winding():
    run = demo("oregonator", saves=4)
    found = [winding(u, v, radius=28) for u, v in zip(run["u"], run["v"], strict=True)]
    assert abs(found[0]) == 1
    assert found == [found[0]] * 4
    assert (run["u"][-1] - run["u"][-2]).abs().max() > 0.1  # it turns
