"""What every analysis returns: labelled numbers, a verdict out of a fixed list, and one sentence of reason."""

from __future__ import annotations

import datetime
import enum
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import FieldSolverError, FileFormatError

if TYPE_CHECKING:
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

    def plot(self) -> Figure:
        """Draw the result (matplotlib)."""
        try:
            plotter = _PLOTTERS[self.schema]
        except KeyError:
            raise FieldSolverError(f"no picture is defined for {self.schema!r} results") from None
        return plotter(self)

    def to_netcdf(self, path: str | os.PathLike[str]) -> Path:
        """Write the dataset, verdict included, to a netCDF file; the file appears whole or not at all."""
        return write_netcdf(self.dataset, path)

    @classmethod
    def from_netcdf(cls, path: str | os.PathLike[str]) -> AnalysisResult:
        """Read what `to_netcdf` wrote."""
        import xarray

        with xarray.open_dataset(path, engine="h5netcdf") as opened:
            dataset = opened.load()
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
