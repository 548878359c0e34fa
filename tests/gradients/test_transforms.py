"""torch.func and forward mode around a solve: right values where a mode has them, one sentence where it has not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.gradients import GRADIENTS
from fieldsolver.methods import METHODS, ReversibleMethod

DOUBLE = {"dtype": torch.float64}
W = torch.tensor([[0.3, -0.8], [0.5, 0.4]], **DOUBLE)
Y = torch.tensor([0.7, -0.4], **DOUBLE)
MANY = torch.stack([Y, 2 * Y, -Y])
FIXED, ADAPTIVE = {"dt": 0.1}, {"rtol": 1e-10, "atol": 1e-12}
WAYS = [
    pytest.param(FIXED, id="rk4"),
    pytest.param({**FIXED, "method": "ab3"}, id="ab3"),
    pytest.param(ADAPTIVE, id="tsit5"),
    pytest.param({**ADAPTIVE, "method": "dop853"}, id="dop853"),
]
BACKWARD = [name for name in GRADIENTS if name not in ("direct", "none", "implicit")]
"""Modes with a backward pass of their own along the run."""


def rate(t: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return torch.tanh(w @ y) * torch.cos(t) + 0.1 * y**3


def end(y: Tensor, w: Tensor = W, *, saved: bool = False, **options) -> Tensor:
    """y at t = 0.55 and 1, or at 1 alone."""
    times = [0.55, 1.0] if saved else [1.0]
    return fs.solve(rate, y, t_span=(0.0, 1.0), save_at=times, args=(w,), **options).y.flatten()


def differences(function: Callable[[Tensor], Tensor], x: Tensor, h: float = 1e-5) -> Tensor:
    """(outputs, *x.shape), central, of fourth order, by plain solves."""
    columns = []
    for step in torch.eye(x.numel(), **DOUBLE).reshape(-1, *x.shape):
        near, far = (function(x + k * h * step) - function(x - k * h * step) for k in (1, 2))
        columns.append((8 * near - far) / (12 * h))
    return torch.stack(columns, -1).reshape(-1, *x.shape)


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-7) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("options", WAYS)
def test_first_derivatives_by_every_transform(options: dict) -> None:
    def of_y(y: Tensor) -> Tensor:
        return end(y, saved=True, **options)

    def of_w(w: Tensor) -> Tensor:
        return end(Y, w, saved=True, **options)

    by_y, by_w = differences(of_y, Y), differences(of_w, W)
    v = torch.tensor([0.3, -0.7], **DOUBLE)
    close(jvp(of_y, (Y,), (v,))[1], by_y @ v)
    close(jvp(of_w, (W,), (W,))[1], (by_w * W).sum((1, 2)))
    close(jacfwd(of_y)(Y), by_y)
    close(jacrev(of_y)(Y), by_y)
    close(jacrev(of_w)(W), by_w)
    close(grad(lambda w: of_w(w).sum())(W), by_w.sum(0))
    close(vjp(of_w, W)[1](torch.ones(4, **DOUBLE))[0], by_w.sum(0))
    with torch.no_grad():  # forward mode does not ask whether gradients are enabled
        close(jacfwd(of_y)(Y), by_y)
    with forward_ad.dual_level():
        close(forward_ad.unpack_dual(of_y(forward_ad.make_dual(Y, v))).tangent, by_y @ v)
        close(forward_ad.unpack_dual(of_w(forward_ad.make_dual(W, W))).tangent, (by_w * W).sum((1, 2)))


@pytest.mark.parametrize("options", [FIXED, ADAPTIVE], ids=["rk4", "tsit5"])
def test_second_derivatives_by_every_combination(options: dict) -> None:
    def loss(y: Tensor) -> Tensor:
        return end(y, **options).square().sum()

    expected = differences(lambda y: torch.autograd.functional.jacobian(loss, y), Y)
    for second in (hessian, lambda f: jacrev(jacfwd(f)), lambda f: jacfwd(jacfwd(f)), lambda f: jacrev(jacrev(f))):
        close(second(loss)(Y), expected)
    assert torch.autograd.gradgradcheck(loss, Y.clone().requires_grad_())


def test_vmap_of_fixed_steps_is_the_batch() -> None:
    jacobians = torch.stack([differences(lambda y: end(y, **FIXED), y) for y in MANY])
    close(vmap(lambda y: end(y, **FIXED))(MANY), torch.stack([end(y, **FIXED) for y in MANY]), 1e-13)
    close(vmap(lambda w: end(Y, w, **FIXED))(torch.stack([W, 2 * W]))[1], end(Y, 2 * W, **FIXED), 1e-13)
    close(vmap(jacrev(lambda y: end(y, **FIXED)))(MANY), jacobians)
    close(vmap(jacfwd(lambda y: end(y, **FIXED)))(MANY), jacobians)
    weights = torch.arange(6.0, **DOUBLE).reshape(3, 2)
    found = grad(lambda many: (vmap(lambda y: end(y, **FIXED))(many) * weights).sum())(MANY)
    close(found, torch.einsum("boi,bo->bi", jacobians, weights))
    close(jvp(vmap(lambda y: end(y, **FIXED)), (MANY,), (MANY,))[1], torch.einsum("boi,bi->bo", jacobians, MANY))


def test_vmap_of_adaptive_steps_points_to_the_batch_axes() -> None:
    for f in (lambda y: end(y), lambda y: end(y, gradient="direct"), grad(lambda y: end(y).sum())):
        with pytest.raises(OptionError, match=r"vmap runs all samples at once, .*; give dt=, or let y0 have the batch"):
            vmap(f)(MANY)
    with pytest.raises(OptionError, match="vmap runs all samples at once"):
        vmap(lambda w: end(Y, w))(torch.stack([W, 2 * W]))


def test_an_inner_transform_of_something_else_loses_nothing() -> None:
    v, by_y = torch.tensor([0.3, -0.7], **DOUBLE), differences(lambda y: end(y, **FIXED), Y)
    inner = {
        "jvp": lambda y: jvp(lambda z: z * end(y, **FIXED), (v,), (v,))[1],
        "grad": lambda y: v * grad(lambda z: (z * end(y, **FIXED)).sum())(v),
        "vmap": lambda y: vmap(lambda z: z * end(y, **FIXED))(v.expand(2, 2))[0],
    }
    for function in inner.values():
        close(jacfwd(function)(Y), v[:, None] * by_y)
        close(jacrev(function)(Y), v[:, None] * by_y)


def test_captured_tensors_and_the_ends_are_followed() -> None:
    def captured(w: Tensor) -> Tensor:
        return fs.solve(lambda t, y: rate(t, y, w), Y, t_span=(0.0, 1.0), **FIXED).y[-1]

    by_w = differences(captured, W)
    close(jacfwd(captured)(W), by_w)
    close(jacrev(captured)(W), by_w)

    def until(t1: Tensor) -> Tensor:
        return fs.solve(rate, Y, t_span=(0.0, t1), args=(W,), **ADAPTIVE).y[-1]

    t1 = torch.tensor(1.0, **DOUBLE)
    expected = rate(t1, until(t1), W)
    close(jacfwd(until)(t1), expected)
    close(jacrev(until)(t1), expected)
    with forward_ad.dual_level():
        close(forward_ad.unpack_dual(until(forward_ad.make_dual(t1, t1))).tangent, expected)


class Driven(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(W.clone())

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return rate(t, y, self.w)


class Solver(nn.Module):
    """A module around a solve of a module, as users write it."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.f, self.options = Driven(), options

    def forward(self, y: Tensor) -> Tensor:
        return fs.solve(self.f, y, t_span=(0.0, 1.0), **self.options).y[-1]


