"""`fs.fit`: known answers, closed forms, intervals that hold what they promise, and refusals in one sentence."""

import math
import sys

import numpy as np
import pytest
import torch
import xarray

import fieldsolver as fs
from fieldsolver.results import Verdict
from fieldsolver.solve import LogNormal, Normal
from fieldsolver.solve.fitting.newton import minimise, trust_step
from fieldsolver.solve.fitting.objective import Expansion

LOTKA_VOLTERRA = "du/dt = (a - b*v)*u;  dv/dt = (-c + d*u)*v"
RATES = {"a": 0.9, "b": 0.06, "c": 0.8, "d": 0.03}
TIMES = torch.linspace(0.0, 8.0, 17, dtype=torch.float64)
FAST = {"rtol": 1e-6, "atol": 1e-8, "starts": 1}


def positive(value):
    return fs.Parameter(value, positive=True)


def lotka_volterra(factor=1.0):
    return fs.FieldEquation(LOTKA_VOLTERRA, parameters={k: positive(v * factor) for k, v in RATES.items()})


def decay(k, **options):
    return fs.FieldEquation("du/dt = -k*u", parameters={"k": k}, **options)


def decay_data(k=0.7, start=2.0, times=TIMES):
    return {"t": times, "u": start * torch.exp(-k * times)}


def solved(equation, state, times, **options):
    with torch.no_grad():
        return fs.solve(equation, state, t_span=(float(times[0]), float(times[-1])), save_at=times, **options)


@pytest.fixture(scope="module")
def two_species():
    """A fit to data without noise, from rates that are a fifth off."""
    true = {"u": torch.tensor(20.0, dtype=torch.float64), "v": torch.tensor(9.0, dtype=torch.float64)}
    data = solved(lotka_volterra(), true, TIMES, rtol=1e-12, atol=1e-12)
    initial = {"u": positive(23.0), "v": positive(8.0)}
    start = lotka_volterra(1.2)
    before = {name: value.clone() for name, value in start.parameter_values().items()}
    result = fs.fit(
        start, {"t": TIMES, "u": data["u"], "v": data["v"]}, initial=initial, sigma=0.1, starts=1, rtol=1e-9
    )
    return start, before, data, result


