"""The command line: exit codes, messages, files; everything in-process."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
import torch
import xarray

import fieldsolver as fs
from fieldsolver.experiments import commands, registry, solve_file
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.options import Interrupted, RunOptions
from fieldsolver.experiments.registry import EXPERIMENTS, Experiment
from fieldsolver.experiments.sample_files import sample_names
from fieldsolver.space.operator_table import OPERATOR_ROWS, operator_table
from fieldsolver.stepping import keeper as keeper_module
from fieldsolver.stepping.keeper import Keeper
from fieldsolver.stepping.loop import Run

DECAY = """
schema = 1
[equation]
text = "du/dt = D*laplacian(u) - u**2"
[grid]
shape = [8, 8]
extent = 1.0
[boundary]
all = "periodic"
[parameters]
D = 0.01
[initial]
u = "1 + 0.1*cos(2*pi*x)"
[solve]
t_span = [0.0, 0.5]
saves = 4
"""


@pytest.fixture
def decay(tmp_path: Path) -> str:
    path = tmp_path / "decay.toml"
    path.write_text(DECAY, encoding="utf-8")
    return str(path)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert f"fieldsolver {fs.__version__}" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["equations", "experiments", "modules", "benchmarks", "models", "data"])
def test_list(capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert main(["list", what]) == 0
    alone = capsys.readouterr().out
    assert alone.startswith(f"{what}:\n  ")
    assert main(["list"]) == 0
    assert alone in capsys.readouterr().out


def test_list_names_every_method_sample_and_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    shown = capsys.readouterr().out
    for name in ("tsit5", "mlp", *sample_names(), *EXPERIMENTS):
        assert f"  {name} " in shown


def test_list_operators_prints_stencils_symbols_and_costs_within_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "operators"]) == 0
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 120
    for name in OPERATOR_ROWS:
        assert f"\n\n{name} " in page
    unbroken = " ".join(page.split())
    for row in operator_table():  # nothing is lost where lines are broken
        assert f"{row.scheme} {row.order} {row.points} {row.operations} stencil {row.stencil} symbol" in unbroken
    assert main(["list", "operators", "--operator", "biharmonic"]) == 0
    alone = capsys.readouterr().out
    assert alone.split("\n\n")[1].strip() in page
    assert len(alone.split("\n\n")) == 2  # the legend, and that one


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["operators", "--operator", "lapacian"], "--operator is one of laplacian, .* did you mean 'laplacian'?"),
        (["methods", "--operator", "laplacian"], "--operator belongs to 'fieldsolver list operators'"),
    ],
)
def test_list_refuses_operators_that_there_are_not(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["list", *arguments]) == 1
    assert re.search(sentence, capsys.readouterr().err)


@pytest.mark.parametrize("arguments", [["solv"], ["solve"], ["solve", "a", "--no-such"], ["list", "nothing"]])
def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2


@pytest.mark.parametrize("arguments", [[], ["--help"], ["solve", "--help"], ["train", "--help"]])
def test_help_is_exit_code_0(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert "usage: fieldsolver" in capsys.readouterr().out


def test_solve_writes_data_figure_animation_and_report(
    tmp_path: Path, decay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", decay, "--out", str(tmp_path / "out")]) == 0
    folder = tmp_path / "out" / "decay"
    printed = capsys.readouterr().out.split()
    assert printed == [str(folder / name) for name in ("solution.nc", "figure.png", "animation.gif", "report.md")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(Path(line).name for line in printed)
    with xarray.open_dataset(folder / "solution.nc", engine="h5netcdf") as data:
        assert data["u"].dims == ("time", "x", "y")
    report = (folder / "report.md").read_text(encoding="utf-8")
    for part in ("du/dt = ", "Sample 0: The sample reached the end", "rtol = 1e-06", "tolerances ten times tighter"):
        assert part in report


def test_solve_with_other_options(tmp_path: Path, decay: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--t-end", "0.2", "--dt", "0.01", "--method", "rk4", "--no-animation", "--out", str(tmp_path)]
    assert main(["solve", decay, *arguments]) == 0
    assert not (tmp_path / "decay" / "animation.gif").exists()
    report = (tmp_path / "decay" / "report.md").read_text(encoding="utf-8")
    assert "Method: rk4" in report
    assert "20 steps accepted" in report
    assert "half the step" in report
    with xarray.open_dataset(tmp_path / "decay" / "solution.nc", engine="h5netcdf") as data:
        assert data["time"].values[-1] == pytest.approx(0.2)


def test_the_error_estimate_is_of_the_size_of_the_error(tmp_path: Path) -> None:
    text = "schema = 1\n[equation]\ntext = 'du/dt = -u'\n[initial]\nu = 1\n[solve]\nt_span = [0, 1]\ndt = 0.1\n"
    (tmp_path / "one.toml").write_text(text + 'method = "heun"\n', encoding="utf-8")
    assert main(["solve", str(tmp_path / "one.toml"), "--out", str(tmp_path)]) == 0
    row = next(line for line in (tmp_path / "one" / "report.md").read_text().splitlines() if line.startswith("  | u |"))
    exact = torch.exp(torch.tensor(-1.0, dtype=torch.float64)).item()
    file = solve_file.load_equation(tmp_path / "one.toml")
    error = abs(fs.solve(file.equation, file.initial, **file.solve)["u"][-1].item() - exact)
    assert float(row.split("|")[3]) == pytest.approx(0.75 * error, rel=0.1)  # 1 - 1/2**2 of it, for order 2


def test_a_failed_solve_writes_what_it_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "schema = 1\n[equation]\ntext = 'du/dt = u**2'\n[initial]\nu = 1\n[solve]\nt_span = [0, 2]\nsaves = 5\n"
    (tmp_path / "blow_up.toml").write_text(text, encoding="utf-8")
    assert main(["solve", str(tmp_path / "blow_up.toml"), "--out", str(tmp_path)]) == 1
    streams = capsys.readouterr()
    assert streams.err.startswith("fieldsolver: 1 of 1 sample(s) ended early")
    assert "report.md" in streams.out
    report = (tmp_path / "blow_up" / "report.md").read_text(encoding="utf-8")
    assert "ended early, at t = 1" in report
    with xarray.open_dataset(tmp_path / "blow_up" / "solution.nc", engine="h5netcdf") as data:
        assert data["u"].values[:2] == pytest.approx([1.0, 2.0], rel=1e-4)


ERRORS = {
    ("solve", "gray_scot"): "there is no file 'gray_scot'.*did you mean 'gray_scott'",
    ("explain", "nothing.toml"): "there is no file 'nothing.toml'; shipped samples: bouncing_ball, fitzhugh",
    ("train", "digit"): "there is no model or experiment 'digit'; known: .*, digits, lynx_hare; did you mean 'digits'",
    ("train", "digits", "--seeds", "0"): "--seeds is at least 1, got 0",
    ("solve", "gray_scott", "--method", "tsit6"): "tsit6.*tsit5",
    ("solve", "gray_scott", "--dt", "100"): "dt = 100.*stab|limit",
    ("solve", "gray_scott", "--t-end=-1"): "t_span runs from 0 to -1",
}


@pytest.mark.parametrize("arguments", ERRORS)
def test_errors_are_one_sentence_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    out = [] if arguments[0] == "explain" else ["--out", str(tmp_path)]
    assert main([*arguments, *out]) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("fieldsolver: ")
    assert "Traceback" not in streams.err
    assert re.search(ERRORS[arguments], streams.err)


def test_debug_shows_where(tmp_path: Path) -> None:
    with pytest.raises(fs.FileFormatError):
        main(["solve", "nothing", "--debug"])


@pytest.mark.parametrize("command", [["solve", "gray_scott"], ["train", "digits"], ["demo"]])
def test_an_unwritable_folder_is_found_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(solve_file.fs, "solve", forbidden)
    monkeypatch.setitem(registry.EXPERIMENTS, "digits", _experiment(monkeypatch, forbidden))
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert main([*command, "--out", str(tmp_path / "file")]) == 1
    assert "cannot write into the folder" in capsys.readouterr().err


def _experiment(monkeypatch: pytest.MonkeyPatch, run: object) -> Experiment:
    monkeypatch.setattr(Experiment, "load", lambda self: run)
    return Experiment("nowhere", "for a test")


def test_train_hands_its_options_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunOptions] = []

    def run(options: RunOptions) -> Path:
        seen.append(options)
        return options.out / "report.md"

    _experiment(monkeypatch, run)
    assert (
        main(["train", "digits", "--out", str(tmp_path), "--seeds", "2", "--epochs", "3", "--resume", "--quick"]) == 0
    )
    assert seen == [RunOptions(tmp_path / "digits", quick=True, resume=True, seeds=2, epochs=3)]
    assert capsys.readouterr().out.strip() == str(tmp_path / "digits" / "report.md")


def test_train_repeats_a_run_from_its_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldsolver.experiments.run_config import write_run_config

    seen: list[RunOptions] = []
    _experiment(monkeypatch, lambda options: seen.append(options) or options.out)
    config = write_run_config(
        tmp_path / "c.toml", "digits", quick=True, seeds=2, epochs=7, settings={"lr": 0.1, "a": 'b"c'}
    )
    assert main(["train", str(config), "--out", str(tmp_path)]) == 0
    assert main(["train", str(config), "--out", str(tmp_path), "--epochs", "1"]) == 0
    assert [(o.quick, o.seeds, o.epochs) for o in seen] == [(True, 2, 7), (True, 2, 1)]


CONFIGS = {
    "experiment = 'digits'\nepoch = 3\n": "unknown key 'epoch'.*did you mean 'epochs'",
    "experiment = 'digits'\nepochs = true\n": "'epochs' must be of type int, got True",
    "experiment = 'digits'\nschema = 2\n": "has schema 2",
    "schema = 1\n": "does not say which experiment",
    "[equation]\ntext = 'du/dt = u'\n": "is an equation file, which declares no data.*fieldsolver solve",
    "schema = \n": "cannot be read as TOML",
}


@pytest.mark.parametrize("text", CONFIGS)
def test_a_wrong_config_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    assert main(["train", str(tmp_path / "c.toml"), "--out", str(tmp_path)]) == 1
    assert re.search(CONFIGS[text], capsys.readouterr().err)


@pytest.mark.parametrize(
    ("stop", "said"),
    [(KeyboardInterrupt(), "files written so far are complete"), (Interrupted("epoch 3 is kept"), "epoch 3 is kept")],
)
def test_ctrl_c_is_exit_code_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stop: KeyboardInterrupt, said: str
) -> None:
    def interrupted() -> int:
        raise stop

    monkeypatch.setitem(commands.COMMANDS, "version", interrupted)
    assert main(["version"]) == 130
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("number", "is_sentence"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_a_full_disk_is_one_sentence_and_other_faults_show_where(
    number: int, is_sentence: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def writes() -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setitem(commands.COMMANDS, "version", writes)
    if not is_sentence:
        with pytest.raises(OSError, match="Input/output error"):
            main(["version"])
        return
    assert main(["version"]) == 1
    assert capsys.readouterr().err.startswith("fieldsolver: No space left on device; make room and repeat the command")


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "gray_scott", "--dt", "1.5"]) == 0
    shown = capsys.readouterr().out
    assert "dt = 1.5 is UNSTABLE" in shown
    assert "dt = 1.5 is stable" in shown


def test_an_interrupted_solve_goes_on_from_its_checkpoint(
    tmp_path: Path, decay: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, starts, original = tmp_path / "run.safetensors", list[int](), Keeper.after

    def press_ctrl_c(keeper: Keeper, run: Run) -> None:
        original(keeper, run)
        starts.append(int(run.ledger.accepted[0]))
        if len(starts) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(keeper_module, "HELD_EVERY", 0.0)
    monkeypatch.setattr(Keeper, "after", press_ctrl_c)
    command = ["solve", decay, "--out", str(tmp_path / "out"), "--checkpoint", str(path), "--no-animation"]
    assert main(command) == 130
    assert f"interrupted; the state is saved in {path}; the same command goes on from it" in capsys.readouterr().err
    assert path.exists()
    assert main([*command, "--t-end", "1.5"]) != 0
    assert "is of a solve with t_span = " in capsys.readouterr().err
    assert main([*command, "--dt", "0.001"]) != 0  # another problem
    assert path.exists()
    assert main(command) == 0
    assert starts[:4] == [1, 2, 3, 4]
    assert not path.exists()
    assert (tmp_path / "out" / "decay" / "solution.nc").exists()


def test_a_number_that_is_none_and_a_folder_are_named(
    tmp_path: Path, decay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, message in (
        (["solve", decay, "--dt", "abc"], "Error parsing --dt: 'abc' is not a number"),
        (["train", "digits", "--seeds", "1.5"], "Error parsing --seeds: '1.5' is not a whole number"),
    ):
        assert main(command) == 2
        shown = capsys.readouterr().err
        assert message in shown
        assert "NoneType" not in shown
    assert main(["check", str(tmp_path)]) == 1
    assert "is a folder; name an equation file" in capsys.readouterr().err
