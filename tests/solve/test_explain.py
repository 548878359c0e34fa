"""What `explain` says: it must be the truth about the equation, and readable."""

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.methods import METHODS, ExplicitRungeKutta, ReversibleMethod
from fieldsolver.solve.stability_region import exit_table

GRAY_SCOTT = """
du/dt = Du*laplacian(u) - u*v**2 + F*(1 - u)
dv/dt = Dv*laplacian(v) + u*v**2 - (F + k)*v
"""


@pytest.fixture
def gray_scott():
    return fs.FieldEquation(
        GRAY_SCOTT,
        grid=fs.Grid((256, 256), extent=2.5),
        boundary=fs.Periodic(),
        parameters={"Du": 2e-5, "Dv": 1e-5, "F": fs.Parameter(0.04, positive=True), "k": 0.06},
    )


def test_gray_scott_page(gray_scott):
    page = fs.explain(gray_scott, dt=1.0)
    h = 2.5 / 256
    fastest = 8 * 2e-5 / h**2 + 0.04  # two axes, 4/h^2 each, plus the linear feed
    limits = {limit.method: limit for limit in page.limits}
    assert limits["euler"].dt == pytest.approx(2 / fastest, rel=1e-12)
    assert limits["rk4"].dt == pytest.approx(2.7852935634053 / fastest, rel=1e-12)
    assert all(limit.exact for limit in page.limits)
    text = str(page)
    for expected in (
        "Du*laplacian(u)",
        "nonlinear",
        "-(F + k)*v",
        "dt = 1 is stable",
        "fourier",
        "F = 0.04 (trainable)",
    ):
        assert expected in text
    assert page.to_dict()["linear_bound"]["kind"] == "exact"


def test_explain_follows_the_current_parameter_values(gray_scott):
    before = fs.explain(gray_scott).linear.bound.lowest
    with torch.no_grad():
        gray_scott.raw["F"] += 1.0
    assert fs.explain(gray_scott).linear.bound.lowest == pytest.approx(before - 0.04 * (np.e - 1), rel=1e-9)


def test_coupled_oscillators_have_their_eigenvalues():
    equation = fs.FieldEquation("du/dt = v; dv/dt = -9*u - 0.2*v")
    eigenvalues = fs.explain(equation).linear.eigenvalues
    expected = np.roots([1, 0.2, 9])
    np.testing.assert_allclose(np.sort_complex(eigenvalues), np.sort_complex(expected), rtol=1e-12)


def test_wave_equation_limit_is_the_courant_number():
    equation = fs.FieldEquation(
        "du/dt = v; dv/dt = laplacian(u)", grid=fs.Grid((20, 20), extent=1.0), boundary=fs.Dirichlet(0)
    )
    limit = next(line for line in fs.explain(equation).limits if line.method == "rk4")
    # largest eigenvalue of -laplacian is 8/h^2 up to the mode at theta = pi, which the cell-centred sines reach
    assert limit.dt == pytest.approx(2.8284271247462 / np.sqrt(8 * 20**2), rel=1e-9)


def growth(method, z):
    """Largest factor of a step, over all z (n,)."""
    if isinstance(method, ExplicitRungeKutta):
        coefficients = [float(c) for c in method.tableau.stability_polynomial()]
        return np.abs(np.polynomial.polynomial.polyval(z, coefficients)).max()
    if isinstance(method, ReversibleMethod):  # a matrix that acts on the state and its companion
        rate, columns = torch.from_numpy(z).to(torch.complex128)[:, None], []
        for y, companion in ((1.0, 0.0), (0.0, 1.0)):
            carried = torch.full_like(rate, companion)
            memory = (carried, rate * carried) if method.fsal else (carried,)
            one = torch.ones(z.size, dtype=torch.float64)
            step = method.step(lambda t, y: rate * y, 0 * one, one, torch.full_like(rate, y), memory)
            columns.append(torch.cat((step.y_new, step.memory[0]), dim=1))
        return float(torch.linalg.eigvals(torch.stack(columns, dim=-1)).abs().max())
    rho, sigma = (np.array([float(c) for c in p]) for p in (method.stability.rho, method.stability.sigma))
    sigma = np.concatenate([sigma, np.zeros(rho.size - sigma.size)])
    return max(np.abs(np.roots((rho - value * sigma)[::-1])).max() for value in z)


def test_limits_between_the_axes_are_sharp_for_every_method():
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) - 2*d_dx(u) - d_dy(u)",
        grid=fs.Grid((24, 16), extent=(1.0, 1.0)),
        boundary=fs.Periodic(),
        parameters={"D": 0.01},
    )
    page = fs.explain(equation)
    assert [limit.method for limit in page.limits] == [name for name in METHODS if METHODS[name].fixed_steps]
    eigenvalues = page.linear.eigenvalues.ravel()
    for limit in page.limits:
        assert limit.exact
        if limit.method == "reversible_heun":  # everything that decays leaves a part that grows
            assert limit.dt == 0
            assert growth(METHODS[limit.method], 1e-3 * eigenvalues) > 1 + 1e-6
            continue
        assert growth(METHODS[limit.method], (1 - 1e-6) * limit.dt * eigenvalues) <= 1 + 1e-12, limit
        assert growth(METHODS[limit.method], (1 + 1e-4) * limit.dt * eigenvalues) > 1 + 1e-8, limit


def test_regions_are_traced_once(gray_scott):
    fs.explain(gray_scott)
    equation = fs.FieldEquation("du/dt = v; dv/dt = -9*u - 0.2*v")
    fs.explain(equation)
    traced = exit_table.cache_info().misses
    fs.explain(equation)
    assert exit_table.cache_info().misses == traced


def test_varying_coefficient_is_an_upper_bound_that_holds():
    equation = fs.FieldEquation("du/dt = diffusion(1 + x, u)", grid=fs.Grid(16, extent=1.0), boundary=fs.Neumann(0))
    bound = fs.explain(equation).linear.bound
    matrix = torch.func.jacrev(lambda u: equation(0.0, u.reshape(1, 16)).reshape(16))(
        torch.zeros(16, dtype=torch.float64)
    )
    assert bound.kind == "upper"
    assert bound.lowest <= np.linalg.eigvals(matrix.numpy()).real.min()


def test_refusals(gray_scott):
    with pytest.raises(fs.OptionError, match="FieldEquation"):
        fs.explain(lambda t, y: y)
    with pytest.raises(fs.OptionError, match="positive"):
        fs.explain(gray_scott, dt=-1.0)
