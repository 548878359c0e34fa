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
    with pytest.warns(fs.FieldSolverWarning, match="stab"):
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


def dense_linear_part(equation):
    """``f(e_i) - f(0)``, column by column."""
    size = equation.state_shape[0] * equation.grid.size
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *equation.state_shape)
    with torch.no_grad():
        return (equation(0.0, basis) - equation(0.0, torch.zeros_like(basis[:1]))).reshape(size, size).T


def test_fast_solves_know_of_the_metric():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u)",
        grid=fs.Grid((6, 6), extent=1.0),
        boundary=fs.Neumann(0),
        metric=lambda x, y: [[4 + 0 * x, 0 * x], [0 * x, 4 + x]],
    )
    b = torch.randn(1, 6, 6, dtype=torch.float64)
    matrix = torch.eye(36, dtype=torch.float64) - 0.1 * dense_linear_part(equation)
    expected = torch.linalg.solve(matrix, b.reshape(-1))
    assert torch.allclose(equation.shifted_solver().solve(b, 0.1).reshape(-1), expected, atol=1e-10)


def test_fast_solves_keep_their_digits_on_third_derivatives():
    grid = fs.Grid(64, extent=1.0)
    equation = fs.FieldEquation("du/dt = d3_dx3(u)", grid=grid, boundary=fs.Neumann(0))
    b = torch.randn(1, 64, dtype=torch.float64)
    x = equation.shifted_solver().solve(b, 1e-5)
    assert (x - 1e-5 * equation(0.0, x) - b).abs().max() < 1e-12


def test_fast_solves_say_what_they_leave_out():
    equation = fs.FieldEquation("du/dt = laplacian(x*u) - u", grid=fs.Grid(8, extent=1.0), boundary=fs.Periodic())
    assert "not in L: laplacian(x*u)" in equation.shifted_solver().reason


@pytest.mark.parametrize(
    ("b", "c", "sentence"),
    [
        (torch.ones(1, 8, dtype=torch.int64), 0.1, "float32, float64"),
        (torch.ones(0, 1, 8), 0.1, "is empty"),
        (torch.ones(1, 8), "1", "c is a number"),
        (torch.ones(1, 8), torch.ones(2), "c is a number"),
    ],
)
def test_fast_solves_refuse_in_words(b, c, sentence):
    solver = fs.FieldEquation(
        "du/dt = laplacian(u)", grid=fs.Grid(8, extent=1.0), boundary=fs.Periodic()
    ).shifted_solver()
    with pytest.raises(fs.FieldSolverError, match=sentence):
        solver.solve(b, c)


@pytest.mark.parametrize("shape", [(6,), (2, 6), (4, 3, 6), (1, 5)])
def test_a_state_of_another_shape_is_refused_by_the_equation(shape):
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(6, extent=1.0), boundary=fs.Neumann(0))
    with pytest.raises(fs.StateError, match=r"expected \(\*batch, 1, 6\)"):
        equation(0.0, torch.rand(shape))


@pytest.mark.parametrize("rate", ["laplacian(tanh(u))", "laplacian(net(u))", "diffusion(1 + sin(u)**2, log(2 + u))"])
@pytest.mark.parametrize("value", [0, 1.0, "g"])
def test_functions_of_held_fields_at_masks_and_penalties(rate, value):
    options = {
        "modules": {"net": torch.nn.Linear(1, 1).double()} if "net" in rate else {},
        "parameters": {"g": 0.5} if value == "g" else {},
    }
    masked = fs.FieldEquation(
        f"du/dt = {rate}",
        grid=fs.Grid(8, extent=1.0),
        mask=torch.arange(8) < 5,
        boundary={"x": fs.Neumann(0), "mask": fs.Dirichlet(value)},
        **options,
    )
    penalised = fs.FieldEquation(
        f"du/dt = {rate}",
        grid=fs.Grid(20, extent=1.0, centring="node"),
        boundary=fs.Dirichlet(value),
        scheme=fs.FiniteDifference(order=4, closure="summation_by_parts"),
        **options,
    )
    for equation in (masked, penalised):
        assert torch.isfinite(equation(0.0, 0.1 + torch.rand(3, *equation.state_shape, dtype=torch.float64))).all()


def test_weights_of_another_kernel_or_metric_are_refused(tmp_path):
    def layer(width, stretch):
        equation = fs.FieldEquation(
            "du/dt = D*laplacian(u)" if stretch else "du/dt = D*convolve(w, u)",
            grid=fs.Grid(16, extent=1.0),
            boundary=fs.Neumann(0),
            parameters={"D": fs.Parameter(0.1, positive=True)},
            kernels={} if stretch else {"w": fs.Kernel(lambda d: torch.exp(-((d / width) ** 2)), edge="zero")},
            metric=(lambda x: [[stretch + x]]) if stretch else None,
        )
        return fs.nn.FieldLayer(equation)

    for first, other in ((layer(0.1, 0), layer(0.2, 0)), (layer(0, 1.0), layer(0, 2.0))):
        path = first.save(tmp_path / "w.safetensors")
        first.load_weights(path)
        with pytest.raises(fs.FileFormatError):
            other.load_weights(path)


def test_graphs_of_curved_grids_are_refused():
    with pytest.raises(fs.GridError, match="Cartesian"):
        fs.Graph.from_grid(fs.Grid(8, extent=1.0, coordinates="polar"))


