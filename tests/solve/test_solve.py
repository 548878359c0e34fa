"""`solve` from the outside: values against exact solutions, per-sample behaviour, and what it refuses."""

import math

import pytest
import torch
from torch import nn

import fieldsolver as fs

F64 = torch.float64


def heat(shape=(32,), boundary=None, rate="D*laplacian(u)", **parameters):
    grid = fs.Grid(shape, extent=1.0)
    return fs.FieldEquation(
        f"du/dt = {rate}",
        grid=grid,
        boundary=boundary or fs.Periodic(),
        parameters={"D": 0.1, **parameters},
    )


def test_heat_mode_decays_at_the_rate_of_the_discrete_symbol():
    equation = heat((64,), fs.Neumann(0))
    (x,) = equation.grid.coordinates()
    mode = torch.cos(3 * math.pi * x)
    h = equation.grid.spacing[0]
    rate = 0.1 * 4 / h**2 * math.sin(3 * math.pi * h / 2) ** 2
    solution = fs.solve(equation, {"u": mode}, t_span=(0, 0.5), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(solution["u"][-1], mode * math.exp(-rate * 0.5), rtol=0, atol=1e-9)


def test_coupled_system_shapes_and_names():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + w[0];  dw/dt = -w + u",
        grid=fs.Grid((6, 5), extent=(6.0, 5.0)),
        boundary=fs.Neumann(0),
        components={"w": 3},
    )
    solution = fs.solve(
        equation, {"u": torch.rand(4, 6, 5), "w": torch.rand(4, 3, 6, 5)}, t_span=(0, 0.3), save_at=[0.0, 0.1, 0.3]
    )
    assert solution.y.shape == (3, 4, 4, 6, 5)
    assert solution["u"].shape == (3, 4, 6, 5)
    assert solution["w"].shape == (3, 4, 3, 6, 5)
    assert solution.status.shape == (4,)
    assert solution.y.dtype == torch.float32
    assert solution.t.dtype == F64


@pytest.mark.parametrize("method", ["euler", "heun", "rk4", "tsit5"])
def test_fixed_steps_of_every_method(method):
    solution = fs.solve(lambda t, y: -y, torch.ones(1, dtype=F64), t_span=(0, 1), dt=0.01, method=method)
    assert solution.stats.accepted.item() == 100
    assert abs(solution.y[-1].item() - math.exp(-1)) < 2e-3


def test_auto_names_its_choice_and_the_reason():
    y0 = torch.ones(1)
    adaptive, fixed = (fs.solve(lambda t, y: -y, y0, t_span=(0, 1), dt=dt).stats for dt in (None, 0.1))
    assert (adaptive.method, fixed.method) == ("tsit5", "rk4")
    assert adaptive.reason.startswith("auto")


def test_scalar_state_and_integer_state():
    assert fs.solve(lambda t, y: -y, torch.tensor(1.0), t_span=(0, 1)).y.shape == (2,)
    assert fs.solve(lambda t, y: -y, torch.tensor([1, 2]), t_span=(0, 1)).y.dtype == torch.get_default_dtype()


def test_backward_returns_to_the_start():
    y0 = torch.tensor([0.3, 0.7], dtype=F64)
    f = lambda t, y: torch.stack([y[1], -torch.sin(y[0]) + 0.1 * torch.cos(t)])  # noqa: E731 - a formula
    there = fs.solve(f, y0, t_span=(0, 3), rtol=1e-10, atol=1e-12).y[-1]
    back = fs.solve(f, there, t_span=(3, 0), backward=True, rtol=1e-10, atol=1e-12).y[-1]
    torch.testing.assert_close(back, y0, rtol=0, atol=1e-7)