def test_a_module_of_ones_own() -> None:
    solver, by_w = Solver(**FIXED), differences(lambda w: end(Y, w, **FIXED), W)

    def call(w: Tensor) -> Tensor:
        return functional_call(solver, {"f.w": w}, (Y,))

    close(jacrev(call)(W), by_w)
    close(jacfwd(call)(W), by_w)
    ensemble = vmap(call)(torch.stack([W, 2 * W]))  # an ensemble of models
    close(ensemble[1], call(2 * W), 1e-13)


def options_of(mode: str) -> dict:
    reversible = [name for name, method in METHODS.items() if isinstance(method, ReversibleMethod)]
    return {"gradient": mode, "dt": 0.02} | ({"method": reversible[0]} if mode == "reversible" else {})


@pytest.mark.parametrize("mode", BACKWARD)
def test_modes_with_a_backward_pass_of_their_own_give_first_derivatives_backward(mode: str) -> None:
    options = options_of(mode)
    solver = Solver(**options)
    plain = {**options, "gradient": "direct"}
    # Continuous adjoints have the error of the steps, the others that of round-off.
    tolerance = 1e-6 if mode in ("backsolve", "quadrature") else 1e-9

    def call(w: Tensor) -> Tensor:
        return functional_call(solver, {"f.w": w}, (Y,))

    expected = jacrev(lambda w: end(Y, w, **plain))(W)
    close(grad(lambda w: call(w).sum())(W), expected.sum(0), tolerance)
    close(vjp(call, W)[1](torch.ones(2, **DOUBLE))[0], expected.sum(0), tolerance)
    close(jacrev(call)(W), expected, tolerance)
    close(jacrev(lambda y: end(y, **options))(Y), jacrev(lambda y: end(y, **plain))(Y), tolerance)


