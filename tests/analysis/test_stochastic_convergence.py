"""Strong and weak orders on geometric Brownian motion, dX = mu X dt + sigma X dW, whose paths are known."""

import math

import numpy as np
import pytest
import torch

from fieldsolver.analysis import stochastic_convergence
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict

MU, SIGMA, T = 1.5, 0.5, 1.0
X0 = torch.ones((), dtype=torch.float64)
DTS = [T / 2**k for k in range(3, 8)]


def euler_maruyama(t, x, dt, dW):
    return x + MU * x * dt + SIGMA * x * dW


def milstein(t, x, dt, dW):
    return x + MU * x * dt + SIGMA * x * dW + SIGMA**2 / 2 * x * (dW**2 - dt)


def exact(W):
    return torch.exp((MU - SIGMA**2 / 2) * T + SIGMA * W)


def study(step, kind, **options):
    settings = {"t_span": (0, T), "dts": DTS, "exact": exact, "kind": kind, "seed": 1, **options}
    return stochastic_convergence(step, X0, **settings)


@pytest.mark.parametrize(
    ("step", "kind", "order", "options"),
    [
        # the leading strong error is of order 1/2 only where noise outweighs drift
        (euler_maruyama, "strong", 0.5, {"dts": [T / 2**k for k in range(6, 12)], "paths": 4000}),
        (euler_maruyama, "weak", 1, {}),
        (milstein, "strong", 1, {}),
        (milstein, "weak", 1, {}),
    ],
)
def test_the_orders_of_kloeden_and_platen(step, kind, order, options):
    result = study(step, kind, expected=order, **options)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["order_lo"]) < order + 0.15
    assert float(result["order_hi"]) > order - 0.15


def test_milstein_without_its_correction_is_caught():
    result = study(euler_maruyama, "strong", expected=1, dts=[T / 2**k for k in range(6, 11)], paths=4000)
    assert result.status is Verdict.FAIL, result.reason


def test_the_mean_error_is_that_of_the_recursion():
    """E Y_n = (1 + mu dt)^n exactly."""
    result = study(euler_maruyama, "weak", paths=20_000)
    true = np.array([math.exp(MU * T) - (1 + MU * dt) ** round(T / dt) for dt in DTS])
    assert (np.abs(result["error"] - true) <= 1.5 * (result["error_hi"] - result["error"])).all()


def test_too_few_paths_are_inconclusive_and_the_needed_number_is_enough():
    few = study(euler_maruyama, "weak", paths=100, expected=1)
    assert few.status is Verdict.INCONCLUSIVE
    needed = int(few["paths_needed"])
    assert f"pass paths={needed}" in few.reason
    assert needed > 100
    assert study(euler_maruyama, "weak", paths=2 * needed, expected=1).status is Verdict.PASS


def test_a_known_expectation_needs_many_more_paths_than_a_known_path():
    """Without the coupled path nothing cancels the scatter of the solution itself."""
    coupled = study(euler_maruyama, "weak", paths=2000)
    alone = study(euler_maruyama, "weak", exact=math.exp(MU * T), paths=2000)
    assert int(alone["paths_needed"]) > 5 * int(coupled["paths_needed"])
    assert alone.status is Verdict.INCONCLUSIVE


def test_the_same_seed_gives_the_same_study():
    first, second = (study(milstein, "strong", paths=200) for _ in range(2))
    assert np.array_equal(first["error"], second["error"])
    assert not np.array_equal(first["error"], study(milstein, "strong", paths=200, seed=2)["error"])


def test_a_system_with_its_own_noise_and_observable(tmp_path):
    def step(t, y, dt, dW):
        return y + MU * y * dt + SIGMA * y * dW[:, :1]

    result = stochastic_convergence(
        step,
        torch.ones(3, dtype=torch.float64),
        t_span=(0, T),
        dts=DTS[:4],
        exact=lambda W: exact(W[:, :1]).expand(-1, 3),
        kind="weak",
        seed=3,
        observable=lambda y: y[:, 0] ** 2,
        noise_shape=(2,),
        paths=400,
    )
    for name, variable in result.dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    for again in (
        AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "study.nc")),
        AnalysisResult.from_zarr(result.to_zarr(tmp_path / "study.zarr")),
    ):
        assert again.status is result.status
        again.plot("dark")


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"kind": "mean"}, OptionError, "'strong' or 'weak'"),
        ({"kind": "strong", "exact": 1.0}, OptionError, "compares paths"),
        ({"dts": [0.5, 0.2]}, OptionError, "no multiple|does not divide"),
        ({"dts": [0.25, 0.125, 0.1]}, OptionError, "no multiple"),
        ({"paths": 3}, OptionError, "at least 20"),
        ({"confidence": 2}, OptionError, "between 0 and 1"),
    ],
)
def test_bad_studies_are_refused(options, error, sentence):
    with pytest.raises(error, match=sentence):
        study(euler_maruyama, options.pop("kind", "weak"), **options)


def test_a_step_of_another_shape_is_refused():
    with pytest.raises(StateError, match="expected"):
        study(lambda t, x, dt, dW: x.unsqueeze(-1), "weak", paths=100)


def test_an_observable_is_asked_for_where_the_state_is_no_number():
    with pytest.raises(OptionError, match="pass observable"):
        stochastic_convergence(
            euler_maruyama,
            torch.ones(2, dtype=torch.float64),
            t_span=(0, T),
            dts=DTS[:3],
            exact=exact,
            kind="weak",
            seed=0,
            paths=100,
        )