class TestKnownAnswers:
    def test_parameters_come_back_from_data_without_noise(self, two_species):
        result = two_species[-1]
        assert result.status is Verdict.PASS
        for name, value in {**RATES, "u(t0)": 20.0, "v(t0)": 9.0}.items():
            assert result.estimates[name] == pytest.approx(value, rel=1e-6)
        assert result.iterations <= 15  # Newton, not a crawl
        assert result.decrement < 1e-8

    def test_the_callers_equation_is_not_changed(self, two_species):
        start, before, _, result = two_species
        for name, value in start.parameter_values().items():
            assert torch.equal(value, before[name])
            assert start.raw[name].requires_grad
            assert start.raw[name].grad is None
        assert result.equation is not start

    def test_the_fitted_equation_and_initial_state_reproduce_the_fit(self, two_species):
        _, _, _, result = two_species
        again = solved(result.equation, result.initial, TIMES, rtol=1e-9)
        for name in ("u", "v"):
            torch.testing.assert_close(again[name], result.fitted[name], rtol=1e-6, atol=0)

    def test_noisy_data_lead_into_the_intervals(self):
        generator = torch.Generator().manual_seed(3)
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.1 * torch.randn(17, generator=generator, dtype=torch.float64))
        result = fs.fit(decay(positive(0.4)), data, initial={"u": positive(1.0)}, interval=0.99, uncertainty="profile")
        for name, truth in {"k": 0.7, "u(t0)": 2.0, "sigma(u)": 0.1}.items():
            for kind in (result.laplace_intervals, result.profile_intervals):
                assert kind[name][0] < truth < kind[name][1]
                assert kind[name][0] < result.estimates[name] < kind[name][1]

    def test_sigma_below_the_solvers_accuracy_is_said_so(self):
        result = fs.fit(decay(positive(0.5)), decay_data(), initial={"u": 2.0}, starts=1, rtol=1e-5)
        assert result.estimates["k"] == pytest.approx(0.7, rel=1e-4)
        assert any("sigma(u) is not above 10 times the tolerance" in note for note in result.notes)
        assert math.isnan(result.intervals["sigma(u)"][0])
        assert not math.isnan(result.intervals["k"][0])

    def test_missing_values_and_fields_never_observed(self, two_species):
        data = two_species[2]
        u = data["u"].clone()
        u[[2, 5, 6]] = math.nan
        initial = {"u": positive(21.0), "v": 9.0}
        result = fs.fit(lotka_volterra(1.05), {"t": TIMES, "u": u}, initial=initial, sigma=0.1, **FAST)
        assert result.observations_count == 14
        assert result.converged
        assert result.estimates["a"] == pytest.approx(0.9, rel=1e-3)
        assert set(result.sigma) == {"u"}

    def test_an_initial_time_before_the_first_observation(self):
        data = decay_data()
        late = {"t": data["t"][4:], "u": data["u"][4:]}
        result = fs.fit(decay(positive(0.5)), late, initial={"u": positive(1.0)}, t0=0.0, sigma=0.1, **FAST)
        assert result.estimates["u(t0)"] == pytest.approx(2.0, rel=1e-5)

    def test_several_starts_find_the_better_minimum(self):
        """From these rates the nearest minimum is a wrong one (an oscillation is easily fitted out of phase)."""
        t = torch.linspace(0, 10, 41, dtype=torch.float64)
        swing = fs.FieldEquation("dx/dt = w*v; dv/dt = -w*x", parameters={"w": positive(1.35)})
        data = {"t": t, "x": torch.cos(2.0 * t)}
        alone = fs.fit(swing, data, initial={"x": 1.0, "v": 0.0}, noise="normal", sigma=0.1, **FAST)
        many = fs.fit(swing, data, initial={"x": 1.0, "v": 0.0}, noise="normal", sigma=0.1, **{**FAST, "starts": 6})
        assert alone.estimates["w"] != pytest.approx(2.0, rel=1e-2)
        assert any("single starting point" in note for note in alone.notes)
        assert many.estimates["w"] == pytest.approx(2.0, rel=1e-4)
        assert many.starts_agreeing >= 1

    def test_trials_whose_solve_fails_are_only_bad_trials(self):
        """u' = k u^2 blows up at t = 1/(k u0): larger k than 1 cannot be solved to t = 0.97."""
        t = torch.linspace(0, 0.97, 20, dtype=torch.float64)
        data = {"t": t, "u": 1 / (1 - 0.99 * t)}
        equation = fs.FieldEquation("du/dt = k*u**2", parameters={"k": positive(0.3)})
        result = fs.fit(equation, data, initial={"u": 1.0}, sigma=0.05, starts=6, max_steps=300, rtol=1e-6)
        assert result.estimates["k"] == pytest.approx(0.99, rel=1e-4)
        assert result.converged

    def test_many_unknowns_take_the_quasi_newton_path_to_the_same_minimum(self, monkeypatch):
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.05 * torch.cos(5 * TIMES))
        newton = fs.fit(decay(positive(0.5)), data, initial={"u": positive(1.0)}, **FAST)
        monkeypatch.setattr(sys.modules["fieldsolver.solve.fitting.fit"], "LARGEST_NEWTON", 0)
        other = fs.fit(decay(positive(0.5)), data, initial={"u": positive(1.0)}, **FAST)
        assert other.converged
        for name, value in newton.estimates.items():
            assert other.estimates[name] == pytest.approx(value, rel=1e-3)
            assert other.intervals[name] == pytest.approx(newton.intervals[name], rel=1e-3)


