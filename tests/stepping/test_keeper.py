"""A run that was interrupted after any of its attempts, saved and taken up again, is the run without interruption."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, FileFormatError, OptionError
from fieldsolver.methods import Method, get_method
from fieldsolver.methods.ab3 import AB3
from fieldsolver.methods.abm import AdamsBashforthMoulton
from fieldsolver.stepping import Status, Trajectory, VectorField, integrate, loop, tensor_ops
from fieldsolver.stepping.events import EventFunction
from fieldsolver.stepping.keeper import Keeper
from fieldsolver.stepping.loop import Run
from fieldsolver.stepping.snapshot import Decoder, Encoder, hold
from fieldsolver.tensor_files import read_tensors

RATES = torch.tensor([0.3, 4.0, 0.5, 0.2, 6.0], dtype=torch.float64)


@pytest.fixture(autouse=True)
def no_graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda file: None)  # the disk of a test machine may be slow
    with torch.no_grad():
        yield


def waves(rates: Tensor = RATES) -> VectorField:
    """Samples of very different speeds: the slow ones end early and leave the batch."""

    def f(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        rate = p[0][:, None]
        return rate * torch.cos(rate * t[:, None]) * y - y * y.flip(1) / 10.0

    return VectorField(f, (rates,), (True,))


def oscillator() -> VectorField:
    def f(p: tuple[()], t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 1], 4.0 * (1.0 - y[:, 0] ** 2) * y[:, 1] - y[:, 0]], dim=1)

    return VectorField(f, (), ())


def stiff() -> VectorField:
    """Suspect after 20 attempts, and found stiff after 15 more."""
    return VectorField(lambda p, t, y: -120.0 * (y - torch.cos(t)[:, None]), (), ())


def bounce(name: str = "impact", **options: Any) -> EventFunction:
    def reset(p: object, t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 0], -0.7 * y[:, 1]], dim=1)

    return EventFunction(name, lambda p, t, y: y[:, 0], -1, reset=reset, **options)


def falling() -> VectorField:
    def f(p: tuple[()], t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 1], -10.0 - y[:, 1] * y[:, 1].abs() / 20.0], dim=1)

    return VectorField(f, (), ())


ONE = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
FIVE = torch.tensor([[1.0, 0.1], [2.0, 0.2], [0.5, 0.3], [0.7, 0.4], [0.9, 0.5]], dtype=torch.float64)
BALLS = torch.tensor([[1.0, 0.0], [2.0, 0.5], [0.3, -1.0]], dtype=torch.float64)
SAVES = torch.tensor([0.0, 0.0, 0.1, 0.35, 0.36, 0.9, 1.5, 2.0, 2.0], dtype=torch.float64)
WATCHED = [
    bounce(),
    EventFunction("apex", lambda p, t, y: y[:, 1], -1),
    EventFunction("late", lambda p, t, y: t - 1.2 + y[:, 0] / 10.0, 1, terminal=True),
]
LOOSE = {"rtol": 1e-2, "atol": 1e-3}
COUNTED = {"callback": lambda t, y: None}  # a device waits after every attempt

CASES: dict[str, tuple[str | Method, Callable[[], VectorField], Tensor, dict[str, Any]]] = {
    "one tsit5": ("tsit5", oscillator, ONE, {**LOOSE, "dt_max": 0.04}),
    "one tsit5 fused": ("tsit5", oscillator, ONE, {**LOOSE, "fused": True}),
    "one stiff": ("tsit5", stiff, ONE, {"rtol": 1e-3, "atol": 1e-3}),
    "one dop853": ("dop853", oscillator, ONE, {"rtol": 1e-6, "fused": True}),
    "one h312pid": ("bosh3", oscillator, ONE, {**LOOSE, "controller": "h312pid"}),
    "one predictive": ("ssprk43", oscillator, ONE, {**LOOSE, "controller": "predictive", "dt_max": 0.2}),
    "one rk4": ("rk4", oscillator, ONE, {"dt": 0.07}),
    "one landing": ("tsit5", oscillator, ONE, {**LOOSE, "land_at": SAVES, "restart_at": torch.tensor([0.4, 1.1])}),
    "given steps": ("rk4", oscillator, ONE, {"step_times": torch.linspace(0, 2, 14).double() ** 2 / 2.0}),
    "many tsit5": ("tsit5", waves, FIVE, {**LOOSE, "fused": True}),
    "many dop853": ("dop853", waves, FIVE, {"rtol": 1e-6, "atol": 1e-7}),
    "many ssprk43": ("ssprk43", waves, FIVE, {**LOOSE, "controller": "h211b"}),
    "many rk4": ("rk4", waves, FIVE, {"dt": 0.11}),
    "many landing": ("tsit5", waves, FIVE, {**LOOSE, "land_at": SAVES, "restart_at": torch.tensor([0.4, 1.1])}),
    "many exhausted": ("tsit5", waves, FIVE, {"rtol": 1e-4, "max_steps": 15}),
    "one ab3": (AB3, oscillator, ONE, {"dt": 0.06}),
    "many ab3": (AB3, waves, FIVE, LOOSE),
    "one abm": (AdamsBashforthMoulton(), oscillator, ONE, LOOSE),
    "many abm": (AdamsBashforthMoulton(), waves, FIVE, LOOSE),
    "events": ("tsit5", falling, BALLS, {**LOOSE, "events": WATCHED}),
    "events and fixed steps": ("rk4", falling, BALLS, {"dt": 0.1, "events": [bounce(max_events=3)]}),
    "events, jumps and landings": (
        "dop853", falling, BALLS, {**LOOSE, "events": WATCHED, "restart_at": torch.tensor([0.6]), "land_at": SAVES},
    ),
    "events of abm": (AdamsBashforthMoulton(), falling, BALLS, {**LOOSE, "events": WATCHED}),
}  # fmt: skip
DEVICE = ("one tsit5", "one rk4", "many tsit5", "many rk4", "many landing", "many abm", "events", "given steps")


def run(name: str, keeper: Keeper | None = None, **more: Any) -> Trajectory:
    method, field, y0, options = CASES[name]
    scheme = get_method(method) if isinstance(method, str) else method
    return integrate(field(), scheme, y0, 0.0, 2.0, save_at=SAVES, keeper=keeper, **{**options, **more})


class Stop(Exception):
    pass


class Watching(Keeper):
    """Holds the state after every chunk; stops after some of them.

    Attributes:
        run: the run.
        chunks: how many there were in this session.
        states: what the run was at its start or when it was taken up; after every chunk if `look`.
    """

    def __init__(self, path: Path, stop: int | None = None, look: bool = False) -> None:
        ticks = iter(range(10**9))
        super().__init__(path, 1e12, {"case": "test"}, clock=lambda: float(next(ticks)))
        self.stop, self.look, self.chunks, self.run, self.states = stop, look, 0, None, list[Any]()

    def resume(self, run: Run) -> None:
        super().resume(run)
        self.run = run
        self._look(run)

    def after(self, run: Run) -> None:
        super().after(run)
        self.chunks += 1
        if self.look:
            self._look(run)
        if self.chunks == self.stop:
            raise Stop

    def _look(self, run: Run) -> None:
        encoder = Encoder()
        node = encoder.encode(hold(run))
        self.states.append((node, {name: tensor.clone() for name, tensor in encoder.tensors.items()}))


def assert_equal(a: Any, b: Any, where: str = "", seen: set[tuple[int, int]] | None = None) -> None:
    """Everything that can be reached from two objects of this package is equal, to the last bit and stride."""
    seen = set() if seen is None else seen
    if a is b or (id(a), id(b)) in seen:
        return
    seen.add((id(a), id(b)))
    assert type(a) is type(b), f"{where}: {type(a)} and {type(b)}"
    if isinstance(a, Tensor):
        assert (a.dtype, a.stride()) == (b.dtype, b.stride()), where
        assert torch.equal(a.nan_to_num(1e300), b.nan_to_num(1e300)), where
    elif isinstance(a, np.ndarray | np.generic):
        assert a.dtype == b.dtype, where
        np.testing.assert_array_equal(a, b, err_msg=where)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}[{i}]", seen)
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}[{key!r}]", seen)
    elif isinstance(a, float):
        assert a == b or (math.isnan(a) and math.isnan(b)), f"{where}: {a} and {b}"
    elif type(a).__module__.startswith("fieldsolver."):
        for name in attributes(a):
            assert_equal(getattr(a, name, None), getattr(b, name, None), f"{where}.{name}", seen)
    elif not callable(a) and not isinstance(a, types.ModuleType):
        assert a == b, where


def attributes(value: Any) -> list[str]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    named = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    return sorted({*slots, *named, *getattr(value, "__dict__", {})})


def interrupted_everywhere(name: str, path: Path, **more: Any) -> int:
    """Compare runs that are interrupted with the one that is not; how many chunks it has.

    After each chunk of short runs, after about twenty of them in longer ones.
    """
    whole = Watching(path, look=True)
    expected = run(name, whole, **more)
    assert not path.exists()
    chunks = whole.chunks
    for k in (*range(1, chunks, max(1, chunks // 20)), chunks):
        first, then = Watching(path, stop=k), Watching(path)
        with pytest.raises(Stop):
            run(name, first, **more)
        assert path.exists()
        found = run(name, then, **more)
        assert not path.exists()
        assert then.chunks == chunks - k
        assert_equal(then.states[0], whole.states[k], f"state after {k}")
        assert_equal(then.run, whole.run, f"run after {k}")  # what no class names has not changed either
        assert_equal(found, expected, f"trajectory after {k}")
    return chunks


@pytest.mark.parametrize("name", CASES)
def test_the_run_is_the_same_wherever_it_was_interrupted(name: str, tmp_path: Path) -> None:
    bare = run(name)
    assert interrupted_everywhere(name, tmp_path / "run.safetensors") > 6
    watched = run(name, Watching(tmp_path / "run.safetensors"))
    assert_equal(watched.saved, bare.saved)
    assert_equal(watched.stats, bare.stats)


@pytest.mark.parametrize("name", DEVICE)
@pytest.mark.parametrize("waiting", [False, True])
def test_the_same_on_a_device(name: str, waiting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "arithmetic_on", lambda device: tensor_ops)
    if not waiting:
        monkeypatch.setattr(loop, "CHUNK", 3)
    assert interrupted_everywhere(name, tmp_path / "run.safetensors", **(COUNTED if waiting else {})) > 3


def test_the_cases_reach_what_they_are_for(tmp_path: Path) -> None:
    for name in ("many tsit5", "many rk4", "many landing", "many abm", "events"):
        whole = Watching(tmp_path / "run.safetensors")
        found = run(name, whole)
        assert whole.run is not None
        if name not in ("many rk4", "events"):  # there all end together
            assert whole.run.batch.rows.size < len(found.status), name
    events = run("events").events
    assert events is not None
    assert set(events.event) == {0, 1, 2}
    assert set(run("events").status.tolist()) == {int(Status.EVENT)}
    assert 0.0 < float(run("one stiff").stats.stiff_from) < 2.0
    assert int(Status.MAX_STEPS) in run("many exhausted").status.tolist()
    assert int(run("many tsit5").stats.rejected.sum()) > 0
    assert Status.ZENO in run("events and fixed steps").status.tolist()


def test_an_exception_in_the_middle_of_an_attempt_costs_no_more_than_that(tmp_path: Path) -> None:
    """It comes from anywhere: f, a condition, the callback; what was booked by then does not matter."""
    path, expected = tmp_path / "run.safetensors", run("events")
    calls = [0]

    def failing(at: int, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def wrapped(*arguments: Any) -> Tensor:
            calls[0] += 1
            if calls[0] == at:
                raise KeyboardInterrupt
            return function(*arguments)

        return wrapped

    _method, field, y0, options = CASES["events"]
    for at in range(20, 160, 7):
        calls[0] = 0
        mine = field()
        mine = VectorField(failing(at, mine.function), (), ())
        events = [dataclasses.replace(event, condition=failing(at, event.condition)) for event in WATCHED]
        with pytest.raises(KeyboardInterrupt) as caught:
            integrate(
                mine, get_method("tsit5"), y0, 0.0, 2.0, save_at=SAVES, keeper=Watching(path),
                **{**options, "events": events},
            )  # fmt: skip
        assert "goes on from here" in caught.value.__notes__[0]
        assert_equal(run("events", Watching(path)), expected, f"call {at}")


def test_a_callback_that_raises_is_called_again_at_the_same_step(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.safetensors", list[float]()

    def callback(t: Tensor, y: Tensor) -> None:
        seen.append(t.item())
        if len(seen) == 7:
            raise Stop

    expected = run("one tsit5", callback=lambda t, y: None)
    with pytest.raises(Stop):
        run("one tsit5", Watching(path), callback=callback)
    found = run("one tsit5", Watching(path), callback=callback)
    assert_equal(found, expected)
    assert seen[6] == seen[7]
    assert len(seen) == int(expected.stats.accepted) + 1


def test_it_writes_when_it_is_time_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, path = [0.0], tmp_path / "run.safetensors"
    keeper, written = Keeper(path, 10.0, {}, clock=lambda: now[0]), list[float]()
    write = Keeper._write

    def noted(self: Keeper) -> bool:
        written.append(now[0])
        now[0] += 0.5  # what writing takes does not count
        return write(self)

    def callback(t: Tensor, y: Tensor) -> None:
        now[0] += 3.0

    monkeypatch.setattr(Keeper, "_write", noted)
    run("one tsit5", keeper, callback=callback)
    assert len(written) > 3
    assert all(later - earlier == 12.5 for earlier, later in itertools.pairwise(written))


def test_without_room_the_run_goes_on_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    keeper = Keeper(folder / "run.safetensors", 1e-9, {})
    folder.rmdir()
    with pytest.warns(FieldSolverWarning, match="could not be written"):
        found = run("one tsit5", keeper)
    assert_equal(found.saved, run("one tsit5").saved)


@pytest.mark.parametrize("name", ["a", "b"])
def test_random_numbers_go_on(name: str, tmp_path: Path) -> None:
    """Dropout with fixed steps: the generator's state belongs to the run, and only to runs that draw."""
    path = tmp_path / "run.safetensors"

    def noisy(p: tuple[()], t: Tensor, y: Tensor) -> Tensor:
        kept = torch.rand_like(y) if name == "a" else torch.nn.functional.dropout(y, 0.3)
        return -y * kept

    def solved(keeper: Keeper | None) -> Trajectory:
        return integrate(
            VectorField(noisy, (), ()), get_method("rk4"), FIVE, 0.0, 2.0, dt=0.1, save_at=SAVES, keeper=keeper
        )

    torch.manual_seed(3)
    expected, after = solved(None), torch.rand(3)
    torch.manual_seed(3)
    with pytest.raises(Stop):
        solved(Watching(path, stop=7))
    torch.manual_seed(99)
    assert_equal(solved(Watching(path)), expected)
    assert torch.equal(torch.rand(3), after)


