"""`fieldsolver bench`: registration, order of the runs, arithmetic of the report, files. No test reads a real clock."""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import math
import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from fieldsolver.experiments import bench
from fieldsolver.experiments.benchmarks import (
    BENCHMARKS,
    Benchmark,
    BenchSettings,
    Comparison,
    Measurement,
    Quantity,
    benchmark_result,
    machine_attributes,
    measure_alternately,
    ode,
    registry,
    solvers,
)
from fieldsolver.experiments.benchmarks.page import benchmark_page
from fieldsolver.experiments.benchmarks.problems import ARENSTORF, BRUSSELATOR, LORENZ
from fieldsolver.experiments.benchmarks.timing import Times
from fieldsolver.experiments.cli import main
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached


@dataclass
class Clock:
    """A clock that only work moves on."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, durations: Iterator[float], log: list[str], name: str) -> Callable[[], None]:
        def run() -> None:
            log.append(name)
            self.now += next(durations)

        return run


def test_sides_run_in_turns_and_the_first_run_is_kept_apart() -> None:
    clock, log = Clock(), list[str]()
    ours = clock.work(iter([9.0, 1.0, 2.0, 3.0, 4.0, 5.0]), log, "A")
    other = clock.work(iter([8.0, 10.0, 20.0, 30.0, 40.0, 50.0]), log, "B")
    times = measure_alternately({"A": ours, "B": other}, BenchSettings(repeats=5, clock=clock))
    assert log == ["A", "B"] * 6
    assert times == {"A": Times(9.0, (1.0, 2.0, 3.0, 4.0, 5.0)), "B": Times(8.0, (10.0, 20.0, 30.0, 40.0, 50.0))}


def test_threads_and_the_collector_are_set_under_the_clock_and_restored() -> None:
    before, seen = torch.get_num_threads(), set()
    settings = BenchSettings(repeats=5, threads=before + 1, clock=Clock())
    measure_alternately({"A": lambda: seen.add((torch.get_num_threads(), gc.isenabled()))}, settings)
    assert seen == {(before + 1, False)}
    assert (torch.get_num_threads(), gc.isenabled()) == (before, True)

    def fails() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        measure_alternately({"A": fails}, settings)
    assert (torch.get_num_threads(), gc.isenabled()) == (before, True)


OURS = Measurement(
    "fieldsolver dopri5", Times(9.0, (1.0, 3.0, 2.0, 2.5, 1.5)), accepted=100, attempts=160, evaluations=602, error=1e-4
)
OTHER = Measurement(
    "torchdiffeq dopri5", Times(7.0, (8.0, 6.0, 7.0, 10.0, 6.0)), accepted=50, attempts=70, evaluations=500, error=2e-4
)


def speed(bar: float, quantity: Quantity = Quantity.SECONDS_PER_STEP) -> Comparison:
    return Comparison("a case", quantity, OURS, OTHER, bar)


def test_the_arithmetic_of_times() -> None:
    assert OURS.seconds == 2.0  # medians, the warm-up not among them
    assert OTHER.seconds == 7.0
    assert OURS.seconds_per_step == pytest.approx(2.0 / 100)
    assert OTHER.seconds_per_attempt == pytest.approx(7.0 / 70)
    per_step = speed(3.0)
    assert per_step.ratio == pytest.approx((7.0 / 50) / (2.0 / 100))
    assert per_step.ratio_range == pytest.approx((2 * 6.0 / 3.0, 2 * 8.0 / 1.0))  # run by run: 16, 4, 7, 8, 8
    whole = speed(3.0, Quantity.SECONDS)
    assert whole.ratio == pytest.approx(3.5)
    assert whole.ratio_range == pytest.approx((2.0, 8.0))


def test_the_arithmetic_of_evaluations() -> None:
    counted = speed(1.1, Quantity.EVALUATIONS)
    assert counted.ratio == pytest.approx(602 / 500)
    assert counted.ratio_range == (counted.ratio, counted.ratio)


@pytest.mark.parametrize(
    ("comparison", "verdict"),
    [
        (speed(6.99), Verdict.PASS),
        (speed(7.01), Verdict.FAIL),
        (speed(3.5, Quantity.SECONDS), Verdict.PASS),  # exactly 3.5
        (speed(1.21, Quantity.EVALUATIONS), Verdict.PASS),
        (speed(1.2, Quantity.EVALUATIONS), Verdict.FAIL),
        (replace(speed(1.0), other=solvers.absent("torchdiffeq", "dopri5")), Verdict.NOT_APPLICABLE),
        (replace(speed(1.0), other=replace(OTHER, accepted=math.nan)), Verdict.INCONCLUSIVE),
    ],
)
def test_a_speed_up_has_to_reach_its_bar_and_a_count_to_stay_below(comparison: Comparison, verdict: Verdict) -> None:
    assert comparison.verdict is verdict


def result_of(*comparisons: Comparison) -> AnalysisResult:
    named = [replace(item, case=f"case {i}") for i, item in enumerate(comparisons)]
    about = machine_attributes(BenchSettings(), packages=("no-such-package",))
    return benchmark_result("fake", "for a test", named, about)


ABSENT = replace(speed(1.0), other=solvers.absent("diffrax", "dopri5"))
COUNTED = replace(speed(1.1, Quantity.EVALUATIONS), ours=replace(OURS, times=Times(math.nan, ()), evaluations=540))


@pytest.mark.parametrize(
    ("comparisons", "verdict", "reason"),
    [
        ([speed(7.0), COUNTED], Verdict.PASS, "all 2 bars are met"),
        ([speed(7.5), COUNTED, ABSENT], Verdict.FAIL, "1 of 3 bars are not met: case 0: 7 where at least 7.5 is asked"),
        ([speed(1.2, Quantity.EVALUATIONS)], Verdict.FAIL, "case 0: 1.2 where at most 1.2 is asked"),
        ([speed(7.0), ABSENT], Verdict.INCONCLUSIVE, "1 of 2 cases were not compared: diffrax is not installed"),
        ([ABSENT, ABSENT], Verdict.NOT_APPLICABLE, "nothing could be compared: diffrax is not installed"),
    ],
)
def test_the_verdict_on_all_cases(comparisons: list[Comparison], verdict: Verdict, reason: str) -> None:
    result = result_of(*comparisons)
    assert result.status is verdict
    assert reason in result.reason


def test_the_result_holds_numbers_of_both_sides_and_where_it_was_measured() -> None:
    result = result_of(speed(3.0), COUNTED, ABSENT)
    ours, other = result.dataset.sel(case="case 0", side="ours"), result.dataset.sel(case="case 0", side="other")
    assert ours["times"].values.tolist() == [1.0, 3.0, 2.0, 2.5, 1.5]
    assert ours["warm_up"] == 9.0
    assert other["seconds_per_step"] == pytest.approx(0.14)
    assert (other["accepted"], other["attempts"], other["evaluations"], other["error"]) == (50, 70, 500, 2e-4)
    assert result["ratio"].values[:2] == pytest.approx([7.0, 540 / 500])
    assert result["verdict"].values.tolist() == ["pass", "pass", "not applicable"]
    assert result["times"].sel(case="case 1", side="ours").isnull().all()
    about = result.dataset.attrs
    assert about["torch_threads"] == 1
    assert re.search(rf"python 3\S+, torch {re.escape(torch.__version__)}", about["versions"])
    assert "no-such-package not installed" in about["versions"]
    for variable in result.dataset.data_vars.values():
        assert variable.attrs.keys() == {"units", "long_name"}


def test_the_page_shows_what_the_result_holds() -> None:
    shown = benchmark_page(result_of(speed(3.0), COUNTED, ABSENT))
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "fieldsolver dopri5 2 [1 .. 3] 9 20000.0 12500.0 100 160 602 1.0e-04" in lines
    assert "fieldsolver dopri5 100 160 540 1.0e-04" in lines
    assert "  seconds per accepted step: ratio 7 [4.00 .. 16.00], asked for at least 3: PASS" in shown
    assert "  evaluations: ratio 1.08, asked for at most 1.1: PASS" in shown
    assert "diffrax dopri5" in shown
    assert "diffrax is not installed" in shown
    assert shown.splitlines()[-1].startswith("INCONCLUSIVE: 1 of 3 cases")
    assert max(map(len, shown.splitlines())) <= 120


# --- the command ---


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[BenchSettings]:
    """One benchmark, `fake`, that measures nothing and fails its bar; the settings that it was given."""
    seen: list[BenchSettings] = []

    def compare(settings: BenchSettings) -> list[Comparison]:
        seen.append(settings)
        return [speed(8.0), replace(ABSENT, case="another")]

    monkeypatch.setitem(sys.modules, "fake_benchmark", types.SimpleNamespace(compare=compare))
    monkeypatch.setattr(registry, "BENCHMARKS", {"fake": Benchmark("fake", "fake_benchmark", "for a test")})
    monkeypatch.setattr(bench, "BENCHMARKS", registry.BENCHMARKS)
    return seen


def test_the_command_hands_its_options_on_and_prints_the_page(
    fake: list[BenchSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "fake", "--repeats", "9", "--threads", "2"]) == 0
    assert [(settings.repeats, settings.threads) for settings in fake] == [(9, 2)]
    shown = capsys.readouterr().out
    assert shown.startswith("fake: for a test\n")
    assert "9 runs of each side" in shown
    assert "threads: torch 2" in shown


def test_without_a_name_all_are_run_and_strict_asks_for_every_bar(
    fake: list[BenchSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--strict"]) == 1
    assert len(fake) == 1
    streams = capsys.readouterr()
    assert streams.out.startswith("fake: for a test\n")  # the page is printed all the same
    assert streams.err.startswith("fieldsolver: benchmark/1 is FAIL: 1 of 2 bars are not met")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fak"], "there is no benchmark 'fak'; known: fake; did you mean 'fake'?"),
        (["--repeats", "4"], "--repeats is at least 5, or a spread means nothing; got 4"),
        (["--threads", "0"], "--threads is at least 1, got 0"),
        (["--output", "numbers.txt"], "--output ends in .nc or .json, got 'numbers.txt'"),
    ],
)
def test_wrong_options_are_one_sentence_before_anything_is_measured(
    fake: list[BenchSettings], capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["bench", *arguments]) == 1
    assert capsys.readouterr() == ("", f"fieldsolver: {sentence}\n")
    assert fake == []


def test_an_unwritable_folder_is_found_before_anything_is_measured(
    fake: list[BenchSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert main(["bench", "--output", str(tmp_path / "file" / "a.nc")]) == 1
    assert "choose another with --output" in capsys.readouterr().err
    assert fake == []


def test_json_holds_every_number_and_null_where_there_is_none(fake: list[BenchSettings], tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    assert main(["bench", "--output", str(path)]) == 0

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    told = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert (told["schema"], told["status"], told["benchmark"]) == ("benchmark/1", "fail", "fake")
    first, second = told["cases"]
    assert (first["case"], first["bar"], first["verdict"]) == ("a case", 8.0, "fail")
    assert first["ratio"] == pytest.approx(7.0)
    assert first["other"]["times"] == [8.0, 6.0, 7.0, 10.0, 6.0]
    assert first["ours"]["method"] == "fieldsolver dopri5"
    assert second["other"]["missing"] == "diffrax is not installed"
    assert second["other"]["times"] == [None] * 5
    assert second["ratio"] is None


def test_netcdf_survives_the_round_trip(fake: list[BenchSettings], tmp_path: Path) -> None:
    assert main(["bench", "--output", str(tmp_path / "a.nc")]) == 0
    result = AnalysisResult.from_netcdf(tmp_path / "a.nc")
    assert result.status is Verdict.FAIL
    assert result["ratio"].sel(case="a case") == pytest.approx(7.0)
    assert str(result["method"].sel(case="another", side="other").item()) == "diffrax dopri5"
    with pytest.raises(VerdictNotReached):
        result.assert_pass()


def test_several_benchmarks_write_a_file_each(
    fake: list[BenchSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.BENCHMARKS, "second", Benchmark("second", "fake_benchmark", "another"))
    assert main(["bench", "--output", str(tmp_path / "a.json")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-fake.json", "a-second.json"]


@pytest.mark.parametrize("suffix", [".json", ".nc"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("old", encoding="utf-8")

    def half(self: object, place: Path, *_: object, **__: object) -> None:
        Path(str(place) if suffix == ".nc" else str(self)).write_bytes(b"half")
        raise OSError("the disk is full")

    import xarray

    monkeypatch.setattr(*((xarray.Dataset, "to_netcdf", half) if suffix == ".nc" else (Path, "write_text", half)))
    with pytest.raises(OSError, match="disk is full"):
        bench.write_result(result_of(speed(3.0)), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# --- the benchmarks that there are ---


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_registered_benchmark_can_be_loaded(name: str) -> None:
    assert BENCHMARKS[name].name == name
    assert callable(importlib.import_module(BENCHMARKS[name].module).compare)


def shorter(problem: object, t_end: float) -> object:
    return replace(problem, t_end=t_end, exact=None)


def ticking() -> BenchSettings:
    """A clock that says one second a look: every run lasts one second."""
    ticks = itertools.count()
    return BenchSettings(repeats=5, clock=lambda: float(next(ticks)))


@pytest.mark.parametrize("systems", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_ode_compares_the_steps_of_both_sides(systems: int) -> None:
    y0 = torch.ones(3, dtype=torch.float64) if systems == 1 else ode.lorenz_cloud(systems)
    task = solvers.Task(shorter(LORENZ, 0.5), y0)
    case = ode.speed("short", task, ticking())
    assert case.ours.seconds == case.other.seconds == 1.0
    assert case.ratio == pytest.approx(case.ours.accepted / case.other.accepted)
    stats = solvers.solve_ours(task, "dopri5").stats
    assert stats.accepted.shape == y0.shape[:-1]  # steps of their own
    assert case.ours.accepted == stats.accepted.double().mean()
    assert case.ours.attempts == (stats.accepted + stats.rejected).max()
    # torchdiffeq evaluates f twice before its first step, then 6 times a step.
    assert case.other.evaluations == 2 + 6 * case.other.attempts
    assert 0 < case.other.accepted <= case.other.attempts
    assert case.ours.error < 1e-4
    assert case.other.error < 1e-4


def test_ode_goes_on_without_torchdiffeq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ode, "is_installed", lambda name: False)
    task = solvers.Task(shorter(LORENZ, 0.1), torch.ones(3, dtype=torch.float64))
    case = ode.speed("short", task, ticking())
    assert case.verdict is Verdict.NOT_APPLICABLE
    assert case.other.missing == "torchdiffeq is not installed"
    assert case.ours.seconds == 1.0


def test_ode_counts_every_evaluation_of_scipy() -> None:
    task = solvers.Task(shorter(BRUSSELATOR, 1.0), torch.tensor(BRUSSELATOR.y0, dtype=torch.float64))
    reference, calls = solvers.reference_state(task), []
    slopes = task.problem.slopes
    counted = replace(task, problem=replace(task.problem, slopes=lambda *y: calls.append(0) or slopes(*y)))
    assert solvers.count_scipy(counted, "RK45", reference).evaluations == len(calls) > 0


def test_ode_counts_like_scipy() -> None:
    task = solvers.Task(shorter(BRUSSELATOR, 1.0), torch.tensor(BRUSSELATOR.y0, dtype=torch.float64))
    cases = ode.evaluations(task, ticking())
    assert [(case.ours.name, case.other.name) for case in cases] == [
        ("fieldsolver dopri5", "scipy RK45"),
        ("fieldsolver bosh3", "scipy RK23"),
        ("fieldsolver dop853", "scipy DOP853"),
    ]
    for case in cases:
        assert case.quantity is Quantity.EVALUATIONS
        assert case.ratio == case.ours.evaluations / case.other.evaluations
        assert case.ours.error < 1e-5
        assert case.other.error < 1e-5


@pytest.mark.parametrize("problem", [LORENZ, ARENSTORF, BRUSSELATOR], ids=lambda problem: problem.name)
def test_both_forms_of_a_problem_agree(problem: object) -> None:
    many = torch.tensor(problem.y0, dtype=torch.float64) + torch.randn(
        5, len(problem.y0), dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    one = torch.from_numpy(problem.numpy_f(0.0, many[0].numpy()))
    assert torch.allclose(problem.torch_f(torch.tensor(0.0), many)[0], one, rtol=1e-13)
    flat = torch.from_numpy(problem.numpy_f(0.0, many.T.reshape(-1).numpy())).reshape(many.T.shape).T
    assert torch.allclose(problem.torch_f(torch.tensor(0.0), many), flat, rtol=1e-13)


def test_the_reference_of_the_brusselator_is_the_published_one() -> None:
    """Digits of a solution in 32 digits (Mathematica)."""
    task = solvers.Task(BRUSSELATOR, torch.tensor(BRUSSELATOR.y0, dtype=torch.float64))
    published = [0.4986370712683478291402659846476, 4.596780349452011024598321237263]
    assert solvers.reference_state(task).tolist() == pytest.approx(published, rel=1e-10)


def test_the_arenstorf_orbit_closes() -> None:
    task = solvers.Task(replace(ARENSTORF, exact=None), torch.tensor(ARENSTORF.y0, dtype=torch.float64))
    assert solvers.reference_state(task).tolist() == pytest.approx(ARENSTORF.exact, abs=1e-8)


def test_a_lorenz_orbit_of_viswanath_closes() -> None:
    """The shortest periodic orbit: Viswanath, Nonlinearity 16 (2003) 1035-1056, tables of the orbit AB."""
    start = torch.tensor([-13.763610682134, -19.578751942452, 27.0], dtype=torch.float64)
    task = solvers.Task(shorter(LORENZ, 1.5586522107161747), start)
    assert solvers.reference_state(task).tolist() == pytest.approx(start.tolist(), abs=1e-9)