class TestClosedForms:
    def test_hessian_is_the_fisher_information_of_exponential_decay(self):
        """Without residuals the Hessian is J^T J / sigma^2 with J = (du/dk, du/du0) = e^(-kt) (-t u0, 1)."""
        sigma, k, start = 0.05, 0.7, 2.0
        result = fs.fit(
            decay(fs.Parameter(0.6)), decay_data(k, start), initial={"u": fs.Parameter(1.8)}, noise="normal",
            sigma=sigma, starts=1, rtol=1e-9, atol=1e-12,
        )  # fmt: skip
        jacobian = torch.stack([-TIMES * start * torch.exp(-k * TIMES), torch.exp(-k * TIMES)], dim=1)
        covariance = torch.linalg.inv(jacobian.T @ jacobian) * sigma**2
        ours = result.covariance * np.outer([0.6, 1.8], [0.6, 1.8])  # coordinates are in units of the start
        np.testing.assert_allclose(ours, covariance.numpy(), rtol=1e-6)
        width = result.quantile * math.sqrt(covariance[0, 0])
        assert result.intervals["k"] == pytest.approx((k - width, k + width), rel=1e-6)

    def test_linear_gaussian_posterior(self):
        """The initial value alone is a linear regression on e^(-kt); with a normal prior the posterior is normal."""
        sigma, prior = 0.3, Normal(1.5, 0.2)
        data = decay_data()
        data["u"] = data["u"] + 0.2 * torch.sin(9 * TIMES)
        basis = torch.exp(-0.7 * TIMES)
        precision = float((basis**2).sum()) / sigma**2 + 1 / prior.sd**2
        mean = (float((basis * data["u"]).sum()) / sigma**2 + prior.mean / prior.sd**2) / precision
        result = fs.fit(
            decay(0.7), data, initial={"u": fs.Parameter(1.0)}, noise="normal", sigma=sigma, priors={"u(t0)": prior},
            uncertainty="profile", starts=1, rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        assert result.estimates["u(t0)"] == pytest.approx(mean, rel=1e-7)
        half = result.quantile / math.sqrt(precision)
        assert result.laplace_intervals["u(t0)"] == pytest.approx((mean - half, mean + half), rel=1e-6)
        assert result.profile_intervals["u(t0)"] == pytest.approx((mean - half, mean + half), rel=1e-4)

    def test_sigma_is_the_root_mean_square_residual(self):
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.1 * torch.sin(7 * TIMES))
        result = fs.fit(decay(positive(0.5)), data, initial={"u": positive(1.0)}, **FAST)
        residual = (data["u"] / result.fitted["u"]).log()
        assert result.sigma["u"] == pytest.approx(float((residual**2).mean().sqrt()), rel=1e-5)
        scale = torch.tensor(result.sigma["u"], dtype=torch.float64)
        density = torch.distributions.LogNormal(result.fitted["u"].log(), scale).log_prob(data["u"]).sum()
        assert result.log_likelihood == pytest.approx(float(density), rel=1e-9)
        assert result.aic == pytest.approx(6 - 2 * float(density), rel=1e-9)
        assert result.bic == pytest.approx(3 * math.log(17) - 2 * float(density), rel=1e-9)

    def test_profile_ends_are_where_the_refitted_likelihood_has_fallen_by_the_quantile(self):
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.3 * torch.sin(7 * TIMES))
        result = fs.fit(decay(positive(0.5)), data, initial={"u": positive(1.0)}, uncertainty="profile", **FAST)
        for end in result.profile_intervals["k"]:
            held = fs.fit(decay(end), data, initial={"u": positive(1.0)}, **FAST)
            assert result.log_likelihood - held.log_likelihood == pytest.approx(result.quantile**2 / 2, abs=1e-3)

    @pytest.mark.parametrize("prior", [Normal(0.4, 0.3), LogNormal(-0.5, 0.7)])
    def test_priors_are_the_densities_of_torch(self, prior):
        value = torch.tensor([0.1, 0.9, 3.0], dtype=torch.float64)
        named = getattr(torch.distributions, type(prior).__name__)
        mean, sd = (torch.tensor(number, dtype=torch.float64) for number in (prior.mean, prior.sd))
        torch.testing.assert_close(prior.log_density(value), named(mean, sd).log_prob(value))


