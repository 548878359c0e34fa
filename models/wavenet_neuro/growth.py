"""How large the field of each text of a batch becomes over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fieldsolver.errors import SolveFailed
from fieldsolver.results import AnalysisResult, Verdict

from .dynamics import FieldDynamics
from .over_time import over_time, problems

if TYPE_CHECKING:
    from .model import WaveNetNeuro

SCHEMA = "field-growth/1"


def growth(model: WaveNetNeuro, ids: Tensor, mask: Tensor | None = None, *, saves: int = 21) -> AnalysisResult:
    """Schema ``field-growth/1``: the largest absolute value of every text's field at equidistant times.

    Variables: ``size`` (time, text), not finite from where a field overflowed; ``tokens`` (text). FAIL: one is larger
    than the configuration's `overflow`, or not finite.

    Args:
        model: with ``variant="field"``.
        ids: (B, N) token ids.
        mask: bool (B, N), the real tokens; None: all.
        saves: number of times, at least 2.

    Raises:
        OptionError: a variant that is no declared field, or no time passes.
    """
    import xarray

    with torch.no_grad():
        dynamics, vectors, inside = model.prepared(ids, mask)
        times, found = sizes_over_time(dynamics, vectors, inside, saves)
    limit = model.config.overflow or float("inf")
    fine = (found <= limit) & torch.isfinite(found)  # of NaN false
    named: dict[str, Any] = {
        "size": (("time", "text"), found.double().cpu().numpy(),
                 {"units": "1", "long_name": "largest absolute value of the field"}),
        "tokens": (("text",), inside.sum(1).cpu().numpy(), {"units": "1", "long_name": "tokens of the text"}),
    }  # fmt: skip
    over = {"time": ("time", times.cpu().numpy(), {"units": "1", "long_name": "time"})}
    status = Verdict.PASS if bool(fine.all()) else Verdict.FAIL
    return AnalysisResult(xarray.Dataset(named, over), status, _reason(times, found, fine, limit), SCHEMA)


def sizes_over_time(dynamics: FieldDynamics, vectors: Tensor, mask: Tensor, saves: int) -> tuple[Tensor, Tensor]:
    """Times (T,) and the largest absolute value of each text's field, (T, B), for token vectors (B, N, C).

    Runs that failed leave NaN where they did not arrive.
    """
    found = vectors.new_zeros(saves, len(vectors))
    times = torch.empty(0)
    for rows, problem in problems(dynamics, vectors, mask):
        try:
            solution = over_time(problem, dynamics.config.duration, saves)
        except SolveFailed as failed:
            solution = failed.solution
        tokens = [problem[1].collect(state, vectors.shape[1]).abs().amax((1, 2)) for state in solution.y]
        times, found[:, rows] = solution.t, torch.stack(tokens).to(found)
    return times, found


def _reason(times: Tensor, found: Tensor, fine: Tensor, limit: float) -> str:
    if bool(fine.all()):
        return f"no field of {found.shape[1]} texts is larger than {float(found.max()):.3g}, started at {_start(found)}"
    first = int((~fine).any(1).nonzero()[0])
    texts = (~fine).any(0).nonzero().flatten().tolist()
    return (
        f"{len(texts)} of {found.shape[1]} texts grow beyond {limit:g} or all numbers, text {texts[0]} among them; the "
        f"first by t = {float(times[first]):.3g}, started at {_start(found)}"
    )


def _start(found: Tensor) -> str:
    return f"{float(found[0].max()):.3g}"
