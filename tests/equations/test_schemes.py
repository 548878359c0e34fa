"""Every scheme behind every boundary: spectra, symmetry, conservation, Jacobians, transformations, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fieldsolver as fs
from fieldsolver.equations.lowering import held_sides

ADVECTIONS = ("upwind1", "upwind3", "weno5")
EXTENT = 1.3
WALLS = {
    "P": (fs.Periodic(), fs.Periodic()),
    "A": (fs.AntiPeriodic(), fs.AntiPeriodic()),
    "N": (fs.Neumann(0), fs.Neumann(0)),
    "D": (fs.Dirichlet(0), fs.Dirichlet(0)),
    "DN": (fs.Dirichlet(0), fs.Neumann(0)),
    "ND": (fs.Neumann(0), fs.Dirichlet(0)),
    "R": (fs.Robin(1.0, 0.5, 0), fs.Robin(2.0, 1.0, 0)),
    "RD": (fs.Robin(1.0, 0.5, 0), fs.Dirichlet(0)),
}
PLAIN = {f"order {order}": fs.FiniteDifference(order) for order in (2, 4, 6, 8)}
BY_PARTS = {f"by parts {p}": fs.FiniteDifference(p, closure="summation_by_parts") for p in (2, 4, 6)}
SPECTRAL = {"spectral": fs.Spectral()}
SCHEMES = {**PLAIN, **BY_PARTS, **SPECTRAL}
NODES = {"uniform": None, "chebyshev": fs.Clustered("chebyshev"), "polynomial": fs.Clustered("polynomial", power=1.5)}


def line(rate, kind, scheme, points=18, centring="cell", nodes=None, **parameters):
    """``du/dt = rate`` on one axis."""
    low, high = WALLS[kind] if isinstance(kind, str) else kind
    closed = ("x",) if isinstance(low, (fs.Periodic, fs.AntiPeriodic)) and centring == "node" else ()
    placed = None if nodes is None else {"x": nodes}
    grid = fs.Grid(points, extent=EXTENT, centring=centring, periodic=closed, nodes=placed)
    boundary = {"x-": low, "x+": high}
    return fs.FieldEquation(f"du/dt = {rate}", grid=grid, boundary=boundary, scheme=scheme, parameters=parameters)


def plane(rate, kinds, scheme, shape=(9, 10), centring="cell", extent=(1.3, 1.1), **parameters):
    """``du/dt = rate`` on two axes, with one entry of `WALLS` for each."""
    closed = tuple(a for a, kind in zip("xy", kinds, strict=True) if kind in "PA") if centring == "node" else ()
    grid = fs.Grid(shape, extent=extent, centring=centring, periodic=closed)
    boundary = {}
    for axis, kind in zip("xy", kinds, strict=True):
        boundary |= {f"{axis}-": WALLS[kind][0], f"{axis}+": WALLS[kind][1]}
    return fs.FieldEquation(f"du/dt = {rate}", grid=grid, boundary=boundary, scheme=scheme, parameters=parameters)


def matrix(equation):
    """The affine right-hand side less its constant, on unit vectors: ``(N, N)``."""
    shape = equation.state_shape
    size = int(np.prod(shape))
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    with torch.no_grad():
        return (equation(0.0, basis) - equation(0.0, torch.zeros_like(basis[:1]))).reshape(size, size).T.numpy()


def free(equation):
    """Unknowns that no condition determines."""
    inside = np.ones(equation.state_shape, dtype=bool)
    for name, (first, size) in equation.layout.fields.items():
        for axis, end in held_sides(equation.layout, name):
            part = np.moveaxis(inside[first : first + size], axis + 1, 0)
            part[-1 if end else 0] = False
    return inside.ravel()


def free_matrix(equation):
    kept = free(equation)
    full = matrix(equation)
    assert not full[~kept].any()
    assert not full[:, ~kept].any()
    return full[np.ix_(kept, kept)]


def assert_knowledge_holds(equation, tolerance=1e-8):
    """The dense matrix against what `linear_part` says: the same eigenvalues if exact, inside the box in any case."""
    found = np.linalg.eigvals(free_matrix(equation))
    known = equation.linear_part()
    assert np.isfinite(found).all()
    bound, slack = known.bound, tolerance * np.abs(found).max()
    assert bound.lowest - slack <= found.real.min()
    assert found.real.max() <= bound.highest + slack
    assert np.abs(found.imag).max() <= bound.imaginary + slack
    if bound.kind == "exact":
        assert found.real.min() == pytest.approx(bound.lowest, abs=slack)
        assert found.real.max() == pytest.approx(bound.highest, abs=slack)
        assert np.abs(found.imag).max() == pytest.approx(bound.imaginary, abs=slack)
    if known.eigenvalues is not None:
        distance = np.abs(found[:, None] - known.eigenvalues[None, :])
        assert distance.min(axis=0).max() <= slack
        assert distance.min(axis=1).max() <= slack
    return known


# -- spectra ----------------------------------------------------------------------------------------------------------

RATES = ("d_dx(u)", "d2_dx2(u)", "laplacian(u)", "diffusion(K, u)", "laplacian(u) - 3*u", "K*d2_dx2(u) + d_dx(u)")
HIGHER = ("d3_dx3(u)", "d4_dx4(u)", "laplacian(laplacian(u))", "d_dx(d_dx(u))", "d_dx(laplacian(u))")


def declared_or_refused(*arguments, **options):
    """The equation, or None if the scheme has no such operator there and says so."""
    try:
        return line(*arguments, **options)
    except fs.FieldSolverError:
        return None


def with_K(rate):
    return {"K": 0.7} if "K" in rate else {}


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", WALLS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_spectra_on_uniform_lines(scheme, kind, centring):
    declared = 0
    for rate in (*RATES, *HIGHER):
        equation = declared_or_refused(rate, kind, SCHEMES[scheme], 19, centring, **with_K(rate))
        if equation is not None:
            declared += 1
            assert_knowledge_holds(equation)
    if centring == "node" or scheme in PLAIN:
        robin_on_spectral = scheme in SPECTRAL and "R" in kind
        assert robin_on_spectral == (declared == 0)  # a trigonometric series keeps no Robin condition
        assert robin_on_spectral or declared >= len(RATES)


@pytest.mark.parametrize("kind", ["N", "D", "DN", "R", "RD"])
@pytest.mark.parametrize("nodes", ["chebyshev", "polynomial"])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_spectra_on_nonuniform_lines(nodes, kind, centring):
    for rate in RATES:
        assert_knowledge_holds(line(rate, kind, None, 17, centring, NODES[nodes], **with_K(rate)))


@pytest.mark.parametrize("kind", ["N", "D", "DN", "R", "RD"])
def test_spectra_of_collocation(kind):
    for rate in (*RATES, "d_dx(d_dx(u))"):
        equation = line(rate, kind, fs.Spectral(), 14, "node", NODES["chebyshev"], **with_K(rate))
        assert_knowledge_holds(equation, tolerance=1e-7)


@pytest.mark.parametrize("kind", ["N", "D", "DN", "ND"])
@pytest.mark.parametrize("scheme", ["order 2", "order 6", "spectral"])
def test_two_odd_derivatives_do_not_share_their_modes(scheme, kind):
    """The first ``d_dx`` turns even into odd at a wall, so that the second has another matrix than the first."""
    known = line("d_dx(d_dx(u))", kind, SCHEMES[scheme], 16).linear_part()
    assert known.eigenvalues is None
    assert known.bound.kind == "upper"


@pytest.mark.parametrize(("rate", "scheme", "kind"), [
    ("laplacian(u)", fs.FiniteDifference(8), "ND"), ("diffusion(K, u)", fs.FiniteDifference(6), "D"),
    ("laplacian(u)", fs.FiniteDifference(6, closure="summation_by_parts"), "N"),
    ("laplacian(u)", fs.Spectral(), "N"), ("d3_dx3(u)", fs.Spectral(), "A"),
])  # fmt: skip
def test_what_is_said_to_be_exact(rate, scheme, kind):
    known = assert_knowledge_holds(line(rate, kind, scheme, 20, "node", **with_K(rate)))
    assert known.bound.kind == "exact"
    assert known.eigenvalues is not None


@pytest.mark.parametrize("kinds", [("P", "P"), ("N", "D"), ("A", "DN"), ("P", "R"), ("DN", "RD"), ("A", "A")])
@pytest.mark.parametrize("scheme", [
    fs.FiniteDifference(8), {"x": fs.Spectral(), "y": fs.FiniteDifference(4)},
    {"x": fs.FiniteDifference(advection="upwind3"), "y": fs.FiniteDifference(6)},
])  # fmt: skip
def test_spectra_in_the_plane(scheme, kinds):
    matrix_parameter = torch.tensor([[1.0, 0.3], [0.3, 0.7]], dtype=torch.float64)
    velocity = torch.tensor([0.4, -1.1], dtype=torch.float64)
    for rate in ("laplacian(u)", "diffusion(0.3, u)", "d_dx(d_dy(u))", "laplacian(u) + d_dy(u)", "advection(v, u)",
                 "laplacian(d_dx(u))", "diffusion(K, u)"):  # fmt: skip
        parameters = {"K": matrix_parameter} if "K" in rate else {"v": velocity} if "v," in rate else {}
        try:
            equation = plane(rate, kinds, scheme, (15, 16), **parameters)
        except fs.FieldSolverError:
            continue
        assert_knowledge_holds(equation, tolerance=1e-6)  # d_dx(d_dy(u)) has no full set of eigenvectors


@pytest.mark.parametrize("kinds", [("P", "P"), ("N", "D"), ("A", "DN"), ("P", "RD")])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_spectra_of_the_isotropic_laplacian(kinds, centring):
    shape = tuple(9 + int(centring == "node" and kind not in "PA") for kind in kinds)
    scheme = fs.FiniteDifference(laplacian="isotropic")
    equation = plane("laplacian(u) - u", kinds, scheme, shape, centring, extent=(1.2, 1.2))
    assert_knowledge_holds(equation)


@pytest.mark.parametrize("kind", ["P", "N", "D", "R", "RD"])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("advection", ["upwind1", "upwind3"])
@pytest.mark.parametrize("speed", [1.3, -0.4])
def test_bounds_of_upwinded_advection(speed, advection, centring, kind):
    scheme = fs.FiniteDifference(advection=advection)
    assert_knowledge_holds(line("-advection(c, u) + 0.01*laplacian(u)", kind, scheme, 16, centring, c=speed))


@pytest.mark.parametrize("kind", ["N", "D", "DN", "R"])
@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("speed", ["1.3", "-0.4", "sin(5*x)"])
def test_bounds_of_advection_by_parts(speed, order, kind):
    scheme = fs.FiniteDifference(order, closure="summation_by_parts")
    assert_knowledge_holds(line(f"-advection({speed}, u)", kind, scheme, 20, "node"))


@pytest.mark.parametrize("kind", ["P", "A", "N", "D", "DN"])
@pytest.mark.parametrize("points", [12, 13])
def test_spectra_of_the_fractional_laplacian(kind, points):
    for power in (0.3, 1.0, 1.7):
        equation = line(f"fractional_laplacian({power}, u)", kind, fs.Spectral(), points)
        found = np.linalg.eigvals(free_matrix(equation))
        laplacian = np.linalg.eigvals(free_matrix(line("laplacian(u)", kind, fs.Spectral(), points)))
        expected = -(np.where(laplacian.real > -1e-6, 0.0, -laplacian.real) ** power)
        np.testing.assert_allclose(np.sort(found.real), np.sort(expected), atol=1e-8 * np.abs(expected).max())
        bound = equation.linear_part().bound
        assert bound.lowest <= found.real.min() + 1e-8
        assert found.real.max() <= bound.highest + 1e-8


@given(
    scheme=st.sampled_from(list(SCHEMES)), kinds=st.tuples(st.sampled_from(list(WALLS)), st.sampled_from(list(WALLS))),
    factors=st.tuples(st.floats(-2, 2), st.floats(0.1, 2), st.floats(-2, 2)),
)  # fmt: skip
@settings(max_examples=25)
def test_knowledge_holds_for_sums(scheme, kinds, factors):
    a, b, c = factors
    rate = f"({a!r})*u + ({b!r})*laplacian(u) + ({c!r})*d_dx(u)"
    try:
        equation = plane(rate, kinds, {"x": SCHEMES[scheme], "y": fs.FiniteDifference(2)}, (18, 6), "node")
    except fs.BoundaryError:
        assert scheme in SPECTRAL
        assert "R" in kinds[0]  # the only pair that is refused
        return
    assert_knowledge_holds(equation)


# -- symmetry, constants and mass -------------------------------------------------------------------------------------


def norm(equation):
    return equation.layout.weights().numpy().ravel()[free(equation)]


def assert_symmetric_and_negative(equation, tolerance=1e-11):
    A = norm(equation)[:, None] * free_matrix(equation)
    scale = np.abs(A).max()
    np.testing.assert_allclose(A, A.T, atol=tolerance * scale)
    assert np.linalg.eigvalsh((A + A.T) / 2).max() <= tolerance * scale


SYMMETRIC = [
    *((f"order {order}", "uniform", centring) for order in (2, 4, 6, 8) for centring in ("cell", "node")),
    *((f"by parts {p}", "uniform", "node") for p in (2, 4, 6)),
    *(("order 2", nodes, centring) for nodes in ("chebyshev", "polynomial") for centring in ("cell", "node")),
    ("spectral", "uniform", "cell"),
]


@pytest.mark.parametrize("kind", ["N", "D", "DN", "ND", "R", "RD"])
@pytest.mark.parametrize(("scheme", "nodes", "centring"), SYMMETRIC)
def test_symmetry_in_the_stated_norm(scheme, nodes, centring, kind):
    for rate in ("laplacian(u)", "diffusion(0.3, u)", "diffusion(0.2 + x**2, u)"):
        if scheme == "spectral" and ("R" in kind or "x" in rate):
            continue
        if rate != "laplacian(u)" or scheme not in ("order 4", "order 6", "order 8") or "R" not in kind:
            if "R" in kind and scheme in ("order 4", "order 6", "order 8"):
                continue  # ghosts of a Robin wall differ from layer to layer
            assert_symmetric_and_negative(line(rate, kind, SCHEMES[scheme], 20, centring, NODES[nodes]))


@given(entries=st.tuples(st.floats(0.2, 2), st.floats(-1.0, 1.0), st.floats(0.2, 2)), centring=st.sampled_from(["cell",
       "node"]), kinds=st.tuples(*[st.sampled_from(["P", "N", "D", "DN"])] * 2), varies=st.booleans())  # fmt: skip
@settings(max_examples=25)
def test_matrix_diffusion_is_symmetric_and_conserves(entries, centring, kinds, varies):
    a, c, b = entries
    c *= (a * b) ** 0.5  # positive semidefinite
    K = torch.tensor([[a, c], [c, b]], dtype=torch.float64)
    if varies:
        profile = 1 + torch.rand(6, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        K = fs.Spatial(K[:, :, None, None] * profile)
    equation = plane("diffusion(K, u)", kinds, None, (6, 7), centring, K=K)
    assert_symmetric_and_negative(equation)
    if set(kinds) <= {"P", "N"}:
        full = matrix(equation)
        weights = norm(equation)
        scale = np.abs(full).max()
        assert np.abs(full.sum(1)).max() < 1e-12 * scale  # constants
        assert np.abs(weights @ full).max() < 1e-12 * scale * weights.max()  # mass


CONSERVING = [
    *((scheme, "uniform", centring) for scheme in (*PLAIN, "spectral") for centring in ("cell", "node")),
    *((scheme, "uniform", "node") for scheme in BY_PARTS),
    *(("order 2", nodes, centring) for nodes in ("chebyshev", "polynomial") for centring in ("cell", "node")),
]


@pytest.mark.parametrize("kind", ["P", "N"])
@pytest.mark.parametrize(("scheme", "nodes", "centring"), CONSERVING)
def test_constants_and_mass(scheme, nodes, centring, kind):
    if nodes != "uniform" and kind == "P":
        nodes = fs.Clustered("polynomial") if centring == "cell" else None
        pytest.skip("a clustered axis ends at walls")
    rates = ["laplacian(u)", "diffusion(0.4, u)", "diffusion(1 + u**2, u)"]
    if scheme != "spectral":
        rates.append("diffusion(1 + x*u**2, u)")
    for rate in rates:
        equation = line(rate, kind, SCHEMES[scheme], 20, centring, NODES[nodes])
        weights = equation.layout.weights()
        assert weights.sum().item() == pytest.approx(EXTENT)
        y = torch.randn(2, 1, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        flow = equation(0.0, y) * weights
        assert (flow.sum(-1).abs() < 1e-12 * flow.abs().sum(-1)).all()
        rate_of_constant = equation(0.0, torch.full((1, 20), 1.7, dtype=torch.float64))
        assert rate_of_constant.abs().max() < 1e-12 * flow.abs().max() / weights.min()


@pytest.mark.parametrize("kind", ["P", "N"])
@pytest.mark.parametrize("dealias", [None, "truncate", "pad"])
def test_spectral_products_conserve_mass(kind, dealias):
    equation = line("laplacian(u**3 - u)", kind, fs.Spectral(dealias=dealias), 24)
    y = torch.randn(1, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    flow = equation(0.0, y)
    assert abs(flow.sum().item()) < 1e-11 * flow.abs().sum().item()


# -- Jacobians, dtypes and transformations ----------------------------------------------------------------------------

G, NODE = fs.Grid(18, extent=1.3), fs.Grid(18, extent=1.3, centring="node")
CHEBYSHEV = fs.Grid(18, extent=1.3, centring="node", nodes={"x": fs.Clustered("chebyshev")})
CLUSTERED = fs.Grid(18, extent=1.3, nodes={"x": fs.Clustered("polynomial")})
SQUARE, SQUARE_NODE = fs.Grid((9, 9), extent=1.0), fs.Grid((9, 9), extent=1.0, centring="node")
DATA = {"D": fs.Dirichlet("a*sin(t)"), "N": fs.Neumann("a*t"), "R": fs.Robin(1.0, 0.5, "a")}
MIXED = "du/dt = laplacian(u) + diffusion(1 + a*x, u) + a*d_dx(u)"
K = torch.tensor([[1.0, 0.2], [0.2, 0.8]], dtype=torch.float64)

CASES: dict[str, tuple] = {
    **{f"{scheme} {kind} {grid.centring}": (MIXED, grid, DATA[kind], PLAIN[scheme])
       for scheme, kind, grid in itertools.product(("order 2", "order 8"), DATA, (G, NODE))},
    **{f"order 6 {kind}": (MIXED, G, WALLS[kind][0], fs.FiniteDifference(6)) for kind in "PA"},
    **{f"{scheme} {kind}": (MIXED + " + advection(a*x, u)", NODE, DATA[kind], BY_PARTS[scheme])
       for scheme, kind in itertools.product(("by parts 2", "by parts 6"), DATA)},
    **{f"collocation {kind}": ("du/dt = laplacian(u) + diffusion(1 + a*x, u)", CHEBYSHEV, DATA[kind], fs.Spectral())
       for kind in DATA},
    **{f"clustered {kind}": (MIXED, CLUSTERED, DATA[kind], None) for kind in DATA},
    **{f"spectral {kind} {dealias}": ("du/dt = laplacian(u) - a*u**3", G, WALLS[kind][0], fs.Spectral(dealias=dealias))
       for kind, dealias in itertools.product("PAND", (None, "pad", "truncate"))},
    **{f"spectral diffusion {kind}": ("du/dt = diffusion(1 + u**2, u) + a*d_dx(u)*d_dx(u)", G, WALLS[kind][0],
                                      fs.Spectral()) for kind in "PAND"},
    **{f"fractional {kind}": ("du/dt = fractional_laplacian(a, u)", G, WALLS[kind][0], fs.Spectral())
       for kind in "PAND"},
    **{f"{advection} {kind}": ("du/dt = -advection(a, u)", G, wall, fs.FiniteDifference(advection=advection))
       for advection, (kind, wall) in itertools.product(("upwind1", "upwind3", "weno5"),
                                                        {"P": fs.Periodic(), "D": DATA["D"]}.items())},
    **{f"isotropic {kind} {grid.centring}": ("du/dt = a*laplacian(u) + u*laplacian(u)", grid, wall,
                                             fs.FiniteDifference(laplacian="isotropic"))
       for grid, (kind, wall) in itertools.product((SQUARE, SQUARE_NODE), DATA.items())},
    "isotropic P": ("du/dt = a*laplacian(u)", SQUARE, fs.Periodic(), fs.FiniteDifference(laplacian="isotropic")),
    **{f"matrix {kind} {grid.centring}": ("du/dt = a*diffusion(K, u)", grid, wall, None)
       for grid, (kind, wall) in itertools.product((SQUARE, SQUARE_NODE), DATA.items())},
    "matrix P": ("du/dt = a*diffusion(K, u)", SQUARE, fs.Periodic(), None),
    **{f"absorbing {grid.centring} {name}": ("d2u/dt2 = a*laplacian(u)", grid, fs.Absorbing("sqrt(a)"), scheme)
       for grid, name, scheme in ((G, "order 4", fs.FiniteDifference(4)), (NODE, "order 2", None),
                                  (NODE, "by parts", BY_PARTS["by parts 4"]))},
    "per axis": ("du/dt = -advection(v, u) + laplacian(u)", fs.Grid((8, 12), extent=1.0), {"x": fs.Periodic(),
                 "y": DATA["R"]}, {"x": fs.Spectral(), "y": fs.FiniteDifference(advection="upwind3")}),
    "corners": ("du/dt = a*laplacian(u)", SQUARE_NODE, {"x-": fs.Dirichlet("a"), "x+": fs.Dirichlet("y"),
                "y-": fs.Dirichlet("x*t"), "y+": fs.Dirichlet(2)}, None),
}  # fmt: skip


def case(name):
    text, grid, boundary, scheme = CASES[name]
    parameters = {"a": fs.Parameter(0.3)}
    if "K," in text:
        parameters["K"] = K
    if "v," in text:
        parameters = {"v": fs.Parameter(torch.tensor([0.4, -1.1], dtype=torch.float64)), "a": fs.Parameter(0.3)}
    return fs.FieldEquation(text, grid=grid, boundary=boundary, scheme=scheme, parameters=parameters)


def states(equation, batch=3):
    return torch.randn(batch, *equation.state_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


T = torch.tensor(0.4, dtype=torch.float64)


@pytest.mark.parametrize("name", CASES)
def test_samples_precisions_and_jacobians(name):
    """A batch is its samples; vmap says the same; float32 is float64 rounded; the sparse Jacobian is the dense one."""
    equation = case(name)
    y = states(equation)
    rate = equation(T, y).detach()
    scale = rate.abs().max().item()
    torch.testing.assert_close(
        torch.stack([equation(T, sample) for sample in y]).detach(), rate, rtol=0, atol=1e-12 * scale
    )
    mapped = torch.func.vmap(lambda sample: equation(T, sample))(y)
    torch.testing.assert_close(mapped.detach(), rate, rtol=0, atol=1e-12 * scale)
    single = equation(T.float(), y.float())
    assert single.dtype == torch.float32
    assert (single.double() - rate).abs().max() < 3e-4 * scale
    jacobian = equation.jacobian()
    dense = jacobian.dense(T, y[0]).numpy()
    try:
        sparse = jacobian.sparse(T, y[0]).toarray()
    except fs.EquationError as error:
        if "dense" not in str(error):
            raise
        return
    np.testing.assert_allclose(sparse, dense, rtol=0, atol=1e-10 * np.abs(dense).max())
    assert not (np.abs(dense) > 1e-10 * np.abs(dense).max())[~jacobian.pattern().toarray()].any()


@pytest.mark.parametrize("name", CASES)
def test_gradients_reach_parameters_and_states(name):
    """First derivatives, also by what a boundary value depends on, against central differences."""
    equation = case(name)
    function, parameters = equation.pure()
    parameters = tuple(p.detach().double().requires_grad_() for p in parameters)
    y = states(equation, 1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *inputs: function(inputs[:-1], T, inputs[-1]), (*parameters, y), fast_mode=True, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("name", ["order 8 R cell", "by parts 6 R", "collocation R", "spectral N pad", "clustered R",
                                  "fractional D", "isotropic R node", "matrix N cell", "upwind3 D",
                                  "corners"])  # fmt: skip
def test_second_derivatives(name):
    equation = case(name)
    function, parameters = equation.pure()
    parameters = tuple(p.detach().double().requires_grad_() for p in parameters)
    y = states(equation, 1).requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda *inputs: function(inputs[:-1], T, inputs[-1]), (*parameters, y), fast_mode=True, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("name", ["order 2 R node", "order 8 R cell", "order 6 P", "order 6 A", "by parts 6 R",
                                  "collocation R", "clustered N", "spectral P None", "spectral A truncate",
                                  "spectral D pad", "spectral diffusion N", "fractional N", "upwind3 D", "weno5 P",
                                  "isotropic R node", "matrix N cell", "absorbing cell order 4",
                                  "absorbing node by parts", "per axis", "corners"])  # fmt: skip
def test_the_right_hand_side_compiles_whole(name):
    equation = case(name)
    y = states(equation)
    for values in (y, y.float()):
        expected = equation(T, values)
        function, parameters = equation.pure()
        torch._dynamo.reset()
        compiled = torch.compile(function, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(parameters, T, values), expected)


@pytest.mark.parametrize("scheme", ["order 2", "order 8", "by parts 4", "spectral", "collocation"])
def test_complex_fields(scheme):
    """A complex field is its real and its imaginary part under real linear operators."""
    grid = CHEBYSHEV if scheme == "collocation" else NODE
    chosen = fs.Spectral() if scheme == "collocation" else SCHEMES[scheme]
    text = {"grid": grid, "boundary": fs.Neumann(0), "scheme": chosen}
    plain = fs.FieldEquation("du/dt = laplacian(u)", **text)
    complex_one = fs.FieldEquation("du/dt = c*laplacian(u)", complex_fields=("u",), parameters={"c": 1j}, **text)
    y = states(plain, 2)
    z = torch.complex(y[0], y[1])
    rate = complex_one(T, z)
    assert rate.dtype == torch.complex128
    torch.testing.assert_close(rate, 1j * torch.complex(plain(T, y[0]), plain(T, y[1])))


@pytest.mark.parametrize("name", ["central", *ADVECTIONS])
def test_names_of_advection_schemes_are_taken(name):
    rate = line("-advection(1.0, u)", "P", fs.FiniteDifference(advection=name))
    u = torch.sin(2 * torch.pi * rate.grid.coordinate(0) / EXTENT)[None]
    slope = -2 * torch.pi / EXTENT * torch.cos(2 * torch.pi * rate.grid.coordinate(0) / EXTENT)
    assert (rate(0.0, u)[0] - slope).abs().max() < 0.2 * slope.abs().max()
