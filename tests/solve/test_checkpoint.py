"""`solve(..., checkpoint=)`: Ctrl-C at any place, then the same call, gives the solution of one uninterrupted call."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.solve.checkpoint import plain
from fieldsolver.solve.progress import ProgressBar
from fieldsolver.stepping import keeper

Y0 = torch.tensor([2.0, 0.0], dtype=torch.float64)
TIMES = torch.linspace(0.0, 3.0, 7, dtype=torch.float64)
TEXT = "du/dt = Du*laplacian(u) - u*v**2 + F*(1 - u)\ndv/dt = Dv*laplacian(v) + u*v**2 - (F + k)*v"


@pytest.fixture(autouse=True)
def every_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """These solves are shorter than what an exception may cost."""
    monkeypatch.setattr(keeper, "HELD_EVERY", 0.0)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # the disk of a test machine may be slow


def oscillator(t: Tensor, y: Tensor, stiffness: float = 2.0) -> Tensor:
    return torch.stack([y[1], stiffness * (1.0 - y[0] ** 2) * y[1] - y[0]])


class Interrupted:
    """A callback that presses Ctrl-C at one of its calls."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self, t: Tensor, y: Tensor) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt


def assert_same(found: fs.Solution, expected: fs.Solution) -> None:
    assert torch.equal(found.y.nan_to_num(1e300), expected.y.nan_to_num(1e300))
    assert torch.equal(found.t_end, expected.t_end)
    assert torch.equal(found.status, expected.status)
    for name in ("accepted", "rejected", "nfev", "smallest_dt", "largest_dt", "stiffness_ratio", "stiff_from"):
        ours, theirs = getattr(found.stats, name), getattr(expected.stats, name)
        assert torch.equal(torch.nan_to_num(ours.double()), torch.nan_to_num(theirs.double())), name
    assert found.steps is not None
    assert expected.steps is not None
    assert len(found.steps) == len(expected.steps)
    assert all(map(torch.equal, found.steps.t, expected.steps.t))
    assert all(map(torch.equal, found.steps.dt, expected.steps.dt))
    assert (found.events is None) == (expected.events is None)
    if found.events is not None and expected.events is not None:
        for name in ("t", "y_before", "y_after"):
            assert torch.equal(getattr(found.events, name), getattr(expected.events, name)), name
        for name in ("sample", "event", "direction", "noted"):
            assert (getattr(found.events, name) == getattr(expected.events, name)).all(), name


def stopped(solve: Callable[..., fs.Solution], path: Path, at: int = 5) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        solve(checkpoint=path, callback=Interrupted(at))
    assert isinstance(caught.value.solution, fs.Solution)
    assert any("goes on from here" in note for note in caught.value.__notes__)
    assert path.exists()


def solved(**options: Any) -> fs.Solution:
    given: dict[str, Any] = {"t_span": (0.0, 3.0), "save_at": TIMES, "callback": Interrupted(0)}
    return fs.solve(oscillator, Y0, **{**given, **options})


@pytest.fixture
def gray_scott() -> tuple[fs.FieldEquation, dict[str, Tensor]]:
    equation = fs.FieldEquation(
        TEXT,
        grid=fs.Grid((12, 12), extent=1.0),
        boundary=fs.Periodic(),
        parameters={"Du": 2e-3, "Dv": 1e-3, "F": 0.04, "k": 0.06},
    )
    generator = torch.Generator().manual_seed(0)
    v = torch.rand(3, 12, 12, generator=generator, dtype=torch.float64) / 3.0
    return equation, {"u": 1.0 - v, "v": v * torch.tensor([1.0, 0.1, 2.0], dtype=torch.float64)[:, None, None]}


@pytest.mark.parametrize("at", [1, 2, 9])
def test_an_equation_on_a_grid_goes_on(
    at: int, gray_scott: tuple[fs.FieldEquation, dict[str, Tensor]], tmp_path: Path
) -> None:
    equation, initial = gray_scott
    quiet = fs.Event("mean(v) - 0.01", direction="down", name="fading")

    def solve(**options: Any) -> fs.Solution:
        with torch.no_grad():
            given: dict[str, Any] = {"t_span": (0, 40), "save_at": torch.linspace(0, 40, 9), "events": [quiet]}
            return fs.solve(equation, initial, **given, **{"callback": Interrupted(0), **options})

    path, expected = tmp_path / "run.safetensors", solve()
    assert expected.events is not None
    assert len(expected.events) > 0
    stopped(solve, path, at)
    assert_same(solve(checkpoint=path), expected)
    assert not path.exists()


