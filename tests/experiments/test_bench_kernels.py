"""The benchmarks of the kernels on small sizes and a clock of their own: limits, missing packages, errors."""

from __future__ import annotations

import importlib.util
import itertools

import pytest

from fieldsolver.experiments.benchmarks import BENCHMARKS, BenchSettings, find_benchmark, linking, partitioning
from fieldsolver.experiments.benchmarks.limit import within
from fieldsolver.results import Verdict


def ticking(seconds: float) -> BenchSettings:
    """A clock on which every run takes so long."""
    ticks = itertools.count()
    return BenchSettings(repeats=5, clock=lambda: seconds * next(ticks))


@pytest.mark.parametrize(("seconds", "verdict"), [(0.5, Verdict.PASS), (2.0, Verdict.FAIL)])
def test_a_limit(seconds: float, verdict: Verdict) -> None:
    found = within("a case", "ours", lambda: None, 1.0, ticking(seconds))
    assert found.verdict is verdict
    assert found.ratio == pytest.approx(1 / seconds)


@pytest.mark.slow
def test_linking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "CHAIN", 60)
    monkeypatch.setattr(linking, "CIRCLE", 2000)
    monkeypatch.setattr(linking, "SMALL", 20)
    direct, moments, topoly = linking.compare(ticking(0.1))
    assert direct.ours.error < 1e-9
    assert moments.ours.error < 0.01
    assert moments.verdict is Verdict.PASS
    if importlib.util.find_spec("topoly") is None:
        assert topoly.other.missing == "topoly is not installed"
        assert topoly.verdict is Verdict.NOT_APPLICABLE


def test_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioning, "MANY", 6000)
    *limits, prtpy = partitioning.compare(ticking(0.01))
    assert [item.verdict for item in limits] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]  # 1 s, 1 ms, 0.5 s
    if importlib.util.find_spec("prtpy") is None:
        assert prtpy.other.missing == "prtpy is not installed"


def test_they_are_registered() -> None:
    for name in ("linking", "partition"):
        assert find_benchmark(name) is BENCHMARKS[name]
