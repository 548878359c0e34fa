"""The digits experiment: the split, the network, the statistics, and a tiny run from end to end."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from fieldsolver.experiments.digits import experiment
from fieldsolver.experiments.digits.baselines import baselines
from fieldsolver.experiments.digits.data import jitter, load_split
from fieldsolver.experiments.digits.model import DigitField
from fieldsolver.experiments.digits.outcome import paired_difference
from fieldsolver.experiments.digits.settings import Settings
from fieldsolver.experiments.options import Interrupted, RunOptions
from fieldsolver.nn.weights import load_weights, read_weights
from fieldsolver.results import AnalysisResult, Verdict


def test_the_split_is_stratified_fixed_and_disjoint() -> None:
    train, test = load_split()
    assert (len(train), len(test)) == (1437, 360)
    assert torch.bincount(test.labels).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    assert train.images.min() == 0
    assert train.images.max() == 1
    again = load_split()[1]
    assert torch.equal(test.images, again.images)


def test_the_validation_part_is_taken_from_the_training_split_alone() -> None:
    train, test = load_split()
    fit, validation = load_split(validation=True)
    assert (len(fit), len(validation)) == (1149, 288)
    rows = {image.numpy().tobytes() for image in test.images}
    kept = {image.numpy().tobytes() for image in train.images}
    both = torch.cat([fit.images, validation.images])
    assert all(image.numpy().tobytes() in kept for image in both)
    assert not rows & {image.numpy().tobytes() for image in both}


def test_the_yardsticks_reach_their_known_values() -> None:
    found = baselines(*load_split())
    assert found["majority class"] == pytest.approx(0.1, abs=0.005)
    assert found["logistic regression"] == pytest.approx(0.967, abs=0.004)
    assert found["RBF support vector machine"] == pytest.approx(0.994, abs=0.004)


def test_jitter_moves_little_and_draws_from_its_generator_only() -> None:
    images = load_split()[0].images[:50]
    one, two = (jitter(images, 0.1, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two)
    assert 0.01 < (one - images).abs().mean() < 0.15
    assert torch.equal(jitter(images, 0.0, torch.Generator()), images)


def test_without_dynamics_the_network_is_a_linear_classifier_of_the_pixels() -> None:
    model = DigitField(Settings(duration=0.0), seed=0).eval()
    a, b = load_split()[0].images[:2].unsqueeze(1)
    zero = model(torch.zeros_like(a))
    torch.testing.assert_close(model(a) + model(b) - zero, model(a + b), rtol=1e-4, atol=1e-5)


def test_the_dynamics_move_every_component_and_all_of_them_learn() -> None:
    model = DigitField(Settings(), seed=0)
    images = load_split()[0].images[:4]
    start = model.start(images)
    assert start.shape == (4, 16, 8, 8)
    torch.testing.assert_close(start[0, 0, 2, 7], 2 * images[0, 0, 2])  # top row, third column
    assert ((model.layer(start) - start).abs().amax((0, 2, 3)) > 1e-3).all()
    torch.nn.functional.cross_entropy(model(images), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_refining_the_steps_changes_the_scores_a_little_and_the_network_not_at_all() -> None:
    model = DigitField(Settings(), seed=0).eval()
    images = load_split()[0].images[:4]
    with torch.no_grad():
        coarse, fine, finer = (network(images) for network in (model, model.refined(4), model.refined(8)))
        assert torch.equal(model(images), coarse)
    assert 0 < (coarse - fine).abs().max() < 0.5 * coarse.std()
    assert (fine - finer).abs().max() < 0.2 * (coarse - fine).abs().max()  # order 2


def test_the_paired_interval_is_students() -> None:
    found = paired_difference(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 0.0]))
    assert (found.mean, found.high) == (2.0, pytest.approx(2 + 4.302653 / math.sqrt(3)))
    assert paired_difference(np.array([1.0]), np.array([0.5])).high == math.inf


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = Settings(components=4, hidden=4, dt=0.5, batch=500, epochs=2, seeds=2)
    monkeypatch.setattr(experiment, "Settings", lambda **_: settings)
    return settings


def test_a_tiny_run_writes_everything(tmp_path: Path, tiny: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    report = experiment.run(RunOptions(tmp_path, quick=True))
    text = report.read_text(encoding="utf-8")
    assert "A short run for demonstration" in text
    assert "INCONCLUSIVE" in text
    for line in capsys.readouterr().out.splitlines()[:6]:
        assert line in text
    for name in ("learning.png", "evolution.png", "confusion.png"):
        assert f"]({name})" in text
        assert (tmp_path / name).stat().st_size > 5000
    result = AnalysisResult.from_netcdf(tmp_path / "result.nc")
    assert result.status is Verdict.INCONCLUSIVE
    assert result["accuracy"].shape == (3, 2)
    assert result["confusion"].sum() == 2 * 360
    assert all("units" in result.dataset[name].attrs for name in result.dataset.data_vars)
    config = tomllib.loads((tmp_path / "config.toml").read_text(encoding="utf-8"))
    assert (config["experiment"], config["quick"], config["seeds"], config["epochs"]) == ("digits", True, 2, 2)
    model = DigitField(tiny, seed=9)
    path = tmp_path / "weights.safetensors"
    stored = read_weights(path)[1]
    assert stored["kind"] == "DigitField"
    load_weights(model, path, stored)
    answers = experiment.predict(model, load_split()[1].images).numpy()
    np.testing.assert_array_equal(answers, result["prediction"].values[0])


def test_an_interrupted_experiment_resumes_to_the_same_result(
    tmp_path: Path, tiny: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.run(RunOptions(tmp_path / "whole"))
    steps = 0
    original = experiment.jitter

    def press_ctrl_c(images: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 8:  # the second seed, second step
            raise KeyboardInterrupt
        return original(images, strength, generator)

    monkeypatch.setattr(experiment, "jitter", press_ctrl_c)
    with pytest.raises(Interrupted, match="--resume"):
        experiment.run(RunOptions(tmp_path / "broken"))
    experiment.run(RunOptions(tmp_path / "broken", resume=True))
    whole, resumed = (AnalysisResult.from_netcdf(tmp_path / name / "result.nc") for name in ("whole", "broken"))
    for name in whole.dataset.data_vars:
        np.testing.assert_array_equal(whole[name].values, resumed[name].values)
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "broken"))
    assert first == second


@pytest.mark.slow
def test_the_experiment_reaches_its_target(tmp_path: Path) -> None:
    experiment.run(RunOptions(tmp_path))
    AnalysisResult.from_netcdf(tmp_path / "result.nc").assert_pass()
