"""Eigenvalues of Jacobians against formulas and against LAPACK, with errors that are what they claim."""

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis.spectra import Linearisation, dense_spectrum, krylov_schur, shift_invert, spectrum_of
from fieldsolver.errors import OptionError


def of_matrix(matrix):
    tensor = torch.as_tensor(np.array(matrix, dtype=np.float64))
    return Linearisation(lambda t, y: tensor @ y, torch.ones(len(tensor), dtype=torch.float64))


def of_equation(text, shape, boundary=None, **options):
    f = fs.FieldEquation(text, grid=fs.Grid(shape, extent=1.0), boundary=boundary or fs.Periodic(), **options)
    return Linearisation(f, torch.zeros(f.state_shape, dtype=torch.float64))


def edge(values, which):
    return {"LM": np.abs, "LR": np.real, "SR": lambda z: -z.real, "LI": lambda z: np.abs(z.imag)}[which](values)


@pytest.mark.parametrize("which", ["LM", "LR", "SR", "LI"])
def test_edges_of_random_matrices(which):
    for seed in range(5):
        matrix = np.random.default_rng(seed).standard_normal((120, 120))
        lin = of_matrix(matrix)
        every = np.linalg.eigvals(matrix)
        found = krylov_schur(lin, 4, which)
        assert found.converged.all()
        assert not found.reason
        assert sorted(edge(found.values, which)) == pytest.approx(sorted(edge(every, which))[-4:], rel=1e-6)
        error = np.abs(found.values[:, None] - every).min(axis=1)
        assert (error <= 1.1 * found.radii).all()  # the discs contain an eigenvalue


def test_conditions_are_those_of_lapack():
    matrix = np.random.default_rng(3).standard_normal((120, 120))
    lin = of_matrix(matrix)
    every, some = dense_spectrum(lin), krylov_schur(lin, 4, "LR", tol=1e-11)
    for value, condition in zip(some.values, some.conditions, strict=True):
        assert condition == pytest.approx(every.conditions[np.argmin(np.abs(every.values - value))], rel=1e-5)
    left, right = some.left, some.right
    np.testing.assert_allclose(left.conj().T @ matrix, some.values[:, None] * left.conj().T, atol=1e-8)
    np.testing.assert_allclose(matrix @ right, right * some.values, atol=1e-8)


def test_a_perturbation_moves_an_eigenvalue_by_its_condition():
    """The meaning of the condition: max |d lambda| / |E| over small E, reached by E = y x^H."""
    rng = np.random.default_rng(0)
    matrix = np.triu(rng.standard_normal((30, 30)), 1) + np.diag(np.arange(30.0))
    every = dense_spectrum(of_matrix(matrix))
    k = int(np.argmax(every.conditions))
    x, y = every.right[:, k].real, every.left[:, k].real
    size = 1e-9 / every.conditions[k]
    moved = np.linalg.eigvals(matrix + size * np.outer(y, x) / np.linalg.norm(x) / np.linalg.norm(y))
    shift = np.abs(moved - every.values[k]).min()
    assert shift == pytest.approx(every.conditions[k] * size, rel=1e-3)


def test_all_eigenvalues_of_laplacians():
    lin = of_equation("du/dt = laplacian(u)", (8, 9))
    found = dense_spectrum(lin)
    angles = [np.pi * np.arange(n) / n for n in (8, 9)]
    expected = -sum(4 * n**2 * np.sin(a[:, None] if n == 8 else a) ** 2 for n, a in zip((8, 9), angles, strict=True))
    np.testing.assert_allclose(np.sort(found.values.real), np.sort(expected.ravel()), atol=1e-10)
    assert found.complete
    assert found.conditions == pytest.approx(1.0, abs=1e-10)  # repeated eigenvalues of a symmetric matrix
    assert found.signs.tolist() == [0] + [-1] * 71  # the constant mode is not called stable


def test_extremes_of_a_large_laplacian_by_products_alone():
    lin = of_equation("du/dt = laplacian(u)", (48, 48), fs.Neumann(0))
    angles = np.pi * np.arange(48) / 96
    line = -4 * 48**2 * np.sin(angles) ** 2
    expected = np.sort((line[:, None] + line).ravel())
    lin.njvp = 0
    lowest, rightmost = krylov_schur(lin, 3, "LM"), krylov_schur(lin, 3, "LR", tol=1e-10)
    assert lowest.values.real[-1] == pytest.approx(expected[0], rel=1e-7)
    assert rightmost.values.real[0] == pytest.approx(0.0, abs=1e-5)
    assert rightmost.values.real[1] == pytest.approx(expected[-2], rel=1e-5)
    assert rightmost.signs[1] == -1
    assert lin.njvp < 1200


