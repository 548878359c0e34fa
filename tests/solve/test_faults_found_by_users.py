"""Faults that a first user found, each pinned by the smallest case that showed it."""

import numpy as np
import pytest
import torch

import fieldsolver as fs
import fieldsolver.analysis as fa

F64 = torch.float64


def test_adaptive_steps_do_not_jump_over_a_pulse():
    times = torch.arange(0, 1001, dtype=F64) * 0.1
    values = torch.zeros(1001, dtype=F64)
    values[500:511] = 1.0
    equation = fs.FieldEquation("du/dt = -u + s", parameters={"s": fs.Signal(times, values)})
    start = {"u": torch.tensor(0.0, dtype=F64)}
    adaptive = fs.solve(equation, start, t_span=(0, 100), save_at=[51.0, 100.0])
    fixed = fs.solve(equation, start, t_span=(0, 100), dt=0.005, save_at=[51.0, 100.0])
    torch.testing.assert_close(adaptive["u"], fixed["u"], rtol=0, atol=1e-4)
    assert adaptive["u"][0] > 0.6


@pytest.mark.parametrize(
    "text",
    ["du/dt = relu(u - 100)", "du/dt = heaviside(u - 1e6)", "du/dt = heaviside(t - 5)", "du/dt = where(t > 5, 1, 0)*u"],
)
def test_laws_that_switch_claim_no_conservation(text):
    assert fs.FieldEquation(text).conserved().shape == (0, 1)


def test_slow_growth_is_not_conservation():
    equation = fs.FieldEquation("du/dt = k*(v - u); dv/dt = k*(u - v) + 1e-9*u", parameters={"k": 1.0})
    assert equation.conserved().shape == (0, 2)


@pytest.mark.parametrize("term", ["30*mean(u)", "30*integral(u)", "30*convolve(w, u)"])
def test_linear_nonlocal_terms_count_in_the_bound(term):
    kernels = {"w": fs.Kernel(lambda x: torch.exp(-x.abs()), edge="periodic")} if "convolve" in term else {}
    equation = fs.FieldEquation(
        f"du/dt = -{term} - u", grid=fs.Grid(16, extent=1.0), boundary=fs.Periodic(), kernels=kernels
    )
    spectrum = np.linalg.eigvals(equation.jacobian().dense(0.0, torch.zeros(1, 16, dtype=F64)).numpy())
    bound = fs.explain(equation).linear.bound
    assert bound.kind == "upper"
    assert bound.lowest <= spectrum.real.min() + 1e-9
    with pytest.warns(fs.FieldSolverWarning, match="stability limit"):
        fs.solve(equation, {"u": torch.rand(16)}, t_span=(0, 0.4), dt=0.2, method="euler")
    with pytest.raises(fs.EquationError, match="nonlocal"):
        equation.symbol(np.array([1.0]))


def test_per_sample_parameters_are_explained_and_refused_by_searches():
    equation = fs.FieldEquation("du/dt = -k*u", parameters={"k": fs.PerSample(torch.tensor([1.0, 4.0]))})
    assert "k = tensor(2,) (per sample)" in str(fs.explain(equation))
    for search in (equation.conserved, equation.steady_states):
        with pytest.raises(fs.EquationError, match="differs between samples"):
            search()


def test_energy_of_an_equation_of_second_order():
    grid = fs.Grid(64, extent=1.0)
    equation = fs.FieldEquation("d2u/dt2 = laplacian(u)", grid=grid, boundary=fs.Neumann(0))
    (x,) = grid.coordinates()
    state = {"u": torch.cos(np.pi * x), "du/dt": 0 * x}
    solution = fs.solve(equation, state, t_span=(0, 1), save_at=torch.linspace(0, 1, 21), rtol=1e-10, atol=1e-12)
    fa.energy(equation, solution)  # the default density names the velocity
    wave = fa.energy(equation, solution, density="d_dt(u)**2/2 + gradient_squared(u)/2")
    assert wave["drift_rel"].max() < 1e-2  # central slopes are not the discrete energy; the mode still keeps it closely


def test_agreement_at_equal_phases_is_not_conservation():
    equation = fs.FieldEquation("du/dt = v; dv/dt = -u")
    start = {"u": torch.tensor(1.0, dtype=F64), "v": torch.tensor(1.0, dtype=F64)}
    times = torch.arange(0, 6, dtype=F64) * np.pi
    solution = fs.solve(equation, start, t_span=(0, 5 * np.pi), save_at=times, rtol=1e-11, atol=1e-13)
    assert fa.energy(equation, solution, density="u**2/2", expect="conserved").status.name == "FAIL"
    assert fa.energy(equation, solution, density="u**2/2 + v**2/2", expect="conserved").status.name == "PASS"


