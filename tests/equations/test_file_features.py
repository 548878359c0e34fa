"""Equation files say everything that the language can, and what they say is what is computed."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.equations.file_format import EquationFile, load_equation
from fieldsolver.equations.files import kernels, limits

ODE = '[equation]\ntext = "du/dt = {right}"\n[initial]\nu = 1.0\n'
LINE = "[grid]\nshape = [16]\nbounds = [-1.0, 1.0]\n[boundary]\nall = {boundary}\n"
FIELD = '[equation]\ntext = "du/dt = {right}"\n[initial]\nu = "sin(pi*x)"\n' + LINE


def load(folder: Path, text: str, *, span: str = "[0.0, 0.5]") -> EquationFile:
    path = folder / "case.toml"
    solve = "" if "[solve]" in text else f"[solve]\nt_span = {span}\nsaves = 2\n"
    path.write_text(f"schema = 1\n{solve}{text}", encoding="utf-8")
    return load_equation(path)


def ode(right: str, more: str = "") -> str:
    return ODE.format(right=right) + more


def field(right: str, more: str = "", boundary: str = '"periodic"') -> str:
    return FIELD.format(right=right, boundary=boundary) + more


def rate(file: EquationFile, t: float = 0.0) -> Tensor:
    with torch.no_grad():
        return file.equation(t, file.equation.pack(file.initial))


# -- equations ----------------------------------------------------------------------------------------------------


def test_second_order_in_time_takes_both_initial_values(tmp_path: Path) -> None:
    text = ode("-4*u").replace("du/dt", "d2u/dt2").replace("u = 1.0", 'u = 1.0\n"du/dt" = "2*s"\n[parameters]\ns = 3.0')
    file = load(tmp_path, text + "[output]\nfield = 'u'\n")
    assert {name: value.item() for name, value in file.initial.items()} == {"u": 1.0, "du/dt": 6.0}
    end = fs.solve(file.equation, file.initial, **file.solve)["u"][-1].item()
    assert end == pytest.approx(math.cos(1.0) + 3.0 * math.sin(1.0), abs=1e-5)


def test_second_order_in_time_needs_the_velocity_and_no_other(tmp_path: Path) -> None:
    text = ode("-u").replace("du/dt", "d2u/dt2")
    with pytest.raises(fs.StateError, match="lacks the field 'du/dt'"):
        load(tmp_path, text)
    with pytest.raises(fs.FileFormatError, match=r"has no field 'dv/dt'.*did you mean 'du/dt'"):
        load(tmp_path, text.replace("u = 1.0", 'u = 1.0\n"dv/dt" = 0'))


def test_noise_and_its_calculus(tmp_path: Path) -> None:
    text = ode("-u + s*white_noise(0)", "[parameters]\ns = 0.5\n")
    file = load(tmp_path, text.replace("[initial]", 'calculus = "ito"\n[initial]'))
    assert file.equation.calculus == "ito"
    (amplitude,) = file.equation.noise_amplitudes(0.0, file.equation.pack(file.initial)).values()
    assert amplitude.item() == 0.5
    with pytest.raises(fs.EquationError, match="needs calculus="):
        load(tmp_path, text)
    with pytest.raises(fs.EquationError, match="has no noise"):
        load(tmp_path, ode("-u").replace("[initial]", 'calculus = "ito"\n[initial]'))
    with pytest.raises(fs.FileFormatError, match=r"one of ito, stratonovich for 'calculus', got 'Ito'"):
        load(tmp_path, text.replace("[initial]", 'calculus = "Ito"\n[initial]'))


@pytest.mark.parametrize("shape", ["[8, 8]", "[4, 4, 4]"])
def test_noise_that_is_white_in_the_plane_or_in_space_is_warned_of(tmp_path: Path, shape: str) -> None:
    def noisy(term: str, shape: str) -> str:
        text = field(f"laplacian(u) - u + {term}").replace("[initial]", 'calculus = "ito"\n[initial]')
        return text.replace("[16]\nbounds = [-1.0, 1.0]", f"{shape}\nextent = 1.0")

    sentence = r"white_noise\(2\) on a grid with . axes has no continuum limit.* use coloured_noise\(2, length\)"
    with pytest.warns(fs.FieldSolverWarning, match=sentence):
        file = load(tmp_path, noisy("0.1*white_noise(2)", shape))
    given = {"grid": file.equation.grid, "boundary": fs.Periodic(), "calculus": "ito"}
    with pytest.warns(fs.FieldSolverWarning, match=sentence) as caught:
        fs.FieldEquation("du/dt = laplacian(u) + white_noise(2)", **given)
    assert [warning.filename for warning in caught] == [__file__]
    s = fs.Symbols(file.equation.grid)
    with pytest.warns(fs.FieldSolverWarning, match=sentence) as caught:
        fs.FieldEquation({s.field("u"): s.laplacian(s.field("u")) + s.white_noise(2)}, **given)
    assert [warning.filename for warning in caught] == [__file__]
    load(
        tmp_path, noisy("0.1*white_noise(2)", "[8]")
    )  # on a line there is a limit: no warning, which would be an error
    load(tmp_path, noisy("0.1*coloured_noise(2, 0.2)", shape))


def test_treatments_vectors_and_reductions_are_text_like_any_other(tmp_path: Path) -> None:
    right = "implicit(laplacian(u)) + explicit(-u) - mean(u) + divergence(gradient(u))"
    file = load(tmp_path, field(right))
    python = fs.FieldEquation(f"du/dt = {right}", grid=file.equation.grid, boundary=fs.Periodic())
    assert str(file.equation) == str(python) == f"du/dt = {right}"
    assert torch.equal(rate(file), python(0.0, python.pack(file.initial)))


# -- schemes ------------------------------------------------------------------------------------------------------

DIFFERENCES = '{ kind = "finite_difference", order = 4, advection = "upwind3" }'
SCHEMES = {
    '{ kind = "finite_difference" }': fs.FiniteDifference(),
    DIFFERENCES: fs.FiniteDifference(order=4, advection="upwind3"),
    '{ kind = "finite_difference", order = 6, closure = "summation_by_parts" }': fs.FiniteDifference(
        order=6, closure="summation_by_parts"
    ),
    '{ kind = "spectral" }': fs.Spectral(),
    '{ kind = "spectral", dealias = "truncate" }': fs.Spectral(dealias="truncate"),
}


def scheme(table: str, right: str = "-advection(u, u) + laplacian(u)") -> str:
    return field(right).replace("[initial]", f"scheme = {table}\n[initial]")


@pytest.mark.parametrize("table", SCHEMES)
def test_a_scheme_is_that_of_python(tmp_path: Path, table: str) -> None:
    file = load(tmp_path, scheme(table))
    assert file.equation.layout.schemes == (SCHEMES[table],)
    python = fs.FieldEquation(
        "du/dt = -advection(u, u) + laplacian(u)", grid=file.equation.grid, boundary=fs.Periodic(),
        scheme=SCHEMES[table],
    )  # fmt: skip
    assert torch.equal(rate(file), python(0.0, python.pack(file.initial)))


def test_a_scheme_per_axis_and_the_short_form(tmp_path: Path) -> None:
    plane = scheme(f'{{ x = {DIFFERENCES}, y = {{ kind = "spectral" }} }}').replace("advection(u, u)", "u*d_dy(u)")
    plane = plane.replace("[16]\nbounds = [-1.0, 1.0]", "[16, 12]\nextent = 1.0")
    layout = load(tmp_path, plane).equation.layout
    assert layout.schemes == (fs.FiniteDifference(order=4, advection="upwind3"), fs.Spectral())
    short = load(tmp_path, field("laplacian(u)").replace("[initial]", "space_order = 8\n[initial]"))
    assert short.equation.layout.schemes == (fs.FiniteDifference(order=8),)


WRONG_SCHEMES = {
    "both": ('{ kind = "spectral" }\nspace_order = 4', r"\[equation\] has space_order and scheme; give one of them"),
    "kind": ('{ kind = "spektral" }', r"\[equation\] scheme asks for the kind 'spektral'; known: .*did you mean 'spec"),
    "no kind": ("{ order = 4 }", r"\[equation\] scheme lacks 'kind' \(one of finite_difference, spectral\)"),
    "order": ('{ kind = "finite_difference", order = 5 }', r"scheme needs one of 2, 4, 6, 8 for 'order', got 5"),
    "key": (
        '{ kind = "finite_difference", dealias = "pad" }',
        "scheme does not know the key 'dealias'; known: k",
    ),
    "closure": (
        '{ kind = "finite_difference", closure = "summation_by_parts", order = 8 }',
        r"\[equation\] 'scheme': summation by parts is of order 2, 4 or 6, got order=8",
    ),
    "isotropic": ('{ kind = "finite_difference", order = 4, laplacian = "isotropic" }', "'scheme': the isotropic Lap"),
    "axis": ('{ x = { kind = "spectral" }, y = { kind = "spectral" } }', "'scheme': scheme has the axis 'y', but the"),
    "no axis": ('{ y = { kind = "spectral" } }', "scheme lacks 'x'"),
}


@pytest.mark.parametrize("case", WRONG_SCHEMES)
def test_a_wrong_scheme_is_refused(tmp_path: Path, case: str) -> None:
    table, sentence = WRONG_SCHEMES[case]
    with pytest.raises(fs.FileFormatError, match=sentence):
        load(tmp_path, scheme(table))


def test_a_scheme_without_a_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fs.FileFormatError, match="'scheme': scheme= was given, but there are no axes"):
        load(tmp_path, ode("-u").replace("[initial]", 'scheme = { kind = "spectral" }\n[initial]'))


# -- grids and walls ----------------------------------------------------------------------------------------------

NODES = {
    '{ kind = "chebyshev" }': fs.Clustered("chebyshev"),
    '{ kind = "polynomial" }': fs.Clustered("polynomial"),
    '{ kind = "polynomial", power = 3, towards = "low" }': fs.Clustered("polynomial", power=3, towards="low"),
    "[-1.0, 0, 0.5, 1]": [-1.0, 0.0, 0.5, 1.0],
}


def placed(nodes: str) -> str:
    text = field("laplacian(u)", boundary="{ dirichlet = 0 }").replace("[grid]", f'[grid]\ncentring = "node"\n{nodes}')
    return text.replace("[16]", "[4]")


@pytest.mark.parametrize("nodes", NODES)
def test_points_are_where_nodes_says(tmp_path: Path, nodes: str) -> None:
    file = load(tmp_path, placed(f"nodes = {{ x = {nodes} }}"))
    assert file.equation.grid == fs.Grid(4, bounds=(-1, 1), centring="node", nodes={"x": NODES[nodes]})


WRONG_NODES = {
    "another axis": ("{ y = [0.0, 1.0] }", "nodes names the axis 'y', but the grid has x"),
    "too few": ("{ x = [-1.0, 0.0, 1.0] }", "nodes of 'x' have the shape"),
    "backwards": ("{ x = [-1.0, 0.5, 0.0, 1.0] }", "nodes of 'x' must increase strictly"),
    "kind": ('{ x = { kind = "tchebyshev" } }', r"\[grid\] nodes x asks for the kind 'tchebyshev'.*did you mean 'cheb"),
    "power": ('{ x = { kind = "polynomial", power = 0.5 } }', "nodes x needs a finite number, at least 1, for 'power'"),
    "word": ('{ x = "chebyshev" }', r'nodes needs a list of increasing positions or a table such as { kind = "cheb'),
}


@pytest.mark.parametrize("case", WRONG_NODES)
def test_wrong_nodes_are_refused(tmp_path: Path, case: str) -> None:
    nodes, sentence = WRONG_NODES[case]
    with pytest.raises((fs.FileFormatError, fs.GridError), match=sentence):
        load(tmp_path, placed(f"nodes = {nodes}"))


def test_the_ends_of_an_axis_may_be_one_place_with_a_change_of_sign(tmp_path: Path) -> None:
    file = load(tmp_path, field("laplacian(u)", boundary='"antiperiodic"'))
    assert set(file.equation.layout.conditions["u"].values()) == {fs.AntiPeriodic()}
    with pytest.raises(fs.FileFormatError, match="'net' is a convolution, which does not know the sign"):
        load(tmp_path, field("net(u)", CONV, boundary='"antiperiodic"'))
    with pytest.raises(fs.FileFormatError, match=r"antiperiodic. or a table .* got 'antiperiodical'"):
        load(tmp_path, field("laplacian(u)", boundary='"antiperiodical"'))


@pytest.mark.parametrize("speed", ["2.0", '"c"', '"sqrt(2*c)"'])
def test_waves_leave_through_absorbing_walls(tmp_path: Path, speed: str) -> None:
    text = field("c**2*laplacian(u)", "[parameters]\nc = 2.0\n", boundary=f"{{ absorbing = {speed} }}")
    text = text.replace("du/dt", "d2u/dt2").replace('"sin(pi*x)"', '"exp(-30*x**2)"\n"du/dt" = 0.0')
    file = load(tmp_path, text.replace("[16]", "[128]"), span="[0.0, 1.5]")
    end = fs.solve(file.equation, file.initial, **file.solve)["u"][-1]
    assert end.abs().max() < 5e-3  # a wall that reflects has sent half of the pulse back to the middle by then


def test_only_waves_of_some_speed_leave(tmp_path: Path) -> None:
    with pytest.raises(fs.FileFormatError, match=r"needs a number above 0 or an expression .* for 'absorbing', got -1"):
        load(tmp_path, field("laplacian(u)", boundary="{ absorbing = -1.0 }"))
    with pytest.raises(fs.BoundaryError, match="needs a field of second order in time"):
        load(tmp_path, field("laplacian(u)", boundary="{ absorbing = 1.0 }"))


# -- parameters ---------------------------------------------------------------------------------------------------


def test_expressions_of_parameters_time_and_space(tmp_path: Path) -> None:
    file = load(tmp_path, field("c*u", '[parameters]\na = 2.0\nb = "a**2"\nc = "b*x + t"\n'))
    x = file.equation.grid.coordinate(0)
    torch.testing.assert_close(rate(file, 3.0)[0], (4 * x + 3) * torch.sin(torch.pi * x))


def test_constants_made_of_constants_and_chains_that_would_double_at_every_link(tmp_path: Path) -> None:
    chain = "".join(f'a{i} = "a{i - 1}*a{i - 1}/2"\n' for i in range(1, 100))
    file = load(tmp_path, ode("a99*u", f'[parameters]\na0 = "4/2"\n{chain}').replace("u = 1.0", 'u = "a99 + a1"'))
    assert rate(file).item() == 8.0
    text = field("u + q*u", f'[parameters]\na0 = "2"\nq = {{ spatial = "a99 + 0*x" }}\n{chain}')
    torch.testing.assert_close(rate(load(tmp_path, text))[0], 3 * load(tmp_path, text).initial["u"])


def test_matrices_keep_double_precision(tmp_path: Path) -> None:
    text = ode("K @ u", "[parameters]\nK = [[0.1, 0.2], [0.3, 0.4]]\n").replace("u = 1.0", "u = [1.0, 2.0]")
    file = load(tmp_path, text.replace("[initial]", "components = { u = 2 }\n[initial]"))
    expected = torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=torch.float64) @ torch.tensor([1.0, 2.0]).double()
    assert torch.equal(rate(file), expected)
    trainable = load(tmp_path, text.replace("K = [[0.1, 0.2], [0.3, 0.4]]", "K = { value = [[0.1, 0.2], [0.3, 0.4]] }")
                     .replace("[initial]", "components = { u = 2 }\n[initial]"))  # fmt: skip
    assert trainable.equation.declared["K"].trainable
    assert torch.equal(rate(trainable), expected)


def test_diffusion_along_axes_that_are_not_those_of_the_grid(tmp_path: Path) -> None:
    plane = field("diffusion(K, u)", "[parameters]\nK = [[2.0, 0.5], [0.5, 1.0]]\n").replace(
        "[16]\nbounds = [-1.0, 1.0]", "[32, 32]\nextent = 2.0"
    )
    file = load(tmp_path, plane.replace('"sin(pi*x)"', '"sin(pi*(x + y))"'))
    u = file.initial["u"]
    torch.testing.assert_close(rate(file)[0], -4 * torch.pi**2 * u, rtol=1e-2, atol=1e-12)  # k.K k = 4 pi^2
    with pytest.raises(fs.EquationError, match="1 x 2"):
        load(tmp_path, plane.replace("[[2.0, 0.5], [0.5, 1.0]]", "[[2.0, 0.5]]"))


def test_complex_numbers(tmp_path: Path) -> None:
    text = ode("a*u + b*u", "[parameters]\na = { re = 0.1, im = 1.0 }\nb = { value = { re = 0.0, im = 2.0 } }\n")
    text = text.replace("u = 1.0", "u = { re = 0.0, im = 1.0 }")
    file = load(tmp_path, text.replace("[initial]", 'complex_fields = ["u"]\n[initial]'))
    assert rate(file).item() == (0.1 + 3.0j) * 1j
    with pytest.raises(fs.FileFormatError, match=r"a lacks 'im'"):
        load(tmp_path, text.replace("{ re = 0.1, im = 1.0 }", "{ re = 0.1 }"))


def test_spatial_parameters_are_evaluated_once_on_the_grid(tmp_path: Path) -> None:
    more = (
        '[parameters]\nw = 0.5\ntwo = "2*w"\ns = { spatial = "exp(-(x/w)**2) + two" }\nv = { spatial = ["x", "2"] }\n'
    )
    file = load(tmp_path, field("s*u + v[0] + v[1]", more))
    x = file.equation.grid.coordinate(0)
    assert file.equation.declared["s"].place == "spatial"
    assert not file.equation.declared["s"].trainable
    assert "w" not in file.equation.declared  # used by the spatial parameter only
    expected = (torch.exp(-((x / 0.5) ** 2)) + 1) * torch.sin(torch.pi * x) + x + 2
    torch.testing.assert_close(rate(file)[0], expected, rtol=1e-14, atol=1e-14)
    trained = load(
        tmp_path, field("s*u", '[parameters]\ns = { spatial = "2 + x", trainable = true, positive = true }\n')
    )
    assert trained.equation.declared["s"].trainable
    torch.testing.assert_close(rate(trained)[0], (2 + x) * torch.sin(torch.pi * x))


def test_samples_are_solved_together_as_they_are_alone(tmp_path: Path) -> None:
    text = field("D*laplacian(u) + a*u", "[parameters]\nD = 0.01\na = {a}\n").replace('"sin(pi*x)"', '"a + cos(pi*x)"')
    together = load(tmp_path, text.replace("{a}", "{ per_sample = [0.5, -1.0, 2.0] }"))
    assert together.initial["u"].shape == (3, 16)
    solution = fs.solve(together.equation, together.initial, **together.solve)
    for sample, value in enumerate((0.5, -1.0, 2.0)):
        alone = load(tmp_path, text.replace("{a}", str(value)))
        single = fs.solve(alone.equation, alone.initial, **alone.solve)
        torch.testing.assert_close(solution["u"][:, sample], single["u"], rtol=1e-12, atol=1e-12)


def test_samples_with_noise_and_components(tmp_path: Path) -> None:
    text = ode("a*u", "[parameters]\na = { per_sample = [[1.0, 2.0], [3.0, 4.0]] }\n")
    text = text.replace("u = 1.0", "u = { expression = [0.0, 1.0], noise = 0.1 }")
    file = load(tmp_path, text.replace("[initial]", "components = { u = 2 }\n[initial]"))
    assert file.initial["u"].shape == (2, 2)
    assert len(file.initial["u"].unique()) == 4
    with pytest.raises(fs.FileFormatError, match=r"disagrees on the number of samples: 'a' has 2, 'b' has 3"):
        load(tmp_path, ode("a*u + b", "[parameters]\na = { per_sample = [1, 2] }\nb = { per_sample = [1, 2, 3] }\n"))


def test_what_only_the_start_uses_may_be_an_expression(tmp_path: Path) -> None:
    more = '[parameters]\nD = 0.1\nwidth = "2*D"\nheight = "3*width"\n'
    file = load(tmp_path, field("D*laplacian(u)", more).replace('"sin(pi*x)"', '"height*exp(-x/width)"'))
    assert list(file.equation.declared) == ["D"]
    assert file.equation.definitions == {}
    torch.testing.assert_close(file.initial["u"], 0.6 * torch.exp(-file.equation.grid.coordinate(0) / 0.2))


# -- signals ------------------------------------------------------------------------------------------------------


def test_signals_in_the_file(tmp_path: Path) -> None:
    file = load(tmp_path, ode("I", "[signals]\nI = { times = [0, 1, 3], values = [0.0, 2.0, 4.0] }\n"))
    assert [rate(file, t).item() for t in (-1.0, 0.5, 2.0, 9.0)] == [0.0, 1.0, 3.0, 4.0]
    end = fs.solve(file.equation, file.initial, **file.solve)["u"][-1].item()
    assert end == pytest.approx(1.25)  # 1 + integral of 2 t
    several = ode("I[0] - I[1]", "[signals]\nI = { times = [0, 1], values = [[0.0, 1.0], [2.0, 5.0]] }\n")
    assert rate(load(tmp_path, several), 0.5).item() == -2.0


def test_signals_in_a_csv_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = '\ufefft, I ,J,note\n0,1.0,5,a\n\n1e0,3.0,6,"b, c"\n'
    (tmp_path / "data" / "input.csv").write_text(rows, encoding="utf-8")
    signal = '[signals]\nI = { csv = "data/input.csv", columns = ["t", "I"] }\n'
    assert rate(load(tmp_path, ode("I", signal)), 0.5).item() == 2.0
    both = signal.replace('["t", "I"]', '["t", "J", "I"]')
    assert rate(load(tmp_path, ode("I[0]*I[1]", both)), 0.5).item() == 11.0


CSV = {
    "outside": ('"../x.csv"', '["t", "I"]', "lies outside the folder of the equation file"),
    "absolute": ('"/etc/hosts"', '["t", "I"]', "lies outside the folder"),
    "through a link": ('"link/x.csv"', '["t", "I"]', "lies outside the folder"),
    "missing": ('"none.csv"', '["t", "I"]', "there is no file"),
    "a folder": ('"."', '["t", "I"]', "cannot be read"),
    "a pipe": ('"pipe"', '["t", "I"]', "not a regular file"),
    "zero byte": ('"a\\u0000b"', '["t", "I"]', "not the name of a file"),
    "no such column": (
        '"ok.csv"',
        '["t", "Jj"]',
        r"column 'Jj' is not in 'ok.csv'; its columns: t, I, J; did you mean",
    ),
    "one column": ('"ok.csv"', '["t"]', "two or more names of columns"),
    "column twice": ('"twice.csv"', '["t", "I"]', "column 'I' is twice"),
    "no number": ('"word.csv"', '["t", "I"]', "line 3 has 'x' where a number belongs"),
    "short row": ('"short.csv"', '["t", "I"]', "line 3 has 1 columns, the header has 2"),
    "nan": ('"nan.csv"', '["t", "I"]', "must be finite"),
    "backwards": ('"back.csv"', '["t", "I"]', "in increasing order"),
    "empty": ('"empty.csv"', '["t", "I"]', "column 't' is not in"),
    "header only": ('"header.csv"', '["t", "I"]', "no rows below its header"),
    "binary": ('"binary.csv"', '["t", "I"]', "not text"),
    "quotes": ('"quotes.csv"', '["t", "I"]', "line 2"),
    "too large": ('"large.csv"', '["t", "I"]', "too large"),
}


@pytest.fixture(scope="module")
def csv_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("csv") / "inside"
    folder.mkdir()
    (folder.parent / "x.csv").write_text("t,I\n0,1\n1,2\n")
    (folder / "link").symlink_to(folder.parent, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    texts = {"ok": "t,I,J\n0,1,2\n1,2,3\n", "twice": "t,I,I\n0,1,2\n", "word": "t,I\n0,1\n1,x\n",
             "short": "t,I\n0,1\n1\n", "nan": "t,I\n0,1\n1,nan\n", "back": "t,I\n1,1\n0,2\n", "empty": "",
             "header": "t,I\n", "quotes": 't,I\n"0"1,2\n'}  # fmt: skip
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00")
    (folder / "large.csv").write_bytes(b"t,I\n" + b"0" * limits.MAX_CSV_BYTES)
    return folder


@pytest.mark.parametrize("case", CSV)
def test_a_wrong_csv_is_refused_with_the_name_of_the_signal(csv_folder: Path, case: str) -> None:
    file, columns, sentence = CSV[case]
    with pytest.raises(fs.FileFormatError, match=sentence) as caught:
        load(csv_folder, ode("I", f"[signals]\nI = {{ csv = {file}, columns = {columns} }}\n"))
    assert "[signals]" in str(caught.value)


# -- kernels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", ["zero", "periodic", "reflect"])
def test_a_kernel_is_an_expression_in_the_displacement(tmp_path: Path, edge: str) -> None:
    more = f'[parameters]\ns = 0.3\n[kernels]\nw = {{ function = "x*exp(-abs(x)/s)/2", edge = "{edge}" }}\n'
    file = load(tmp_path, field("convolve(w, u**2)", more))
    assert file.equation.declared == {}
    python = fs.FieldEquation(
        "du/dt = convolve(w, u**2)", grid=file.equation.grid, boundary=fs.Periodic(),
        kernels={"w": fs.Kernel(lambda x: x * torch.exp(-x.abs() / 0.3) / 2, edge=edge)},
    )  # fmt: skip
    torch.testing.assert_close(rate(file), python(0.0, python.pack(file.initial)), rtol=1e-14, atol=1e-15)
    copied = pickle.loads(pickle.dumps(file.equation))
    assert torch.equal(copied(0.0, copied.pack(file.initial)), rate(file))


@pytest.mark.parametrize("norm", ["sum", "absolute"])
def test_a_kernel_has_a_radius_and_a_norm(tmp_path: Path, norm: str) -> None:
    kernel = f'function = "exp(-3*abs(x))", edge = "reflect", radius = 0.4, normalise = "{norm}"'
    file = load(tmp_path, field("convolve(w, u)", f"[kernels]\nw = {{ {kernel} }}\n"))
    python = fs.FieldEquation(
        "du/dt = convolve(w, u)", grid=file.equation.grid, boundary=fs.Periodic(),
        kernels={"w": fs.Kernel(lambda x: torch.exp(-3 * x.abs()), "reflect", radius=0.4, normalise=norm)},
    )  # fmt: skip
    (samples,) = file.equation.kernel_values().values()
    assert samples.shape == (7,)  # as far as 3 h = 0.375
    assert samples.sum().item() * 0.125 == pytest.approx(1.0)
    torch.testing.assert_close(rate(file), python(0.0, python.pack(file.initial)), rtol=1e-14, atol=1e-15)
    values = field("convolve(w, u)", f'[kernels]\nw = {{ values = [1, 4, 1], edge = "zero", normalise = "{norm}" }}\n')
    (samples,) = load(tmp_path, values).equation.kernel_values().values()
    torch.testing.assert_close(samples * 0.125, torch.tensor([1.0, 4.0, 1.0], dtype=torch.float64) / 6)


def test_a_short_kernel_may_stand_on_a_grid_too_large_for_a_long_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "MAX_VALUES", 20)
    text = field("convolve(w, u)", '[kernels]\nw = { function = "1", edge = "zero", radius = 1.0 }\n')
    assert load(tmp_path, text).equation.kernel_values()["w"].shape == (17,)
    with pytest.raises(fs.FileFormatError, match="samples 'w' at more than 20 displacements"):
        load(tmp_path, text.replace("1.0 }", "1.5 }"))


def test_a_kernel_in_the_plane_and_one_of_samples(tmp_path: Path) -> None:
    plane = field("convolve(w, u)", '[kernels]\nw = { function = "exp(-x**2 - 2*y**2)", edge = "zero" }\n')
    plane = plane.replace("[16]\nbounds = [-1.0, 1.0]", "[4, 3]\nextent = 1.0")
    file = load(tmp_path, plane)
    u, (x, y) = file.initial["u"], file.equation.grid.coordinates()
    kernel = torch.exp(-((x[:, :, None, None] - x) ** 2) - 2 * (y[:, :, None, None] - y) ** 2)
    torch.testing.assert_close(rate(file)[0], (kernel * u).sum((-1, -2)) / 12)
    samples = field("convolve(w, u)", '[kernels]\nw = { values = [0.0, 0.0, 1.0, 0.0, 0.0], edge = "zero" }\n')
    samples = load(tmp_path, samples.replace("[16]\nbounds = [-1.0, 1.0]", "[3]\nextent = 3.0"))
    torch.testing.assert_close(rate(samples)[0], samples.initial["u"])


KERNELS = {
    "time": ('function = "exp(-t)", edge = "zero"', "must be a real scalar expression in x, got"),
    "field": ('function = "u", edge = "zero"', r"\[kernels\] 'w': unknown name 'u'"),
    "other axis": ('function = "y", edge = "zero"', "unknown name 'y'"),
    "complex": ('function = "1j*x", edge = "zero"', "must be a real scalar"),
    "derivative": ('function = "laplacian(x)", edge = "zero"', "must be a real scalar"),
    "comparison": ('function = "x < 1", edge = "zero"', "cannot be a comparison"),
    "infinite": ('function = "1/x", edge = "zero"', "NaN or infinity at some point"),
    "trainable": ('function = "D*x", edge = "zero"', "'w' uses 'D', which is no plain number"),
    "space": ('function = "q*x", edge = "zero"', "'w' uses 'q', which is no plain number"),
    "edge": ('function = "x"', r"\[kernels\] w lacks 'edge'"),
    "another edge": ('function = "x", edge = "wrap"', "one of zero, periodic, reflect for 'edge', got 'wrap'"),
    "shape": ('values = [1.0, 2.0], edge = "zero"', r"'w': the kernel tensor has shape \(2,\), expected \(31,\)"),
    "ragged": ('values = [[1.0], [2.0, 3.0]], edge = "zero"', "rows have equal length"),
    "radius": ('function = "1", edge = "zero", radius = 9.0', "'w': the kernel has radius=9, but the domain is 2 long"),
    "radius of samples": ('values = [1.0], edge = "zero", radius = 1.0', "w does not know the key 'radius'"),
    "norm": ('function = "x", edge = "zero", normalise = "sum"', "'w': normalise='sum' divides by .* which is 0 up to"),
    "another norm": (
        'function = "1", edge = "zero", normalise = "max"',
        "one of sum, absolute for 'normalise', got 'm",
    ),
    "both": ('values = [1.0], function = "x", edge = "zero"', "does not know the key 'values'"),
    "code": ('function = "__import__(\'os\').getcwd()", edge = "zero"', "'w': .*not part of|'w': only a plain name"),
}


@pytest.mark.parametrize("case", KERNELS)
def test_a_wrong_kernel_is_refused(tmp_path: Path, case: str) -> None:
    kernel, sentence = KERNELS[case]
    more = f'[parameters]\nD = {{ value = 1.0 }}\nq = "x + 1"\n[kernels]\nw = {{ {kernel} }}\n'
    with pytest.raises(fs.FileFormatError, match=sentence):
        load(tmp_path, field("D*q*convolve(w, u)", more))


# -- modules ------------------------------------------------------------------------------------------------------

CONV = '[modules]\nnet = { kind = "conv", channels = [1, 4, 1], kernel_size = 5, seed = 2 }\n'


def test_a_convolution_commutes_with_shifts_and_its_mirror_is_a_mirrored_field(tmp_path: Path) -> None:
    periodic = load(tmp_path, field("net(u)", CONV))
    u = torch.randn(1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shifted = periodic.equation(0.0, u.roll(3, -1))
        torch.testing.assert_close(shifted, periodic.equation(0.0, u).roll(3, -1), rtol=1e-12, atol=1e-12)
    one = CONV.replace("[1, 4, 1]", "[1, 1]")
    half = load(tmp_path, field("net(u)", one, boundary="{ neumann = 0.0 }"))
    double = load(tmp_path, field("net(u)", one).replace("[16]", "[32]").replace("1.0]", "3.0]"))
    with torch.no_grad():
        whole = double.equation(0.0, torch.cat([u, u.flip(-1)], -1))
        torch.testing.assert_close(half.equation(0.0, u), whole[:, :16], rtol=1e-12, atol=1e-12)


def test_the_padding_of_every_side(tmp_path: Path) -> None:
    sides = '{ "x-" = { dirichlet = 0.0 }, "x+" = { neumann = 0.0 }, y = "periodic" }'
    one = CONV.replace("[1, 4, 1]", "[1, 1]")
    text = field("net(u)", one).replace('all = "periodic"', f"u = {sides}")
    file = load(tmp_path, text.replace("[16]\nbounds = [-1.0, 1.0]", "[6, 7]\nextent = 1.0"))
    u = torch.randn(1, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([torch.zeros(1, 2, 7), u, u[:, 4:].flip(1)], 1)
    padded = torch.cat([padded[..., -2:], padded, padded[..., :2]], 2)
    (layer,) = (part for part in file.equation.modules() if isinstance(part, torch.nn.Conv2d))
    with torch.no_grad():
        torch.testing.assert_close(file.equation(0.0, u), layer(padded[None])[0], rtol=1e-12, atol=1e-12)


def test_a_mirror_through_a_node_does_not_repeat_it(tmp_path: Path) -> None:
    text = field("net(u)", CONV.replace("[1, 4, 1]", "[1, 1]"), boundary="{ neumann = 0.0 }")
    file = load(tmp_path, text.replace("[grid]", '[grid]\ncentring = "node"'))
    u = torch.randn(1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (layer,) = (part for part in file.equation.modules() if isinstance(part, torch.nn.Conv1d))
    with torch.no_grad():
        expected = layer(torch.nn.functional.pad(u[None], (2, 2), mode="reflect"))[0]
        torch.testing.assert_close(file.equation(0.0, u), expected, rtol=1e-12, atol=1e-12)


CONVOLUTIONS = {
    "even": (CONV.replace("= 5", "= 4"), "'net' needs an odd 'kernel_size', got 4"),
    "too wide": (CONV.replace("= 5", "= 35"), "reaches beyond the other end of the grid"),
    "too many": (CONV.replace("[1, 4, 1]", "[1, 60000, 60000, 1]"), "weights; a module of a file may have at most"),
    "one number": (CONV.replace("[1, 4, 1]", "[1]"), "a list of at least two positive integers"),
    "inputs": (CONV.replace("[1, 4, 1]", "[3, 1]"), "module 'net' was called with"),
    "key of another kind": (CONV.replace("seed", "hidden"), r"\[modules\] net does not know the key 'hidden'"),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_wrong_convolution_is_refused(tmp_path: Path, case: str) -> None:
    more, sentence = CONVOLUTIONS[case]
    with pytest.raises((fs.FileFormatError, fs.EquationError), match=sentence):
        load(tmp_path, field("net(u)", more))
    with pytest.raises(fs.FileFormatError, match=r"no \[grid\]"):
        load(tmp_path, ode("net(u)", CONV))


# -- what is refused ----------------------------------------------------------------------------------------------

PARAMETERS = {
    "unused": (ode("-u", '[parameters]\nk = "2.0"\n'), "'k' appears in no equation"),
    "unused signal": (ode("-u", "[signals]\nI = { times = [0, 1], values = [0, 1] }\n"), "'I' appears in no equation"),
    "later name": (ode("a*u", '[parameters]\na = "2*b"\nb = "3"\n'), "in the expression of parameter 'a': unknown"),
    "itself": (ode("a*u", '[parameters]\na = "2*a"\n'), "in the expression of parameter 'a': unknown name 'a'"),
    "field": (ode("a*u", '[parameters]\na = "2*u"\n'), "in the expression of parameter 'a': unknown name 'u'"),
    "ragged": (ode("a*u", "[parameters]\na = [[1.0], [2.0, 3.0]]\n"), "parameter 'a' must be a number, or lists whose"),
    "mixed depth": (ode("a*u", "[parameters]\na = [1.0, [2.0]]\n"), "parameter 'a' must be a number, or lists whose"),
    "range": (ode("a*u", "[parameters]\na = { value = -1, positive = true }\n"), "'a': a positive parameter must"),
    "spatial without grid": (ode("a*u", '[parameters]\na = { spatial = "2" }\n'), r"'a' is spatial, but.*no \[grid\]"),
    "spatial in time": (field("a*u", '[parameters]\na = { spatial = "t" }\n'), "must be a real scalar expression in x"),
    "spatial NaN": (field("a*u", '[parameters]\na = { spatial = "log(x)" }\n'), "'a' has the value NaN or infinity"),
    "spatial of a trained one": (
        field("a*k*u", '[parameters]\nk = { value = 1 }\na = { spatial = "k*x" }\n'), "'a' uses 'k', which is no plain",
    ),
    "only aside": (
        field("a*u", '[parameters]\nk = [1.0]\na = { spatial = "k*x" }\n'), r"'k', which only \[parameters\] uses",
    ),
    "twice": (ode("I", "[parameters]\nI = 1\n[signals]\nI = { times = [0, 1], values = [0, 1] }\n"), "so has .param"),
    "signal shape": (ode("I", "[signals]\nI = { times = [0, 1], values = [0, 1, 2] }\n"), "'I': the values of a Sig"),
    "kernel without grid": (ode("u", '[kernels]\nw = { function = "x", edge = "zero" }\n'), r"no \[grid\]"),
    "unused kernel": (field("u", '[kernels]\nw = { function = "x", edge = "zero" }\n'), "kernel 'w' appears in no"),
    "list for a scalar": (ode("-u").replace("u = 1.0", "u = [1.0]"), "needs a number, an expression, or"),
    "noise in the start": (ode("-u").replace("u = 1.0", 'u = "white_noise(0)"'), "must be a pointwise expression"),
    "start without finite value": (ode("-u").replace("u = 1.0", 'u = "log(0)"'), "no finite real value|infinity"),
    "bounds of the grid": (field("u").replace("[-1.0, 1.0]", "[[-1.0, 1.0], [0.0, 1.0]]"), "a pair .low, high. per ax"),
    "mixed bounds": (field("u").replace("[-1.0, 1.0]", "[[-1.0, 1.0], 0.0]"), "a pair .low, high. per ax"),
    "huge integer": (ode("-u").replace("u = 1.0", f"u = 1{'0' * 400}"), "needs a number, an expression"),
    "endless integer": (ode("-u").replace("u = 1.0", f"u = 1{'0' * 5000}"), "is not TOML"),
    "date": (ode("a*u", "[parameters]\na = 2020-01-01\n"), "needs a finite number, a list"),
}  # fmt: skip


@pytest.mark.parametrize("case", PARAMETERS)
def test_what_cannot_be_is_refused_with_a_sentence(tmp_path: Path, case: str) -> None:
    text, sentence = PARAMETERS[case]
    with pytest.raises(fs.FieldSolverError, match=sentence):
        load(tmp_path, text)


HUGE = {
    "points": field("u").replace("[16]", "[1000000000]"),
    "components": field("u").replace("[initial]", "components = { u = 65536 }\n[initial]").replace("[16]", "[100000]"),
    "displacements": field("convolve(w, u)", '[kernels]\nw = { function = "x", edge = "zero" }\n').replace(
        "[16]\nbounds = [-1.0, 1.0]", "[500, 500, 500]\nextent = 1.0"
    ),
    "samples": field("a*u", "[parameters]\na = { per_sample = [1.0, 2.0, 3.0, 4.0, 5.0] }\n").replace(
        "[16]", "[60000000]"
    ),
    "saves": ode("-u", "[solve]\nt_span = [0, 1]\nsaves = 1000000000\n"),
    "weights": ode("net(u)", '[modules]\nnet = { kind = "mlp", inputs = 1, hidden = [65536, 65536], outputs = 1 }\n'),
}


@pytest.mark.parametrize("case", [name for name in HUGE if name != "samples"])
def test_a_file_cannot_fill_the_memory(tmp_path: Path, case: str) -> None:
    with pytest.raises(fs.FileFormatError, match=r"at most|at more than"):
        load(tmp_path, HUGE[case])


def test_samples_count_towards_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldsolver.equations.files.initial.MAX_VALUES", 40)
    with pytest.raises(fs.FileFormatError, match="has 5 samples for 'a'; samples times values may be at most 40"):
        load(tmp_path, HUGE["samples"].replace("60000000", "16"))


ATTACKS = (
    "__import__('os').system('touch {mark}')", "open('{mark}', 'w')", "(lambda: open('{mark}', 'w'))()", "u.__class__",
    "[open('{mark}', 'w') for x in (1,)][0]", "exec('1')", "f\"{{open('{mark}', 'w')}}\"", "(q := 1)",
)  # fmt: skip
SLOTS = {
    "equation": lambda attack: ode(attack),
    "parameter": lambda attack: ode("a*u", f"[parameters]\na = '''{attack}'''\n"),
    "spatial": lambda attack: field("a*u", f"[parameters]\na = {{ spatial = '''{attack}''' }}\n"),
    "kernel": lambda attack: field(
        "convolve(w, u)", f"[kernels]\nw = {{ function = '''{attack}''', edge = 'zero' }}\n"
    ),
    "initial": lambda attack: ode("-u").replace("u = 1.0", f"u = '''{attack}'''"),
    "boundary": lambda attack: field("laplacian(u)", boundary=f"{{ neumann = '''{attack}''' }}"),
}


@pytest.mark.parametrize("slot", SLOTS)
def test_nothing_in_a_file_is_ever_executed(tmp_path: Path, slot: str) -> None:
    mark = tmp_path / "executed"
    for attack in ATTACKS:
        with pytest.raises(fs.FieldSolverError):
            load(tmp_path, SLOTS[slot](attack.format(mark=mark)))
    assert not mark.exists()
