"""What eigenvalues do not tell: numerical range, pseudospectra, Kreiss constant, transient growth."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

import fieldsolver as fs
from fieldsolver.analysis.spectra import (
    Linearisation,
    enclosing_points,
    kreiss_lower,
    non_normality,
    numerical_range,
    pseudospectrum,
    transient_growth,
)
from fieldsolver.analysis.spectra.exponential import exponential_action
from fieldsolver.analysis.spectra.lanczos import ends, steps_for
from fieldsolver.errors import OptionError

SHEAR = [[-1.0, 100.0], [0.0, -2.0]]


def of_matrix(matrix):
    tensor = torch.as_tensor(np.array(matrix, dtype=np.float64))
    return Linearisation(lambda t, y: tensor @ y, torch.ones(len(tensor), dtype=torch.float64))


def grcar(n):
    return sum(np.diag(np.ones(n - k), k) for k in range(4)) - np.diag(np.ones(n - 1), -1)


def support(matrix, theta):
    turned = np.exp(1j * theta) * matrix
    return np.linalg.eigvalsh((turned + turned.conj().T) / 2)[-1]


def is_inside(polygon, z, slack):
    """Whether points lie in the hull of a polygon around them, by its supporting lines."""
    directions = np.exp(1j * np.linspace(0, 2 * np.pi, 720))
    return all(((directions * point).real <= (directions[:, None] * polygon).real.max(axis=1) + slack).all()
               for point in z)  # fmt: skip


def test_the_reference_matrix():
    """A = [[-1, 100], [0, -2]]: spectral abscissa -1, numerical abscissa (-3 + sqrt 10001)/2, growth 25 times."""
    lin = of_matrix(SHEAR)
    found = numerical_range(lin)
    assert found.abscissa == pytest.approx(48.5024999375, abs=1e-10)
    assert found.abscissa == pytest.approx((-3 + math.sqrt(10001)) / 2, rel=1e-14)
    assert found.abscissa <= found.abscissa_hi <= found.abscissa * (1 + 1e-12)
    # The range of a 2 x 2 matrix is an ellipse with the eigenvalues as foci and the minor axis |a_12|.
    minor, focal = 100.0, 0.5
    major = math.hypot(minor / 2, focal)
    z = found.points + 1.5
    assert (z.real / major) ** 2 + (z.imag / (minor / 2)) ** 2 == pytest.approx(1.0, abs=1e-12)
    growth = transient_growth(lin, np.linspace(0, 3, 13))
    assert growth.peak == pytest.approx(25.0061, abs=2e-4)
    assert growth.peak_time == pytest.approx(0.695, abs=5e-3)
    assert growth.norm[0] == 1.0
    at = transient_growth(lin, [math.log(2)])
    assert at.norm[0] >= 100 * (0.5 - 0.25)  # the off-diagonal entry at its peak
    kreiss = kreiss_lower(lin)
    assert 10 < kreiss.value <= growth.peak


def test_the_kreiss_bound_is_the_supremum_on_a_fine_grid():
    lin = of_matrix(SHEAR)
    x = np.linspace(0.5, 3, 400)
    exact = max(a * np.linalg.norm(np.linalg.inv(a * np.eye(2) - np.array(SHEAR)), 2) for a in x)
    assert kreiss_lower(lin).value == pytest.approx(exact, rel=1e-4)
    normal = kreiss_lower(of_matrix(np.diag([-1.0, -5.0])))
    assert normal.value == 1.0
    growing = kreiss_lower(of_matrix(np.diag([1.0, -5.0])))
    assert math.isinf(growing.value)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_pseudospectra_of_a_jordan_block_are_discs(n):
    """Radius r where |(r - J)^-1| = 1/eps; for small eps close to eps^(1/n)."""
    lin = of_matrix(-np.eye(n) + np.diag(np.ones(n - 1), 1))
    radii = np.array([0.02, 0.1, 0.3])
    found = pseudospectrum(lin, (-1 + radii, np.array([0.0])))
    assert found.epsilon[:, 0] ** (1 / n) == pytest.approx(radii, rel=0.05)
    around = pseudospectrum(lin, (np.array([-1.0]), np.array([-0.1, 0.1])))
    assert around.epsilon.ravel() == pytest.approx(np.full(2, found.epsilon[1, 0]), rel=1e-9)


@pytest.mark.parametrize("n", [32, 100])
def test_resolvent_norms_are_those_of_singular_values(n):
    matrix = grcar(n)
    found = pseudospectrum(of_matrix(matrix), (np.array([-0.5, 1.0, 3.0]), np.array([-3.5, 0.0, 2.5])))
    for i, x in enumerate(found.re):
        for j, y in enumerate(found.im):
            smallest = np.linalg.svd((x + 1j * y) * np.eye(n) - matrix, compute_uv=False)[-1]
            if smallest > 1e-9:  # below that the reference itself has no digits
                assert 1 / found.resolvent_norm[i, j] == pytest.approx(smallest, rel=1e-4)
    assert found.resolvent_norm.max() <= 1.0001 / (np.finfo(float).eps * np.linalg.norm(matrix, 2))


def test_projected_resolvents_are_bounds_from_below():
    matrix = grcar(640)
    found = pseudospectrum(of_matrix(matrix), (np.array([-1.5, 4.0]), np.array([0.0, 3.5])))
    assert found.route == "projected"
    assert "below" in found.reason
    for i, x in enumerate(found.re):
        for j, y in enumerate(found.im):
            exact = 1 / np.linalg.svd((x + 1j * y) * np.eye(640) - matrix, compute_uv=False)[-1]
            assert found.resolvent_norm[i, j] <= exact * (1 + 1e-9)
            assert found.resolvent_norm[i, j] > 0.3 * min(exact, 3.0)


def test_the_numerical_range_of_grcar_and_of_convection_diffusion():
    for matrix in (grcar(32), 400 * (np.diag(np.full(39, 1.3), -1) - 2 * np.eye(40) + np.diag(np.full(39, 0.7), 1))):
        found = numerical_range(of_matrix(matrix), 32)
        assert found.support == pytest.approx([support(matrix, angle) for angle in found.theta], rel=1e-10, abs=1e-9)
        assert (np.exp(1j * found.theta) * found.points).real == pytest.approx(found.support, rel=1e-9, abs=1e-9)
        values = np.linalg.eigvals(matrix)
        assert is_inside(found.corners, values, 1e-8 * np.abs(values).max())
        assert is_inside(found.corners, found.points, 1e-8 * np.abs(values).max())
        rng = np.random.default_rng(0)
        for _ in range(20):
            x = rng.standard_normal(len(matrix)) + 1j * rng.standard_normal(len(matrix))
            assert is_inside(found.corners, [np.vdot(x, matrix @ x) / np.vdot(x, x)], 1e-9)


def test_toeplitz_support_is_that_of_the_symbol():
    """Tridiagonal Toeplitz (a, b, c): the range is the ellipse of the symbol shrunk by cos(pi/(n + 1))."""
    n, a, b, c = 50, 1.3, -2.0, 0.7
    matrix = np.diag(np.full(n - 1, a), -1) + b * np.eye(n) + np.diag(np.full(n - 1, c), 1)
    found = numerical_range(of_matrix(matrix), 16)
    radius = np.abs(a * np.exp(1j * found.theta) + c * np.exp(-1j * found.theta))
    expected = b * np.cos(found.theta) + radius * math.cos(math.pi / (n + 1))
    assert found.support == pytest.approx(expected, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_supports_by_lanczos_enclose(seed):
    rng = np.random.default_rng(seed)
    matrix = np.triu(rng.standard_normal((450, 450)), 1) / 10 - np.diag(rng.random(450) * 5)
    found = numerical_range(of_matrix(matrix), 4, tol=0.05)
    exact = np.array([support(matrix, angle) for angle in found.theta])
    assert found.certificate == "statistical"
    assert (found.support <= exact + 1e-9).all()
    assert (exact <= found.support_hi).all()
    width = exact + np.roll(exact, 2)
    assert (found.support_hi - found.support <= 0.08 * width).all()
    assert is_inside(found.corners, np.linalg.eigvals(matrix), 1e-9)


def test_lanczos_steps_follow_the_theorem():
    n, relative, doubt = 10_000, 0.01, 1e-6
    k = steps_for(n, relative, doubt)
    assert 1.648 * math.sqrt(n) * math.exp(-math.sqrt(relative) * (2 * k - 1)) <= doubt
    assert 1.648 * math.sqrt(n) * math.exp(-math.sqrt(relative) * (2 * k - 3)) > doubt


def test_the_margin_of_lanczos_is_that_of_the_theorem():
    """A crowded spectrum, of which the ends are not found to round-off: the truth lies within the margin."""
    values = np.sign(np.linspace(-1, 1, 2000)) * np.abs(np.linspace(-1, 1, 2000)) ** 3
    start = np.random.default_rng(0).standard_normal(2000)
    found = ends(lambda v: values * v, start, relative=0.05, doubt=1e-3)
    assert 0.8 * 0.05 * 2 < found.margin < 1.2 * 0.05 * 2
    assert found.highest <= 1 <= found.highest + found.margin
    assert found.lowest - found.margin <= -1 <= found.lowest


def test_exponentials_by_products():
    """A stiff operator that no single Krylov space of 40 dimensions resolves."""
    rates = -np.linspace(0, 3000, 300)
    v = np.random.default_rng(0).standard_normal(300)
    found, spent = exponential_action(lambda w: rates * w, v, 1.0, tol=1e-9, max_products=5000)
    assert np.linalg.norm(found - np.exp(rates) * v) <= 1e-9 * np.linalg.norm(v)
    assert 40 < spent < 3000
    nothing, spent = exponential_action(lambda w: rates * w, v, 1.0, tol=1e-9, max_products=100)
    assert nothing is None
    assert spent <= 100


def test_the_range_of_a_field_in_the_norm_of_its_grid():
    """Convection and diffusion: a box of known size, by Lanczos."""
    f = fs.FieldEquation(
        "du/dt = 0.1*laplacian(u) - d_dx(u)", grid=fs.Grid((24, 24), extent=1.0), boundary=fs.Periodic()
    )
    lin = Linearisation(f, torch.zeros(f.state_shape, dtype=torch.float64))
    corners = enclosing_points(lin, 4)
    assert corners.real.min() == pytest.approx(-0.1 * 8 * 24**2, rel=0.1)
    assert corners.real.min() <= -0.1 * 8 * 24**2
    assert corners.imag.max() >= 24
    assert corners.imag.max() == pytest.approx(24, rel=0.1)
    assert non_normality(lin) < 1e-12


def test_non_normality():
    assert non_normality(of_matrix(np.diag([1.0, 2.0]))) == 0.0
    a = 100.0
    square = np.array(SHEAR)
    expected = np.linalg.norm(square @ square.T - square.T @ square) / np.linalg.norm(square) ** 2
    assert non_normality(of_matrix(SHEAR)) == pytest.approx(expected)
    assert expected == pytest.approx(math.sqrt(2) * a * math.hypot(a, 1) / (a**2 + 5), rel=1e-9)
    n = 1600
    nilpotent = Linearisation(lambda t, y: torch.cat([y[1:], 0 * y[:1]]), torch.ones(n, dtype=torch.float64))
    assert non_normality(nilpotent) == pytest.approx(math.sqrt(2) / n, rel=1.0)  # estimated: the order of size


def test_transient_growth_against_the_exponential():
    matrix = 0.3 * grcar(40) - 0.9 * np.eye(40)
    times = [0.0, 1.0, 2.5, 6.0]
    found = transient_growth(of_matrix(matrix), times)
    expected = [np.linalg.norm(scipy.linalg.expm(t * matrix), 2) for t in times]
    assert found.norm == pytest.approx(expected, rel=1e-10)
    assert found.peak >= max(expected)


def test_transient_growth_by_products():
    matrix = 0.3 * grcar(420) - 1.2 * np.eye(420)
    times = [0.0, 0.5, 2.0]
    found = transient_growth(of_matrix(matrix), times)
    expected = np.array([np.linalg.norm(scipy.linalg.expm(t * matrix), 2) for t in times])
    assert found.route == "krylov"
    assert found.certificate == "empirical"
    assert (found.norm <= expected * (1 + 1e-6)).all()
    assert found.norm == pytest.approx(expected, rel=0.01)
    short = transient_growth(of_matrix(matrix), times, max_products=100)
    assert "more than 100 products" in short.reason
    assert math.isnan(short.norm[-1])


def test_options_are_checked():
    lin = of_matrix(SHEAR)
    with pytest.raises(OptionError, match="multiple of 4"):
        numerical_range(lin, 10)
    with pytest.raises(OptionError, match="finite times"):
        transient_growth(lin, [-1.0])
    with pytest.raises(OptionError, match="finite numbers"):
        pseudospectrum(lin, (np.array([0.0]), np.array([np.nan])))
