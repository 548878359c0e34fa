"""What `partition` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.results import AnalysisResult, VerdictNotReached, register_plot

from ..plots.partition import draw_partition
from .complete_greedy import objective_of, part_sums
from .weights import LARGEST, Weights, as_float

if TYPE_CHECKING:
    import xarray

SCHEMA = "partition/1"
register_plot(SCHEMA)(draw_partition)


class Partition(AnalysisResult):
    """An assignment of items to parts, and how good it is."""

    @property
    def assignment(self) -> np.ndarray:
        """The part of each item, ``(n,)`` int64; raises `VerdictNotReached` if no partition was found."""
        if "assignment" not in self.dataset:
            raise VerdictNotReached(f"there is no partition: {self.reason}")
        return np.asarray(self["assignment"].values)

    @property
    def parts(self) -> list[list[int]]:
        """The items of each part, in their order."""
        assignment = self.assignment
        return [np.flatnonzero(assignment == part).tolist() for part in range(self.dataset.sizes["part"])]

    @property
    def sums(self) -> list[int] | list[float]:
        """The sum of each part: exact integers where integers were given."""
        _ = self.assignment
        if "part_sum_exact" in self.dataset:
            return [int(text) for text in self["part_sum_exact"].values]
        return list(self["part_sum"].values.tolist())


def partition_dataset(
    weights: Weights, parts: int, objective: str, assignment: np.ndarray | None, bound: int, nodes: int
) -> xarray.Dataset:
    """Label a partition. Sums beyond int64 are kept as text besides their floats."""
    import xarray

    units = {"units": "1"}
    given = [weights.given(value) for value in weights.values]
    whole = weights.is_integer and weights.total < LARGEST
    coords = {
        "item": ("item", np.arange(len(given)), {**units, "long_name": "position of the weight"}),
        "part": ("part", np.arange(parts), {**units, "long_name": "part"}),
    }
    content: dict[str, Any] = {
        "weight": ("item", _numbers(given, whole), {**units, "long_name": "weight"}),
        "nodes": ((), nodes, {**units, "long_name": "nodes of the search"}),
    }
    attributes = {"objective": objective}
    if assignment is None:
        return xarray.Dataset(content, coords, attributes)
    sums = part_sums(weights.array(), assignment, parts)
    value = objective_of(sums, objective)
    sign = -1 if objective == "smallest" else 1
    content["assignment"] = ("item", assignment, {**units, "long_name": "part of the item"})
    content["part_sum"] = (
        "part",
        _numbers(list(map(weights.given, sums)), whole),
        {**units, "long_name": "sum of the part"},
    )
    content["part_count"] = (
        "part",
        np.bincount(assignment, minlength=parts),
        {**units, "long_name": "items of the part"},
    )
    if weights.is_integer and not whole:
        content["part_sum_exact"] = (
            "part",
            np.array([str(one) for one in sums]),
            {**units, "long_name": "sum, exactly"},
        )
    scalars = {
        "difference": (max(sums) - min(sums), "largest minus smallest sum"),
        "largest": (max(sums), "largest sum"),
        "smallest": (min(sums), "smallest sum"),
        "value": (sign * value, f"the objective: {objective}"),
        "lower_bound": (sign * bound, "no partition has a better value"),
        "gap": (value - bound, "distance of the value to the bound"),
    }
    for name, (number, meaning) in scalars.items():
        content[name] = ((), _numbers([weights.given(number)], whole)[0], {**units, "long_name": meaning})
    return xarray.Dataset(content, coords, attributes)


def _numbers(values: list[Any], whole: bool) -> np.ndarray:
    if whole:
        return np.array(values, dtype=np.int64)
    return np.array([value if isinstance(value, float) else as_float(value) for value in values], dtype=np.float64)
