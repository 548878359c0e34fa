"""`fieldsolver bench`: runs benchmarks one after the other, prints their pages and keeps their numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult

from .benchmarks import BENCHMARKS, Benchmark, BenchSettings, find_benchmark
from .files import writable_folder, write_text

if TYPE_CHECKING:
    import xarray

SUFFIXES = (".nc", ".json")


def run_benchmarks(
    names: Sequence[str], settings: BenchSettings, output: Path | None = None
) -> Iterator[tuple[AnalysisResult, Path | None]]:
    """Yield the result of each benchmark, and the file that it was written to.

    Args:
        names: which; none means all.
        settings: how to measure.
        output: ``.nc`` or ``.json``; with several benchmarks the name of each is put before the suffix.

    Raises:
        OptionError: a name or the suffix is unknown, or the folder cannot be written; before anything is measured.
    """
    chosen = [find_benchmark(name) for name in dict.fromkeys(names or BENCHMARKS)]
    if output is not None:
        check_output(output)
    return (_measured(item, settings, _path(output, item.name, len(chosen))) for item in chosen)


def check_output(path: Path) -> None:
    """Refuse a file that could not be written in the end."""
    if path.suffix not in SUFFIXES:
        raise OptionError(f"--output ends in {' or '.join(SUFFIXES)}, got {str(path)!r}")
    writable_folder(path.parent, option="--output")


def write_result(result: AnalysisResult, path: Path) -> Path:
    """Write netCDF or JSON, by the suffix; the file appears whole or not at all."""
    if path.suffix == ".nc":
        return result.to_netcdf(path)
    return write_text(path, json.dumps(as_json(result), indent=2, allow_nan=False) + "\n")


def as_json(result: AnalysisResult) -> dict[str, Any]:
    """Attributes, and a list of cases with a table for each side; null where there is no number."""
    dataset = result.dataset
    attributes = {str(name): _plain(value) for name, value in dataset.attrs.items()}
    return {**attributes, "cases": [_case(dataset.sel(case=name)) for name in dataset["case"].values]}


def _measured(benchmark: Benchmark, settings: BenchSettings, path: Path | None) -> tuple[AnalysisResult, Path | None]:
    result = benchmark.run(settings)
    return result, None if path is None else write_result(result, path)


def _path(output: Path | None, name: str, count: int) -> Path | None:
    return output if output is None or count == 1 else output.with_stem(f"{output.stem}-{name}")


def _case(case: xarray.Dataset) -> dict[str, Any]:
    whole: dict[str, Any] = {"case": str(case["case"].item())}
    whole |= {str(name): _plain(value.values.tolist()) for name, value in case.items() if "side" not in value.dims}
    for side in case["side"].values:
        part = case.sel(side=side)
        whole[str(side)] = {str(name): _plain(part[name].values.tolist()) for name in case if "side" in case[name].dims}
    return whole


def _plain(value: Any) -> Any:
    """What JSON can say: NaN is none of its numbers."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
