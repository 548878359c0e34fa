"""What every analysis returns: labelled numbers, a verdict out of a fixed list, and one sentence of reason."""

from __future__ import annotations

import datetime
import enum
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import FieldSolverError, FileFormatError, MissingDependencyError, OptionError, listing, nearest
from fieldsolver.themes import drawn_in

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure


class Verdict(enum.StrEnum):
    """How an analysis or a certified kernel ended."""

    PROVED = "proved"
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    PRE_ASYMPTOTIC = "pre-asymptotic"
    ROUNDOFF_LIMITED = "round-off limited"
    ORDER_REDUCTION = "order reduction"
    NOT_APPLICABLE = "not applicable"
    NOT_FOUND = "not found"
    DEGENERATE = "degenerate"
    UNRESOLVED = "unresolved"
    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    TIMEOUT = "timeout"

    @property
    def holds(self) -> bool:
        """True when the claim that was examined is supported."""
        return self in (Verdict.PROVED, Verdict.PASS, Verdict.OPTIMAL)


class VerdictNotReached(FieldSolverError, AssertionError):
    """`AnalysisResult.assert_pass` was called on a result that does not hold."""


Plotter = Callable[["AnalysisResult"], "Figure"]
_PLOTTERS: dict[str, Plotter] = {}


def register_plot(schema: str) -> Callable[[Plotter], Plotter]:
    """Register the function that draws results of one schema (``"convergence/1"``)."""

    def register(plotter: Plotter) -> Plotter:
        _PLOTTERS[schema] = plotter
        return plotter

    return register


class AnalysisResult:
    """An xarray Dataset with a verdict.

    Args:
        dataset: variables with `units` and `long_name` attributes.
        status: the verdict.
        reason: one sentence that justifies it.
        schema: name and version of the layout, such as ``"energy/1"``.
        provenance: further attributes of the dataset (dtype, method, nfev, ...).
    """

    def __init__(
        self,
        dataset: xarray.Dataset,
        status: Verdict,
        reason: str,
        schema: str,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        self.status = Verdict(status)
        self.reason = reason
        self.schema = schema
        self.dataset = dataset.assign_attrs(
            {**dataset.attrs, **provenance_attributes(), **(provenance or {})},
            schema=schema,
            status=self.status.value,
            reason=reason,
        )

    def __getitem__(self, name: str) -> xarray.DataArray:
        return self.dataset[name]

    def __repr__(self) -> str:
        return f"<{self.schema}: {self.status.name}: {self.reason}>"

    def assert_pass(self) -> AnalysisResult:
        """Return self, or raise `VerdictNotReached` with the reason."""
        if not self.status.holds:
            raise VerdictNotReached(f"{self.schema} is {self.status.name}: {self.reason}")
        return self

    @property
    def has_picture(self) -> bool:
        """Whether `plot` knows results of this schema."""
        return self.schema in _PLOTTERS

    def plot(self, theme: str = "light") -> Figure:
        """Draw the result (matplotlib), in the theme ``"light"`` or ``"dark"``."""
        try:
            plotter = _PLOTTERS[self.schema]
        except KeyError:
            raise FieldSolverError(f"no picture is defined for {self.schema!r} results") from None
        with drawn_in(theme):
            return plotter(self)

    def to_dataframe(self, *dims: str) -> pandas.DataFrame:
        """The variables over `dims` as a table, a row for each entry; scalars and longer variables are left out.

        Args:
            *dims: names of dimensions; none takes those of the first variable that has any.

        Raises:
            OptionError: there is no such dimension.
        """
        known = tuple(map(str, self.dataset.dims))
        first = next((data.dims for data in self.dataset.data_vars.values() if data.dims), ())
        wanted = dims or tuple(map(str, first))
        if unknown := [name for name in wanted if name not in known]:
            raise OptionError(
                f"the result has no dimension {unknown[0]!r}; it has {listing(known)}{nearest(unknown[0], known)}"
            )
        kept = [name for name, data in self.dataset.data_vars.items() if data.dims and {*data.dims} <= {*wanted}]
        return self.dataset[kept].to_dataframe()

    def to_zarr(self, path: str | os.PathLike[str]) -> Path:
        """Write the dataset, verdict included, to a zarr store; the store appears whole or not at all.

        Raises:
            MissingDependencyError: zarr is not installed.
        """
        return write_zarr(self.dataset, path)

    def to_netcdf(self, path: str | os.PathLike[str]) -> Path:
        """Write the dataset, verdict included, to a netCDF file; the file appears whole or not at all."""
        return write_netcdf(self.dataset, path)

    @classmethod
    def from_netcdf(cls, path: str | os.PathLike[str]) -> AnalysisResult:
        """Read what `to_netcdf` wrote."""
        import xarray

        with xarray.open_dataset(path, engine="h5netcdf") as opened:
            return cls._read(opened.load(), path)

    @classmethod
    def from_zarr(cls, path: str | os.PathLike[str]) -> AnalysisResult:
        """Read what `to_zarr` wrote."""
        import xarray

        _needs_zarr()
        with xarray.open_zarr(path, consolidated=False) as opened:
            return cls._read(opened.load(), path)

    @classmethod
    def _read(cls, dataset: xarray.Dataset, path: str | os.PathLike[str]) -> AnalysisResult:
        missing = [name for name in ("schema", "status", "reason") if name not in dataset.attrs]
        if missing:
            raise FileFormatError(f"{path} is not a saved analysis: it lacks the attribute {missing[0]!r}")
        recorded = {k: v for k, v in dataset.attrs.items() if k in ("created", "package_version")}
        return cls(
            dataset,
            Verdict(dataset.attrs["status"]),
            dataset.attrs["reason"],
            dataset.attrs["schema"],
            recorded,
        )


def provenance_attributes() -> dict[str, str]:
    """Attributes that tell where a result came from."""
    from fieldsolver._version import __version__

    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "package_version": __version__,
    }


def write_netcdf(dataset: xarray.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write to a temporary name beside `path`, then rename, so that no half-written file is ever left.

    The format keeps slashes for its groups: the velocity ``du/dt`` is written as ``du_dt``.
    """
    path = Path(path)
    dataset = dataset.rename({name: str(name).replace("/", "_") for name in (*dataset.variables, *dataset.dims)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        dataset.to_netcdf(temporary, engine="h5netcdf")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_zarr(dataset: xarray.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a zarr store under a temporary name, then rename; an earlier store of that name is replaced.

    Raises:
        MissingDependencyError: zarr is not installed.
        OptionError: `path` is a file, or a folder that is no zarr store.
    """
    _needs_zarr()
    path = Path(path)
    if path.exists() and not (path / ".zgroup").exists():
        raise OptionError(f"{path} exists and is no zarr store; choose another name")
    dataset = dataset.rename({name: str(name).replace("/", "_") for name in (*dataset.variables, *dataset.dims)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        dataset.to_zarr(temporary, consolidated=False, mode="w", zarr_format=2)  # 3 has no fixed-length text
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def _needs_zarr() -> None:
    try:
        import zarr  # noqa: F401  # only asks whether it is there
    except ImportError:
        raise MissingDependencyError("zarr stores need the package 'zarr'; pip install 'fieldsolver[zarr]'") from None
