"""Gradients of steady states: closed forms, differences, long runs, and the refusals that keep them honest."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.gradients import Implicit
from fieldsolver.gradients.steady.gmres import gmres

F64 = torch.float64
TIGHT = fs.SteadyState(1e-12, 1e-11, max_time=1e4)
ACCURATE = {"until": TIGHT, "rtol": 1e-9, "atol": 1e-11, "batch_dims": 1}
MODES = pytest.mark.parametrize(
    "mode",
    [Implicit(), Implicit("anderson"), Implicit(polish=2), Implicit(vectors=3)],
    ids=["gmres", "anderson", "polished", "few vectors"],
)


def leaf(values: Any, dtype: torch.dtype = F64) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def network(n: int, samples: int = 3, seed: int = 0) -> tuple[Callable[..., Tensor], Tensor, Tensor, Tensor]:
    """y' = -y + tanh(W y + b): stable, and its Jacobian is not symmetric."""
    generator = torch.Generator().manual_seed(seed)
    W = (0.6 / n**0.5 * torch.randn(n, n, generator=generator, dtype=F64)).requires_grad_()
    b = torch.randn(samples, n, generator=generator, dtype=F64).requires_grad_()

    def f(t: Tensor, y: Tensor, W: Tensor, b: Tensor) -> Tensor:
        return -y + torch.tanh(y @ W.T + b)

    return f, W, b, torch.zeros(samples, n, dtype=F64)


# --- values ------------------------------------------------------------------------------------------------------


@MODES
def test_linear_logistic_and_cubic_closed_forms(mode: Implicit) -> None:
    a, c = leaf(2.0), leaf([[1.0], [-3.0]])
    y = fs.solve(lambda t, y, a, c: c - a * y, torch.zeros(2, 1, dtype=F64), args=(a, c), gradient=mode, **ACCURATE).y
    slope_a, slope_c = torch.autograd.grad(y[-1].sum(), (a, c))
    assert slope_a.item() == pytest.approx(-(1.0 - 3.0) / 4.0, rel=1e-9)
    torch.testing.assert_close(slope_c, torch.full((2, 1), 0.5, dtype=F64), rtol=1e-9, atol=0)

    r, K = leaf([[1.0], [0.3]]), leaf(5.0)
    y = fs.solve(lambda t, y, r, K: r * y * (1 - y / K), 0.1 + 0 * r.detach(), args=(r, K), gradient=mode, **ACCURATE).y
    slope_r, slope_K = torch.autograd.grad((y[-1] ** 2).sum(), (r, K))
    assert slope_K.item() == pytest.approx(2 * 2 * 5.0, rel=1e-8)
    torch.testing.assert_close(slope_r, torch.zeros(2, 1, dtype=F64), rtol=0, atol=1e-7)

    p = leaf([[0.0], [2.0], [-2.0]])  # y^3 = y + p far from the folds: dy/dp = 1 / (3 y^2 - 1)
    y0 = torch.tensor([[0.5], [1.0], [-1.0]], dtype=F64)
    y = fs.solve(lambda t, y, p: y - y**3 + p, y0, args=(p,), gradient=mode, **ACCURATE).y[-1]
    (slope,) = torch.autograd.grad(y.sum(), p)
    torch.testing.assert_close(slope, 1 / (3 * y.detach() ** 2 - 1), rtol=1e-8, atol=0)