def test_the_right_end_of_a_stiff_operator_by_factorising():
    """What products alone reach in many hundreds, one factorisation gives to round-off."""
    lin = of_equation("du/dt = laplacian(u) - 3*u", (48, 48))
    lin.njvp = 0
    found = shift_invert(lin, 1.0, 5)
    first = -3 - 4 * 48**2 * np.sin(np.pi / 48) ** 2
    assert found.values.real == pytest.approx([-3, first, first, first, first], rel=1e-9)
    assert (found.signs == -1).all()
    assert lin.njvp < 40
    with pytest.raises(OptionError, match="sparse matrix of a declared"):
        shift_invert(of_matrix_free(1600), 1.0)


def of_matrix_free(n):
    return Linearisation(lambda t, y: -torch.cumsum(y, 0) / n, torch.ones(n, dtype=torch.float64))


def test_spectrum_of_finds_all_edges():
    lin = of_equation("du/dt = 0.01*laplacian(u) - 8*d_dx(u)", (40, 20))
    lin.njvp = 0
    found = spectrum_of(lin, 6)
    kx, ky = 2 * np.pi * np.fft.fftfreq(40), 2 * np.pi * np.fft.fftfreq(20)
    real = -0.01 * (1600 * 4 * np.sin(kx / 2)[:, None] ** 2 + 400 * 4 * np.sin(ky / 2) ** 2)
    expected = (real - 8j * 40 * np.sin(kx)[:, None]).ravel()
    error = np.abs(found.values[:, None] - expected).min(axis=1)
    assert (error <= found.residuals * 1.001).all()  # a normal matrix: strictly
    assert found.abscissa == pytest.approx(0.0, abs=1e-8)
    # Ritz values lie inside: 100 steps leave a share of about (pi/200)^2 of a crowded edge.
    assert 0.999 < np.abs(found.values.imag).max() / np.abs(expected.imag).max() <= 1 + 1e-12
    assert 0.999 < found.radius / np.abs(expected).max() <= 1 + 1e-12
    assert not found.complete
    assert found.route == "krylov+shift-invert"
    assert lin.njvp < 250
    small = spectrum_of(of_matrix(np.diag([1.0, -2.0])))
    assert small.complete
    assert small.values.real.tolist() == [1.0, -2.0]


def test_a_defective_eigenvalue_has_no_certain_sign():
    """A Jordan block of 12: eigenvalues move by eps^(1/12), which no residual shows but the condition does."""
    block = -0.01 * np.eye(12) + np.diag(np.ones(11), 1)
    turned = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0]
    found = dense_spectrum(of_matrix(turned @ block @ turned.T))
    assert found.residuals.max() < 1e-13
    assert found.abscissa > 0.01  # round-off alone makes it look unstable
    assert (found.signs == 0).all()
    assert found.conditions.min() > 1e10


def test_differences_give_no_certified_signs():
    matrix = -np.diag(np.arange(1.0, 6.0))
    lin = Linearisation(lambda t, y: torch.as_tensor(matrix @ y.detach().numpy()), torch.ones(5, dtype=torch.float64))
    found = dense_spectrum(lin)
    assert found.values.real == pytest.approx([-1, -2, -3, -4, -5], abs=1e-8)
    assert found.certificate == "empirical"
    assert (found.signs == 0).all()


def test_what_did_not_converge_says_so():
    matrix = np.diag(-(np.linspace(0, 1, 200) ** 3))  # crowded at the right end
    found = krylov_schur(of_matrix(matrix), 6, "LR", tol=1e-13, max_products=60)
    assert "converged within 60 products" in found.reason
    assert not found.converged.all()
    every = np.diag(matrix)
    error = np.abs(found.values[:, None] - every).min(axis=1)
    assert (error <= found.residuals + 1e-12).all()


def test_zero_and_tiny_operators():
    zero = Linearisation(lambda t, y: 0 * y, torch.ones(100, dtype=torch.float64))
    assert not krylov_schur(zero, 3, "LR").values.any()
    assert not dense_spectrum(zero).signs.any()
    one = Linearisation(lambda t, y: -2 * y, torch.ones(1, dtype=torch.float64))
    assert spectrum_of(one).values.tolist() == [-2]


def test_complex_states_have_pairs():
    f = fs.FieldEquation("dA/dt = (-1 + 2j)*A", complex_fields=("A",))
    found = dense_spectrum(Linearisation(f, torch.ones(1, dtype=torch.complex128)))
    assert sorted(found.values, key=lambda z: z.imag) == pytest.approx([-1 - 2j, -1 + 2j])


def test_options_are_checked():
    lin = of_matrix(np.eye(3))
    with pytest.raises(OptionError, match="which is one of"):
        krylov_schur(lin, 2, "SM")
    with pytest.raises(OptionError, match="positive"):
        krylov_schur(lin, 0)
