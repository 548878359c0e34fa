"""Solutions as datasets, pictures and animations."""

import pytest
import torch
import xarray

import fieldsolver as fs


def solved(dimension, **options):
    shape = (8, 6, 4)[:dimension]
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) - w[1];  dw/dt = -w",
        grid=fs.Grid(shape, extent=1.0) if dimension else None,
        boundary=fs.Neumann(0),
        parameters={"D": 0.01},
        components={"w": 2},
    ) if dimension else fs.FieldEquation("du/dt = -u + w[1]; dw/dt = -w", components={"w": 2})  # fmt: skip
    state = {"u": torch.rand(shape), "w": torch.rand(2, *shape)}
    return fs.solve(equation, state, t_span=(0, 1), save_at=[0.0, 0.5, 1.0], **options)


@pytest.mark.parametrize("dimension", [0, 1, 2, 3])
def test_dataset_survives_a_netcdf_round_trip(dimension, tmp_path):
    solution = solved(dimension)
    dataset = solution.to_xarray()
    dataset.to_netcdf(tmp_path / "s.nc")
    with xarray.open_dataset(tmp_path / "s.nc") as opened:
        loaded = opened.load()
    assert loaded["u"].dims == ("time", *"xyz"[:dimension])
    assert loaded["w"].dims == ("time", "component_w", *"xyz"[:dimension])
    torch.testing.assert_close(torch.as_tensor(loaded["u"].values), solution["u"])
    assert loaded.attrs["equation"] == str(solution.equation)
    assert loaded.attrs["method"] == "tsit5"
    for variable in loaded.variables.values():
        assert variable.attrs["units"]
        assert variable.attrs["long_name"]


def test_complex_fields_are_stored_as_pairs(tmp_path):
    equation = fs.FieldEquation("dA/dt = 1j*A", complex_fields=("A",))
    solution = fs.solve(equation, {"A": torch.ones((), dtype=torch.complex128)}, t_span=(0, 1), rtol=1e-9)
    dataset = solution.to_xarray()
    dataset.to_netcdf(tmp_path / "s.nc")
    assert set(dataset.data_vars) >= {"A_re", "A_im"}
    assert dataset["A_im"].values[-1] == pytest.approx(0.8414709848, abs=1e-8)


def test_plain_functions_and_batches_have_datasets():
    solution = fs.solve(lambda t, y: -y, torch.ones(5, 3), t_span=(0, 1), batch_dims=1)
    assert solution.to_xarray()["y"].dims == ("time", "batch", "y_0")
    with pytest.raises(fs.OptionError, match=r"solution\.y"):
        solution["u"]


@pytest.mark.parametrize("dimension", [0, 1, 2, 3])
def test_plots(dimension, tmp_path):
    figure = solved(dimension).plot()
    figure.savefig(tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_animations(dimension, tmp_path):
    path = solved(dimension).animate(tmp_path / "a.gif", field="u")
    from PIL import Image

    with Image.open(path) as image:
        assert image.n_frames == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]  # no partial file is left


def test_picture_refusals(tmp_path):
    solution = solved(2)
    with pytest.raises(fs.OptionError, match="no field 'v'"):
        solution.plot(["v"])
    with pytest.raises(fs.OptionError, match=r"\.gif or \.mp4"):
        solution.animate(tmp_path / "a.avi")
    with pytest.raises(fs.OptionError, match="on a grid"):
        solved(0).animate(tmp_path / "a.gif")


def test_repr_says_what_happened():
    text = repr(solved(1))
    assert "all samples finished" in text
    assert "tsit5" in text