@MODES
def test_a_jacobian_that_is_not_symmetric_against_a_dense_solve(mode: Implicit) -> None:
    f, W, b, y0 = network(12)
    solution = fs.solve(f, y0, args=(W, b), gradient=mode, **ACCURATE)
    weights = torch.linspace(-1, 2, 36, dtype=F64).reshape(3, 12)
    found = torch.autograd.grad((weights * solution.y[-1]).sum(), (W, b))
    y = solution.y[-1].detach()
    slope = 1 - torch.tanh(y @ W.T + b).detach() ** 2
    J = -torch.eye(12, dtype=F64) + slope.unsqueeze(2) * W.detach()
    u = torch.linalg.solve(J.mT, weights)
    torch.testing.assert_close(found[1], -u * slope, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(found[0], -torch.einsum("bi,bj->ij", u * slope, y), rtol=1e-8, atol=1e-10)


def test_central_differences_of_the_whole_solve() -> None:
    f, W, b, y0 = network(5)
    mode = Implicit(polish=3)

    def loss(W: Tensor, b: Tensor) -> Tensor:
        return (fs.solve(f, y0, args=(W, b), gradient=mode, **ACCURATE).y[-1] ** 3).sum()

    found = torch.autograd.grad(loss(W, b), (W, b))
    generator = torch.Generator().manual_seed(5)
    for which, tensor in enumerate((W, b)):
        direction = torch.randn(tensor.shape, generator=generator, dtype=F64)
        h, ends = 1e-4, []
        for sign in (1, -1):
            moved = [W.detach(), b.detach()]
            moved[which] = moved[which] + sign * h * direction
            ends.append(loss(*moved).item())
        difference = (ends[0] - ends[1]) / (2 * h)
        assert float((found[which] * direction).sum()) == pytest.approx(difference, rel=1e-6)


def test_a_module_gets_the_gradients_of_a_long_run() -> None:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4)).double()

    class Relaxation(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return 0.5 * self.net(y) - y

    f, y0 = Relaxation(), torch.zeros(2, 4, dtype=F64)
    gradients = []
    for mode in ("implicit", "direct"):
        solution = fs.solve(f, y0, gradient=mode, **ACCURATE)
        gradients.append(torch.autograd.grad(solution.y[-1].pow(2).sum(), list(f.parameters())))
    for implicit, direct in zip(*gradients, strict=True):
        torch.testing.assert_close(implicit, direct, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        ("du/dt = D*laplacian(u) + r*u*(1 - u) - 0.2*u*sin(x)", fs.Neumann(0)),
        ("du/dt = D*laplacian(u) + r*(u - u**3)", {"x-": fs.Dirichlet(-0.5), "x+": fs.Dirichlet(1)}),
        ("du/dt = D*laplacian(u) - r*d_dx(u) - u + 1", fs.Periodic()),
    ],
    ids=["fisher", "allen-cahn", "advection"],
)
def test_fields_against_the_gradient_of_a_long_run(text: str, boundary: Any) -> None:
    equation = fs.FieldEquation(
        text, grid=fs.Grid(shape=(12,), extent=6.0), boundary=boundary,
        parameters={"D": fs.Parameter(0.3, positive=True), "r": fs.Parameter(0.8)},
    ).double()  # fmt: skip
    u0 = 0.5 + 0.2 * torch.cos(torch.arange(12, dtype=F64) / 2)
    weights, gradients = torch.linspace(0, 1, 12, dtype=F64), []
    for mode in (Implicit(polish=2), "direct"):
        solution = fs.solve(equation, {"u": u0}, until=TIGHT, rtol=1e-9, atol=1e-11, gradient=mode)
        gradients.append(torch.autograd.grad((weights * solution["u"][-1]).sum(), list(equation.parameters())))
    for implicit, direct in zip(*gradients, strict=True):
        torch.testing.assert_close(implicit, direct, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("what", ["held nodes", "mask"])
def test_entries_that_are_no_unknowns_do_not_make_the_system_singular(what: str) -> None:
    if what == "held nodes":
        grid = fs.Grid(9, extent=1.0, centring="node")
        extra: dict[str, Any] = {"boundary": {"x-": fs.Dirichlet(-0.5), "x+": fs.Dirichlet(1)}}
    else:
        inside = torch.arange(8) < 6
        grid, extra = fs.Grid(8, extent=1.0), {"boundary": {"x": fs.Neumann(0), "mask": fs.Neumann(0)}, "mask": inside}
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + r*(x - u)", grid=grid,
        parameters={"D": fs.Parameter(0.05, positive=True), "r": fs.Parameter(2.0)}, **extra,
    ).double()  # fmt: skip
    u0, gradients = {"u": torch.full(grid.shape, 0.4, dtype=F64)}, []
    for mode in (Implicit(polish=2), "direct"):
        solution = fs.solve(equation, u0, until=TIGHT, rtol=1e-9, atol=1e-11, gradient=mode)
        u = solution["u"][-1] if what == "held nodes" else solution["u"][-1][inside]
        gradients.append(torch.autograd.grad(u.pow(3).sum(), list(equation.parameters())))
    for implicit, direct in zip(*gradients, strict=True):
        torch.testing.assert_close(implicit, direct, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("mode", [Implicit(), Implicit("anderson")])
def test_complex_states_whose_f_is_not_holomorphic(mode: Implicit) -> None:
    mu, drive = leaf(1.5), leaf([[0.3 + 0.2j], [0.1 - 0.7j]], torch.complex128)

    def f(t: Tensor, y: Tensor, mu: Tensor, drive: Tensor) -> Tensor:
        return (-0.5 + 0.3j) * y - mu * y.abs() ** 2 * y + drive

    def steady(mode: Any) -> Tensor:
        y0 = torch.zeros(2, 1, dtype=torch.complex128)
        return fs.solve(f, y0, args=(mu, drive), gradient=mode, **ACCURATE).y[-1]

    gradients = []
    for choice in (mode, "direct"):
        y = steady(choice)
        gradients.append(torch.autograd.grad((y.real * 2 - y.imag + y.abs() ** 2).sum(), (mu, drive)))
    for implicit, direct in zip(*gradients, strict=True):
        torch.testing.assert_close(implicit, direct, rtol=1e-7, atol=1e-9)


def test_float32() -> None:
    f, W, b, y0 = network(8)
    W32, b32 = W.detach().float().requires_grad_(), b.detach().float().requires_grad_()
    options = {"batch_dims": 1, "until": fs.SteadyState(1e-6, 1e-5, max_time=1e3), "rtol": 1e-5, "atol": 1e-7}
    single = fs.solve(f, y0.float(), args=(W32, b32), **options)
    exact = fs.solve(f, y0, args=(W, b), **ACCURATE)
    assert single.stats.gradient == exact.stats.gradient == "implicit"
    found = torch.autograd.grad(single.y[-1].sum(), (W32, b32))
    expected = torch.autograd.grad(exact.y[-1].sum(), (W, b))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-4)


