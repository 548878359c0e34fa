"""The table of operators says what is computed: its lines of mathematics are evaluated, and its costs counted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fieldsolver.equations.vocabulary import OPERATORS
from fieldsolver.space.advection_schemes import ADVECTION_SCHEMES, WENO5, LinearScheme
from fieldsolver.space.boundary import Neumann
from fieldsolver.space.grid import Grid
from fieldsolver.space.isotropic import isotropic_laplacian, isotropic_symbol, isotropic_weights
from fieldsolver.space.operator_table import OPERATOR_ROWS, OperatorRow, operator_table, weno5_linear_stencil
from fieldsolver.space.operators import derivative, derivative_weights, diffusion, diffusion_weights
from fieldsolver.space.schemes import ISOTROPIC_POINTS, FiniteDifference, Spectral
from fieldsolver.space.stencils import SPACE_ORDERS
from fieldsolver.space.summation_by_parts import SummationByParts

ROWS = operator_table()
DERIVATIVES = {"laplacian": 2, "d_dx": 1, "d2_dx2": 2, "d3_dx3": 3, "d4_dx4": 4}
POWERS = {"²": "**2", "³": "**3", "⁴": "**4"}
LINEAR = [name for name, scheme in ADVECTION_SCHEMES.items() if isinstance(scheme, LinearScheme)]
H, V, D = 0.7, 1.3, 0.4
THETA = np.linspace(-3.1, 3.1, 23)


def row(operator: str, scheme: str, order: Any = None) -> OperatorRow:
    (found,) = (
        row for row in ROWS
        if (row.operator, row.scheme) == (operator, scheme) and (order is None or row.order.split()[0] == str(order))
    )  # fmt: skip
    return found


def value(text: str, **names: Any) -> Any:
    """The value of a line of mathematics, with products written as in print."""
    for power, python in POWERS.items():
        text = text.replace(power, python)
    text = text.replace("^", "**").replace("|k|", "abs(k)")
    text = re.sub(r"(sin|cos) (\d*)(θ[xyz]?)", lambda m: f"{m[1]}({m[2] or 1}*{m[3]})", text)
    text = re.sub(r"\((\d+)θ/2", r"(\1*θ/2", text)
    text = re.sub(r"u_\(i([+-])(\d)\)", lambda m: f"u{'p' if m[1] == '+' else 'm'}{m[2]}", text)
    text = re.sub(r"(?<=[\w)]) (?=[\w(])", "*", text)
    return eval(text, {"i": 1j, "h": H, "v": V, "D": D, "sin": np.sin, "cos": np.cos, "abs": np.abs, **names})


def wave(text: str) -> Any:
    """A stencil evaluated on ``exp(i θ j)``, at ``j = 0``."""
    points = {f"u{'p' if j > 0 else 'm'}{abs(j)}": np.exp(1j * j * THETA) for j in range(-8, 9) if j}
    pairs = {f"s{j}": points[f"up{j}"] + points[f"um{j}"] for j in range(1, 9)}
    differences = {f"d{j}": points[f"up{j}"] - points[f"um{j}"] for j in range(1, 9)}
    return value(text, u=1.0, **points, **pairs, **differences)


def test_every_differential_operator_has_its_rows() -> None:
    composed = {"gradient", "divergence", "curl"}  # sums of first derivatives
    along_other_axes = {word for word, operator in OPERATORS.items() if operator.axis}
    assert set(OPERATOR_ROWS) == set(OPERATORS) - composed - along_other_axes | {"convolve"}
    for name, rows in OPERATOR_ROWS.items():
        assert {row.operator for row in rows()} == {name}
    assert all(text for row in ROWS for text in vars(row).values())
    assert len({(row.operator, row.scheme, row.order) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("order", SPACE_ORDERS)
@pytest.mark.parametrize("word", DERIVATIVES)
def test_lines_of_central_differences_evaluate_to_their_symbol(word: str, order: int) -> None:
    m, shown = DERIVATIVES[word], row(word, "finite_difference", order)
    expected = FiniteDifference(order).symbol(m, THETA, H)
    np.testing.assert_allclose(value(shown.symbol, θ=THETA), expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(wave(shown.stencil), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("order", SPACE_ORDERS)
def test_lines_of_diffusion_and_of_the_biharmonic(order: int) -> None:
    scheme, shown = FiniteDifference(order), row("diffusion", "finite_difference", order)
    np.testing.assert_allclose(
        value(shown.symbol, θ=THETA), D * scheme.diffusion_symbol(THETA, H), rtol=1e-11, atol=1e-15
    )
    slope, mean = re.findall(r"(?:slope|mean) = (\S.*?)(?=, mean|$)", shown.stencil)
    faces = {f"e{j}": 2j * np.sin((j - 0.5) * THETA) for j in range(1, 5)}
    np.testing.assert_allclose(value(slope, **faces) ** 2, scheme.diffusion_symbol(THETA, H), rtol=1e-11, atol=1e-15)
    assert value(mean, m1=2.0, m2=2.0, m3=2.0, m4=2.0) == pytest.approx(1.0)  # of a constant
    near = value(mean, **{f"m{j}": 2 * math.cos((j - 0.5) * 0.05) for j in range(1, 5)})
    assert abs(near - 1) < 0.05**order  # the mean of a wave is its value at the face, to the order
    squared = scheme.symbol(2, THETA, H) ** 2
    shown = row("biharmonic", "finite_difference", order)
    np.testing.assert_allclose(value(shown.symbol, θ=THETA), squared, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(wave(shown.stencil), squared, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("name", LINEAR)
def test_lines_of_linear_advection(name: str) -> None:
    scheme = ADVECTION_SCHEMES[name]
    shown = row("advection", f"finite_difference, {re.sub(r'central.', 'central', name)}", scheme.order)
    expected = V * scheme.symbol(THETA) / H
    np.testing.assert_allclose(value(shown.symbol, θ=THETA), expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(wave(shown.stencil.split(";")[0]), expected, rtol=1e-11, atol=1e-12)


def test_weno5_about_a_parabola_is_its_linear_stencil() -> None:
    """On a parabola every candidate is exact and the weights are ideal: the derivative there is the ideal stencil."""
    x = torch.arange(40, dtype=torch.float64)
    u = torch.randn(40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, change = torch.func.jvp(lambda values: WENO5(values, 1.0, -1, 1.0, periodic=False), (x**2,), (u,))
    expected = sum(float(c) * u[j : j + 34] for j, c in enumerate(weno5_linear_stencil()))
    torch.testing.assert_close(change, expected, rtol=1e-10, atol=1e-10)
    line = row("advection", "finite_difference, weno5")
    linear = LinearScheme("ideal", 5, weno5_linear_stencil(), "").symbol(THETA) * V / H
    np.testing.assert_allclose(value(line.symbol.split(": ")[-1], θ=THETA), linear, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(wave(line.stencil.split(": ")[-1]), linear, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("word", "dimension"), [(w, d) for w, by in ISOTROPIC_POINTS.items() for d in by])
def test_lines_of_isotropic_laplacians(word: str, dimension: int) -> None:
    shown = row("laplacian", f"finite_difference, {word} in {dimension}-D")
    angles = np.random.default_rng(0).uniform(-3, 3, (3, 9))
    named = {f"θ{axis}": angle for axis, angle in zip("xyz", angles, strict=True)}
    expected = isotropic_symbol(ISOTROPIC_POINTS[word][dimension], list(angles[:dimension])) / H**2
    np.testing.assert_allclose(value(shown.symbol, **named), expected, rtol=1e-11)
    x = 2 * np.cos(angles[:dimension])
    sums = {"n1": x.sum(0), "n2": (x.sum(0) ** 2 - (x**2).sum(0)) / 2, "n3": x.prod(0)}
    np.testing.assert_allclose(value(shown.stencil, u=1.0, **sums), expected, rtol=1e-11)


@pytest.mark.parametrize("word", DERIVATIVES)
def test_symbols_of_transforms(word: str) -> None:
    k = THETA / H
    expected = Spectral().symbol(DERIVATIVES[word], THETA, H)
    np.testing.assert_allclose(value(row(word, "spectral").symbol, k=k), expected, rtol=1e-12)
    assert row(word, "spectral").symbol in row(word, "spectral").stencil


def test_the_other_symbols_of_transforms() -> None:
    k = np.array([-2.0, 0.5, 3.0])
    expected = {"diffusion": -D * k**2, "advection": 1j * V * k, "biharmonic": k**4,
                "fractional_laplacian": -np.abs(k) ** 1.4}  # fmt: skip
    for word, values in expected.items():
        np.testing.assert_allclose(value(row(word, "spectral").symbol, k=k, s=0.7), values)


@pytest.mark.parametrize("order", [2, 4, 6])
def test_summation_by_parts_is_central_inside_and_of_the_order_that_it_says(order: int) -> None:
    parts = SummationByParts(order, 60, H)
    u = torch.exp(1j * 0.9 * torch.arange(60, dtype=torch.float64))
    theta = np.array([0.9])
    for word, result in {"d_dx": parts.first(u, -1), "d2_dx2": parts.second(u, -1, (None, None))}.items():
        shown = row(word, "summation_by_parts", order)
        np.testing.assert_allclose((result / u)[30].item(), value(shown.symbol, θ=theta)[0], rtol=1e-10)
        solutions = parts.first_order if word == "d_dx" else parts.second_order
        assert shown.order == f"{order} inside, {order // 2} at walls, {solutions} of solutions"
    shown = row("diffusion", "summation_by_parts", order)
    mirrored = parts.diffusion(torch.ones(60, dtype=torch.float64), u.real, -1, (None, None))
    assert mirrored[30].item() == pytest.approx(
        (value(shown.symbol.split(": ")[1], θ=theta)[0] * u[30]).real.item(), rel=1e-9
    )


# -- costs --------------------------------------------------------------------------------------------------------

ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "addcmul", "reciprocal", "pow", "square", "abs", "neg", "sum"}
POINTS = 20_000


class Counter(TorchDispatchMode):
    """Counts the entries that are computed; ``add(a, b, alpha=c)`` is one multiply-add."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__.rstrip("_") in ARITHMETIC:
            self.entries += result.numel()
        return result


