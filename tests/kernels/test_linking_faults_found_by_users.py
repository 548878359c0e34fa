"""Faults that users of the linking numbers met, each with the input that showed it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fieldsolver.errors import CurveError, FieldSolverError, OptionError
from fieldsolver.experiments.cli import main
from fieldsolver.experiments.curve_files import read_curves
from fieldsolver.kernels import (
    Ribbon,
    SmoothCurve,
    average_crossing_number,
    gauss_linking_integral,
    gauss_linking_integrals,
    gauss_linking_map,
    link_barrier,
    linking_matrix,
    linking_number,
    linking_numbers,
    periodic_linking_number,
    smooth_linking_number,
    sub_chain_integral,
    twist,
    writhe,
    writhes,
)
from fieldsolver.kernels.topology import periodic as periodic_package
from fieldsolver.results import Verdict, VerdictNotReached

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode has no package of tests
from curves import SQUARE, THROUGH, circle, exact_linking_number, upright_circle

periodic_module = sys.modules[periodic_package.__name__]
UP = np.tile([0.0, 0.0, 1.0], (4, 1))


POINTS = {
    "None": None,
    "text": "abc",
    "a number": 5,
    "ragged": [[1, 2, 3], [1, 2]],
    "fractions": [[2**80, 0, 0], [0, 1, 0], [1, 1, 1]],
    "flags": SQUARE > 0,
    "complex": SQUARE + 0j,
    "a plane": SQUARE[:, :2],
    "nothing": [],
    "no rows": np.zeros((0, 3)),
    "one point": [[0, 0, 0]],
    "NaN": np.full((4, 3), np.nan),
    "infinite": np.where(SQUARE == 1, np.inf, SQUARE),
    "masked": np.ma.masked_greater(SQUARE, 0),
    "longer floats": SQUARE.astype(np.longdouble) + np.longdouble(2) ** -60,
    "sparse": torch.tensor(SQUARE).to_sparse(),
    "no data": torch.tensor(SQUARE).to("meta"),
    "a function": len,
    "a set": {1, 2},
}
CALLS: dict[str, Callable] = {
    "linking_number": lambda x: linking_number(SQUARE, x),
    "linking_matrix": lambda x: linking_matrix([SQUARE, x]),
    "gauss_linking_integral": lambda x: gauss_linking_integral(x, THROUGH),
    "gauss_linking_map": lambda x: gauss_linking_map(THROUGH, x),
    "periodic_linking_number": lambda x: periodic_linking_number(x, THROUGH, (9.0, 9, 9)),
    "box": lambda x: periodic_linking_number(SQUARE, THROUGH, x),
    "smooth_linking_number": lambda x: smooth_linking_number(smooth(), x),
    "a function that returns": lambda x: smooth_linking_number(smooth(), SmoothCurve(lambda t: x)),
    "writhe": writhe,
    "average_crossing_number": average_crossing_number,
    "twist": lambda x: twist(x, UP),
    "framing": lambda x: twist(SQUARE, x),
    "gauss_linking_integrals": lambda x: gauss_linking_integrals(x, torch.tensor(THROUGH)),
    "linking_numbers": lambda x: linking_numbers(torch.tensor(SQUARE), x),
    "link_barrier": lambda x: link_barrier(x, torch.tensor(THROUGH), 1.0),
}


class TestBoxesFarSmallerThanTheLoops:
    @pytest.mark.parametrize("length", [0.01, 1e-12, 1e-300])
    def test_are_refused_in_one_sentence(self, length: float) -> None:
        with pytest.raises(OptionError, match=r"images of b reach a, up to .* most_images=10000"):
            periodic_linking_number(circle(), upright_circle(1.05), (length, length, length))

    def test_unless_more_images_are_asked_for(self) -> None:
        a, b, box = circle(12), upright_circle(1.05, 12), (0.63, 9, 9)
        with pytest.raises(OptionError, match="most_images=3 "):
            periodic_linking_number(a, b, box, most_images=3)
        assert periodic_linking_number(a, b, box, most_images=7).status is Verdict.PROVED

    def test_the_first_touch_ends_the_search(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []
        judged_link = periodic_module.judged_link
        monkeypatch.setattr(periodic_module, "judged_link", lambda a, b: (calls.append(1), judged_link(a, b))[1])
        found = periodic_linking_number(SQUARE, THROUGH, (0.5, 0.5, 0.5))
        assert found.status is Verdict.DEGENERATE
        assert len(calls) == len(found["image"]) < 20

    def test_images_of_a_far_curve_are_not_missed(self) -> None:
        """Places in the box are rounded by 1e-4 boxes there."""
        a, moved = circle(16), upright_circle(1.0, 16) + [5.0 * 2**40, 0, 0]
        assert periodic_linking_number(a, moved, (5.0, 9, 9)).value == -1

    def test_a_segment_of_half_a_box_has_two_nearest_images(self) -> None:
        triangle = np.array([(0.5, 1, 1), (2.5, 1, 1), (1.5, 2, 1)])
        with pytest.raises(CurveError, match="segment 0 of a is half a box long"):
            periodic_linking_number(triangle, circle(5), (4.0, 9, 9), wrapped=True)


class TestWrongPoints:
    """One sentence of the package's own errors, whatever is given."""

    @pytest.mark.parametrize("call", CALLS)
    def test_are_refused(self, call: str) -> None:
        longer = np.finfo(np.longdouble).eps < np.finfo(float).eps
        for kind, points in POINTS.items():
            batch_of_nan = kind in ("NaN", "no data") and call in ("gauss_linking_integrals", "link_barrier")
            if batch_of_nan or (kind == "longer floats" and (not longer or call == "framing")):
                continue
            with pytest.raises(FieldSolverError) as caught:
                CALLS[call](points)
            assert len(str(caught.value)) > 20, kind

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int8])
    def test_short_numbers_are_numbers(self, dtype: torch.dtype) -> None:
        a, b = torch.tensor(SQUARE).to(dtype), torch.tensor(THROUGH).to(dtype)
        assert linking_number(a, b).value == 1
        with pytest.raises(CurveError, match="of float32 or float64"):
            linking_numbers(a, b)

    def test_the_far_ends_of_the_numbers(self) -> None:
        for size in (5e307, 1e-310):
            assert linking_number(size * SQUARE, size * THROUGH).value == 1
            assert twist(size * SQUARE, size * (UP + [0.1, 0.2, 0])) == pytest.approx(twist(SQUARE, UP + [0.1, 0.2, 0]))
        assert linking_number((100 * SQUARE).astype(np.int8), (-40 * THROUGH).astype(np.int8)).value in (1, -1)