def test_weights_of_another_boundary_or_order_are_refused(tmp_path):
    def layer(boundary, order=2):
        equation = fs.FieldEquation(
            "du/dt = D*laplacian(u)",
            grid=fs.Grid(16, extent=1.0),
            boundary=boundary,
            parameters={"D": fs.Parameter(0.1, positive=True)},
            space_order=order,
        )
        return fs.nn.FieldLayer(equation)

    path = layer(fs.Neumann(0)).save(tmp_path / "w.safetensors")
    layer(fs.Neumann(0)).load_weights(path)
    for other in (layer(fs.Dirichlet(0)), layer(fs.Neumann(1)), layer(fs.Neumann(0), order=4)):
        with pytest.raises(fs.FileFormatError, match=r"boundary|scheme"):
            other.load_weights(path)


def test_a_layer_with_a_signal_can_be_cast_to_float32():
    equation = fs.FieldEquation("du/dt = -u + s", parameters={"s": fs.Signal([0.0, 1.0], [0.0, 1.0])})
    layer = fs.nn.FieldLayer(equation, duration=0.5).float()
    assert layer(torch.ones(2, 1)).dtype == torch.float32


def test_a_periodic_kernel_counts_every_sample():
    samples = torch.zeros(15, dtype=F64)
    samples[13], samples[0] = 1.0, 5.0
    equation = fs.FieldEquation(
        "du/dt = convolve(w, u)",
        grid=fs.Grid(8, extent=8.0),
        boundary=fs.Periodic(),
        kernels={"w": fs.Kernel(samples, edge="periodic")},
    )
    torch.testing.assert_close(equation(0.0, torch.ones(1, 8, dtype=F64)), torch.full((1, 8), 6.0, dtype=F64))


def test_limits_near_the_imaginary_axis_come_from_the_slowest_damping():
    """|1 + dt z| <= 1 needs dt <= 2 a / (a^2 + w^2): the weakly damped pair binds, not the farthest one."""
    equation = fs.FieldEquation(
        "du/dt = -a*u - 100*v; dv/dt = 100*u - a*v; dp/dt = -p/2 - 200*q; dq/dt = 200*p - q/2", parameters={"a": 0.001}
    )
    limit = next(line.dt for line in fs.explain(equation).limits if line.method == "euler")
    assert limit == pytest.approx(2 * 0.001 / (0.001**2 + 100**2), rel=1e-6)


@pytest.mark.parametrize(
    "text", ["-k*u", "k", "-k", "k[0]*u", "(-k)[0]*u", "dot(k, u)", "implicit(k)*u", "u/k", "k*phi"]
)
def test_a_matrix_acts_by_the_at_sign_alone(text):
    with pytest.raises(fs.EquationError, match=r"acts by @ alone|equal numbers"):
        fs.FieldEquation(f"du/dt = {text}; dphi/dt = k @ phi", components={"phi": 3}, parameters={"k": torch.eye(3)})


def test_coefficients_that_change_are_judged_where_the_run_starts():
    equation = fs.FieldEquation("du/dt = -(1 + 100*t)*u")
    with pytest.warns(fs.FieldSolverWarning, match="stability limit"):
        fs.solve(equation, {"u": 1.0}, t_span=(10, 10.2), dt=0.2, method="rk4")


def test_a_continuum_of_steady_states_is_said_to_be_one():
    equation = fs.FieldEquation("d2u/dt2 = -d_dt(u)")
    with pytest.warns(fs.FieldSolverWarning, match="continuum"):
        equation.steady_states()


@pytest.mark.parametrize(
    "options",
    [{"rtol": -1}, {"max_steps": 0}, {"gradient": "x"}, {"check": "x"}, {"duration": "a"}, {"dt": True}, {"dt": "a"}],
)
def test_layers_refuse_bad_options_when_they_are_made(options):
    with pytest.raises(fs.OptionError):
        fs.nn.FieldLayer(fs.FieldEquation("du/dt = -u"), **options)


@pytest.mark.parametrize("options", [{"dt": True}, {"dt": "a"}, {"save_at": "a"}, {"method": None}])
def test_solve_refuses_wrong_types_in_one_sentence(options):
    with pytest.raises(fs.OptionError):
        fs.solve(fs.FieldEquation("du/dt = -u"), {"u": 1.0}, t_span=(0, 1), **options)