def counted(run: Callable[[], Any], points: int = POINTS) -> int:
    run()  # constants are made once
    with Counter() as counter:
        run()
    return round(counter.entries / points)


LINE, SPEED = torch.randn(2, POINTS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("order", SPACE_ORDERS)
def test_the_cost_of_differences(order: int) -> None:
    for word, m in DERIVATIVES.items():
        weights, shown = derivative_weights(m, order, 1.0), row(word, "finite_difference", order)
        assert int(shown.operations) == counted(lambda w=weights: derivative(LINE, -1, w, periodic=True))
        assert int(shown.points) == sum(1 for weight in weights if weight)
    weights = diffusion_weights(order, 1.0)
    shown = row("diffusion", "finite_difference", order)
    assert int(shown.operations) == counted(lambda: diffusion(SPEED, LINE, -1, weights, walls=None))


@pytest.mark.parametrize("name", ADVECTION_SCHEMES)
def test_the_cost_of_advection(name: str) -> None:
    scheme = ADVECTION_SCHEMES[name]
    shown = row("advection", f"finite_difference, {re.sub(r'central.', 'central', name)}", scheme.order)
    assert int(shown.operations) == counted(lambda: scheme(LINE, SPEED, -1, 1.0, periodic=True))


@pytest.mark.parametrize("order", [2, 4, 6])
def test_the_cost_of_summation_by_parts(order: int) -> None:
    parts, walls = SummationByParts(order, POINTS, 1.0), (Neumann(0), Neumann(0))
    runs = {
        "d_dx": lambda: parts.first(LINE, -1),
        "d2_dx2": lambda: parts.second(LINE, -1, walls),
        "diffusion": lambda: parts.diffusion(SPEED, LINE, -1, walls),
        "advection": lambda: parts.advection(SPEED, LINE, -1, walls),
    }
    assert {word: int(row(word, "summation_by_parts", order).operations) for word in runs} == {
        word: counted(run) for word, run in runs.items()
    }


@pytest.mark.parametrize(("word", "dimension"), [(w, d) for w, by in ISOTROPIC_POINTS.items() for d in by])
def test_the_cost_of_isotropic_laplacians(word: str, dimension: int) -> None:
    shape = (24,) * dimension
    weights = isotropic_weights(ISOTROPIC_POINTS[word][dimension], Grid(shape, extent=1.0))
    run = lambda: isotropic_laplacian(LINE[: 24**dimension].view(shape), weights, periodic=[True] * dimension)  # noqa: E731 - a formula
    shown = row("laplacian", f"finite_difference, {word} in {dimension}-D")
    assert int(shown.operations) == counted(run, 24**dimension)
