"""`fieldsolver link` and `fieldsolver partition`: files in, numbers out, one sentence for files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fieldsolver.experiments.cli import main
from fieldsolver.experiments.curve_files import read_curves
from fieldsolver.experiments.partition_file import read_weights

SQUARE = np.array([(1, 1, 0), (-1, 1, 0), (-1, -1, 0), (1, -1, 0)], dtype=float)
THROUGH = np.array([(0, 0, -1), (0, 0, 1), (3, 0, 1), (3, 0, -1)], dtype=float)


def xyz(*curves: np.ndarray) -> str:
    frames = (
        f"{len(curve)}\na curve\n" + "".join(f"C {x} {y} {z}\n" for x, y, z in curve.tolist()) for curve in curves
    )
    return "".join(frames)


def table(*curves: np.ndarray) -> str:
    return "x,y,z\n" + "\n".join("".join(f"{x},{y},{z}\n" for x, y, z in curve.tolist()) for curve in curves)


def pdb(*curves: np.ndarray) -> str:
    lines, serial = [], 0
    for chain, curve in zip("AB", curves, strict=True):
        for residue, (x, y, z) in enumerate(curve.tolist()):
            for atom in (" N  ", " CA ", " C  "):
                serial += 1
                shift = 0.0 if atom == " CA " else 0.3
                place = f"{x + shift:8.3f}{y:8.3f}{z:8.3f}"
                lines.append(f"ATOM  {serial:5d} {atom} ALA {chain}{residue + 1:4d}    {place}  1.00  0.00")
    return "\n".join([*lines, "ENDMDL", lines[1].replace(" A ", " C "), "END"])


@pytest.mark.parametrize(("suffix", "write"), [("xyz", xyz), ("csv", table), ("txt", table), ("pdb", pdb)])
def test_every_kind_of_file_holds_the_same_curves(tmp_path: Path, capsys, suffix: str, write) -> None:
    path = tmp_path / f"hopf.{suffix}"
    path.write_text(write(SQUARE, THROUGH))
    first, second = read_curves((str(path),)).values()
    np.testing.assert_array_equal(first, SQUARE)
    np.testing.assert_array_equal(second, THROUGH)
    assert main(["link", str(path)]) == 0
    assert "+1  (proved)" in capsys.readouterr().out


def test_arrays_and_several_files(tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "a.npy", SQUARE)
    np.save(tmp_path / "b.npy", np.stack([THROUGH, THROUGH[::-1] + [0.1, 0.2, 0.3]]))
    assert main(["link", str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]) == 0
    page = capsys.readouterr().out
    assert "a.npy  b.npy[0]  +1  (proved)" in page
    assert "a.npy  b.npy[1]  -1  (proved)" in page
    assert "    0  1 -1" in page or "   0  1 -1" in page
    assert "PROVED: 2 of 3 pairs" in page


def test_open_chains(tmp_path: Path, capsys) -> None:
    path = tmp_path / "tetrahedron.xyz"  # opposite edges: arccos(-1/3) / pi - 1/2
    edges = np.array([[(1, 1, 1), (-1, -1, 1)], [(1, -1, -1), (-1, 1, -1)]], dtype=float)
    path.write_text(xyz(*edges))
    assert main(["link", "--open", str(path)]) == 0
    assert "0.108173447969" in capsys.readouterr().out


def test_curves_that_touch_have_no_number(tmp_path: Path, capsys) -> None:
    path = tmp_path / "touching.xyz"
    path.write_text(xyz(SQUARE, SQUARE + [1, 1, 0]))
    assert main(["link", str(path)]) == 1
    page = capsys.readouterr().out
    assert "no number  (degenerate)" in page
    assert "DEGENERATE" in page


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xyz", "4\nshort\nC 0 0 0\n", "line 1: 4 points are announced"),
        ("a.xyz", "C 0 0 0\n", "line 1: a frame begins with its number of points"),
        ("a.csv", "x,y,z\n1,2,3\n1,2\n", "line 3: expected 3 coordinates, got '1 2'"),
        ("a.csv", "1,2,3\n1,two,3\n", "line 2: expected 3 coordinates"),
        ("a.csv", "", "holds no curve"),
        ("a.csv", "1,2,3\n4,5,6\n7,8,10\n", "holds one curve"),
        ("a.csv", "1,2,3\n4,5,6\n7,8,9\n\n1,2,3\n4,5,6\n", "a.csv[1] has 2 point(s)"),
        ("a.npy", "no array", "no npy file"),
        ("a.doc", "", "got suffix '.doc'"),
        ("a.pdb", "HEADER\n", "holds no curve"),
    ],
)
def test_files_that_are_no_curves(tmp_path: Path, capsys, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert main(["link", str(path)]) == 1
    assert words in capsys.readouterr().err


def test_no_file_at_all(capsys) -> None:
    assert main(["link"]) == 1
    assert "FILE [FILE ...]" in capsys.readouterr().err


def test_a_file_that_is_not_there(tmp_path: Path, capsys) -> None:
    for command in ("link", "partition"):
        assert main([command, str(tmp_path / "no.csv")]) == 1
        assert "there is no file" in capsys.readouterr().err


def test_weights_are_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(f"# heavy\n{2**80 + 1}, 3; 0.5\n\n1e3 # the last\n")
    assert read_weights(path) == [2**80 + 1, 3, 0.5, 1000.0]
    np.save(tmp_path / "weights.npy", np.array([3, 1, 2]))
    assert read_weights(tmp_path / "weights.npy") == [3, 1, 2]


def test_a_partition_of_a_file(tmp_path: Path, capsys) -> None:
    path = tmp_path / "weights.txt"
    path.write_text("46 39 27 26 16 13 10")  # Walter (2013): three objectives, three answers
    for objective, best in (("difference", 8), ("largest", 62), ("smallest", 56)):
        assert main(["partition", str(path), "--parts", "3", "--objective", objective]) == 0
        page = capsys.readouterr().out
        assert f"OPTIMAL: no partition has a better {objective} than {best}" in page
        assert "part 2: sum" in page


@pytest.mark.parametrize(
    ("name", "text", "options", "words"),
    [
        ("a.csv", "1,two", (), "line 1: 'two' is no number"),
        ("a.csv", "", (), "weights is empty"),
        ("a.csv", "1,-2", (), "not negative"),
        ("a.csv", "1,2", ("--parts", "3"), "would leave 1 empty"),
        ("a.doc", "1,2", (), "got suffix '.doc'"),
    ],
)
def test_files_that_are_no_weights(tmp_path: Path, capsys, name: str, text: str, options, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert main(["partition", str(path), *options]) == 1
    assert words in capsys.readouterr().err