class TestObjective:
    @pytest.mark.parametrize("noise", ["lognormal", "normal"])
    def test_gradients_and_hessian_against_differences(self, two_species, noise):
        data = two_species[2]
        result = fs.fit(
            lotka_volterra(1.02), {"t": TIMES, "u": data["u"] * 1.1, "v": data["v"]}, noise=noise, starts=1, rtol=1e-11,
            atol=1e-11, initial={"u": positive(21.0), "v": fs.Parameter(9.0, bounds=(5.0, 20.0))}, max_iterations=1,
            priors={"a": Normal(1.0, 0.5), "sigma": LogNormal(-1.0, 1.0)},
        )  # fmt: skip
        objective, at = result.objective, objective_point(result)
        expansion = objective.expand(at.numpy())
        shifts = 1e-4 * torch.eye(at.shape[1], dtype=torch.float64)
        values = objective.values(torch.cat([at + shifts, at - shifts])).reshape(2, -1)
        np.testing.assert_allclose(
            expansion.gradient[0], ((values[0] - values[1]) / 2e-4).numpy(), rtol=1e-5, atol=1e-4
        )
        gradients = objective.gradient(torch.cat([at + shifts, at - shifts]))[1].reshape(2, *shifts.shape)
        scale = np.abs(expansion.hessian[0]).max()
        np.testing.assert_allclose(expansion.hessian[0], (gradients[0] - gradients[1]) / 2e-4, atol=1e-5 * scale)

    def test_rows_do_not_know_each_other(self, two_species):
        objective = two_species[-1].objective
        x = torch.from_numpy(two_species[-1].x) + 0.02 * torch.randn(5, 6, dtype=torch.float64)
        together = objective.gradient(x)[1]
        alone = np.concatenate([objective.gradient(row[None])[1] for row in x])
        np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)

    def test_a_rough_direction_of_a_stiff_equation_keeps_its_gradient(self):
        """Steps chosen by the error of a smooth solution lie beyond the stability limit for rough modes."""
        grid = fs.Grid((32,), extent=1.0)
        c = fs.Spatial(fs.Parameter(torch.zeros(32, dtype=torch.float64)))
        equation = fs.FieldEquation(
            "du/dt = 0.05*laplacian(u) + c*u", grid=grid, boundary=fs.Neumann(0), parameters={"c": c}
        )
        t = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
        start = 1 + 0.5 * torch.cos(math.pi * grid.coordinate(0))
        data = {"t": t, "u": torch.stack([start, start, start])}
        objective = objective_of(equation, data, {"u": start})
        at = torch.zeros(1, 32, dtype=torch.float64)
        gradient = objective.gradient(at)[1][0]
        step = 1e-4 * torch.eye(32, dtype=torch.float64)[[5]]
        up, down = (float(objective.gradient(at + side * step)[0][0]) for side in (1, -1))
        assert gradient[5] == pytest.approx((up - down) / 2e-4, rel=1e-3)


def objective_point(result):
    return torch.from_numpy(result.x)[None] + 0.01


def objective_of(equation, data, initial):
    """The objective of a fit that is not run."""
    from fieldsolver.methods import get_method
    from fieldsolver.solve.fitting.arguments import declare_unknowns
    from fieldsolver.solve.fitting.data import read_observations
    from fieldsolver.solve.fitting.model import Model
    from fieldsolver.solve.fitting.objective import Objective

    observations = read_observations(data, equation, "normal")
    unknowns, fixed = declare_unknowns(equation, initial, observations, {"u": 0.1})
    options = {"rtol": 1e-5, "atol": 1e-7, "max_steps": 5000}
    model = Model(equation, unknowns, fixed, 0.0, get_method("tsit5"), options)
    return Objective(model, observations, "normal", {"u": 0.1}, {})