def test_a_limit_that_is_only_bounded_does_not_pretend_to_be_zero():
    equation = fs.FieldEquation("du/dt = -mean(2*u)", grid=fs.Grid(8, extent=1.0), boundary=fs.Periodic())
    with pytest.warns(fs.FieldSolverWarning, match="no step of euler is known to be stable"):
        fs.solve(equation, {"u": torch.rand(8)}, t_span=(0, 0.1), dt=0.005, method="euler")


LINE = fs.Grid(16, extent=1.0)
NODES = fs.Grid(41, extent=1.0, centring="node")
PARTS = fs.FiniteDifference(order=4, closure="summation_by_parts")


def test_conditions_that_no_penalty_feels_are_refused():
    walls = {"x-": fs.Dirichlet(1), "x+": fs.Neumann(0)}
    with pytest.raises(fs.BoundaryError, match="does not feel the conditions"):
        fs.FieldEquation("du/dt = -d_dx(u)", grid=NODES, scheme=PARTS, boundary=walls)
    fs.FieldEquation("du/dt = -u*d_dx(u) + 0.1*laplacian(u)", grid=NODES, scheme=PARTS, boundary=walls)


@pytest.mark.parametrize("advection", ["upwind1", "upwind3", "weno5"])
def test_explain_prints_upwinded_advection(advection):
    equation = fs.FieldEquation(
        "du/dt = -advection(c, u)",
        grid=LINE,
        boundary=fs.Periodic(),
        parameters={"c": torch.tensor([1.0])},
        scheme=fs.FiniteDifference(advection=advection),
    )
    assert "direction of the flow" in str(fs.explain(equation))


def test_dealiasing_with_a_parameter_that_is_an_expression():
    rates = {}
    for text, parameters in (("f*laplacian(u)", {"f": "2 + sin(2*pi*x)"}), ("(2 + sin(2*pi*x))*laplacian(u)", {})):
        equation = fs.FieldEquation(
            f"du/dt = {text}",
            grid=LINE,
            boundary=fs.Periodic(),
            scheme=fs.Spectral(dealias="pad"),
            parameters=parameters,
        )
        rates[text] = equation(0.0, torch.cos(torch.arange(16.0))[None].double())
    assert torch.allclose(*rates.values())


@pytest.mark.parametrize(
    "text", ["fractional_laplacian(1.0, 4*u)", "fractional_laplacian(0.5, u)", "-3*mean(u)", "-mean(2*u)"]
)
def test_bounds_hold_for_linear_terms_without_a_transform(text):
    equation = fs.FieldEquation(f"du/dt = {text}", grid=LINE, boundary=fs.Periodic(), scheme=fs.Spectral())
    spectrum = torch.linalg.eigvalsh(dense_linear_part(equation))  # they are symmetric
    bound = equation.linear_part().bound
    assert bound.lowest - 1e-8 <= spectrum.min()
    assert spectrum.max() <= bound.highest + 1e-8


def test_coordinates_close_with_an_anti_periodic_axis():
    equation = fs.FieldEquation("du/dt = diffusion(1 + x, u)", grid=fs.Grid(6, extent=6.0), boundary=fs.AntiPeriodic())
    matrix = dense_linear_part(equation)
    assert torch.allclose(matrix, matrix.T)


@pytest.mark.parametrize("condition", [fs.AntiPeriodic(), fs.Absorbing(1.0)])
def test_manufactured_solutions_and_steady_states_refuse_in_words(condition):
    equation = fs.FieldEquation("d2u/dt2 = laplacian(u) - u", grid=LINE, boundary=condition)
    with pytest.raises(fs.EquationError, match=type(condition).__name__):
        equation.manufactured({"u": "exp(-t)*cos(pi*x)"}, check=False)
    with pytest.raises(fs.EquationError):
        equation.steady_states()


def test_the_scheme_has_no_plane_waves_on_uneven_axes():
    grid = fs.Grid(16, extent=1.0, nodes={"x": fs.Clustered("polynomial", power=3)})
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=fs.Neumann(0))
    with pytest.raises(fs.EquationError, match="uniform axes"):
        equation.symbol(1.0, discrete=True)


def test_held_nodes_are_no_modes():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u)", grid=fs.Grid(21, extent=1.0, centring="node"), boundary=fs.Dirichlet(0)
    )
    seen = fs.explain(equation, state={"u": torch.zeros(21)}).at_state
    assert seen.rightmost.real == pytest.approx(equation.linear_part().bound.highest)


def test_complex_jacobians_are_refused_in_words():
    equation = fs.FieldEquation(
        "dA/dt = 1j*laplacian(A) - abs(A)**2*A", grid=LINE, boundary=fs.Periodic(), complex_fields=("A",)
    )
    state = torch.ones(1, 16, dtype=torch.complex128)
    for ask in (equation.jacobian().dense, equation.jacobian().sparse):
        with pytest.raises(fs.EquationError, match="real and imaginary"):
            ask(0.0, state)
    with pytest.raises(fs.OptionError, match="real and the imaginary"):
        fs.explain(equation, state={"A": state[0]})


@pytest.mark.parametrize("x", [fs.Dirichlet(0), fs.Neumann(0), fs.AntiPeriodic()])
def test_a_derivative_of_a_coordinate_has_ghosts_along_the_other_axis(x):
    equation = fs.FieldEquation(
        "du/dt = u - d2_dx2(d2_dy2(y**2))", grid=fs.Grid((7, 7), extent=1.0), boundary={"x": x, "y": fs.Neumann(0)}
    )
    y = torch.rand(1, 7, 7, dtype=torch.float64)
    assert torch.allclose(equation(0.0, y), y)
