"""Joules that a call takes, as the machine counts them. A machine that does not count says so; nothing is estimated.

Two counters are known: the processor's running average power limit (RAPL), which Linux shows under
``/sys/class/powercap``, and NVIDIA's management library. Both count the whole device, everybody's work on it included.

Sources: the Linux kernel, Documentation/power/powercap/powercap.rst; NVML's nvmlDeviceGetTotalEnergyConsumption.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from fieldsolver.errors import OptionError

POWERCAP = Path("/sys/class/powercap")
LEAST_SECONDS = 1.0
"""Counters of processors move every millisecond, those of GPUs every 20 to 100."""


class Meter(Protocol):
    """A counter of energy."""

    @property
    def name(self) -> str:
        """What is counted."""

    def count(self) -> int:
        """The counter at this moment."""

    def joules(self, before: int, after: int) -> float:
        """Between two counts."""


@dataclass(frozen=True)
class RaplZone:
    """A zone of the processor: ``energy_uj`` counts microjoules and begins again at 0 after ``max_energy_range_uj``.

    Between two counts it may begin again once, which takes a processor of 100 W about 40 minutes.
    """

    name: str
    folder: Path
    range_uj: int

    def count(self) -> int:
        """Microjoules."""
        return int((self.folder / "energy_uj").read_text(encoding="ascii"))

    def joules(self, before: int, after: int) -> float:
        """Between two counts, over the end of the counter where it began again."""
        return (after - before if after >= before else after + self.range_uj - before) / 1e6


@dataclass(frozen=True)
class CudaDevice:
    """A GPU, Volta or newer: millijoules since its driver was loaded."""

    name: str
    library: Any
    handle: Any
    device: int

    def count(self) -> int:
        """Millijoules, when everything that was asked of the device is done."""
        torch.cuda.synchronize(self.device)
        return int(self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle))

    def joules(self, before: int, after: int) -> float:
        """Between two counts."""
        return (after - before) / 1e3


@dataclass(frozen=True)
class Energy:
    """What one call took.

    Attributes:
        joules: of all counters together.
        seconds: of the same call.
        sources: what was counted.
    """

    joules: float
    seconds: float
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Meters:
    """The counters of this machine.

    Attributes:
        found: those that can be read.
        missing: why there are no others, one sentence for each kind.
    """

    found: tuple[Meter, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        if self.found:
            return f"energy is counted by {', '.join(meter.name for meter in self.found)}"
        return f"this machine reports no energy: {'; '.join(self.missing)}"


def energy_meters(powercap: Path = POWERCAP) -> Meters:
    """The counters that can be read here: packages of processors, their memory, and NVIDIA's GPUs."""
    zones, no_zones = _zones(powercap)
    devices, no_devices = _devices()
    return Meters((*zones, *devices), tuple(why for why in (no_zones, no_devices) if why))


def joules_of(
    call: Callable[[], object], meters: Sequence[Meter] | None = None, *, least_seconds: float = LEAST_SECONDS
) -> Energy | None:
    """Joules and seconds of one call, the mean over as many as fit into `least_seconds`, one at least.

    None: this machine has no counter that can be read, or none that moved; `energy_meters` says why.

    Args:
        call: what is measured; it has been called before, if its first call is another one.
        meters: None: all of this machine.
        least_seconds: counters that move in steps need some time.

    Raises:
        OptionError: less than no time.
    """
    if not least_seconds >= 0:
        raise OptionError(f"least_seconds is a time of at least 0, got {least_seconds!r}")
    counters = energy_meters().found if meters is None else tuple(meters)
    if not counters:
        return None
    before, started, calls = [meter.count() for meter in counters], time.perf_counter(), 0
    while not calls or time.perf_counter() - started < least_seconds:
        call()
        calls += 1
    after = [meter.count() for meter in counters]
    seconds = time.perf_counter() - started
    parts = [meter.joules(*ends) for meter, *ends in zip(counters, before, after, strict=True)]
    if not any(parts):  # some virtual machines show counters that stand still
        return None
    return Energy(sum(parts) / calls, seconds / calls, tuple(meter.name for meter in counters))


def _zones(powercap: Path) -> tuple[list[RaplZone], str]:
    """Packages and their memory: cores are within packages, and "psys" contains them."""
    found, closed = [], []
    for folder in sorted(powercap.glob("intel-rapl:*")):  # AMD's processors have the same names
        try:
            name = (folder / "name").read_text(encoding="ascii").strip()
            if not (name.startswith("package") or name == "dram"):
                continue
            zone = RaplZone(f"{name} ({folder.name})", folder, int((folder / "max_energy_range_uj").read_text()))
            zone.count()
        except PermissionError:
            closed.append(folder.name)
        except (OSError, ValueError) as error:
            closed.append(f"{folder.name} ({error})")
        else:
            found.append(zone)
    if closed:
        return found, f"{', '.join(closed)} in {powercap} cannot be read, which often only root may"
    return found, "" if found else f"there is no counter of a processor (intel-rapl) in {powercap}"


def _devices() -> tuple[list[CudaDevice], str]:
    if not torch.cuda.is_available() or torch.version.cuda is None:
        return [], "there is no NVIDIA GPU"
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        return [], "NVIDIA's library is not installed: pip install nvidia-ml-py"
    try:
        library.nvmlInit()
        return [_device(library, number) for number in range(torch.cuda.device_count())], ""
    except library.NVMLError as error:
        return [], f"NVIDIA's library counts no energy: {error}"


def _device(library: Any, number: int) -> CudaDevice:
    """By its unique name: the library does not know which devices this program was given."""
    properties = torch.cuda.get_device_properties(number)
    handle = library.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
    device = CudaDevice(f"{properties.name} (cuda:{number})", library, handle, number)
    device.count()
    return device
