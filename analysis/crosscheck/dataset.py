"""The labelled table of a cross-check."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from .engines import Engine, EngineRun
from .verdict import EngineVerdict

if TYPE_CHECKING:
    import xarray


def dataset(
    engines: Sequence[Engine],
    runs: Sequence[Sequence[EngineRun]],
    tolerances: np.ndarray,
    difference: np.ndarray,
    judged: np.ndarray,
    verdicts: Sequence[EngineVerdict],
) -> xarray.Dataset:
    """What depends on engine or tolerance; everything is a pure number."""
    import xarray

    both, engine, tolerance = ("engine", "tolerance"), ("engine",), ("tolerance",)
    evaluations = np.array([[run.nfev for run in row] for row in runs], dtype=np.int64)
    variables = {
        "difference": (both, difference, "largest of |y - reference| / (scale + |reference|)"),
        "in_tolerances": (both, difference / tolerances, "difference in tolerances"),
        "nfev": (both, evaluations, "evaluations of the right-hand side"),
        "judged": (tolerance, judged.astype(np.int8), "1 where the bound is small enough to be one"),
        "slope": (engine, [row.slope for row in verdicts], "slope of the difference over the tolerance"),
        "verdict": (engine, [row.verdict.value for row in verdicts], "verdict of the engine"),
        "note": (engine, [row.note for row in verdicts], "why"),
        "family": (engine, [e.family for e in engines], "engines of one family share code"),
    }
    coords = {
        "engine": (engine, [e.name for e in engines], _label("engine")),
        "tolerance": (tolerance, tolerances, _label("relative tolerance")),
    }
    return xarray.Dataset({k: (dims, values, _label(name)) for k, (dims, values, name) in variables.items()}, coords)


def scalar(value: float, name: str) -> tuple[tuple[()], float, dict[str, str]]:
    """A number without dimensions."""
    return (), value, _label(name)


def versions() -> dict[str, str]:
    """Of the packages that the engines come from."""
    found = {}
    for package in ("scipy", "torch", "torchdiffeq"):
        try:
            found[f"{package}_version"] = version(package)
        except PackageNotFoundError:
            found[f"{package}_version"] = "not installed"
    return found


def _label(name: str) -> dict[str, str]:
    return {"units": "1", "long_name": name}
