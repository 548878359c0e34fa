"""`fieldsolver solve` with events: how often each happened, what is written of them, and how far it is trusted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

import fieldsolver as fs
from fieldsolver.equations.file_format import load_equation
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.event_report import event_lines, event_section
from fieldsolver.experiments.solve_report import solve_report

NEURONS = """\
schema = 1
[equation]
text = "dv/dt = (I - v)/tau"
[parameters]
I = { per_sample = [1.5, 3.0, 0.5] }
tau = 2.0
[[events]]
name = "spike"
condition = "v - 1"
direction = "up"
reset = { v = 0 }
[[events]]
name = "late"
condition = "t - 8.5"
[initial]
v = 0.0
[solve]
t_span = [0.0, 10.0]
saves = 3
"""
FINAL = "schema = 1\n[equation]\ntext = 'du/dt = -k*u'\n[parameters]\nk = { per_sample = [0.1, 2.0] }\n" \
        "[[events]]\nname = 'third'\ncondition = 'u - 1/3'\nterminal = true\n" \
        "[initial]\nu = 1.0\n[solve]\nt_span = [0, 1]\nsaves = 5\n"  # fmt: skip


def spikes(current: float) -> list[float]:
    interval = 2.0 * math.log(current / (current - 1))
    return [interval * n for n in range(1, 1 + int(10.0 / interval))]


def test_solve_prints_counts_and_writes_every_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "neurons.toml"
    path.write_text(NEURONS, encoding="utf-8")
    assert main(["solve", str(path), "--out", str(tmp_path)]) == 0
    first, second = spikes(1.5), spikes(3.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"spike: {len(first)}, {len(second)}, 0 times in the samples 0 to 2", "late: once in every sample"
    ]  # fmt: skip
    written = ["solution.nc", "events.nc", "figure.png", "report.md"]
    assert lines[2:] == [str(tmp_path / "neurons" / name) for name in written]
    with xarray.open_dataset(tmp_path / "neurons" / "events.nc", engine="h5netcdf") as data:
        spike = data["name"].values == "spike"
        assert data["sample"].values[spike].tolist() == [0] * len(first) + [1] * len(second)
        np.testing.assert_allclose(data["t"].values[spike], first + second, atol=1e-4)
        np.testing.assert_allclose(data["t"].values[~spike], 8.5, atol=1e-9)
        np.testing.assert_allclose(data["v_before"].values[spike], 1.0, atol=1e-9)
        np.testing.assert_allclose(data["v_after"].values[spike], 0.0, atol=0)
    report = (tmp_path / "neurons" / "report.md").read_text(encoding="utf-8")
    assert f"## Events\n\n* {lines[0]}.\n* {lines[1]}.\n* The second, finer run found the same events, at" in report
    assert "event spike: v - 1 crosses zero upwards; v -> 0" in report


@pytest.mark.parametrize("slow", [0.1, 1.5])
def test_samples_that_end_at_an_event_leave_no_nan_in_the_report(tmp_path: Path, slow: float) -> None:
    """One sample or both end before the last save points."""
    path = tmp_path / "final.toml"
    path.write_text(FINAL.replace("0.1", str(slow)), encoding="utf-8")
    assert main(["solve", str(path), "--out", str(tmp_path)]) == 0
    report = (tmp_path / "final" / "report.md").read_text(encoding="utf-8")
    assert "nan" not in report
    assert "* Sample 1: The sample ended at a terminal event" in report
    file = load_equation(path)
    with torch.no_grad():
        run, finer = (fs.solve(file.equation, file.initial, **file.solve | {"rtol": r}) for r in (1e-3, 1e-8))
    (row,) = (line for line in solve_report(file, run, finer, None, []).splitlines() if line.startswith("  | u |"))
    error = (run["u"] - finer["u"]).abs()
    known = ~error.isnan()
    last = error[known.any(1)][-1].nan_to_num(0.0).max().item()  # the largest value, by which all is divided, is 1
    largest = error[known].max().item()
    assert list(map(float, row.split("|")[2:4])) == pytest.approx([largest, last], rel=0.06)
    assert 0 < last < 1e-2


def solutions(*samples: int, events: bool = True) -> list[fs.Solution]:
    """Oscillators that cross zero about t/pi times, each solution with other tolerances."""
    given = [fs.Event("u", name="node", direction="both")] if events else []
    equation = fs.FieldEquation("d2u/dt2 = -k*u", parameters={"k": 1.0}, events=given)
    runs = []
    for batch in samples:
        start = {"u": torch.linspace(1, 2, batch, dtype=torch.float64), "du/dt": torch.zeros(batch).double()}
        with torch.no_grad():
            runs.append(fs.solve(equation, start, t_span=(0.0, 10.0), rtol=10.0 ** (-5 - len(runs))))
    return runs


def test_what_is_said_of_counts_and_of_agreement() -> None:
    few, again = solutions(2, 2)
    assert event_lines(few) == ["node: 3 times in every sample"]
    said = event_section(few, again)[3]
    assert "found the same events" in said
    apart = float(said.split("at most ")[1].split()[0])
    exact = torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64).mul(math.pi).repeat(2)
    assert apart == pytest.approx((few.events.t - exact).abs().max().item(), rel=0.3)
    (other,) = solutions(3)
    assert "found other events" in event_section(few, other)[3]
    assert event_section(few, None)[3:] == ["", "When, in which sample, and the state before and after each: "
                                            "`events.nc`.", ""]  # fmt: skip
    (without,) = solutions(1, events=False)
    assert event_lines(without) == event_section(without, None) == []


def test_many_samples_are_summed_up() -> None:
    k = torch.arange(1.0, 11.0, dtype=torch.float64)
    equation = fs.FieldEquation("du/dt = k", parameters={"k": fs.PerSample(k)}, events=[fs.Event("sin(u)", name="pi")])
    with torch.no_grad():
        solution = fs.solve(equation, {"u": torch.full((10,), 0.5, dtype=torch.float64)}, t_span=(0.0, 3.0))
    counts = [int((0.5 + 3.0 * slope) / math.pi) for slope in k.tolist()]
    assert event_lines(solution) == [f"pi: 1 to 9 times in the 10 samples, {sum(counts) / 10:.4g} on average"]


def test_the_picture_marks_the_events_of_its_sample() -> None:
    (run,) = solutions(2)
    (axes,) = run.plot().axes
    (marks,) = axes.collections
    assert sorted(segment[0][0] for segment in marks.get_segments()) == pytest.approx(run.events.times("node").tolist())
    assert "node" in [text.get_text() for text in axes.get_legend().get_texts()]
    (without,) = solutions(1, events=False)
    assert not without.plot().axes[0].collections
