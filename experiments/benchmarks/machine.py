"""Where a benchmark ran, and under which policy: without these a time means nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .settings import BenchSettings

NOT_INSTALLED = "not installed"
CPU_INFO = Path("/proc/cpuinfo")


def machine_attributes(settings: BenchSettings, packages: Sequence[str] = ()) -> dict[str, str | int | float]:
    """Processor, cores, versions, threads and load, as attributes of a dataset."""
    import torch

    known = {"python": platform.python_version(), "torch": torch.__version__}
    versions = {**known, **{name: package_version(name) for name in packages}}
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count() or 0,
        "load_average": _load(),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "torch_threads": settings.threads,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "repeats": settings.repeats,
    }


def package_version(distribution: str) -> str:
    """The installed version, or ``"not installed"``."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return NOT_INSTALLED


def processor() -> str:
    """The model's name; Python knows it on few systems."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _load() -> float:
    """Processes that wanted to run in the last minute; NaN where the system does not say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return float("nan")