def test_a_sample_that_blows_up_leaves_the_others_alone():
    starts = torch.tensor([[0.5], [2.0], [0.1]], dtype=F64)  # y' = y^2 from y0 ends at t = 1/y0
    solution = _kept(starts)
    assert solution.status.tolist()[0] == solution.status.tolist()[2] == fs.Status.SUCCESS
    assert solution.status[1] != fs.Status.SUCCESS
    assert abs(solution.t_end[1].item() - 0.5) < 1e-3
    assert torch.isnan(solution.y[-1, 1]).all()
    for sample in (0, 2):
        exact = 1 / (1 / starts[sample] - 1.5)
        torch.testing.assert_close(solution.y[-1, sample], exact, rtol=1e-5, atol=0)
        alone = fs.solve(lambda t, y: y * y, starts[sample : sample + 1], t_span=(0, 1.5), batch_dims=1)
        torch.testing.assert_close(solution.y[-1, sample], alone.y[-1, 0], rtol=1e-12, atol=0)


def _kept(starts):
    with pytest.warns(fs.FieldSolverWarning, match="1 of 3 sample"):
        return fs.solve(lambda t, y: y * y, starts, t_span=(0, 1.5), batch_dims=1, on_failure="keep")


def test_failure_carries_the_partial_solution():
    with pytest.raises(fs.SolveFailed, match="sample 0 at t = 1") as caught:
        fs.solve(lambda t, y: y * y, torch.ones(1, dtype=F64), t_span=(0, 2), save_at=[0.5, 1.5])
    kept = caught.value.solution
    assert kept.y[0].item() == pytest.approx(2.0, rel=1e-5)
    assert torch.isnan(kept.y[1]).all()
    assert "step size" in kept.outcomes[0]


def test_save_points_change_no_step():
    f = lambda t, y: torch.stack([y[1], -y[0] * (1 + 0.5 * torch.sin(t))])  # noqa: E731 - a formula
    y0 = torch.tensor([1.0, 0.0], dtype=F64)
    few = fs.solve(f, y0, t_span=(0, 10))
    many = fs.solve(f, y0, t_span=(0, 10), save_at=torch.linspace(0, 10, 301))
    assert torch.equal(few.y[-1], many.y[-1])
    assert few.stats.nfev == many.stats.nfev


def test_dense_output_agrees_with_save_points():
    y0 = torch.tensor([1.0, 0.0], dtype=F64)
    f = lambda t, y: torch.stack([y[1], -y[0]])  # noqa: E731 - a formula
    solution = fs.solve(f, y0, t_span=(0, 5), save_at=[1.234, 5.0], dense=True)
    torch.testing.assert_close(solution(1.234), solution.y[0], rtol=0, atol=1e-14)
    assert solution(torch.tensor([0.0, 2.0])).shape == (2, 2)
    with pytest.raises(fs.OptionError, match="within"):
        solution(6.0)
    with pytest.raises(fs.OptionError, match="dense=True"):
        fs.solve(f, y0, t_span=(0, 5))(1.0)


def test_gradients_of_equation_module_closure_and_args():
    equation = heat((16,), D=fs.Parameter(0.1, positive=True))
    (x,) = equation.grid.coordinates()
    u0 = torch.cos(2 * math.pi * x)
    values = {}
    for mode in ("direct", "checkpointed"):
        equation.zero_grad()
        fs.solve(equation, {"u": u0}, t_span=(0, 0.2), dt=0.002, gradient=mode)["u"][-1].pow(2).sum().backward()
        values[mode] = equation.raw["D"].grad.item()
    assert values["direct"] == pytest.approx(values["checkpointed"], rel=1e-12)

    k = torch.tensor(0.7, dtype=F64, requires_grad=True)
    y0 = torch.tensor([1.5], dtype=F64)
    exact = -2.0 * 1.5 * math.exp(-0.7 * 2.0)  # d/dk y0 exp(-2k)
    for call in (
        lambda: fs.solve(lambda t, y: -k * y, y0, t_span=(0, 2), rtol=1e-9, atol=1e-11),
        lambda: fs.solve(lambda t, y, q: -q * y, y0, t_span=(0, 2), rtol=1e-9, atol=1e-11, args=(k,)),
        lambda: fs.solve(
            lambda t, y, q: -q * y, y0, t_span=(0, 2), rtol=1e-9, atol=1e-11, args=(k,), gradient="checkpointed"
        ),
    ):
        k.grad = None
        call().y[-1].sum().backward()
        assert k.grad.item() == pytest.approx(exact, rel=1e-7)
    with pytest.raises(fs.OptionError, match="args"):
        fs.solve(lambda t, y: -k * y, y0, t_span=(0, 2), gradient="checkpointed")