class TestOptimiser:
    def test_the_trust_step_solves_the_subproblem(self):
        """Optimality conditions (Conn, Gould, Toint, section 7.2), for definite and indefinite models."""
        generator = np.random.default_rng(0)
        hessian = generator.normal(size=(40, 5, 5))
        hessian = hessian + hessian.transpose(0, 2, 1)
        gradient, radius = generator.normal(size=(40, 5)), generator.uniform(0.05, 3.0, size=40)
        step, gain = trust_step(gradient, hessian, radius)
        length = np.linalg.norm(step, axis=1)
        assert (length <= radius * (1 + 1e-9)).all()
        np.testing.assert_allclose(
            gain, -(gradient * step).sum(1) - 0.5 * np.einsum("ni,nij,nj->n", step, hessian, step), rtol=1e-8
        )
        for other in generator.normal(size=(500, 40, 5)):
            other *= (radius * generator.uniform(size=40) ** 0.2 / np.linalg.norm(other, axis=1))[:, None]
            reached = -(gradient * other).sum(1) - 0.5 * np.einsum("ni,nij,nj->n", other, hessian, other)
            assert (reached <= gain * (1 + 1e-6)).all()

    def test_rosenbrock_from_many_points_with_a_forbidden_half_plane(self):
        def expand(x, runs):
            a, b = x[:, 0], x[:, 1]
            value = (1 - a) ** 2 + 100 * (b - a**2) ** 2
            value = np.where(a > 1.5, np.inf, value)
            gradient = np.stack([-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)], axis=1)
            rows = [[2 - 400 * b + 1200 * a**2, -400 * a], [-400 * a, np.full_like(a, 200.0)]]
            return Expansion(value, gradient, np.array(rows).transpose(2, 0, 1))

        starts = np.random.default_rng(1).uniform(-1.4, 1.4, size=(20, 2))
        runs = minimise(expand, starts, 100, lambda fraction: None)
        assert runs.converged.all()
        np.testing.assert_allclose(runs.x, 1.0, atol=1e-5)


class TestUncertainty:
    def test_what_the_data_do_not_determine_is_said_and_not_hidden(self):
        equation = fs.FieldEquation("du/dt = -p*q*u", parameters={"p": positive(0.8), "q": positive(0.9)})
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.1 * torch.sin(7 * TIMES))
        result = fs.fit(equation, data, initial={"u": positive(1.5)}, uncertainty="profile", **FAST)
        assert result.status is Verdict.DEGENERATE
        assert not result.identifiable
        assert "do not determine" in result.reason
        assert "p, q separately" in result.reason or "q, p separately" in result.reason
        assert all(math.isnan(end) for name in "pq" for end in result.intervals[name])
        assert not math.isnan(result.intervals["u(t0)"][0])
        assert result.estimates["p"] * result.estimates["q"] == pytest.approx(0.7, rel=0.1)
        with pytest.raises(fs.OptionError, match="no profile can be drawn"):
            result.profile("p")

    def test_a_prior_makes_it_identifiable(self):
        equation = fs.FieldEquation("du/dt = -p*q*u", parameters={"p": positive(0.8), "q": positive(0.9)})
        priors = {"p": LogNormal(0.0, 0.1)}
        result = fs.fit(equation, decay_data(), initial={"u": 2.0}, priors=priors, sigma=0.1, **FAST)
        assert result.status is Verdict.PASS
        assert result.intervals["p"][1] / result.intervals["p"][0] == pytest.approx(math.exp(2 * 1.645 * 0.1), rel=0.02)

    def test_a_fit_cut_short_is_not_called_converged(self):
        result = fs.fit(
            lotka_volterra(1.3), lv_data(), initial={"u": 20.0, "v": 9.0}, max_iterations=1, sigma=0.1, **FAST
        )
        assert not result.converged
        assert result.status is Verdict.INCONCLUSIVE
        assert "raise max_iterations" in result.reason

    def test_bounded_parameters_have_intervals_inside_their_bounds(self):
        k = fs.Parameter(0.5, bounds=(0.1, 1.0))
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.8 * torch.sin(7 * TIMES))
        result = fs.fit(decay(k), data, initial={"u": positive(2.0)}, interval=0.999, **FAST)
        low, high = result.intervals["k"]
        assert 0.1 < low < result.estimates["k"] < high < 1.0

    def test_simulated_replicates_are_refitted_in_one_batch(self):
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.1 * torch.sin(7 * TIMES))
        result = fs.fit(decay(positive(0.5)), data, initial={"u": positive(1.0)}, **FAST)
        check = result.simulation_check(30, seed=1)
        assert check.labels == ("k", "u(t0)", "sigma(u)")
        assert check.estimates.shape == (30, 3)
        assert (check.usable == 30).all()
        assert (check.coverage[:2] > 0.7).all()
        # Replicates differ, and scatter as the covariance says.
        spread = np.log(check.estimates[:, 0]).std() / math.sqrt(result.covariance[0, 0])
        assert 0.7 < spread < 1.4

    @pytest.mark.slow
    @pytest.mark.parametrize("noise", ["lognormal", "normal"])
    def test_coverage(self, noise):
        times = torch.linspace(0, 6, 100, dtype=torch.float64)
        data = decay_data(0.5, 3.0, times)
        data["u"] = data["u"] + 0.1 * torch.sin(40 * times) * (data["u"] if noise == "lognormal" else 1)
        result = fs.fit(decay(positive(0.4)), data, initial={"u": positive(2.0)}, noise=noise, starts=1)
        check = result.simulation_check(600, seed=2)
        assert (check.usable == 600).all()
        assert np.abs(check.coverage - 0.9).max() < 0.04  # three standard errors of 600 replicates

    def test_bands(self):
        data = decay_data()
        data["u"] = data["u"] * torch.exp(0.1 * torch.sin(7 * TIMES))
        result = fs.fit(decay(positive(0.5)), data, initial={"u": 2.0}, sigma=0.1, **FAST)
        bands = result.predict([1.0, 2.5, 12.0], draws=4000)
        sd = math.sqrt(result.covariance[0, 0]) * result.estimates["k"]
        curve = bands.fit["u"]
        torch.testing.assert_close(curve, 2.0 * torch.exp(-result.estimates["k"] * bands.t), rtol=1e-5, atol=0)
        for low, high, width in (
            (bands.curve_low["u"], bands.curve_high["u"], sd * bands.t),
            (bands.data_low["u"], bands.data_high["u"], torch.sqrt((sd * bands.t) ** 2 + 0.1**2)),
        ):
            torch.testing.assert_close((high / low).log() / 2, 1.645 * width, rtol=0.08, atol=0)
        with pytest.raises(fs.OptionError, match="predict needs increasing times"):
            result.predict([2.0, 1.0])