@pytest.mark.parametrize("mode", BACKWARD)
def test_modes_with_a_backward_pass_of_their_own_refuse_the_rest(mode: str) -> None:
    options = options_of(mode)

    def loss(y: Tensor) -> Tensor:
        return end(y, **options).square().sum()

    forward = rf"gradient='{mode}' has no forward-mode derivative .*; use gradient='direct'"
    for f in (lambda: jvp(loss, (Y,), (Y,)), lambda: jacfwd(loss)(Y), lambda: hessian(loss)(Y)):
        with pytest.raises(OptionError, match=forward):
            f()
    with forward_ad.dual_level(), pytest.raises(OptionError, match=forward):
        loss(forward_ad.make_dual(Y, Y))
    with torch.no_grad(), forward_ad.dual_level(), pytest.raises(OptionError, match=forward):
        loss(forward_ad.make_dual(Y, Y))
    with pytest.raises(OptionError, match=rf"gradient='{mode}' does not work under torch.func.vmap; let y0 have the b"):
        vmap(loss)(MANY)
    twice = rf"gradient='{mode}' was differentiated twice .*; use gradient='direct' for higher derivatives"
    with pytest.raises(OptionError, match=twice):
        grad(lambda y: grad(loss)(y).sum())(Y)
    y = Y.clone().requires_grad_()
    with pytest.raises(OptionError, match=twice):
        torch.autograd.grad(loss(y), y, create_graph=True)


def equation() -> fs.FieldEquation:
    return fs.FieldEquation(
        "du/dt = D*laplacian(u) + a*u*(1 - u)", grid=fs.Grid(shape=(8,), extent=1.0), boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(0.01), "a": fs.Parameter(1.5)},
    ).double()  # fmt: skip


def test_declared_equations() -> None:
    u = torch.linspace(0.1, 0.9, 8, **DOUBLE)
    declared = equation()

    def solved(a: Tensor, u: Tensor, **options) -> Tensor:
        class Call(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.declared = declared

            def forward(self, u: Tensor) -> Tensor:
                return fs.solve(self.declared, {"u": u}, t_span=(0, 0.5), **options)["u"][-1]

        (name,) = (name for name, _ in Call().named_parameters() if "a" in name.split(".")[-1])
        return functional_call(Call(), {name: a}, (u,))

    a = torch.tensor(1.5, **DOUBLE)
    for options in ({"dt": 0.05}, ADAPTIVE):
        by_a = differences(lambda a, o=options: solved(a, u, **o), a)
        by_u = differences(lambda u, o=options: solved(a, u, **o), u)
        close(jacfwd(lambda a, o=options: solved(a, u, **o))(a), by_a)
        close(jacrev(lambda a, o=options: solved(a, u, gradient="direct", **o))(a), by_a)
        close(jacfwd(lambda u, o=options: solved(a, u, **o))(u), by_u)
    close(vmap(lambda u: solved(a, u, dt=0.05))(torch.stack([u, 1 - u]))[0], solved(a, u, dt=0.05), 1e-13)


def test_layers() -> None:
    layer = fs.nn.FieldLayer(equation(), duration=0.5, dt=0.05, gradient="direct")
    u = torch.linspace(0.1, 0.9, 8, **DOUBLE).reshape(1, 1, 8)
    parameters = dict(layer.named_parameters())

    def call(parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(layer, parameters, (u,)).flatten()

    expected = {}
    for name, value in parameters.items():
        expected[name] = differences(lambda p, name=name: call({**parameters, name: p}).detach(), value.detach())
    for transform in (jacfwd, jacrev):
        for name, found in transform(call)(parameters).items():
            close(found, expected[name])
    gradients = grad(lambda p: call(p).square().sum())(parameters)
    for name, found in gradients.items():
        close(found, 2 * torch.tensordot(call(parameters).detach(), expected[name], dims=1))
    many = vmap(lambda u: layer(u))(torch.stack([u, 1 - u]))
    close(many[1], layer(1 - u), 1e-12)