def test_module_as_right_hand_side_trains():
    class Decay(nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = nn.Parameter(torch.tensor(0.5))

        def forward(self, t, y):
            return -self.rate * y

    module = Decay()
    solution = fs.solve(module, torch.ones(4, 1), t_span=(0, 1), batch_dims=1)
    assert solution.stats.gradient == "checkpointed"
    solution.y[-1].sum().backward()
    assert module.rate.grad.item() == pytest.approx(-4 * math.exp(-0.5), rel=1e-4)


def test_no_graph_under_no_grad_and_with_gradient_none():
    equation = heat((8,), D=fs.Parameter(0.1, positive=True))
    with torch.no_grad():
        assert not fs.solve(equation, {"u": torch.rand(8)}, t_span=(0, 0.1))["u"].requires_grad
    assert not fs.solve(equation, {"u": torch.rand(8)}, t_span=(0, 0.1), gradient="none")["u"].requires_grad


def test_per_sample_parameters_solve_each_sample_with_its_own():
    rates = torch.tensor([0.5, 1.0, 2.0], dtype=F64)
    equation = fs.FieldEquation("dx/dt = -r*x", parameters={"r": fs.PerSample(rates)})
    solution = fs.solve(equation, {"x": torch.ones(3, dtype=F64)}, t_span=(0, 1), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(solution["x"][-1], torch.exp(-rates), rtol=1e-7, atol=0)
    with pytest.raises(fs.StateError, match="3 samples"):
        fs.solve(equation, {"x": torch.ones(2, dtype=F64)}, t_span=(0, 1))


def test_nodes_on_a_dirichlet_wall_are_saved_at_the_walls_value():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u)",
        grid=fs.Grid(9, extent=1.0, centring="node"),
        boundary={"x-": fs.Dirichlet("sin(t)"), "x+": fs.Neumann(0)},
    )
    solution = fs.solve(equation, {"u": torch.zeros(9, dtype=F64)}, t_span=(0, 1), save_at=[0.25, 1.0])
    torch.testing.assert_close(solution["u"][:, 0], torch.sin(solution.t), rtol=0, atol=1e-14)


class TestStability:
    def test_a_step_beyond_the_sharp_limit_is_refused_with_the_limit(self):
        equation = heat((50,))
        limit = 1 / (50.0**2 * 2 * 0.1)  # h^2 / 2D
        with pytest.raises(fs.StabilityError, match=r"stability limit dt=0\.002") as caught:
            fs.solve(equation, {"u": torch.rand(50)}, t_span=(0, 1), dt=1.01 * limit, method="euler")
        assert caught.value.limit == pytest.approx(limit, rel=1e-12)

    @pytest.mark.parametrize("method", ["euler", "heun", "rk4", "tsit5"])
    def test_runs_stay_bounded_just_below_and_grow_just_above(self, method):
        equation = heat((32,), fs.Periodic())
        limit = next(line.dt for line in fs.explain(equation).limits if line.method == method)
        worst = torch.tensor([1.0, -1.0], dtype=F64).repeat(16)  # the checkerboard is the fastest mode
        norms = []
        for factor in (0.99, 1.01):
            dt = factor * limit
            end = fs.solve(
                equation, {"u": worst}, t_span=(0, 400 * dt), dt=dt, method=method, check="off"
            )["u"][-1]  # fmt: skip
            norms.append(end.abs().max().item())
        assert norms[0] <= 1.0
        assert norms[1] > 1.0

    def test_advection_is_refused_for_euler_at_every_step(self):
        equation = fs.FieldEquation("du/dt = -d_dx(u)", grid=fs.Grid(20, extent=1.0), boundary=fs.Periodic())
        limits = {limit.method: limit.dt for limit in fs.explain(equation).limits}
        assert limits["euler"] == limits["heun"] == 0.0
        assert limits["rk4"] == pytest.approx(2.8284271247462 / 20, rel=1e-9)  # dt/h = 2 sqrt 2 for central differences
        with pytest.raises(fs.StabilityError):
            fs.solve(equation, {"u": torch.rand(20)}, t_span=(0, 1), dt=1e-4, method="euler")

    def test_warn_and_off(self):
        equation = heat((50,))
        with pytest.warns(fs.FieldSolverWarning, match="stability limit"):
            fs.solve(equation, {"u": torch.rand(50)}, t_span=(0, 0.01), dt=0.0025, method="euler", check="warn")
        fs.solve(equation, {"u": torch.rand(50)}, t_span=(0, 0.01), dt=0.0025, method="euler", check="off")

    def test_an_upper_bound_warns_and_does_not_refuse(self):
        equation = heat((50,), fs.Robin(1, 1, 0), rate="diffusion(D*(1 + 0.01*x), u)")
        with pytest.warns(fs.FieldSolverWarning, match="upper bound"):
            fs.solve(equation, {"u": torch.rand(50)}, t_span=(0, 0.01), dt=0.0021, method="euler")