class Norm:
    """Of the error, with a Ctrl-C; it is called once an attempt, and twice for the first step."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.sizes = at, list[int]()

    def __call__(self, error: Tensor) -> Tensor:
        self.sizes.append(len(error))
        if len(self.sizes) == self.at:
            raise KeyboardInterrupt
        return error.abs().flatten(1).amax(dim=1)


def test_samples_that_left_the_batch_are_there_again(
    gray_scott: tuple[fs.FieldEquation, dict[str, Tensor]], tmp_path: Path
) -> None:
    """Parameters per sample go with them."""
    path, (_, initial) = tmp_path / "run.safetensors", gray_scott
    feed = fs.PerSample([0.03, 0.05, 0.04])
    parameters = {"Du": 2e-3, "Dv": 1e-3, "F": feed, "k": 0.06}
    equation = fs.FieldEquation(
        TEXT, grid=fs.Grid((12, 12), extent=1.0), boundary=fs.Periodic(), parameters=parameters,
        events=[fs.Event("mean(v) - 0.01", direction="down", terminal=True)],
    )  # fmt: skip
    initial["v"][0] /= 10.0
    initial["v"][2] /= 7.0

    def solve(norm: Norm, checkpoint: Path | None = None) -> fs.Solution:
        with torch.no_grad():
            return fs.solve(equation, initial, t_span=(0, 40), norm=norm, checkpoint=checkpoint)

    whole = Norm()
    expected = solve(whole)
    calls = len(whole.sizes)
    assert set(whole.sizes) >= {1, 3}
    for at in (10, calls // 2, calls - 3, calls):
        with pytest.raises(KeyboardInterrupt):
            solve(Norm(at), path)
        then = Norm()
        assert_same(solve(then, path), expected)
        assert then.sizes[-(calls - at + 1) :] == whole.sizes[at - 1 :]


@pytest.mark.parametrize("at", [4, 17, 33, 50, 91])
def test_ctrl_c_inside_f(at: int, tmp_path: Path) -> None:
    path, calls = tmp_path / "run.safetensors", [0]

    def f(t: Tensor, y: Tensor) -> Tensor:
        calls[0] += 1
        if calls[0] == at:
            raise KeyboardInterrupt
        return oscillator(t, y)

    def solve(checkpoint: Path | None = None) -> fs.Solution:
        return fs.solve(f, Y0, t_span=(0, 3), save_at=TIMES, checkpoint=checkpoint)

    with pytest.raises(KeyboardInterrupt):
        solve(path)
    resumed = solve(path)
    assert_same(resumed, solve())


def test_several_interruptions_and_writes_in_between(tmp_path: Path) -> None:
    path, expected = tmp_path / "run.safetensors", solved()
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            solved(checkpoint=fs.Checkpoint(path, every=1e-6), callback=Interrupted(4))
    last = Interrupted(0)
    assert_same(solved(checkpoint=str(path), callback=last), expected)
    assert last.calls == int(expected.stats.accepted) - 4 * 4 + 4  # what raised is called again
    assert [entry.name for entry in tmp_path.iterdir()] == []


def test_a_killed_process_goes_on_from_what_was_written(tmp_path: Path) -> None:
    """Nothing is there to rescue the state: the file of the last regular write is."""
    path, copies = tmp_path / "run.safetensors", list[bytes]()

    def keep_copy(t: Tensor, y: Tensor) -> None:
        if path.exists():
            copies.append(path.read_bytes())

    expected = solved(checkpoint=fs.Checkpoint(path, every=1e-6), callback=keep_copy)
    for copy in copies[::4]:
        path.write_bytes(copy)
        assert_same(solved(checkpoint=path), expected)


def test_samples_that_fail_end_the_run_as_well(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"

    def solve(**options: Any) -> fs.Solution:
        return solved(max_steps=12, on_failure="raise", **options)

    stopped(solve, path, 3)
    with pytest.raises(fs.SolveFailed) as caught:
        solve(checkpoint=path)
    assert int(caught.value.solution.stats.accepted + caught.value.solution.stats.rejected) == 12
    assert not path.exists()


CHANGES = [
    ("y0", {"y0": Y0 + 1e-15}),
    ("t_span", {"t_span": (0.0, 3.5)}),
    ("rtol", {"rtol": 1e-5}),
    ("atol", {"atol": {"x": 1}}),
    ("save_at", {"save_at": TIMES[1:]}),
    ("method", {"method": "dop853"}),
    ("dt", {"dt": 0.01, "method": "tsit5"}),
    ("controller", {"controller": "pid"}),
    ("max_steps", {"max_steps": 17}),
    ("args", {"args": (2.5,)}),
    ("events", {"events": [fs.Event(lambda t, y: y[0])]}),
    ("land_at", {"land_at": [0.3]}),
    ("first_step", {"first_step": 0.1}),
    ("callback", {"callback": None}),
    ("f = ", {"f": lambda t, y: -y}),
]


@pytest.mark.parametrize(("what", "change"), CHANGES, ids=[what for what, _ in CHANGES])
def test_another_problem_is_refused(what: str, change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    given: dict[str, Any] = {"f": oscillator, "y0": Y0, "t_span": (0.0, 3.0), "save_at": TIMES, "method": "tsit5"}

    def solve(**options: Any) -> fs.Solution:
        return fs.solve(**{**given, **options})

    stopped(solve, path)
    before, expected = path.read_bytes(), solve()
    if what == "atol":
        change = {"atol": torch.tensor([1e-9, 1e-8])}
    with pytest.raises(fs.FileFormatError, match=f"solve with {what}.*delete it to start anew, or name another path"):
        solve(checkpoint=path, **{"callback": Interrupted(0), **change})
    assert path.read_bytes() == before
    assert_same(solve(checkpoint=path, callback=Interrupted(0)), expected)


def test_another_equation_or_parameter_is_refused(
    gray_scott: tuple[fs.FieldEquation, dict[str, Tensor]], tmp_path: Path
) -> None:
    path, (equation, initial) = tmp_path / "run.safetensors", gray_scott

    def solve(equation: fs.FieldEquation, **options: Any) -> fs.Solution:
        with torch.no_grad():
            return fs.solve(equation, initial, t_span=(0, 40), checkpoint=path, **options)

    with pytest.raises(KeyboardInterrupt):
        solve(equation, callback=Interrupted(2))
    values = {"Du": 2e-3, "Dv": 1e-3, "F": 0.04, "k": 0.06}
    grid = fs.Grid((12, 12), extent=1.0)
    for message, other in (
        ("equation =", {"text": TEXT + " + 0.1*u", "boundary": fs.Periodic()}),
        ("parameter F = 0.04.*0.05", {"parameters": values | {"F": 0.05}, "boundary": fs.Periodic()}),
        ("boundary =", {"boundary": fs.Neumann()}),
        ("grid =", {"grid": fs.Grid((12, 12), extent=1.1), "boundary": fs.Periodic()}),
    ):
        changed = fs.FieldEquation(**{"text": TEXT, "grid": grid, "parameters": values, **other})
        with pytest.raises(fs.FileFormatError, match=message):
            solve(changed, callback=Interrupted(0))
    assert path.exists()


def test_functions_of_one_name_and_modules_with_other_weights_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"

    def decay(rate: float) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda t, y: -rate * y

    def solve(f: Any, **options: Any) -> fs.Solution:
        return fs.solve(f, Y0, t_span=(0, 3), checkpoint=path, gradient="none", **options)

    with pytest.raises(KeyboardInterrupt):
        solve(decay(1.0), callback=Interrupted(2))
    with pytest.raises(fs.FileFormatError, match=r"another f: f\(t0, y0\) differs"):
        solve(decay(1.001), callback=Interrupted(0))
    solve(decay(1.0), callback=Interrupted(0))

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rate = nn.Linear(2, 2, dtype=torch.float64)

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return torch.tanh(self.rate(y))

    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        solve(Module(), callback=Interrupted(2))
    with pytest.raises(fs.FileFormatError, match="weights = "):
        solve(Module(), callback=Interrupted(0))


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    stopped(solved, path)
    whole = path.read_bytes()
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}  # they are mapped to the file

    def truncate() -> None:
        path.write_bytes(whole[:-40])

    def empty() -> None:
        path.write_bytes(b"")

    def foreign() -> None:
        save_file({"a": torch.ones(2)}, path)

    def newer() -> None:
        save_file(tensors, path, metadata={"fieldsolver_run": '{"schema": 99}'})

    def pickled() -> None:
        path.write_bytes(pickle.dumps({"a": 1}))

    def weights() -> None:
        from fieldsolver.nn.weights import save_weights

        save_weights(nn.Linear(1, 1), path, {})

    for damage, message in (
        (truncate, "not a complete safetensors file"),
        (empty, "not a complete safetensors file"),
        (pickled, "not a complete safetensors file"),
        (foreign, "did not write it as a checkpoint"),
        (weights, "did not write it as a checkpoint"),
        (newer, "schema 99"),
    ):
        damage()
        before = path.read_bytes()
        with pytest.raises(fs.FileFormatError, match=f"{message}.*delete it to start anew, or name another path"):
            solved(checkpoint=path)
        assert path.read_bytes() == before


def test_nothing_is_computed_before_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    stopped(solved, path)
    calls = [0]

    def oscillator(t: Tensor, y: Tensor) -> Tensor:
        calls[0] += 1
        return -y

    with torch.no_grad(), pytest.raises(fs.FileFormatError):
        fs.solve(oscillator, Y0, t_span=(0.0, 3.0), checkpoint=path)
    assert calls[0] == 0


def test_options_that_cannot_be(tmp_path: Path) -> None:
    path, trained = tmp_path / "run.safetensors", Y0.clone().requires_grad_()
    with pytest.raises(fs.OptionError, match="holds no graph"):
        fs.solve(oscillator, trained, t_span=(0, 3), checkpoint=path)
    with pytest.raises(fs.OptionError, match="dense"):
        solved(checkpoint=path, dense=True)
    with pytest.raises(fs.OptionError, match="replay"):
        solved(checkpoint=path, replay=solved().steps)
    with pytest.raises(fs.OptionError, match="create"):
        solved(checkpoint=tmp_path / "nowhere" / "run")
    with pytest.raises(fs.OptionError, match="is a folder; name a file in it"):
        solved(checkpoint=tmp_path)
    for every in (0.0, -1.0, float("nan"), True, "1"):
        with pytest.raises(fs.OptionError, match="positive number of seconds"):
            fs.Checkpoint(path, every=every)
    with pytest.raises(fs.OptionError, match="path of a file"):
        solved(checkpoint=3)
    assert not path.exists()


def test_the_progress_bar_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, shown = tmp_path / "run.safetensors", list[float]()
    monkeypatch.setattr(ProgressBar, "__call__", lambda self, fraction: shown.append(fraction))
    expected = solved(progress=True)
    whole = shown.copy()
    shown.clear()
    stopped(lambda **options: solved(progress=True, **options), path, 8)
    assert shown == whole[:7]  # the callback comes before the bar
    shown.clear()
    assert_same(solved(progress=True, checkpoint=path), expected)
    assert shown == whole[7:]


def test_plain_options() -> None:
    def digest(values: Any) -> Any:
        return plain(values)

    assert plain(None) is None
    assert plain(1.5) == 1.5
    assert plain(True) is True
    assert plain(float("nan")) == plain(float("nan"))
    assert plain(torch.tensor(2.0)) == 2.0
    assert digest(torch.zeros(2)) != digest(-torch.zeros(2))
    assert digest(torch.zeros(2)) != digest(torch.zeros(1, 2))
    assert digest(torch.zeros(2)) != digest(torch.zeros(2).double())
    assert digest(torch.ones(2, dtype=torch.complex64)) == digest(torch.ones(2, dtype=torch.complex64))
    assert "conj" not in digest(torch.ones(2, dtype=torch.complex64).conj())
    assert plain(oscillator).endswith(".oscillator")
    assert plain(fs.Event("v - 1")) == plain(fs.Event("v - 1")) != plain(fs.Event("v - 2"))
    assert " object at " not in str(plain(nn.Linear(1, 1)))
