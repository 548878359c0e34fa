"""What every analysis returns: its files, its tables, its pictures."""

from __future__ import annotations

import numpy as np
import pytest
import xarray

from fieldsolver.analysis import convergence
from fieldsolver.errors import FieldSolverError, OptionError
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.themes import THEMES


@pytest.fixture
def ladder() -> AnalysisResult:
    return convergence(lambda h: h**2, [0.4, 0.2, 0.1, 0.05], expected=2)


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_files_give_back_what_they_got(ladder: AnalysisResult, tmp_path, kind: str) -> None:
    path = tmp_path / f"ladder.{kind}"
    for _ in range(2):  # the second replaces the first
        assert getattr(ladder, f"to_{kind}")(path) == path
    again = getattr(AnalysisResult, f"from_{kind}")(path)
    xarray.testing.assert_identical(again.dataset.drop_attrs(), ladder.dataset.drop_attrs())
    assert (again.status, again.reason, again.schema) == (ladder.status, ladder.reason, ladder.schema)
    assert again.dataset.attrs["created"] == ladder.dataset.attrs["created"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_zarr_store_never_replaces_another_folder(ladder: AnalysisResult, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OptionError, match="is no zarr store"):
        ladder.to_zarr(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_tables_have_a_row_per_level(ladder: AnalysisResult) -> None:
    table = ladder.to_dataframe()
    assert len(table) == 4
    np.testing.assert_allclose(table["error"], [0.16, 0.04, 0.01, 0.0025])
    assert "order" not in table  # a scalar
    assert [*ladder.to_dataframe("candidate").columns] == ["aicc"]
    with pytest.raises(OptionError, match=r"no dimension 'levle'.*did you mean 'level'"):
        ladder.to_dataframe("levle")


def test_themes_differ_and_leave_no_trace(ladder: AnalysisResult) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    pages = {matplotlib.colors.to_hex(ladder.plot(theme).get_facecolor()) for theme in THEMES}
    assert len(pages) == len(THEMES) == 2
    assert dict(matplotlib.rcParams) == before
    with pytest.raises(OptionError, match="theme is one of"):
        ladder.plot("drak")


def test_a_result_without_a_picture_says_so() -> None:
    with pytest.raises(FieldSolverError, match="no picture"):
        AnalysisResult(xarray.Dataset(), Verdict.PASS, "well", "nothing/1").plot()
