"""The benchmarks that `fieldsolver bench` knows: a new one is one file in this folder and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.results import AnalysisResult

from .comparison import Comparison
from .machine import machine_attributes
from .result import benchmark_result
from .settings import BenchSettings


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: a module with ``compare(settings: BenchSettings) -> list[Comparison]``, imported when it is run.

    Attributes:
        name: what it is called on the command line.
        module: its import path.
        description: one line for `fieldsolver list benchmarks` and the head of its page.
        packages: the other packages, whose versions are recorded; they may be absent.
    """

    name: str
    module: str
    description: str
    packages: tuple[str, ...] = ()

    def run(self, settings: BenchSettings) -> AnalysisResult:
        """Measure all cases; returns a result of schema ``benchmark/1``."""
        about = machine_attributes(settings, self.packages)  # before, or the load would be our own
        comparisons: Sequence[Comparison] = importlib.import_module(self.module).compare(settings)
        return benchmark_result(self.name, self.description, comparisons, about)


_ALL = (
    Benchmark(
        "ode",
        "fieldsolver.experiments.benchmarks.ode",
        "the eager torch loop: wall time against torchdiffeq, evaluations against SciPy",
        packages=("torchdiffeq", "scipy"),
    ),
    Benchmark(
        "train",
        "fieldsolver.experiments.benchmarks.training",
        "training steps: a neural ODE against torchdiffeq and diffrax, a convolution layer against F.conv2d",
        packages=("torchdiffeq", "diffrax", "jax"),
    ),
    Benchmark(
        "linking",
        "fieldsolver.experiments.benchmarks.linking",
        "linking numbers: the sum over all pairs of segments, and the one by moments, against limits and topoly",
        packages=("numba", "topoly"),
    ),
    Benchmark(
        "partition",
        "fieldsolver.experiments.benchmarks.partitioning",
        "partitions of numbers: differencing and complete differencing, against limits and prtpy",
        packages=("numba", "prtpy"),
    ),
)

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of that name; raises `OptionError` with the nearest one."""
    if name not in BENCHMARKS:
        raise OptionError(f"there is no benchmark {name!r}; known: {listing(BENCHMARKS)}{nearest(name, BENCHMARKS)}")
    return BENCHMARKS[name]
