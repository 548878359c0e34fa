"""The parts of the search for invariants: null spaces, bilinear probes, variational calculus, Lyapunov functions."""

import numpy as np
import pytest
import sympy
import torch

import fieldsolver as fs
from fieldsolver.analysis.structure import lyapunov_search
from fieldsolver.analysis.structure.exact_numbers import fraction, near_fraction
from fieldsolver.analysis.structure.field_formulas import FieldFormulas
from fieldsolver.analysis.structure.forms import find_forms
from fieldsolver.analysis.structure.formulas import Formulas, torch_value
from fieldsolver.analysis.structure.functionals import (
    chemical_potentials,
    density_of_gradient,
    is_conserved,
)
from fieldsolver.analysis.structure.jets import Jets
from fieldsolver.analysis.structure.kind import examine
from fieldsolver.analysis.structure.library import Family, monomials
from fieldsolver.analysis.structure.linear_relations import echelon, null_space, rationalised
from fieldsolver.analysis.structure.lyapunov_linear import linear_matrix, lyapunov_equation
from fieldsolver.analysis.structure.lyapunov_search import lyapunov_function, point_of_rest
from fieldsolver.analysis.structure.potential import Potential
from fieldsolver.analysis.structure.probes import probe
from fieldsolver.analysis.structure.proof import relation, relations, vanishes
from fieldsolver.analysis.structure.samples import generator_of, positive_states, smooth_states, spread_states
from fieldsolver.analysis.structure.search import independent, sample, search
from fieldsolver.analysis.structure.symmetries import divergence, reversal, skewness
from fieldsolver.analysis.structure.system import system_of
from fieldsolver.equations import FieldEquation

PERIODIC = fs.Periodic()


def line(points=24, extent=6.0, **options):
    return {"grid": fs.Grid(points, extent=extent), "boundary": PERIODIC} | options


def forms_of(f, size=None):
    system = system_of(f, size)
    return {form.kind: form for form in find_forms(probe(system, generator_of(0)))}


# -------------------------------------------------------------------------------------------------- linear relations


def matrix_with_relation(noise, columns=6, rows=60):
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(rows, columns))
    matrix[:, 4] = 2 * matrix[:, 0] - 3 * matrix[:, 2] + noise * generator.normal(size=rows)
    return matrix, np.sqrt((matrix**2).mean(axis=0))


def test_a_relation_is_found_with_its_gap_and_in_whole_numbers():
    null = null_space(*matrix_with_relation(0.0))
    assert null.vectors.shape == (1, 6)
    assert null.gap < 1e-14
    assert [int(f) for f in rationalised(echelon(null.vectors, np.arange(6))[0][[0, 2, 4]])] == [2, -3, -1]


@pytest.mark.parametrize(("noise", "clear"), [(1e-6, True), (1e-11, False)])
def test_noise_is_no_relation(noise, clear):
    null = null_space(*matrix_with_relation(noise))
    assert null.clear is clear
    assert len(null.vectors) == 0


def test_columns_of_very_different_size_count_alike():
    matrix, size = matrix_with_relation(0.0)
    scale = 10.0 ** np.array([0, 6, -3, 2, -7, 1])
    null = null_space(matrix * scale, size * scale)
    expected = np.array([2.0, 0, -3, 0, -1, 0]) / scale
    found = null.vectors[0]
    assert found / found[0] == pytest.approx(expected / expected[0], abs=1e-9 * np.abs(expected / expected[0]).max())


def test_rationals_are_refused_where_they_do_not_fit():
    assert rationalised(np.array([1.0, 1 / 3, 0.25])) is not None
    assert rationalised(np.array([1.0, np.sqrt(2)])) is None
    assert near_fraction(1 / 3) == sympy.Rational(1, 3)
    assert near_fraction(0.1 + 1e-15) == sympy.Rational(1, 10)
    assert fraction(1.1) == sympy.Rational(11, 10)


# -------------------------------------------------------------------------------------------------------- the probes


def test_a_gradient_flow_is_known_by_its_metric_and_its_potential():
    """m_a f_a = -dE/dy_a with m = (1, 1/2) and E = 3 x**2/2 - x y**2 + y**4/8."""
    equation = FieldEquation("dx/dt = -3*x + y**2; dy/dt = 4*x*y - y**3")
    form = forms_of(equation)["gradient flow"]
    assert np.array_equal(form.matrix, np.diag([-1.0, -0.5]))
    system = system_of(equation)
    y = spread_states(system, 20, generator_of(1))
    potential = Potential(system, form.matrix, torch.zeros(2, dtype=torch.float64))
    exact = 1.5 * y[:, 0] ** 2 - y[:, 0] * y[:, 1] ** 2 + y[:, 1] ** 4 / 8
    assert torch.allclose(potential(y), exact, rtol=1e-12, atol=1e-12)
    rate, size = potential.rate(y)
    assert bool((rate < 0).all())
    assert torch.allclose(rate, -(system(y) ** 2 * torch.tensor([1.0, 0.5])).sum(-1), rtol=1e-9)
    assert bool((size >= rate.abs() * (1 - 1e-12)).all())