def test_polish_squares_the_distance_from_the_root() -> None:
    f, W, b, y0 = network(6)
    rough = {"until": fs.SteadyState(1e-3, 1e-3, max_time=1e3), "batch_dims": 1}
    exact = fs.solve(f, y0, args=(W, b), gradient=Implicit(polish=3), **ACCURATE)
    errors, gradients = [], []
    for steps in range(3):
        solution = fs.solve(f, y0, args=(W, b), gradient=Implicit(polish=steps), **rough)
        errors.append(float((solution.y[-1] - exact.y[-1]).detach().abs().max()))
        gradients.append(torch.autograd.grad(solution.y[-1].sum(), W)[0])
    expected = torch.autograd.grad(exact.y[-1].sum(), W)[0]
    assert 1e-5 < errors[0] < 1e-2
    assert errors[1] < 10 * errors[0] ** 2 + 1e-9
    assert errors[2] < 1e-12
    torch.testing.assert_close(gradients[2], expected, rtol=1e-9, atol=1e-11)
    assert (solution.stats.residual < 1e-6).all()
    assert (solution.stats.nfev > fs.solve(f, y0, args=(W, b), **rough).stats.nfev).all()
    with torch.no_grad():  # also where nobody asks for a gradient
        plain = fs.solve(f, y0, args=(W, b), gradient=Implicit(polish=2), **rough)
    assert torch.equal(plain.y[-1], solution.y[-1].detach())