def lv_data():
    state = {"u": torch.tensor(20.0, dtype=torch.float64), "v": torch.tensor(9.0, dtype=torch.float64)}
    solution = solved(lotka_volterra(), state, TIMES)
    return {"t": TIMES, "u": solution["u"], "v": solution["v"]}


class TestFields:
    def test_a_field_on_a_grid_from_a_dataset(self, tmp_path):
        grid = fs.Grid((12,), extent=1.0)

        def heat(D, c):
            return fs.FieldEquation(
                "du/dt = D*laplacian(u) + c*u", grid=grid, boundary=fs.Neumann(0), parameters={"D": D, "c": c}
            )

        start = 1 + 0.5 * torch.cos(math.pi * grid.coordinate(0))
        times = torch.linspace(0, 2, 6, dtype=torch.float64)
        dataset = solved(heat(0.05, 0.3), {"u": start}, times).to_xarray()
        dataset["u"].attrs["units"] = "mV"
        dataset["u"].data = dataset["u"].data + 0.01 * np.random.default_rng(0).normal(size=dataset["u"].shape)
        result = fs.fit(
            heat(positive(0.03), fs.Parameter(0.1)),
            dataset,
            initial={"u": start},
            noise="normal",
            interval=0.99,
            **FAST,
        )
        for name, truth in {"D": 0.05, "c": 0.3, "sigma(u)": 0.01}.items():
            assert result.intervals[name][0] < truth < result.intervals[name][1]
        written = result.to_xarray()
        written.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
        with xarray.open_dataset(tmp_path / "fit.nc", engine="h5netcdf") as opened:
            loaded = opened.load()
        assert loaded["fitted_u"].dims == ("time", "x")
        assert loaded["observed_u"].attrs["units"] == "mV"
        assert loaded["estimate"].sel(unknown="D").item() == result.estimates["D"]
        for variable in loaded.variables.values():
            assert variable.attrs.get("units") or variable.dims[0] in ("unknown", "unknown_", "side")
        assert result.plot().axes

    def test_an_initial_field_on_a_grid_and_a_spread_initial_number(self):
        grid = fs.Grid((4,), extent=1.0)
        equation = fs.FieldEquation("du/dt = -0.5*u", grid=grid, boundary=fs.Neumann(0))
        times = torch.linspace(0, 1, 5, dtype=torch.float64)
        true = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
        data = {"t": times, "u": true * torch.exp(-0.5 * times)[:, None]}
        result = fs.fit(equation, data, initial={"u": positive(torch.full((4,), 2.0))}, sigma=0.1, **FAST)
        assert result.labels == ("u(t0)[0]", "u(t0)[1]", "u(t0)[2]", "u(t0)[3]")
        torch.testing.assert_close(result.initial["u"], true, rtol=1e-5, atol=0)
        one = fs.fit(equation, data, initial={"u": positive(2.0)}, sigma=0.1, **FAST)
        assert one.estimates["u(t0)"] == pytest.approx(24**0.25, rel=1e-5)  # the geometric mean
        assert one.initial["u"].shape == (4,)

    def test_components_and_a_parameter_per_component(self):
        equation = fs.FieldEquation(
            "dw/dt = -k*w", components={"w": 2}, parameters={"k": positive(torch.tensor([0.5, 0.5]))}
        )
        rates = torch.tensor([0.3, 0.9], dtype=torch.float64)
        data = {"t": TIMES, "w": torch.exp(-TIMES[:, None] * rates)}
        result = fs.fit(equation, data, initial={"w": torch.ones(2)}, sigma=0.1, **FAST)
        assert [result.estimates[f"k[{i}]"] for i in range(2)] == pytest.approx([0.3, 0.9], rel=1e-5)
        assert result.plot().axes

    def test_modules_ride_along_unchanged(self):
        torch.manual_seed(0)
        net = torch.nn.Linear(1, 1)
        equation = fs.FieldEquation("du/dt = -k*u + 0.01*net(u)", parameters={"k": positive(0.5)}, modules={"net": net})
        before = net.weight.detach().clone()
        result = fs.fit(equation, decay_data(), initial={"u": 2.0}, noise="normal", sigma=0.1, **FAST)
        assert result.converged
        assert torch.equal(net.weight, before)
        assert net.weight.dtype == torch.float32
        assert net.weight.requires_grad


