"""Benchmarks: what is measured, how, against whom, and which ratio is asked for; one file each."""

from .comparison import Comparison, Measurement, Quantity
from .machine import machine_attributes
from .registry import BENCHMARKS, Benchmark, find_benchmark
from .result import benchmark_result
from .settings import BenchSettings
from .timing import measure_alternately

__all__ = [
    "BENCHMARKS",
    "BenchSettings",
    "Benchmark",
    "Comparison",
    "Measurement",
    "Quantity",
    "benchmark_result",
    "find_benchmark",
    "machine_attributes",
    "measure_alternately",
]
