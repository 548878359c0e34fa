"""The limits against the solver itself: just below them runs stay bounded, just above they do not."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis.schemes import get_scheme
from fieldsolver.analysis.stability import stability
from fieldsolver.analysis.steplimits.rates import Rates
from fieldsolver.analysis.steplimits.symbol import symbol_modes

PERIODIC = fs.Periodic()
LINE = fs.Grid(24, extent=24.0)
MOST_STEPS = 20_000
GROWN = 1e4
WEAKEST = 1e5
"""How many times weaker than the start the growing part may be: parasitic roots wake slowly."""


def transport(**scheme):
    return fs.FieldEquation(
        "du/dt = -advection(1.0, u)", grid=LINE, boundary=PERIODIC, scheme=fs.FiniteDifference(**scheme)
    )


def field(text, grid=LINE, boundary=PERIODIC, **more):
    return fs.FieldEquation(text, grid=grid, boundary=boundary, **more)


EQUATIONS = {
    "heat": lambda: field("du/dt = laplacian(u)"),
    "heat of order 4": lambda: field("du/dt = laplacian(u)", space_order=4),
    "heat between walls": lambda: field("du/dt = laplacian(u)", boundary=fs.Dirichlet(0)),
    "heat in a box": lambda: field("du/dt = laplacian(u)", fs.Grid((8, 8), extent=8.0), fs.Neumann(0)),
    "plate": lambda: field("du/dt = -biharmonic(u)"),
    "upwind": lambda: transport(advection="upwind1"),
    "upwind of order 3": lambda: transport(advection="upwind3"),
    "central": lambda: transport(order=2),
    "central of order 4": lambda: transport(order=4),
    "advection and diffusion": lambda: field("du/dt = 0.3*laplacian(u) - d_dx(u)"),
    "wave": lambda: field("d2u/dt2 = laplacian(u)"),
    "damped wave between walls": lambda: field("d2u/dt2 = laplacian(u) - 0.2*d_dt(u)", boundary=fs.Neumann(0)),
    "Schroedinger": lambda: field("dpsi/dt = 1j*laplacian(psi)", complex_fields=["psi"]),
    "two fields": lambda: field("du/dt = laplacian(u) - u + 2*v;  dv/dt = 3*laplacian(v) - u - v"),
    "oscillator": lambda: fs.FieldEquation("dq/dt = p;  dp/dt = -q - 0.1*p"),
}

FAST = [
    ("heat", "euler"),
    ("heat", "ab2"),
    ("upwind of order 3", "rk4"),
    ("central", "rk4"),
    ("damped wave between walls", "rk4"),
    ("Schroedinger", "ssprk33"),
    ("two fields", "tsit5"),
]
REST = [
    ("heat", "heun"),
    ("heat", "rk4"),
    ("heat", "bosh3"),
    ("heat", "dopri5"),
    ("heat", "tsit5"),
    ("heat", "dop853"),
    ("heat", "ssprk104"),
    ("heat", "rdpk3spfsal49"),
    ("heat", "ab3"),
    ("heat", "ab4"),
    ("heat of order 4", "euler"),
    ("heat of order 4", "rk4"),
    ("heat between walls", "euler"),
    ("heat between walls", "ssprk54"),
    ("heat in a box", "euler"),
    ("heat in a box", "ssprk43"),
    ("plate", "euler"),
    ("plate", "rk4"),
    ("upwind", "ssprk33"),
    ("upwind", "rk4"),
    ("upwind of order 3", "ssprk33"),
    ("central", "ssprk33"),
    ("central", "ssprk43"),
    ("central of order 4", "rk4"),
    ("advection and diffusion", "heun"),
    ("advection and diffusion", "rk4"),
    ("wave", "rk4"),
    ("wave", "ssprk33"),
    ("Schroedinger", "rk4"),
    ("two fields", "euler"),
    ("oscillator", "rk4"),
]


def grown(equation, method, y0, dt, steps):
    """How many times as large a run ends; infinite when it overflows."""
    run = fs.solve(
        equation,
        y0,
        t_span=(0.0, steps * dt),
        dt=dt,
        method=method,
        check="off",
        on_failure="keep",
        max_steps=MOST_STEPS,
    )
    ratio = float(run.y[-1].abs().max() / y0.abs().max())
    return ratio if math.isfinite(ratio) else math.inf


def check(name, method):
    equation = EQUATIONS[name]()
    result = stability(equation, method=method)
    dt = float(result["dt_max"][0])
    dtype = torch.complex128 if equation.is_complex else torch.float64
    rates = Rates(equation, torch.zeros(equation.state_shape, dtype=dtype), 0.0)
    modes = symbol_modes(rates)
    position = int(result["binding_mode"][0])
    right, _ = modes.vectors(position)
    generator = np.random.default_rng(0)
    push = 1e-3 * generator.standard_normal(right.shape)  # parasitic roots are to be woken, too
    y0 = rates.as_state(right.real / np.abs(right).max() + push)
    per_step = float(get_scheme(method).growth(1.01 * dt * modes.eigenvalues[position : position + 1])[0])
    assert per_step > 1
    steps = math.ceil(math.log(WEAKEST * GROWN) / math.log(per_step)) + 20
    assert steps <= MOST_STEPS, "this pair has no sharp limit"
    assert grown(equation, method, y0, 0.99 * dt, steps) < 10
    assert grown(equation, method, y0, 1.01 * dt, steps) > GROWN


@pytest.mark.parametrize(("name", "method"), FAST)
def test_runs_split_at_the_limit(name, method):
    check(name, method)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "method"), REST)
def test_more_runs_split_at_the_limit(name, method):
    check(name, method)


def test_there_are_thirty_pairs():
    assert len(set(FAST + REST)) >= 30
