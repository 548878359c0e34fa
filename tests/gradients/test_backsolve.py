"""Backsolve: constant memory, and that it says so where the solution cannot be found again from its end."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.errors import FieldSolverError, FieldSolverWarning, OptionError
from fieldsolver.gradients import Backsolve
from fieldsolver.gradients.continuous.dissipation import is_pure_diffusion
from fieldsolver.methods import get_method
from fieldsolver.stepping import VectorField

TSIT5 = get_method("tsit5")


def equation(text: str, cells: int = 16, **parameters: float) -> fs.FieldEquation:
    return fs.FieldEquation(
        text, grid=fs.Grid(shape=(cells,), extent=1.0), boundary=fs.Periodic(), parameters=parameters
    )


def wave(cells: int = 16) -> Tensor:
    x = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    return (1.0 + torch.sin(2 * torch.pi * x)).requires_grad_()


@pytest.mark.parametrize(
    "text",
    [
        "du/dt = D*laplacian(u)",
        "du/dt = D*laplacian(u) - k*u + 1",
        "du/dt = -D*biharmonic(u)",
        "du/dt = diffusion(1 + 0.5*sin(2*pi*x), u)*D",
    ],
)
def test_pure_diffusion_is_refused_before_anything_runs(text: str) -> None:
    parameters = {"D": 0.1} | ({"k": 2.0} if "k" in text else {})
    heat, seen = equation(text, **parameters), []
    with pytest.raises(OptionError, match=r"backward diffusion is ill-posed: .* use gradient='quadrature' or 'checkp"):
        fs.solve(heat, {"u": wave()}, t_span=(0, 0.5), gradient="backsolve", callback=lambda t, y: seen.append(t))
    with pytest.raises(OptionError, match="backward diffusion is ill-posed"):
        fs.nn.FieldLayer(heat, gradient="backsolve")
    assert not seen


def test_the_sentence_has_the_numbers_of_the_spectrum() -> None:
    # The fastest mode of the second difference on 16 cells of width 1/16 decays at D 4/h^2 = 102.4.
    with pytest.raises(OptionError, match=r"decays at the rate 102\.4 and would grow by e\^51\.2 over the span 0\.5;"):
        Backsolve().check(TSIT5, equation("du/dt = D*laplacian(u)", D=0.1), 0.5)
    with pytest.warns(FieldSolverWarning, match=r"decays at the rate 101\.4, so errors grow by e\^50\.7 over the span"):
        Backsolve().check(TSIT5, equation("du/dt = D*laplacian(u) + u - u**3", D=0.1), 0.5)


@pytest.mark.parametrize(
    ("text", "pure"),
    [
        ("du/dt = D*laplacian(u)", True),
        ("du/dt = D*laplacian(u) - d_dx(u)", False),
        ("du/dt = D*laplacian(u) + u", False),
        ("du/dt = D*laplacian(u) - u**3", False),
        ("du/dt = -D*u", False),
        ("d2u/dt2 = D*laplacian(u)", False),
    ],
)
def test_what_pure_diffusion_is(text: str, pure: bool) -> None:
    declared = equation(text, D=0.1)
    assert is_pure_diffusion(declared, linear_part(declared)) is pure


def test_equations_that_forget_little_pass_in_silence() -> None:
    for text, span in (("du/dt = -d_dx(u)", 1.0), ("du/dt = D*laplacian(u) + u - u**3", 0.05), ("du/dt = -D*u", 1.0)):
        parameters = {"D": 0.1} if "D" in text else {}
        Backsolve().check(TSIT5, equation(text, **parameters), span)
    Backsolve().check(TSIT5, None, 1e9)  # of a plain function nothing is known


def test_backward_in_time_what_grows_is_what_forgets() -> None:
    growing = fs.FieldEquation("du/dt = k*u", parameters={"k": 2.0})
    Backsolve().check(TSIT5, growing, 5.0)
    with pytest.warns(FieldSolverWarning, match=r"e\^10 over the span -5"):
        Backsolve().check(TSIT5, growing, -5.0)


def test_a_dissipative_equation_ends_in_an_error_and_never_in_a_wrong_number() -> None:
    declared, u = equation("du/dt = D*laplacian(u) + u - u**3", D=0.1), wave()
    with pytest.warns(FieldSolverWarning, match="the gradient may be wrong"):
        loss = fs.solve(declared, {"u": u}, t_span=(0, 0.5), gradient="backsolve").y[-1].sum()
    with pytest.raises(FieldSolverError, match=r"of gradient='backsolve' ended early in sample 0, at t ="):
        loss.backward()


def test_a_function_that_forgets_is_noticed_when_the_start_is_not_found_again() -> None:
    y0, rate = torch.ones(3, 1, dtype=torch.float64, requires_grad=True), torch.tensor([30.0], dtype=torch.float64)

    def solve(rate: Tensor, span: float) -> tuple[Tensor, Tensor]:
        field = VectorField(lambda p, t, y: -rate * (y - torch.cos(t).unsqueeze(1)))
        found = Backsolve().solve(field, TSIT5, y0, 0.0, span, rtol=1e-6, atol=1e-9)
        (gradient,) = torch.autograd.grad(found.y_end.sum(), y0)
        return gradient, found.backward.residual

    with pytest.warns(FieldSolverWarning, match=r"found the solution again with a relative error of .* is wrong"):
        _, residual = solve(rate, 1.0)
    assert residual.shape == (3,)
    assert (residual > 1e-4).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, residual = solve(rate, 0.1)
    assert (residual < 1e-4).all()


@pytest.mark.parametrize("rtol", [1e-5, 1e-8])
def test_oscillators_are_found_again_in_silence(rtol: float) -> None:
    # Pendulum and Lotka-Volterra, some five periods each: nothing is forgotten, nothing is to be said.
    def pendulum(p: tuple, t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 1], -torch.sin(y[:, 0])], 1)

    def prey(p: tuple, t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 0] * (1 - y[:, 1]), y[:, 1] * (y[:, 0] - 1)], 1)

    for f, start in ((pendulum, [1.0, 0.3]), (prey, [2.0, 1.0])):
        y0 = torch.tensor([start], dtype=torch.float64, requires_grad=True)
        found = Backsolve().solve(VectorField(f), TSIT5, y0, 0.0, 30.0, rtol=rtol, atol=rtol * 1e-3)
        torch.autograd.grad(found.y_end.sum(), y0)


def test_memory_does_not_grow_with_the_steps() -> None:
    net = torch.nn.Linear(2, 2).double()
    y0 = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    field = VectorField(lambda p, t, y: torch.tanh(y @ p[0].T + p[1]), tuple(net.parameters()), (False, False))

    def kept(dt: float) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            y_end = Backsolve().solve(field, TSIT5, y0, 0.0, 1.0, dt=dt).y_end
        assert not y_end.grad_fn.passes.found  # nor does the object hold the trajectory
        return sum(sizes)

    assert kept(0.1) == kept(0.001) == 2 * y0.numel() + sum(p.numel() for p in net.parameters())