def test_generators_of_runs_that_do_not_draw_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    torch.manual_seed(3)
    with pytest.raises(Stop):
        run("one rk4", Watching(path, stop=7))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    run("one rk4", Watching(path))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128])
def test_scalar_states_of_every_dtype(dtype: torch.dtype, tmp_path: Path) -> None:
    path, y0 = tmp_path / "run.safetensors", torch.tensor([1.0, 0.3], dtype=dtype)
    field = VectorField(lambda p, t, y: y * torch.sin(3.0 * t).to(y.dtype) - y**2, (), ())

    def solved(keeper: Keeper | None) -> Trajectory:
        return integrate(field, get_method("tsit5"), y0, 0.0, 2.0, rtol=1e-4, save_at=SAVES, keeper=keeper)

    expected = solved(None)
    with pytest.raises(Stop):
        solved(Watching(path, stop=4))
    assert_equal(solved(Watching(path)), expected)


def test_states_keep_their_layout(tmp_path: Path) -> None:
    """Sums over transposed states round in another order."""
    path, y0 = tmp_path / "run.safetensors", torch.rand(40, 30, 2, dtype=torch.float64).permute(2, 1, 0)
    field = VectorField(lambda p, t, y: torch.sin(y) * y.sum(dim=1, keepdim=True) / 10.0, (), ())

    def solved(keeper: Keeper | None) -> Trajectory:
        return integrate(field, get_method("bosh3"), y0, 0.0, 1.0, rtol=1e-5, keeper=keeper)

    expected, whole, then = solved(None), Watching(path), Watching(path)
    solved(whole)
    assert whole.run is not None
    assert not whole.run.batch.y.is_contiguous()
    with pytest.raises(Stop):
        solved(Watching(path, stop=4))
    assert_equal(solved(then), expected)
    assert_equal(then.run, whole.run)