class TestWrongOptions:
    @pytest.mark.parametrize("closed", [True, "ab", None, 1, (True,), (True, False, True), (1, 0), np.ones((2, 2))])
    def test_closed_is_a_pair_of_flags(self, closed: object) -> None:
        one, other = torch.tensor(SQUARE), torch.tensor(THROUGH)
        for call in (
            lambda: gauss_linking_integral(SQUARE, THROUGH, closed=closed),
            lambda: gauss_linking_map(SQUARE, THROUGH, closed=closed),
            lambda: gauss_linking_integrals(one, other, closed=closed),
            lambda: link_barrier(one, other, 1.0, closed=closed),
        ):
            with pytest.raises(OptionError, match="closed"):
                call()

    @pytest.mark.parametrize("value", ["ab", None, 1, (True, False), np.ones(2)])
    def test_flags_are_flags(self, value: object) -> None:
        for call in (
            lambda: writhe(SQUARE, closed=value),
            lambda: average_crossing_number(SQUARE, closed=value),
            lambda: writhes(torch.tensor(SQUARE), closed=value),
            lambda: linking_matrix([SQUARE, THROUGH], proof=value),
            lambda: periodic_linking_number(SQUARE, THROUGH, (9.0, 9, 9), wrapped=value),
        ):
            with pytest.raises(OptionError, match="is True or False"):
                call()

    @pytest.mark.parametrize("value", ["ab", None, 0, np.nan, np.inf, (1, 2), np.ones(2), True, 1j])
    def test_numbers_are_numbers(self, value: object) -> None:
        calls: list[Callable] = [
            lambda: link_barrier(torch.tensor(SQUARE), torch.tensor(THROUGH), value),
            lambda: SmoothCurve(turn, period=value),
            lambda: Ribbon.of(SQUARE, UP).edge(value),
            lambda: smooth_linking_number(smooth(), smooth(), value),
            lambda: periodic_linking_number(SQUARE, THROUGH, (9.0, 9, 9), most_images=value),
        ]
        if not isinstance(value, (int, type(None))):  # those bound or estimate it
            calls.append(lambda: SmoothCurve(turn, acceleration=value))
        for call in calls:
            with pytest.raises(FieldSolverError, match="got"):
                call()

    def test_sub_chains_are_slices_of_a_map(self) -> None:
        found = gauss_linking_map(SQUARE, THROUGH)
        for wrong in (3, None, "ab", (0, 1), slice(0.5, 2), slice("a", "b")):
            with pytest.raises(OptionError, match=r"segments_a must be a slice of whole numbers"):
                sub_chain_integral(found, wrong, slice(0, 1))
        for wrong in (3, None, linking_number(SQUARE, THROUGH)):
            with pytest.raises(OptionError, match="what gauss_linking_map returned"):
                sub_chain_integral(wrong, slice(0, 1), slice(0, 1))

    def test_polygons_are_no_smooth_curves(self) -> None:
        with pytest.raises(CurveError, match="polygons go to linking_number"):
            smooth_linking_number(SQUARE, smooth())
        with pytest.raises(CurveError, match="function takes parameters"):
            SmoothCurve(5)
        with pytest.raises(CurveError, match=r"returned shape \(4, 3\) for 2049 parameters"):
            smooth_linking_number(SmoothCurve(lambda t: SQUARE), smooth())


