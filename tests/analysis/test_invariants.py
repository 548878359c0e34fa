"""Invariants that the textbooks know are found, what does not exist is not."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import energy, invariants
from fieldsolver.analysis.invariants import study
from fieldsolver.analysis.problem import Problem
from fieldsolver.analysis.structure.density_choice import choose_density
from fieldsolver.equations import FieldEquation
from fieldsolver.errors import EquationError, OptionError, StateError, UnknownNameError
from fieldsolver.results import AnalysisResult, Verdict

PERIODIC = fs.Periodic()
KEPLER = "dx/dt = px; dy/dt = py; dpx/dt = -x/(x**2 + y**2)**1.5; dpy/dt = -y/(x**2 + y**2)**1.5"
HENON_HEILES = "dx/dt = px; dy/dt = py; dpx/dt = -x - 2*x*y; dpy/dt = -y - x**2 + y**2"
LORENZ = "dx/dt = 10*(y - x); dy/dt = x*(28 - z) - y; dz/dt = x*y - 8/3*z"
TODA = (
    "da/dt = pa; db/dt = pb; dc/dt = pc;"
    "dpa/dt = exp(c - a) - exp(a - b); dpb/dt = exp(a - b) - exp(b - c); dpc/dt = exp(b - c) - exp(c - a)"
)


def line(points=32, extent=10.0):
    return fs.Grid(points, extent=extent)


def lotka_volterra(**rates):
    rates = {"alpha": 1.1, "beta": 0.4, "gamma": 0.4, "delta": 0.1} | rates
    return FieldEquation("dx/dt = alpha*x - beta*x*y; dy/dt = delta*x*y - gamma*y", parameters=rates)


def expressions(result, kind="conserved"):
    return [str(e) for e, k in zip(result["expression"].values, result["kind"].values, strict=True) if k == kind]


def structures(result):
    held = result["structure_holds"].values.astype(bool)
    return {str(name) for name in result["structure"].values[held]}


# ----------------------------------------------------------------------------------------- systems without a grid


def test_lotka_volterra_is_found_with_the_coefficients_of_the_textbook():
    """V = delta x - gamma ln x + beta y - alpha ln y; (1, 4, -4, -11) for these rates."""
    result = invariants(lotka_volterra())
    assert result.status is Verdict.PROVED
    assert expressions(result) == ["beta*y + delta*x - alpha*log(y) - gamma*log(x)"]
    assert str(result["with_numbers"][0].values) == "x + 4*y - 4*log(x) - 11*log(y)"
    assert float(result["null_gap"]) < 1e-13
    assert int(result["nullity"]) == 1


def test_lotka_volterra_is_proved_for_rates_that_are_no_simple_fractions():
    generator = torch.Generator().manual_seed(3)
    values = 0.3 + torch.rand(4, dtype=torch.float64, generator=generator)
    rates = dict(zip(("alpha", "beta", "gamma", "delta"), values.tolist(), strict=True))
    result = invariants(lotka_volterra(**rates))
    assert result.status is Verdict.PROVED
    assert expressions(result) == ["beta*y + delta*x - alpha*log(y) - gamma*log(x)"]


def test_kepler_has_energy_and_angular_momentum_and_their_values():
    """a = 1, e = 0.6 at the perihelion: H = -1/2, L = sqrt(1 - e**2) = 0.8."""
    equation = FieldEquation(KEPLER)
    result = invariants(equation)
    assert result.status is Verdict.PROVED
    assert expressions(result) == ["px**2/2 + py**2/2 - 1/sqrt(x**2 + y**2)", "x*py - y*px"]
    assert int(result["nullity"]) == 2
    assert {"Hamiltonian", "volume preserving", "reversible"} <= structures(result)
    start = torch.tensor([[0.4, 0.0, 0.0, math.sqrt(1.6 / 0.4)]], dtype=torch.float64)
    for text, value in zip(expressions(result), (-0.5, 0.8), strict=True):
        orbit = type("Solution", (), {"t": torch.zeros(1, dtype=torch.float64), "y": start})()
        assert float(energy(equation, orbit, density=text)["energy"][0]) == pytest.approx(value, rel=1e-14)


def test_a_plain_function_gives_the_same_on_random_states_without_a_proof():
    def kepler(t, y):
        cube = (y[0] ** 2 + y[1] ** 2) ** 1.5
        return torch.stack([y[2], y[3], -y[0] / cube, -y[1] / cube])

    result = invariants(kepler, states=4)
    assert result.status is Verdict.PASS
    assert expressions(result) == ["y[0]*y[3] - y[1]*y[2]", "y[2]**2 + y[3]**2 - 2/sqrt(y[0]**2 + y[1]**2)"]
    assert set(result["certificate"].values) == {"statistical"}


def test_nothing_cubic_is_conserved_by_lorenz():
    result = invariants(FieldEquation(LORENZ), degree=3)
    assert result.status is Verdict.NOT_FOUND
    assert 1e-4 < float(result["null_gap"]) < 0.1
    assert int(result["nullity"]) == 0
    assert result.dataset.sizes["invariant"] == 0
    assert structures(result) == set()
    with pytest.raises(AssertionError, match="NOT_FOUND"):
        result.assert_pass()


def test_henon_heiles():
    result = invariants(FieldEquation(HENON_HEILES))
    assert expressions(result) == ["x**2*y + x**2/2 + y**2/2 + px**2/2 + py**2/2 - y**3/3"]
    assert int(result["nullity"]) == 1


def test_the_library_alone_finds_the_henon_heiles_energy_in_whole_numbers():
    words = ["x**2", "y**2", "x*y", "px**2", "py**2", "px*py", "x**3", "x**2*y", "x*y**2", "y**3"]
    result = invariants(FieldEquation(HENON_HEILES), candidates=words)
    assert expressions(result) == ["6*x**2*y + 3*x**2 + 3*y**2 + 3*px**2 + 3*py**2 - 2*y**3"]
    assert result.status is Verdict.PROVED


def test_pendulum_and_toda_chain():
    assert expressions(invariants(FieldEquation("dq/dt = p; dp/dt = -sin(q)"))) == ["p**2/2 - cos(q)"]
    toda = invariants(FieldEquation(TODA), degree=2)
    assert expressions(toda)[0] == "pa**2/2 + pb**2/2 + pc**2/2 + exp(-a + c) + exp(a - b) + exp(b - c)"
    assert expressions(toda)[1] == "pa + pb + pc"


def test_the_rigid_body_has_two_and_no_function_of_them_is_listed():
    euler = "da/dt = (I2 - I3)/(I2*I3)*b*c; db/dt = (I3 - I1)/(I3*I1)*c*a; dc/dt = (I1 - I2)/(I1*I2)*a*b"
    equation = FieldEquation(euler, parameters={"I1": 1.0, "I2": 2.0, "I3": 3.0})
    result = invariants(equation)
    assert result.status is Verdict.PROVED
    assert list(result["with_numbers"].values) == ["3*a**2 - c**2", "3*b**2 + 4*c**2"]
    for known in ("a**2 + b**2 + c**2", "a**2/I1 + b**2/I2 + c**2/I3"):
        assert invariants(equation, expect=known).status is Verdict.PROVED


def test_the_population_of_sir_and_its_second_invariant():
    sir = FieldEquation("dS/dt = -b*S*J; dJ/dt = b*S*J - g*J; dR/dt = g*J", parameters={"b": 0.5, "g": 0.1})
    result = invariants(sir)
    assert expressions(result) == ["S + J + R", "b*R + g*log(S)"]
    assert result.status is Verdict.PROVED


def test_a_friction_of_a_millionth_is_not_overlooked():
    result = invariants(FieldEquation("dq/dt = p; dp/dt = -q - 1e-6*p"))
    assert expressions(result) == []
    assert len(expressions(result, "decreasing")) == 1
    claimed = invariants(FieldEquation("dq/dt = p; dp/dt = -q - 1e-6*p"), expect="q**2 + p**2")
    assert claimed.status is Verdict.FAIL
    assert "falls at all" in claimed.reason
    assert invariants(FieldEquation("dq/dt = p; dp/dt = -q"), expect="q**2 + p**2").status is Verdict.PROVED


def test_what_comes_closest_is_named():
    mixed = FieldEquation("dq/dt = p + 1e-6*q*p; dp/dt = -q - 1e-6*p**2*q**3")
    result = invariants(mixed, degree=2)
    assert result.status is Verdict.NOT_FOUND
    assert "q**2 + p**2 comes closest" in result.reason


def test_constants_are_no_invariants():
    equation = FieldEquation("dq/dt = p; dp/dt = -sin(q)")
    assert expressions(invariants(equation, candidates=["sin(q)**2", "cos(q)**2", "q"])) == []
    assert expressions(invariants(equation, candidates=["(q + p)**2", "q**2", "q*p", "p**2"])) == []


# ---------------------------------------------------------------------------------------- asked for an invariant


def test_an_invariant_that_does_not_exist_fails_with_its_rate_and_place():
    result = invariants(lotka_volterra(), expect="x*y")
    assert result.status is Verdict.FAIL
    assert "d/dt =" in result.reason
    assert "falls" not in result.reason
    assert "(x = " in result.reason
    assert float(np.abs(result["asked_rate"]).max()) > 0.1


def test_an_invariant_that_exists_is_proved_and_as_a_function_passes():
    equation = FieldEquation("dq/dt = p; dp/dt = -q")
    assert invariants(equation, expect="q**2/2 + p**2/2").status is Verdict.PROVED
    assert invariants(equation, expect=lambda y: (y**2).sum(-1)).status is Verdict.PASS
    assert invariants(equation, expect=lambda y: (y**4).sum(-1)).status is Verdict.FAIL


# --------------------------------------------------------------------------------------------- decreasing quantities


def test_a_damped_pendulum_lowers_its_energy():
    damped = FieldEquation("dq/dt = p; dp/dt = -sin(q) - g*p", parameters={"g": 0.1})
    result = invariants(damped)
    assert expressions(result, "decreasing") == ["p**2/2 - cos(q)"]
    assert structures(result) == {"damped Hamiltonian"}
    assert result.status is Verdict.PROVED


def test_a_pushed_pendulum_has_no_lyapunov_function():
    result = invariants(FieldEquation("dq/dt = p; dp/dt = -sin(q) + 0.1*p"), degree=2)
    assert result.status is Verdict.NOT_FOUND, result.reason


def test_a_hopfield_network_has_the_energy_of_hopfield_if_its_weights_are_symmetric():
    weights = torch.tensor([[0.0, 1.0, -2.0], [1.0, 0.0, 0.5], [-2.0, 0.5, 0.0]], dtype=torch.float64)
    network = "du/dt = -u + W @ tanh(u) + b"
    bias = torch.tensor([0.125, 0.25, 0.5], dtype=torch.float64)
    given = FieldEquation(network, components={"u": 3}, parameters={"W": weights, "b": bias})
    result = invariants(given, degree=2)
    assert result.status is Verdict.PROVED
    assert "gradient flow in a state metric" in structures(result)
    (text,) = expressions(result, "decreasing")
    # The literature: E = -1/2 g'Wg - b'g + sum int_0^g atanh
    y = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    g = torch.tanh(y)
    expected = -0.5 * ((g @ weights) * g).sum(-1) - g @ bias + (y * g - torch.log(torch.cosh(y))).sum(-1)
    found = energy_values(given, y, text)
    assert torch.allclose(found - found[0], expected - expected[0], rtol=1e-12, atol=1e-12)
    skewed = weights.clone()
    skewed[0, 1] = -1.0
    other = FieldEquation(network, components={"u": 3}, parameters={"W": skewed, "b": bias})
    assert "gradient flow in a state metric" not in structures(invariants(other, degree=1))


def energy_values(equation, y, text):
    from fieldsolver.analysis.budgets.density import Energy

    return Energy(equation, text)(torch.zeros(len(y), dtype=torch.float64), y)


def test_the_lyapunov_equation_serves_linear_systems():
    a = torch.tensor([[-1.0, 5.0, 0.0], [0.0, -2.0, 3.0], [-1.0, 0.0, -1.5]], dtype=torch.float64)
    declared = FieldEquation("du/dt = A @ u", components={"u": 3}, parameters={"A": a})
    result = invariants(declared)
    assert result.status is Verdict.PASS
    assert list(result["certificate"].values) == ["bounded"]
    assert list(invariants(lambda t, y: a @ y, states=3)["certificate"].values) == ["statistical"]
    assert "Lyapunov equation" in str(result["route"][0].values)
    assert float(result["defect"][0]) == 0.0
    unstable = a + 3 * torch.eye(3, dtype=torch.float64)
    assert invariants(lambda t, y: unstable @ y, states=3).status is Verdict.NOT_FOUND


def test_a_switch_is_not_taken_for_a_linear_system():
    switched = invariants(FieldEquation("dx/dt = where(x < 0, -x, -2*x) + y; dy/dt = -x - y"), degree=2)
    assert not any("Lyapunov equation" in str(route) for route in switched["route"].values)
    assert "bounded" not in switched["certificate"].values


def test_equations_that_can_be_trained_are_searched():
    net = torch.nn.Linear(1, 1).double()
    learned = FieldEquation("dx/dt = y; dy/dt = -k*x**3", parameters={"k": fs.Parameter(2.5, positive=True)})
    assert expressions(invariants(learned)) == ["k*x**4/4 + y**2/2"]
    module = FieldEquation("du/dt = laplacian(u) + net(u)", grid=line(), boundary=PERIODIC, modules={"net": net})
    result = invariants(module)
    assert "gradient flow" in structures(result)
    assert list(result["kind"].values) == ["decreasing"]
    assert "without formula" in str(result["expression"].values[0])


def test_mass_on_a_graph():
    ring = fs.Graph(torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0]]), 4)
    result = invariants(FieldEquation("du/dt = laplacian(u)", grid=ring))
    assert expressions(result) == ["u"]
    assert "gradient flow" in structures(result)


def test_linear_programming_finds_a_lyapunov_function_that_survives_attacks():
    reversed_van_der_pol = FieldEquation("dx/dt = -y; dy/dt = x - (1 - x**2)*y")
    result = invariants(reversed_van_der_pol, degree=3)
    assert result.status is Verdict.PASS
    assert "within 1 of (0, 0)" in str(result["domain"][0].values)
    (text,) = expressions(result, "decreasing")
    claim = invariants(reversed_van_der_pol, expect=text, degree=1)
    assert claim.status is Verdict.FAIL  # it falls in its ball only; far out it may rise


# ---------------------------------------------------------------------------------------------------- field equations

FIELDS = {
    "allen-cahn": ("du/dt = D*laplacian(u) + u - u**3", {"D": 0.1}),
    "cahn-hilliard": ("du/dt = laplacian(u**3 - u - k*laplacian(u))", {"k": 0.1}),
    "swift-hohenberg": ("du/dt = r*u - u - 2*laplacian(u) - biharmonic(u) - u**3", {"r": 0.3}),
    "heat": ("du/dt = D*laplacian(u)", {"D": 0.3}),
    "sine-gordon": ("d2u/dt2 = c**2*laplacian(u) - sin(u)", {"c": 1.5}),
    "damped": ("d2u/dt2 = c**2*laplacian(u) - sin(u) - g*d_dt(u)", {"c": 1.5, "g": 0.25}),
    "kdv": ("du/dt = -6*u*d_dx(u) - d3_dx3(u)", {}),
    "burgers": ("du/dt = -d_dx(u**2)/2 + 0.1*d2_dx2(u)", {}),
}
KNOWN = {
    "allen-cahn": ([], ["D*gradient_squared(u)/2 + u**4/4 - u**2/2"]),
    "cahn-hilliard": (["u"], ["u**4/4 - k*u*laplacian(u)/2 - u**2/2"]),
    "swift-hohenberg": ([], ["u**4/4 + u**2/2 + laplacian(u)**2/2 - r*u**2/2 - gradient_squared(u)"]),
    "heat": (["u"], ["D*gradient_squared(u)/2", "u**2/2"]),
    "sine-gordon": (["d_dt(u)**2/2 - c**2*u*laplacian(u)/2 - cos(u)", "u*d_dx(d_dt(u))"], []),
    "damped": ([], ["d_dt(u)**2/2 - 9*u*laplacian(u)/8 - cos(u)"]),
    "burgers": (["u"], []),
}


def field(name, points=32):
    text, parameters = FIELDS[name]
    return FieldEquation(text, grid=line(points), boundary=PERIODIC, parameters=parameters)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_energies_of_field_equations(name):
    result = invariants(field(name))
    conserved, decreasing = KNOWN[name]
    assert (expressions(result), expressions(result, "decreasing")) == (conserved, decreasing)
    assert result.status is Verdict.PROVED
    assert set(result["certificate"].values) == {"exact"}


def test_the_density_of_allen_cahn_gives_the_energy_of_a_flat_interface():
    """E = 2 sqrt(2)/3 = 0.942809... for W = (1 - u**2)**2/4, which differs from the density by 1/4 per length."""
    eps = 0.1
    equation = FieldEquation(
        "du/dt = eps*laplacian(u) - (u**3 - u)/eps",
        grid=fs.Grid(2000, bounds=(-2.0, 2.0)),
        boundary=fs.Neumann(0),
        parameters={"eps": eps},
    )
    choice = choose_density(equation)
    (x,) = equation.grid.coordinates()
    u = torch.tanh(x / (math.sqrt(2) * eps)).reshape(1, 1, -1)
    value = float(energy_values(equation, u, choice.expression)) + 4.0 / (4 * eps)
    assert value == pytest.approx(2 * math.sqrt(2) / 3, rel=1e-4)


def test_kdv_has_mass_momentum_energy_and_the_next_one_of_its_hierarchy():
    result = invariants(field("kdv"))
    assert expressions(result) == [
        "u",
        "u**2",
        "gradient_squared(u) - 2*u**3",
        "5*u**4 + d2_dx2(u)**2 - 10*u*gradient_squared(u)",
    ]
    assert list(result["discrete"].values) == [1, 0, 0, 0]  # central differences keep the mass only
    assert "keeps 1 of 4" in result.reason
    coarse, fine = (float(invariants(field("kdv", n), expect="u**2")["asked_rate"].max()) for n in (32, 64))
    assert 3 < coarse / fine < 5.5  # what the grid breaks is of second order


def test_the_nonlinear_schroedinger_equation_has_mass_momentum_and_energy():
    equation = FieldEquation(
        "dpsi/dt = 1j*laplacian(psi) + 2j*abs(psi)**2*psi",
        grid=line(),
        boundary=PERIODIC,
        complex_fields=("psi",),
    )
    result = invariants(equation)
    assert expressions(result) == [
        "-(real(psi)*laplacian(real(psi))/2) - imag(psi)*laplacian(imag(psi))/2 - abs(psi)**4/2",
        "abs(psi)**2",
        "real(psi)*d_dx(imag(psi))",
    ]
    assert result.status is Verdict.PROVED
    assert list(result["discrete"].values) == [1, 1, 0]
    assert {"Hamiltonian", "volume preserving", "reversible"} <= structures(result)
    wrong = FieldEquation(
        "dpsi/dt = 1j*laplacian(psi) + (2j - 0.01)*abs(psi)**2*psi",
        grid=line(),
        boundary=PERIODIC,
        complex_fields=("psi",),
    )
    assert "abs(psi)**2" not in expressions(invariants(wrong))


def test_patterns_without_energy_have_none():
    gray_scott = FieldEquation(
        "du/dt = 1e-3*laplacian(u) - u*v**2 + 0.03*(1 - u); dv/dt = 1e-3*laplacian(v) + u*v**2 - 0.09*v",
        grid=line(),
        boundary=PERIODIC,
    )
    assert invariants(gray_scott).status is Verdict.NOT_FOUND


def test_walls_are_judged_by_the_discrete_operator():
    """Mass leaves through Dirichlet walls and stays between closed ones; waves leave through absorbing ones."""

    def heat(wall):
        return invariants(FieldEquation("du/dt = laplacian(u)", grid=line(), boundary=wall))

    closed, leaking = heat(fs.Neumann(0)), heat(fs.Dirichlet(0))
    assert expressions(closed) == ["u"]
    assert closed.status is Verdict.PASS
    assert set(closed["certificate"].values) == {"statistical"}
    assert expressions(leaking) == []
    held = heat(fs.Dirichlet(1.0))
    assert "u**2/2" in expressions(leaking, "decreasing")
    assert "u**2/2" not in expressions(held, "decreasing")  # the walls can push in more than is lost
    waves = FieldEquation("d2u/dt2 = laplacian(u)", grid=line(), boundary=fs.Absorbing(1.0))
    result = invariants(waves)
    assert result.status is Verdict.NOT_FOUND
    assert "without walls it would conserve" in result.reason


def test_a_nonlocal_equation_is_searched_by_numbers():
    kernel = fs.Kernel(lambda r: torch.exp(-(r**2)), edge="periodic")
    spread = FieldEquation(
        "du/dt = convolve(w, u) - m*u",
        grid=line(),
        boundary=PERIODIC,
        kernels={"w": kernel},
        parameters={"m": 1.0},
    )
    ones = torch.ones(1, 1, 32, dtype=torch.float64)
    balance = float(spread(0.0, ones)[0, 0, 0]) + 1.0
    exact = FieldEquation(
        "du/dt = convolve(w, u) - m*u",
        grid=line(),
        boundary=PERIODIC,
        kernels={"w": kernel},
        parameters={"m": balance},
    )
    assert expressions(invariants(spread)) == []
    result = invariants(exact)
    assert expressions(result) == ["u"]
    assert result["certificate"].values[0] == "statistical"
    assert result.status is Verdict.PASS


def test_the_chosen_density_can_be_given_to_energy():
    equation = field("sine-gordon")
    choice = choose_density(equation)
    assert choice.kind == "conserved"
    assert choice.discrete
    (x,) = equation.grid.coordinates()
    start = {"u": torch.cos(2 * math.pi * x / 10), "du/dt": torch.zeros_like(x)}
    times = torch.linspace(0, 1, 5, dtype=torch.float64)
    solution = fs.solve(equation, start, t_span=(0, 1), dt=0.01, method="rk4", save_at=times)
    result = energy(equation, solution, density=choice.expression, expect="conserved", rtol=1e-7)
    assert result.status is Verdict.PASS, result.reason
    assert np.abs(result["rate"].values).max() < 1e-12


# --------------------------------------------------------------------------------------------- refusals and results


def test_questions_that_make_no_sense_are_not_applicable():
    noisy = FieldEquation("dx/dt = -x + 0.1*white_noise(0)", calculus="ito")
    driven = FieldEquation("dx/dt = -x + sin(t)")
    dropout = torch.nn.Dropout(0.5)
    for f, states, word in (
        (noisy, None, "noise"),
        (driven, None, "time"),
        (lambda t, y: -y * t, 3, "time"),
        (lambda t, y: dropout(y), 3, "random"),
    ):
        result = invariants(f, states=states)
        assert result.status is Verdict.NOT_APPLICABLE
        assert word in result.reason


def test_a_function_without_forward_derivative_is_still_searched():
    class Cut(torch.autograd.Function):
        @staticmethod
        def forward(y):
            return y * 1.0

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        generate_vmap_rule = True

    def rotation(t, y):
        y = Cut.apply(y)
        return torch.stack([y[1], -y[0]])

    result = invariants(rotation, states=2)
    assert expressions(result) == ["y[0]**2 + y[1]**2"]
    assert "no forward derivative" in str(result["structure_detail"][0].values)


def test_given_states_are_used_and_what_they_are_too_few_for_is_named():
    def jerk(t, y):
        return torch.stack([y[1], y[2], y[0] ** 2 - y[2]])

    def random(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    few = invariants(jerk, states=random(5, 3), degree=3)
    assert few.status is Verdict.NOT_FOUND
    assert "too few states" in few.reason
    assert "monomials to degree 3" in few.reason
    none = invariants(jerk, states=random(2, 3), degree=3)
    assert none.status is Verdict.INCONCLUSIVE
    equation = FieldEquation("dq/dt = p; dp/dt = -q**5")
    assert invariants(equation, states=random(80, 2)).status is Verdict.PROVED


def test_between_round_off_and_law_nothing_is_claimed():
    nearly = invariants(lambda t, y: torch.stack([y[1] + 1e-10 * y[0] ** 3, -y[0]]), states=2, degree=2)
    assert nearly.status is Verdict.INCONCLUSIVE
    assert "noise and law" in nearly.reason
    assert nearly.dataset.sizes["invariant"] == 0


def test_many_unknowns_are_searched_for_linear_invariants():
    """Exchange along a ring of twenty: the sum is kept, and the sum of squares falls."""
    ring = invariants(lambda t, y: torch.roll(y, 1) - 2 * y + torch.roll(y, -1), states=20)
    assert expressions(ring) == [" + ".join(f"y[{k}]" for k in range(20))]
    assert "volume preserving" not in structures(ring)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"candidates": "x"}, OptionError, "list of expressions"),
        ({"candidates": ["z"]}, UnknownNameError, "z"),
        ({"candidates": ["x > 0"]}, EquationError, "comparison"),
        ({"degree": 0}, OptionError, "1 to 8"),
        ({"states": 0}, OptionError, "positive"),
        ({"states": torch.zeros(3)}, StateError, "many states"),
        ({"states": torch.zeros(3, 5)}, StateError, "expected"),
        ({"expect": 3}, OptionError, "expression"),
        ({"expect": "x*t"}, EquationError, "without t"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(options, error, words):
    with pytest.raises(error, match=words):
        invariants(lotka_volterra(), **options)


def test_a_function_must_say_how_many_unknowns_it_has():
    with pytest.raises(OptionError, match="states="):
        invariants(lambda t, y: -y)
    with pytest.raises(OptionError, match="FieldEquation or a function"):
        invariants(3)
    with pytest.raises(OptionError, match="must return the rate"):
        invariants(lambda t, y: y[:1], states=3)


@pytest.mark.parametrize("make", [lotka_volterra, lambda: field("kdv"), lambda: FieldEquation(LORENZ)])
def test_results_survive_netcdf_and_zarr_and_are_drawn(make, tmp_path):
    result = invariants(make())
    for stored in (
        AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "r.nc")),
        AnalysisResult.from_zarr(result.to_zarr(tmp_path / "r.zarr")),
    ):
        assert stored.status is result.status
        assert stored.dataset.identical(result.dataset.assign_attrs(stored.dataset.attrs)) or set(
            stored.dataset
        ) == set(result.dataset)
    for data in (*result.dataset.data_vars.values(), *result.dataset.coords.values()):
        assert {"units", "long_name"} <= set(data.attrs)
    for theme in ("light", "dark"):
        result.plot(theme).savefig(tmp_path / f"{theme}.png")


def test_a_study_takes_the_equation_of_a_problem():
    problem = Problem(field("heat"), {"u": torch.zeros(32)}, (0.0, 1.0))
    assert study(problem).status is Verdict.PROVED


def test_the_same_seed_gives_the_same_numbers():
    first, second = (invariants(FieldEquation(LORENZ), degree=2, seed=4) for _ in range(2))
    assert np.array_equal(first["singular_value"], second["singular_value"])
    assert float(invariants(FieldEquation(LORENZ), degree=2, seed=5)["null_gap"]) != float(first["null_gap"])