def test_no_metric_makes_a_flow_with_rotation_a_gradient():
    assert "gradient flow" not in forms_of(FieldEquation("dx/dt = -x + y**2; dy/dt = -y - x"))
    assert "gradient flow" not in forms_of(FieldEquation("dx/dt = -x + 1e-6*y; dy/dt = -y + 2*x*y - 1e-6*x"))


def test_a_charge_in_a_magnetic_field_is_hamiltonian_in_no_canonical_form():
    """x'' = B v_y - dV/dx: Omega has the field B between the momenta's partners."""
    magnetic = FieldEquation("dx/dt = a; dy/dt = b; da/dt = 3*b - x**3; db/dt = -3*a - y")
    form = forms_of(magnetic)["Hamiltonian"]
    assert np.array_equal(form.matrix, -form.matrix.T)
    assert form.matrix[0, 1] / form.matrix[2, 0] == pytest.approx(3.0, abs=1e-9) or form.matrix[0, 1] != 0
    system = system_of(magnetic)
    y = spread_states(system, 10, generator_of(2))
    rate, size = Potential(system, form.matrix, y[0]).rate(y[1:])
    assert float((rate.abs() / size).max()) < 1e-12


def test_friction_on_one_pair_only():
    two = FieldEquation("dq/dt = p; dr/dt = s; dp/dt = -q**3 - r - 0.5*p; ds/dt = -q - r")
    form = forms_of(two)["damped Hamiltonian"]
    friction = form.friction / np.abs(form.matrix[0, 2])
    assert friction == pytest.approx([0.5, 0, 0, 0], abs=1e-9)
    assert "Hamiltonian" not in forms_of(two)


def test_activator_and_inhibitor_are_a_skew_gradient_system():
    system = FieldEquation("du/dt = laplacian(u) + u - u**3 - v; dv/dt = laplacian(v) + 0.25*(u - v)", **line())
    form = forms_of(system)["skew-gradient"]
    assert form.matrix[0, 0] * form.matrix[1, 1] < 0
    assert form.matrix[0, 0] / form.matrix[1, 1] == pytest.approx(-0.25)


def test_the_discrete_laplacian_is_symmetric_in_the_weights_of_the_grid_only():
    """On a node-centred grid the cells at the walls are half as large."""
    grid = fs.Grid(17, extent=1.0, centring="node")
    scheme = fs.FiniteDifference(order=2, closure="summation_by_parts")
    equation = FieldEquation("du/dt = laplacian(u) - u**3", grid=grid, boundary=fs.Neumann(0), scheme=scheme)
    assert "gradient flow" in forms_of(equation)
    system = system_of(equation)
    assert float(system.weights[0] / system.weights[8]) == pytest.approx(0.5)
    lopsided = FieldEquation("du/dt = laplacian(u) - d_dx(u)", **line())
    assert "gradient flow" not in forms_of(lopsided)


def test_volume_skewness_and_reversal():
    lorenz = system_of(FieldEquation("dx/dt = 10*(y - x); dy/dt = x*(28 - z) - y; dz/dt = x*y - 8/3*z"))
    y = spread_states(lorenz, 4, generator_of(0))
    assert divergence(lorenz, y, generator_of(0)).mean == pytest.approx(-(10 + 1 + 8 / 3))
    pendulum = system_of(FieldEquation("dq/dt = p; dp/dt = -sin(q)"))
    y = spread_states(pendulum, 4, generator_of(0))
    assert divergence(pendulum, y, generator_of(0)).defect == 0.0
    assert reversal(pendulum, y).description == "p change sign"
    transport = system_of(FieldEquation("du/dt = d_dx(u)", **line()))
    y = smooth_states(transport, 4, generator_of(0))
    assert skewness(transport, y, generator_of(0)) < 1e-14
    assert reversal(transport, y).description == "the first axis is mirrored"


def test_the_trace_of_a_large_jacobian_is_estimated_with_its_error():
    decay = system_of(FieldEquation("du/dt = -2*u + d_dx(u)", **line(100)))
    found = divergence(decay, smooth_states(decay, 2, generator_of(0)), generator_of(0))
    assert abs(found.mean + 200) < 20
    assert found.uncertainty > 0


def test_a_driven_pendulum_is_not_called_damped():
    driven, damped = (FieldEquation(f"dq/dt = p; dp/dt = -sin(q) {sign} 0.1*p") for sign in "+-")
    names = [{form.kind for form in examine(system_of(f), 0).forms} for f in (driven, damped)]
    assert names == [set(), {"damped Hamiltonian"}]


