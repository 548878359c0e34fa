"""The lynx and hare experiment: the shipped data, the estimates beside the published ones, the files it leaves."""

import hashlib
import tomllib
from importlib.resources import files

import numpy as np
import pytest
import torch

from fieldsolver.experiments.lynx_hare import data, run
from fieldsolver.experiments.lynx_hare.baselines import BASELINES
from fieldsolver.experiments.lynx_hare.fits import lotka_volterra
from fieldsolver.experiments.lynx_hare.published import CASE_STUDY_RATES, REFERENCE
from fieldsolver.experiments.options import RunOptions
from fieldsolver.nn.weights import load_weights, read_weights
from fieldsolver.results import AnalysisResult, Verdict

FILES = {"report.md", "config.toml", "result.nc", "weights.safetensors", "fit.png", "phase_plane.png", "residuals.png"}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lynx_hare")
    report = run(RunOptions(folder, quick=True, progress=False))
    return folder, report.read_text(encoding="utf-8"), AnalysisResult.from_netcdf(folder / "result.nc")


def test_the_shipped_table():
    content = files("fieldsolver.experiments.lynx_hare").joinpath("data", data.FILE).read_bytes()
    assert hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest() == data.SHA256
    header = [line for line in content.decode().splitlines() if line.startswith("#")]
    assert any("mc-stan.org" in line for line in header)
    pelts = data.load_pelts()
    assert pelts.year.tolist() == list(range(1900, 1921))
    assert pelts.hare[[0, 3, 17, 20]].tolist() == [30.0, 77.4, 7.6, 24.7]
    assert pelts.lynx[[0, 3, 4, 20]].tolist() == [4.0, 35.2, 59.4, 8.6]
    # Sums over the rows of stan-dev/example-models, knitr/lotka-volterra/hudson-bay-lynx-hare.csv.
    assert float(pelts.hare.sum()) == pytest.approx(715.7)
    assert float(pelts.lynx.sum()) == pytest.approx(423.5)


def test_estimates_lie_near_the_published_ones(short):
    _, _, result = short
    assert result.status is Verdict.PASS
    for name, published in CASE_STUDY_RATES.items():
        assert result["estimate"].sel(unknown=name).item() == pytest.approx(published, rel=0.1)
        assert result["map_estimate"].sel(unknown=name).item() == pytest.approx(published, rel=0.1)
        assert REFERENCE[name].mean == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize("kind", ["laplace_interval", "profile_interval", "map_interval"])
def test_intervals_are_as_wide_as_the_published_posterior(short, kind):
    _, _, result = short
    for name in CASE_STUDY_RATES:
        low, high = result[kind].sel(unknown=name).values
        assert low < REFERENCE[name].mean < high
        assert (high - low) / (2 * 1.645) == pytest.approx(REFERENCE[name].sd, rel=0.2)


def test_the_model_beats_the_trivial_predictors_in_sample(short):
    errors = short[2]["rmse"].values
    assert errors[0] < errors[1:].min()
    assert errors[0] == pytest.approx(0.219, abs=0.002)


def test_the_files_of_a_run(short):
    folder, report, _ = short
    assert {path.name for path in folder.iterdir()} == FILES
    assert "short run" in report
    for expected in (
        "90 % profile",
        "MAP",
        "published mean",
        "in sample",
        "out of sample",
        "full run only",
        *CASE_STUDY_RATES,
    ):
        assert expected in report
    config = tomllib.loads((folder / "config.toml").read_text())
    assert config["experiment"] == "lynx_hare"
    assert config["quick"] is True


def test_the_weights_are_the_fitted_equation(short):
    folder, _, result = short
    equation = lotka_volterra()
    path = folder / "weights.safetensors"
    load_weights(equation, path, read_weights(path)[1])
    for name, value in equation.parameter_values().items():
        assert value.item() == pytest.approx(result["estimate"].sel(unknown=name).item(), rel=1e-12)


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
def test_baselines_forecast_from_the_past_alone(baseline):
    log = np.log(data.load_pelts().hare.numpy())
    changed = log.copy()
    changed[11:] = 0.0
    np.testing.assert_array_equal(baseline.forecast(log[:11], 10), baseline.forecast(changed[:11], 10))
    assert baseline.forecast(log[:11], 10).shape == (10,)
    assert baseline.fitted(log).shape == log.shape


@pytest.mark.slow
def test_the_full_run_checks_its_intervals(tmp_path):
    report = run(RunOptions(tmp_path, seeds=100, progress=False)).read_text(encoding="utf-8")
    assert "100 data sets simulated from the fit" in report
    result = AnalysisResult.from_netcdf(tmp_path / "result.nc")
    assert (result["replicates"] == 100).all()
    assert 0.7 < float(result["coverage"].mean()) < 0.95
    assert torch.isfinite(torch.as_tensor(result["rmse_forecast"].values)).all()