# --- samples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["gmres", "anderson"])
def test_the_gradient_of_a_sample_is_unchanged_by_its_neighbours(solver: str) -> None:
    f, W, b, y0 = network(7, samples=4)
    with torch.no_grad():
        b[2] *= 30  # saturated: another conditioning
    mode = Implicit(solver)

    def slopes(rows: list[int]) -> tuple[Tensor, Tensor]:
        own = b.detach()[rows].requires_grad_()
        y = fs.solve(f, y0[rows], args=(W, own), gradient=mode, **ACCURATE).y[-1]
        return torch.autograd.grad(y[0].sum(), (own, W))

    for sample in range(4):
        others = [i for i in range(4) if i != sample]
        alone, among = slopes([sample]), slopes([sample, *others])
        torch.testing.assert_close(among[0][0], alone[0][0], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(among[1], alone[1], rtol=1e-10, atol=1e-12)
        assert (among[0][1:] == 0).all()


def some_failing() -> tuple[fs.Solution, Tensor]:
    """Two samples come to rest at the lower root of y^2 - y + p/10, one starts nowhere, one is too slow."""
    p, upper = leaf(1.0), (1 + math.sqrt(0.6)) / 2
    y0 = torch.tensor([[0.5], [math.nan], [0.2], [upper - 1e-4]], dtype=F64)
    with pytest.warns(fs.FieldSolverWarning, match="2 of 4"):
        solution = fs.solve(
            lambda t, y, p: p * (0.1 * p - y + y**2), y0, args=(p,), batch_dims=1, gradient="implicit",
            until=fs.SteadyState(max_time=26.0), on_failure="keep",
        )  # fmt: skip
    return solution, p


def test_samples_that_failed_poison_nobody() -> None:
    solution, p = some_failing()
    at_rest = solution.status == fs.Status.STEADY
    assert at_rest.tolist() == [True, False, True, False]
    (slope,) = torch.autograd.grad(solution.y[-1][at_rest].sum(), p)
    assert slope.item() == pytest.approx(2 * 0.1 / math.sqrt(0.6), rel=1e-5)  # (2 y - 1) dy + dp/10 = 0


def test_a_loss_on_samples_that_are_not_at_rest_is_refused() -> None:
    solution, p = some_failing()
    with pytest.raises(fs.ConvergenceError, match=r"1 sample.* not at rest \(sample 3: .*leave them out of the loss"):
        solution.y[-1, 3].sum().backward()
    assert p.grad is None


def test_none_at_rest() -> None:
    p = leaf(1.0)
    with pytest.warns(fs.FieldSolverWarning, match="1 of 1"):
        solution = fs.solve(
            lambda t, y, p: p + 0 * y, torch.zeros(1, 1, dtype=F64), args=(p,), batch_dims=1, on_failure="keep",
            until=fs.SteadyState(max_time=1.0),
        )  # fmt: skip
    with pytest.raises(fs.ConvergenceError, match="not at rest"):
        solution.y[-1].sum().backward()


def test_the_initial_state_gets_zeros_but_for_the_first_save_point() -> None:
    y0 = leaf([[0.3], [2.0]])
    solution = fs.solve(lambda t, y: y - y**3, y0, **ACCURATE)
    (slope,) = torch.autograd.grad(solution.y[-1].sum(), y0, retain_graph=True)
    assert (slope == 0).all()
    (slope,) = torch.autograd.grad(solution.y[0].sum(), y0)
    assert (slope == 1).all()


# --- singular systems --------------------------------------------------------------------------------------------


def reaction(t: Tensor, y: Tensor, k: Tensor) -> Tensor:
    """A <-> B: the sum is conserved, the ratio is k."""
    rate = y[:, :1] * k - y[:, 1:]
    return torch.cat([-rate, rate], dim=1)


@pytest.mark.parametrize("solver", ["gmres", "anderson"])
def test_what_is_conserved_is_noticed_where_the_loss_depends_on_it(solver: str) -> None:
    k = leaf(2.0)
    y0 = torch.tensor([[1.0, 0.5]], dtype=F64)
    solution = fs.solve(reaction, y0, args=(k,), gradient=Implicit(solver), **ACCURATE)
    with pytest.raises(fs.ConvergenceError, match=r"no solution .*singular .* depends on y0.*gradient='checkpointed'"):
        torch.autograd.grad(solution.y[-1, :, 0].sum(), k)
    run = fs.solve(reaction, y0, args=(k,), gradient="checkpointed", **ACCURATE)
    (slope,) = torch.autograd.grad(run.y[-1, :, 0].sum(), k)
    assert slope.item() == pytest.approx(-1.5 / 9.0, rel=1e-6)  # A = 1.5 / (1 + k)


def test_where_the_loss_does_not_depend_on_what_is_conserved_the_gradient_is_right() -> None:
    k = leaf(2.0)
    solution = fs.solve(reaction, torch.tensor([[1.0, 0.5]], dtype=F64), args=(k,), **ACCURATE)
    a, b = solution.y[-1, 0]
    (slope,) = torch.autograd.grad(b / a, k)
    assert slope.item() == pytest.approx(1.0, rel=1e-8)


def test_diffusion_between_insulated_walls_is_singular_and_with_decay_it_is_not() -> None:
    grid = fs.Grid(shape=(16,), extent=1.0)
    u0 = {"u": torch.linspace(0, 1, 16, dtype=F64)}

    def mean(text: str) -> tuple[Tensor, fs.FieldEquation]:
        equation = fs.FieldEquation(text, grid=grid, boundary=fs.Neumann(0), parameters={"D": fs.Parameter(0.5)})
        solution = fs.solve(equation.double(), u0, until=fs.SteadyState(max_time=1e3))
        return solution["u"][-1].pow(2).mean(), equation

    loss, _ = mean("du/dt = D*laplacian(u) + x - 0.5")
    with pytest.raises(fs.ConvergenceError, match="no solution"):
        loss.backward()
    loss, equation = mean("du/dt = D*laplacian(u) + x - u")
    loss.backward()
    assert all(parameter.grad.abs() > 1e-3 for parameter in equation.parameters())


def test_too_few_iterations_are_told_as_such() -> None:
    f, W, b, y0 = network(20)
    solution = fs.solve(f, y0, args=(W, b), gradient=Implicit(max_iterations=3), **ACCURATE)
    with pytest.raises(fs.ConvergenceError, match=r"after 3 iterations; give .* max_iterations=") as caught:
        solution.y[-1].sum().backward()
    assert caught.value.report.residual.shape == (3,)


# --- what a layer needs of it ------------------------------------------------------------------------------------


def test_captured_tensors_get_gradients_too() -> None:
    c = leaf(4.0)
    solution = fs.solve(lambda t, y: c - y, torch.zeros(1, dtype=F64), until=TIGHT)
    assert solution.stats.gradient == "implicit"
    assert torch.autograd.grad(solution.y[-1].sum(), c)[0].item() == pytest.approx(1.0)


def test_the_backward_pass_is_accounted_for() -> None:
    f, W, b, y0 = network(10)
    counted = [0]

    def counting(t: Tensor, y: Tensor, W: Tensor, b: Tensor) -> Tensor:
        counted[0] += 1
        return f(t, y, W, b)

    solution = fs.solve(counting, y0, args=(W, b), **ACCURATE)
    forward, record = counted[0], solution.stats.backward
    assert record.nfev == 0
    solution.y[-1].sum().backward()
    assert counted[0] == forward  # the graph of one evaluation is all that is needed
    assert 2 <= record.iterations <= 11
    assert record.iterations <= record.nfev <= record.iterations + 3
    assert record.residual.shape == (3,)
    assert (record.residual < 1e-10).all()
    assert record.iterations <= record.peak_states <= record.iterations + 1


def test_its_own_tolerance_is_kept() -> None:
    f, W, b, y0 = network(40, samples=1)
    iterations = []
    for rtol in (1e-2, 1e-6, 1e-12):
        solution = fs.solve(f, y0, args=(W, b), gradient=Implicit(rtol=rtol), **ACCURATE)
        solution.y[-1].sum().backward()
        assert rtol * 1e-6 < solution.stats.backward.residual.item() <= rtol
        iterations.append(solution.stats.backward.iterations)
    assert iterations == sorted(set(iterations))


def test_the_graph_may_be_used_twice_and_is_freed() -> None:
    f, W, b, y0 = network(4)
    solution = fs.solve(f, y0, args=(W, b), **ACCURATE)
    (first,) = torch.autograd.grad(solution.y[-1].sum(), W, retain_graph=True)
    (second,) = torch.autograd.grad(solution.y[-1].sum(), W)
    assert torch.equal(first, second)
    seen: list[weakref.ref[Tensor]] = []

    def watched(t: Tensor, y: Tensor, *parameters: Tensor) -> Tensor:
        if y.requires_grad:
            seen.append(weakref.ref(y))
        return f(t, y, *parameters)

    solution = fs.solve(watched, y0, args=(W, b), **ACCURATE)
    gc.disable()
    try:
        assert seen[-1]() is not None
        del solution
        assert seen[-1]() is None
    finally:
        gc.enable()


def test_a_parameter_changed_in_place_before_the_backward_pass_is_noticed() -> None:
    f, W, b, y0 = network(4)
    solution = fs.solve(f, y0, args=(W, b), **ACCURATE)
    with torch.no_grad():
        W.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        solution.y[-1].sum().backward()


def test_higher_derivatives_and_torch_func_are_refused() -> None:
    c = leaf(4.0)
    solution = fs.solve(lambda t, y, c: c - y, torch.zeros(1, dtype=F64), args=(c,), until=TIGHT)
    with pytest.raises(fs.OptionError, match="use gradient='direct' for higher derivatives"):
        torch.autograd.grad(solution.y[-1].sum(), c, create_graph=True)

    def end(c: Tensor, mode: str | None) -> Tensor:
        return fs.solve(lambda t, y, c: c - y, torch.zeros(1, dtype=F64), args=(c,), until=TIGHT, gradient=mode).y[
            -1, 0
        ]

    with pytest.raises(fs.OptionError, match=r"does not work inside torch\.func; use gradient='direct'"):
        torch.func.grad(end)(c.detach(), "implicit")
    assert torch.func.grad(end)(c.detach(), None).item() == pytest.approx(1.0)  # nobody asked for implicit
    value, tangent = torch.func.jvp(lambda c: end(c, None), (c.detach(),), (torch.ones_like(c),))
    assert (value.item(), tangent.item()) == (pytest.approx(4.0), pytest.approx(1.0))


def test_not_finite_gradients_go_on_their_way() -> None:
    c = leaf([[1.0], [2.0]])
    solution = fs.solve(lambda t, y, c: c - y, torch.zeros(2, 1, dtype=F64), args=(c,), **ACCURATE)
    (slope,) = torch.autograd.grad((solution.y[-1] * torch.tensor([[1.0], [math.inf]])).sum(), c)
    assert slope[0].item() == pytest.approx(1.0)
    assert not torch.isfinite(slope[1])


def test_memory_does_not_grow_with_the_run() -> None:
    """The graph is that of one evaluation of f, however many steps there were."""

    def nodes(tensor: Tensor) -> int:
        seen, stack = set(), [tensor.grad_fn]
        while stack:
            node = stack.pop()
            if node is not None and node not in seen:
                seen.add(node)
                stack.extend(parent for parent, _ in node.next_functions)
        return len(seen)

    f, W, b, y0 = network(4)
    counts, steps = [], []
    for dt in (0.5, 0.02):
        solution = fs.solve(f, y0, args=(W, b), dt=dt, **ACCURATE)
        counts.append(nodes(solution.y))
        steps.append(int(solution.stats.accepted.max()))
    assert counts[0] == counts[1]
    assert steps[1] > 15 * steps[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "gmre"}, "solver of Implicit is one of gmres, anderson, got 'gmre'; did you mean 'gmres'"),
        ({"rtol": 0.0}, "rtol of Implicit is a relative residual between 0 and 1"),
        ({"rtol": 2}, "rtol of Implicit"),
        ({"max_iterations": 0}, "max_iterations of Implicit is a whole number, at least 1"),
        ({"vectors": 1}, "vectors of Implicit is a whole number, at least 2"),
        ({"polish": -1}, "polish of Implicit is a whole number, at least 0"),
        ({"polish": 1.5}, "polish of Implicit"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fs.OptionError, match=message):
        Implicit(**options)


def test_gmres_is_what_the_oracle_tests_test() -> None:
    from fieldsolver.gradients.steady.implicit_solver import SOLVERS

    assert SOLVERS["gmres"] is gmres