class TestPresentation:
    def test_table_and_repr(self, two_species):
        result = two_species[-1]
        table = result.table()
        for expected in ("unknown", "u(t0)", "90 % (Laplace)", "AIC", "BIC", "pass:"):
            assert expected in table
        assert "PASS" in repr(result)

    def test_dataset_is_an_analysis_result(self, two_species, tmp_path):
        from fieldsolver.results import AnalysisResult

        path = tmp_path / "fit.nc"
        two_species[-1].to_xarray().to_netcdf(path, engine="h5netcdf")
        loaded = AnalysisResult.from_netcdf(path)
        assert loaded.schema == "fit/1"
        assert loaded.status is Verdict.PASS

    def test_plot(self, two_species):
        figure = two_species[-1].plot()
        assert [axes.get_ylabel() for axes in figure.axes] == ["u", "v"]


def bad(message, *, equation=None, data=None, error=fs.OptionError, **options):
    return pytest.param(equation, data, options, error, message, id=message[:40])


@pytest.mark.parametrize(
    ("equation", "data", "options", "error", "message"),
    [
        bad("fit needs a FieldEquation, got function", equation=lambda: lambda t, y: y),
        bad("which is no field; fields: u; did you mean 'u'?", data={"t": TIMES, "u_": TIMES + 1}),
        bad("the data lack the times; add 't' to u", data={"u": TIMES}),
        bad("got list", data=[1, 2]),
        bad("the data hold no field of the equation; fields: u", data={"t": TIMES}),
        bad("must increase, but 1 follows 1", data={"t": [0.0, 1.0, 1.0], "u": [1.0, 1.0, 1.0]}),
        bad("times of the data contain NaN", data={"t": [0.0, math.nan], "u": [1.0, 1.0]}),
        bad("must have shape (T,), got (1, 2)", data={"t": [[0.0, 1.0]], "u": [1.0, 1.0]}),
        bad("shape (2,), expected (3,)", data={"t": [0.0, 1.0, 2.0], "u": [1.0, 1.0]}),
        bad("'u' is NaN at all times; leave a field", data={"t": TIMES, "u": TIMES * math.nan}),
        bad("contain infinity; write NaN", data={"t": TIMES, "u": TIMES + math.inf}),
        bad("'u' is 0 at t = 0; use noise='normal'", data={"t": TIMES, "u": TIMES}),
        bad("must be real numbers, got list; convert dates", data={"t": ["1900", "1901"], "u": [1.0, 2.0]}),
        bad("2 observations for 3 unknowns (k, u(t0), sigma(u))", data={"t": [0.0, 1.0], "u": [2.0, 1.0]}),
        bad("first observation is at t = 0, before the initial state at t0 = 1", t0=1.0),
        bad("the only observation is at t0 = 0", data={"t": [0.0], "u": [1.0]}),
        bad("nothing is to be fitted; declare unknowns", equation=lambda: decay(0.5), initial={"u": 2.0}),
        bad("noise is one of lognormal, normal, got 'lognorm'; did you mean 'lognormal'?", noise="lognorm"),
        bad("uncertainty is one of laplace, profile, none, got 'laplas'", uncertainty="laplas"),
        bad("interval is a level between 0 and 1, such as 0.9, got 90", interval=90),
        bad("starts is a positive integer, got 0", starts=0),
        bad("max_iterations is a positive integer, got 1.5", max_iterations=1.5),
        bad("rtol must be positive", rtol=0.0),
        bad("method 'rk4' cannot choose its steps; fit needs one of:", method="rk4"),
        bad("unknown method 'tsit'", method="tsit"),
        bad("sigma names 'w', which was not observed", sigma={"w": 0.1}),
        bad("sigma of 'u' is a positive number, got -1", sigma=-1),
        bad("there is no unknown 'kk' to give a prior; unknown: k, u(t0), sigma(u)", priors={"kk": Normal(0, 1)}),
        bad("the prior of 'k' is 3.0; give fieldsolver.solve.Normal", priors={"k": 3.0}),
        bad("state lacks the field 'u'", initial={}, error=fs.StateError),
        bad("state has no field 'w'", initial={"u": 1.0, "w": 1.0}, error=fs.StateError),
        bad("initial is a dict of fields, got float", initial=1.0),
        bad("the initial state has shape (3, 1), expected (1,)", initial={"u": torch.ones(3)}),
        bad("a field is not positive, or the solve failed", initial={"u": fs.Parameter(-2.0)}, starts=1),
        bad(
            "complex fields cannot be fitted yet: u",
            equation=lambda: decay(positive(1.0), complex_fields=("u",)),
        ),
        bad("'k' is fs.PerSample", equation=lambda: decay(fs.PerSample(fs.Parameter(torch.ones(2))))),
    ],
)  # fmt: skip
def test_bad_input(equation, data, options, error, message):
    equation = decay(positive(0.5)) if equation is None else equation()
    options = {"initial": {"u": positive(1.0)}, **options}
    with pytest.raises(error) as caught:
        fs.fit(equation, decay_data() if data is None else data, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_datasets_without_time_and_with_dates_are_refused():
    with pytest.raises(fs.OptionError, match="no coordinate 'time'"):
        fs.fit(decay(positive(1.0)), xarray.Dataset({"u": ("t", [1.0, 2.0])}), initial={"u": 1.0})
    dates = np.array(["2000-01-01", "2000-01-02"], dtype="datetime64[ns]")
    dated = xarray.Dataset({"u": ("time", [1.0, 2.0])}, {"time": dates})
    with pytest.raises(fs.OptionError, match=r"got datetime64.*convert dates"):
        fs.fit(decay(positive(1.0)), dated, initial={"u": 1.0})


@pytest.mark.parametrize("kind", [Normal, LogNormal])
def test_priors_that_cannot_be(kind):
    with pytest.raises(fs.OptionError, match="finite mean and a positive sd"):
        kind(0.0, 0.0)