def turn(t: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(t), np.sin(t), 0 * t], axis=1)


def smooth(centre: float = 0.0, size: float = 1.0) -> SmoothCurve:
    """A circle in the plane z = 0; with a centre, one in y = 0."""
    if centre:
        return SmoothCurve(lambda t: size * (turn(t)[:, [0, 2, 1]] + [centre, 0, 0]), acceleration=size)
    return SmoothCurve(lambda t: size * turn(t), acceleration=size)


@pytest.mark.parametrize("size", [1e-200, 1e200, 1e300])
def test_huge_and_tiny_smooth_curves_are_refined_as_others(size: float) -> None:
    """Squares of 1e200 overflowed, and no chord was near another: 0 was proved for linked circles."""
    gap = 1e-4
    found = smooth_linking_number(smooth(0.0, size), smooth(2 - gap, size))
    assert (found.status, found.value) == (Verdict.PROVED, -1)
    assert int(found["segments_a"]) == int(smooth_linking_number(smooth(), smooth(2 - gap))["segments_a"]) > 64


class TestChainsThatTouch:
    def touching(self) -> tuple[np.ndarray, np.ndarray]:
        a, b = np.random.default_rng(1).standard_normal((2, 9, 3)).cumsum(axis=1)
        b[3] = (a[5] + a[6]) / 2
        b[3] = np.round(b[3] * 2**20) / 2**20
        a[5], a[6] = b[3] - [1, 0.5, 0.25], b[3] + [1, 0.5, 0.25]
        return a, b

    def test_the_map_says_degenerate_and_where(self) -> None:
        a, b = self.touching()
        found = gauss_linking_map(a, b)
        assert found.status is Verdict.DEGENERATE
        assert [tuple(place) for place in np.argwhere(found["touches"].values)] == [(5, 2), (5, 3)]
        assert "first 5 of a and 2 of b" in found.reason
        assert "the chains touch" in found.plot(theme="dark").get_axes()[0].get_title()
        with pytest.raises(VerdictNotReached, match="touch each other"):
            sub_chain_integral(found, slice(4, 7), slice(0, 8))
        apart = gauss_linking_integral(a[:6], b).value
        assert sub_chain_integral(found, slice(0, 5), slice(0, 8)) == pytest.approx(apart, abs=1e-12)

    def test_the_map_is_exact_where_chains_nearly_touch(self) -> None:
        a = np.array([(-1.0, 0, 0), (1, 0, 0)])
        for height in (2.0**-40, 1e-100, -1e-300):
            b = np.array([(0.0, -1, height), (0, 1, height)])
            found = gauss_linking_map(a, b)
            assert found.status is Verdict.PASS
            assert found["gln"].item() == pytest.approx(np.copysign(0.5, -height), abs=1e-11)
            assert found["gln"].item() == pytest.approx(gauss_linking_integral(a, b).value, abs=1e-14)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_a_sample_of_a_batch_that_touches_is_nan_alone(self, dtype: torch.dtype) -> None:
        one, other = (torch.tensor(chain).to(dtype) for chain in self.touching())
        lower = other - torch.tensor([0.0, 0.0, 0.1], dtype=dtype)
        a, b = torch.stack([one, one]).requires_grad_(), torch.stack([other, lower]).requires_grad_()
        values = gauss_linking_integrals(a, b)
        assert values.isnan().tolist() == [True, False]
        assert float(values[1].detach()) == pytest.approx(gauss_linking_integral(one, lower).value, abs=1e-5)
        values[1].backward()
        assert a.grad is not None
        assert a.grad.isfinite().all()
        assert a.grad[1].any()

    @pytest.mark.parametrize("line", [[1, 0, 0], [0, 1, 0], [1, -2, 3]])
    def test_segments_on_one_line_touch_where_their_places_do(self, line: list[int]) -> None:
        for first, last, touches in ((-2, -1, False), (-1, 0, True), (0.25, 0.5, True), (1, 2, True), (1.5, 2, False)):
            for other in ([first, last], [last, first]):
                a, b = np.outer([0, 1], line), np.outer(other, line)
                status = gauss_linking_integral(a, b).status
                assert status is (Verdict.DEGENERATE if touches else Verdict.PROVED)

    def test_a_common_end_of_open_chains_is_a_jump(self) -> None:
        """0 was proved there, and a shift by 1e-9 gave another number on either side."""
        a, b = np.random.default_rng(3).standard_normal((2, 5, 3))
        b[0] = a[-1]
        assert gauss_linking_integral(a, b).status is Verdict.DEGENERATE
        assert gauss_linking_integrals(torch.tensor(a), torch.tensor(b)).isnan()
        sides = [gauss_linking_integral(a, b + 1e-9 * shift).value for shift in np.eye(3)]
        assert max(sides) - min(sides) > 1e-3


