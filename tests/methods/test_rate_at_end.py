"""A method with the rate at its end as last stage makes the same steps, and asks for that rate once."""

import pytest
import torch

import fieldsolver as fs
from fieldsolver.methods import METHODS, ExplicitRungeKutta, get_method, with_rate_at_end

PLAIN = [
    name for name in METHODS if type(get_method(name)) is ExplicitRungeKutta and not get_method(name).fsal
]  # fmt: skip


def rate(t, y):
    return torch.stack([y[..., 1], -y[..., 0] - y[..., 1] ** 3 + torch.cos(t) * 0.1], -1)


@pytest.mark.parametrize("name", PLAIN)
def test_the_step_its_error_and_its_inside_are_the_same(name):
    method = get_method(name)
    carrying = with_rate_at_end(method)
    assert carrying.fsal
    assert carrying.stages == method.stages + 1
    t, dt = torch.zeros(2, dtype=torch.float64), torch.tensor([0.1, 0.3], dtype=torch.float64)
    y = torch.tensor([[1.0, 0.0], [0.3, -0.7]], dtype=torch.float64)

    def f(t, y):
        return rate(t.unsqueeze(-1)[:, 0], y)

    one, other = (each.extend(f, each.step(f, t, dt, y)) for each in (method, carrying))
    assert torch.equal(one.y_new, other.y_new)
    assert (one.error is None) == (other.error is None)
    if one.error is not None:
        torch.testing.assert_close(one.error, other.error, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(other.memory[0], f(t + dt, one.y_new), rtol=0, atol=0)
    if method.interpolant_order is not None and method.tableau.interpolant is not None:
        theta = torch.tensor([0.3, 0.8], dtype=torch.float64)
        torch.testing.assert_close(
            method.interpolate(one, theta), carrying.interpolate(other, theta), rtol=1e-13, atol=1e-14
        )


def test_what_carries_its_rate_already_is_left_alone():
    for name in METHODS:
        if name not in PLAIN:
            assert with_rate_at_end(get_method(name)) is get_method(name)


@pytest.mark.parametrize(("name", "stages"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_a_run_to_rest_evaluates_as_often_as_it_has_stages(name, stages):
    """One evaluation more at the start; without the carried rate each step took one more."""
    calls = []

    def decay(t, y):
        calls.append(1)
        return -y

    solution = fs.solve(
        decay, torch.ones(1, 2), method=name, dt=0.1, until=fs.SteadyState(atol=1e-3, rtol=0.0, max_time=50.0)
    )
    steps = int(solution.stats.accepted)
    assert int(solution.stats.nfev) == stages * steps + 1
    assert len(calls) <= stages * steps + 1 + 2  # and the two looks at f before a run