class TestRefusals:
    y0 = torch.ones(2)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"t_span": (1.0,)}, "save_at"),
            ({"t_span": (0, 1, 2)}, "3 value"),
            ({"t_span": 3.0}, "pair of numbers"),
            ({"t_span": (1, 0)}, "backward=True"),
            ({"t_span": (0, 1), "backward": True}, "drop backward"),
            ({"t_span": (1, 1)}, "two different times"),
            ({"t_span": (0, float("inf"))}, "finite"),
            ({"t_span": (0, 1), "rtol": -1e-3}, "rtol is a number that is not negative"),
            ({"t_span": (0, 1), "atol": float("nan")}, "atol"),
            ({"t_span": (0, 1), "rtol": 0.0, "atol": 0.0}, "both be zero"),
            ({"t_span": (0, 1), "dt": -0.1}, "positive step size"),
            ({"t_span": (0, 1), "dt": 0}, "positive step size"),
            ({"t_span": (0, 1), "save_at": [0.5, 1.5]}, "1.5 outside the span"),
            ({"t_span": (0, 1), "save_at": []}, "at least one time"),
            ({"t_span": (0, 1), "save_at": [0.7, 0.3]}, "order"),
            ({"t_span": (0, 1), "method": "rk5"}, "known: euler"),
            ({"t_span": (0, 1), "method": "rk4"}, "give dt="),
            ({"t_span": (0, 1), "gradient": "adjoint"}, "checkpointed"),
            ({"t_span": (0, 1), "on_failure": "ignore"}, "'raise' or 'keep'"),
            ({"t_span": (0, 1), "max_steps": 0}, "max_steps"),
            ({"t_span": (0, 1), "batch_dims": 2}, "batch_dims"),
            ({"t_span": (0, 1), "events": [1]}, "events holds int, expected fs.Event"),
            ({"t_span": (0, 1), "backend": "jax"}, "backend"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(fs.OptionError, match=message):
            fs.solve(lambda t, y: -y, self.y0, **options)

    @pytest.mark.parametrize(
        ("f", "y0", "message"),
        [
            (lambda t, y: -y, torch.tensor([1.0, float("nan")]), "NaN"),
            (lambda t, y: -y, torch.ones(2, dtype=torch.float16), "float16"),
            (lambda t, y: y[:1], torch.ones(2), "shape"),
            (lambda t, y: y.double(), torch.ones(2), "dtype"),
            (lambda t, y: 3.0, torch.ones(2), "float"),
            (lambda t, y: -y, {"u": 1.0}, "FieldEquation"),
        ],
    )
    def test_states(self, f, y0, message):
        with pytest.raises(fs.StateError, match=message):
            fs.solve(f, y0, t_span=(0, 1))

    def test_not_a_function(self):
        with pytest.raises(fs.OptionError, match="got int"):
            fs.solve(3, self.y0, t_span=(0, 1))

    def test_an_interrupt_is_not_swallowed(self):
        def interrupted(t, y):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fs.solve(interrupted, self.y0, t_span=(0, 1))