class TestTensorsFarFromOne:
    @pytest.mark.parametrize("size", [1e-30, 1e-15, 1e15, 1e30])
    def test_single_precision_does_not_underflow(self, size: float) -> None:
        """Products of six lengths of 1e-15 are 0 in float32, and so was the integral."""
        a, b = (torch.tensor(curve, dtype=torch.float32) for curve in (SQUARE, THROUGH + [0.1, 0.2, 0.3]))
        for closed in ((False, False), (True, True)):
            expected = gauss_linking_integrals(a, b, closed=closed)
            torch.testing.assert_close(gauss_linking_integrals(size * a, size * b, closed=closed), expected)
        assert linking_numbers(size * a, size * b).values == 1
        knot = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(writhes(size * knot), writhes(knot))
        torch.testing.assert_close(link_barrier(size * a, size * b, size * 3.0), link_barrier(a, b, 3.0))

    def test_a_barrier_of_no_numbers_is_no_number(self) -> None:
        a = torch.tensor(SQUARE)
        assert link_barrier(a * float("nan"), torch.tensor(THROUGH), 1.0).isnan()

    def test_nearly_parallel_segments_keep_their_distance(self) -> None:
        """uu vv - uv^2 lost half of the digits: the distance was that of the ends."""
        tilt, height = 3e-8, 1e-12
        a = np.array([(-1.0, -tilt, 0.0), (1.0, tilt, 0.0), (0.0, -5.0, 5.0)])
        b = np.array([(-1.0, tilt, height), (1.0, -tilt, height), (0.0, 5.0, 5.0)])
        assert float(linking_number(a, b)["min_distance"]) == pytest.approx(height, rel=1e-3)

    def test_a_sample_that_is_no_polygon_is_named(self) -> None:
        a, b = torch.tensor(SQUARE).repeat(3, 1, 1), torch.tensor(THROUGH).repeat(3, 1, 1)
        b[2, 1] = float("nan")
        with pytest.raises(CurveError, match=r"point 1 of sample \[2\] of b"):
            linking_numbers(a, b)