# ---------------------------------------------------------------------------------------------- variational calculus


def jets_of(dimension, count=1):
    return Jets([sympy.Symbol(name, real=True) for name in "xyz"[:dimension]], count)


def test_the_euler_operator_gives_textbook_gradients():
    jets = jets_of(1)
    u, ux, uxx, uxxxx = (jets.symbol(0, (n,)) for n in (0, 1, 2, 4))
    assert sympy.expand(jets.variational(ux**2 / 2 + u**4 / 4, 0) - (u**3 - uxx)) == 0
    assert sympy.expand(jets.variational(uxx**2 / 2, 0) - uxxxx) == 0
    assert sympy.expand(jets.variational(sympy.cos(u), 0) + sympy.sin(u)) == 0


def test_divergences_have_no_euler_operator():
    jets = jets_of(2, 2)
    u, v = jets.symbol(0), jets.symbol(1)
    flux = u**2 * jets.symbol(1, (1, 0)) + sympy.sin(u) * v
    for axis in (0, 1):
        assert all(vanishes(entry) for entry in jets.gradient(jets.total(flux, axis)))
    assert not all(vanishes(entry) for entry in jets.gradient(flux))


def test_homotopy_inverts_the_gradient_and_refuses_what_is_none():
    jets = jets_of(1)
    u, ux, uxx = (jets.symbol(0, (n,)) for n in (0, 1, 2))
    density = ux**2 * u / 2 + sympy.cos(u) + u**5
    back = density_of_gradient(jets, [jets.variational(density, 0)])
    assert vanishes(jets.variational(back - density, 0))
    for force in (ux, u * ux, uxx * u):  # transport, Burgers, and half of a gradient
        assert density_of_gradient(jets, [force]) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("laplacian(u**3 - u)", "u**3 - u"),
        ("m*laplacian(u**3 - u - laplacian(u))", "u**3 - u - laplacian"),
        ("laplacian(u**3) - m*biharmonic(u)", "u**3 - m*laplacian"),
        ("-laplacian(u) + d2_dx2(u**2)", "u**2 - u"),
        ("laplacian(u) + u", None),
        ("u*laplacian(u)", None),
        ("-m*laplacian(u)", "-m*u"),
    ],
)
def test_chemical_potentials_are_read_off_the_declaration(text, found):
    parameters = {"m": 2.0} if "m*" in text else {}
    equation = FieldEquation(f"du/dt = {text}", **line(), parameters=parameters)
    formulas = FieldFormulas(system_of(equation))
    potentials = chemical_potentials(formulas)
    if found is None:
        assert potentials is None
    else:
        jets, m = formulas.jets, sympy.Symbol("m", real=True)
        u, lap = jets.symbol(0), jets.symbol(0, (2,))
        expected = {
            "u**3 - u": u**3 - u,
            "u**3 - u - laplacian": u**3 - u - lap,
            "u**3 - m*laplacian": u**3 - m * lap,
            "u**2 - u": u**2 - u,
            "-m*u": -m * u,
        }[found]
        assert sympy.expand(potentials[0].subs(formulas.numbers) - expected.subs(m, 2)) == 0


def test_conservation_of_densities_is_decided_by_algebra():
    kdv = FieldFormulas(system_of(FieldEquation("du/dt = -6*u*d_dx(u) - d3_dx3(u)", **line())))
    jets = kdv.jets
    u, ux = jets.symbol(0), jets.symbol(0, (1,))
    assert is_conserved(kdv, ux**2 - 2 * u**3)
    assert not is_conserved(kdv, ux**2 - u**3)
    assert not is_conserved(kdv, ux**2 + 2 * u**3)
    assert not is_conserved(kdv, u**4)


def test_a_constant_source_changes_the_mass_although_its_rate_is_a_divergence_to_euler():
    fed = FieldFormulas(system_of(FieldEquation("du/dt = d2_dx2(u) + 0.5", **line())))
    assert not is_conserved(fed, fed.jets.symbol(0))


# ----------------------------------------------------------------------------------------------- formulas and proofs


def test_expressions_are_evaluated_like_torch():
    a, b = sympy.symbols("a b", real=True)
    y = torch.rand(7, 2, dtype=torch.float64, generator=generator_of(0)) + 0.5
    known = {a: y[:, 0], b: y[:, 1]}
    value = torch_value(sympy.sin(a) * b**-1.5 + sympy.log(a * b) - sympy.Rational(1, 3) * sympy.exp(-a), known)
    expected = torch.sin(y[:, 0]) * y[:, 1] ** -1.5 + torch.log(y[:, 0] * y[:, 1]) - torch.exp(-y[:, 0]) / 3
    assert torch.allclose(value, expected, rtol=1e-14)