def test_the_file_grows_with_the_numbers_and_not_with_the_attempts(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    sizes = []
    for stop in (50, 250):
        path.unlink(missing_ok=True)
        with pytest.raises(Stop):
            run("one rk4", Watching(path, stop=stop), dt=0.002)
        tensors, header = read_tensors(path, key="fieldsolver_run", schema=1, what="run")
        sizes.append((len(tensors), len(str(header)), path.stat().st_size))
    assert sizes[0][0] == sizes[1][0]
    assert abs(sizes[0][1] - sizes[1][1]) < 50
    assert sizes[1][2] - sizes[0][2] <= 200 * 2 * (8 + 8) + 100  # t and dt of a sample, and a length for each


def test_values_of_every_kind_come_back() -> None:
    from fieldsolver.stepping.controllers import History

    values: dict[str, Any] = {
        "none": None, "flag": True, "count": 3, "inf": math.inf, "nan": math.nan, "zero": -0.0, "tiny": 5e-324,
        "text": "x", "scalar": np.float64(1.5), "bit": np.bool_(True), "array": np.arange(6).reshape(2, 3),
        "empty": np.empty((0, 3)), "int8": np.array([1, -1], dtype=np.int8), "complex": torch.tensor([1 + 2j, -3j]),
        "row": torch.arange(6.0).reshape(2, 3).T, "repeated": torch.arange(3.0)[:, None].expand(3, 4),
        "half": torch.ones(2, dtype=torch.bfloat16), "nothing": [], "tuple": (1, (torch.ones(2), None)),
        "record": History(np.ones(2), None, 3.0), "strided": torch.arange(8.0)[::2],
        "uneven": [np.ones((2, 1)), np.zeros((2, 0)), np.full((2, 3), 2.0)], "numbers": [1, None, 2.5],
        "pairs": [(np.ones(2), torch.zeros(1)), (np.ones(0), torch.zeros(3))],
    }  # fmt: skip
    encoder = Encoder()
    nodes = {name: encoder.encode(value) for name, value in values.items()}
    decoder = Decoder(encoder.tensors, torch.device("cpu"))
    for name, node in json.loads(json.dumps(nodes)).items():
        assert_equal(decoder.decode(node), values[name], name)
    assert math.copysign(1.0, decoder.decode(nodes["zero"])) == -1.0
    with pytest.raises(TypeError, match="cannot store"):
        encoder.encode(object())


@pytest.mark.parametrize("option", [{"dense": True}, {"observers": [object()]}])
def test_what_is_not_held_is_refused(option: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="does not go with a checkpoint"):
        run("one rk4", Watching(tmp_path / "run"), **option)
    with torch.enable_grad(), pytest.raises(OptionError, match="holds no graph"):
        run("one rk4", Watching(tmp_path / "run"))


def test_a_damaged_skeleton_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        run("one rk4", Watching(path, stop=3))
    with pytest.raises(FileFormatError, match="damaged"):
        run("one tsit5", Watching(path))
    assert path.exists()