class TestTheCommand:
    def written(self, folder: Path) -> tuple[str, str]:
        paths = folder / "ring.csv", folder / "through.csv"
        for path, curve in zip(paths, (circle(40), upright_circle(1.05, 40)), strict=True):
            np.savetxt(path, curve, delimiter=",", fmt="%.17g")
        return str(paths[0]), str(paths[1])

    def test_a_file_named_twice_is_two_curves(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ring, through = self.written(tmp_path)
        assert len(read_curves((ring, ring, ring, through))) == 4
        assert main(["link", ring, ring]) == 1
        assert "no number  (degenerate)" in capsys.readouterr().out

    def test_a_periodic_box(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        files = self.written(tmp_path)
        assert main(["link", *files, "--box", "2.1", "9", "inf"]) == 0
        assert "ring.csv  through.csv  0  (proved: Lk = 0: 2 of 2 images" in capsys.readouterr().out
        assert main(["link", *files, "--box", "9", "9", "9"]) == 0
        assert "-1  (proved" in capsys.readouterr().out
        assert main(["link", *files, "--box", "0.001", "9", "9", "--open"]) == 1
        assert "open chains have no linking number in a periodic box" in capsys.readouterr().err
        assert main(["link", *files, "--box", "0.001", "0.001", "9"]) == 1
        assert "give a larger box" in capsys.readouterr().err

    def test_a_short_chain_is_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        short = tmp_path / "short.csv"
        short.write_text("1,2,3\n")
        assert main(["link", str(short), self.written(tmp_path)[0], "--open"]) == 1
        assert "short.csv has 1 point(s), and an open polygon needs at least 2" in capsys.readouterr().err


def lattice(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(-2, 3, (6, 3)).astype(float), rng.integers(-2, 3, (5, 3)).astype(float)


def hardly_apart(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = lattice(rng)
    return a, b + 10.0 ** rng.uniform(-320, -1) * rng.integers(-2, 3, (1, 3))


def shared_planes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = lattice(rng)
    a[:, 2] = 0
    b[:, rng.integers(3)] = rng.choice([0, 2.0**-60, 1e-200, 1])
    return a, b


def far_from_the_origin(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    offset = 10.0 ** rng.uniform(14, 17) * rng.integers(-1, 2, (1, 3))
    return offset + rng.integers(-9, 10, (6, 3)), offset + rng.integers(-9, 10, (5, 3))


def details_of_tiny_size(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Products of lengths underflowed beside one corner at 1."""
    size = 10.0 ** rng.choice([-54, -56, -70, -110, -162, -250, -308])
    a, b = (rng.normal(size=(n, 3)) * size for n in (6, 5))
    a[0] /= size
    return a, b


def all_scales(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Small coordinates were lost in scaling the large ones."""
    sizes = 10.0 ** rng.uniform(-320, 307, (11, 1))
    points = rng.normal(size=(11, 3)) * sizes
    return points[:6], points[6:]


@pytest.mark.parametrize(
    "polygons", [lattice, hardly_apart, shared_planes, far_from_the_origin, details_of_tiny_size, all_scales]
)
def test_hostile_polygons_agree_with_an_exact_count(polygons: Callable) -> None:
    """Proved numbers are right, and only curves that touch are called degenerate."""
    proved = 0
    for seed in range(16):
        a, b = polygons(np.random.default_rng(seed))
        try:
            found = linking_number(a, b)
        except CurveError:  # two neighbours in one place
            continue
        exact = exact_linking_number(a, b)
        assert found.status is (Verdict.DEGENERATE if exact is None else Verdict.PROVED), seed
        if exact is not None:
            proved += 1
            assert found.value == exact, seed
    assert proved > 4


@pytest.mark.parametrize("power", [-45, -61, -100, -300])
def test_gaps_below_sixty_digits(power: int) -> None:
    """Above a crossing in the middles of both segments D vanishes, and its rounding was larger than Delta."""
    gap = 10.0**power
    a = np.array([(-1, 0, 0), (1, 0, 0), (1, 2, 0), (-1, 2, 0)], dtype=float)
    for height, expected in ((gap, 0), (-gap, 1)):
        b = np.array([(0, -1, height), (0, 1, height), (0, 1, 3), (0, -1, 3)])
        found = linking_number(a, b)
        assert (found.status, abs(found.value)) == (Verdict.PROVED, expected)
    flat = np.array([(0, -gap, 0), (0, -1, 0), (1, -1, 0)], dtype=float)
    assert linking_number(a, flat).value == 0
