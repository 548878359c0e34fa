"""Writes what an experiment found: numbers, figures, page; and prints its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fieldsolver.results import AnalysisResult

from .files import write_figure, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def deliver(
    folder: Path, result: AnalysisResult, figures: Mapping[str, Figure], table: Iterable[str], page: Iterable[str]
) -> Path:
    """Write result.nc, one PNG per figure and report.md into `folder`; return the report's path."""
    result.to_netcdf(folder / "result.nc")
    for name, figure in figures.items():
        write_figure(folder / f"{name}.png", figure)
    print("\n".join(table))
    print(result.reason)
    return write_text(folder / "report.md", "\n".join(page) + "\n")