def test_relations_hold_for_all_values_of_the_parameters():
    x, y, k = sympy.symbols("x y k", real=True)
    (only,) = relations([[k * x * y], [x * y**2], [x * y / (1 + k)]], [x, y])
    assert only[1] == 0
    assert sympy.simplify(only[0] * k + only[2] / (1 + k)) == 0
    assert relations([[x], [y]], [x, y]) == []
    assert relation([k * x, x], [x, y]) == [-1, k]
    assert relation([x, x, 2 * x], [x, y]) is None  # two relations: neither is the one that was meant


def test_functions_of_what_is_known_are_dependent():
    formulas = Formulas(system_of(FieldEquation("dq/dt = p; dp/dt = -q; dr/dt = 0*r")))
    q, p, r = formulas.unknowns
    y, _ = sample(formulas.system, 30, 0)
    energy = q**2 + p**2
    assert not independent(formulas, [energy], energy**2 + 3 * energy, y)
    assert not independent(formulas, [energy], sympy.log(energy), y)
    assert independent(formulas, [energy], r + energy, y)


def test_a_search_works_on_states_not_on_trajectories():
    """It evaluates the right-hand side once per state."""
    calls = []

    def f(t, y):
        calls.append(1)
        return torch.stack([y[1], -y[0]])

    system = system_of(f, 2)
    formulas = Formulas(system)
    result = search(system, formulas, Family("quadratic", monomials(formulas.unknowns, 2)), 0)
    assert len(calls) == 1  # one call under vmap
    assert [str(c.expression) for c in result.candidates] == ["~000**2 + ~001**2"]


def test_complex_fields_are_two_real_ones():
    equation = FieldEquation("dpsi/dt = 1j*laplacian(psi) - v*psi; dv/dt = -v", complex_fields=("psi",), **line())
    system = system_of(equation)
    assert system.names == ("real(psi)", "imag(psi)", "v")
    y = positive_states(system, 3, generator_of(0))
    native = system.native(y)
    assert torch.equal(native[:, 0], torch.complex(y[:, 0], y[:, 1]))
    assert torch.equal(system.real(native), y)
    assert torch.equal(system(y), system.real(equation(torch.zeros(3, dtype=torch.float64), native)))


# ------------------------------------------------------------------------------------------------- Lyapunov functions


def test_the_lyapunov_equation_is_solved_and_refused():
    a = np.array([[-1.0, 5.0], [0.0, -2.0]])
    found = lyapunov_equation(a, np.array([1.0, 2.0]))
    assert found.residual < 1e-12
    assert np.allclose(a.T @ found.matrix + found.matrix @ a, -np.eye(2), atol=1e-12)
    assert np.allclose(a @ found.centre, [-1.0, -2.0])
    assert lyapunov_equation(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.zeros(2)) is None
    assert lyapunov_equation(np.array([[-1.0, 0.0], [0.0, 0.1]]), np.zeros(2)) is None
    # Stable, but so far from normal that rounding may have changed the sign of the smallest eigenvalue of P.
    assert lyapunov_equation(np.array([[-1.0, 1e9], [0.0, -1.0]]), np.zeros(2)) is None


def test_linear_systems_are_known_by_their_jacobian():
    a, b = linear_matrix(system_of(FieldEquation("dx/dt = -x + 3*y + 1; dy/dt = -2*y")), 0)
    assert np.allclose(a, [[-1, 3], [0, -2]])
    assert np.allclose(b, [1, 0])
    assert linear_matrix(system_of(FieldEquation("dx/dt = -x + 1e-6*x*y; dy/dt = -y")), 0) is None


@pytest.mark.parametrize("samples", [300, 5])
def test_a_lyapunov_function_falls_on_a_mesh_it_has_not_seen(samples, monkeypatch):
    """Reversed van der Pol: the unit disc lies inside the basin. Five samples would not do: attacks add to them."""
    monkeypatch.setattr(lyapunov_search, "SAMPLES", samples)
    system = system_of(FieldEquation("dx/dt = -y; dy/dt = x - (1 - x**2)*y"))
    formulas = Formulas(system)
    found = lyapunov_function(system, formulas, 0)
    assert found.radius == 1.0
    angle, radius = torch.meshgrid(torch.linspace(0, 6.28, 200), torch.linspace(0.01, 1.0, 60), indexing="ij")
    y = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=-1).reshape(-1, 2).double()
    values = formulas.values([found.expression], y)[:, 0]
    rates = (formulas.slopes([found.expression], y)[:, 0] * system(y)).sum(-1)
    assert bool((values > 0).all())
    assert bool((rates < 0).all())


def test_no_lyapunov_function_without_a_stable_point_of_rest():
    unstable = system_of(FieldEquation("dx/dt = y; dy/dt = (1 - x**2)*y - x"))
    assert point_of_rest(unstable, 0) is None
    assert lyapunov_function(unstable, Formulas(unstable), 0) is None
