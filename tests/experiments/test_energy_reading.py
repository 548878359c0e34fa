"""Energy is read from counters, over their end too; a machine without counters says so."""

import sys
import types

import pytest
import torch

from fieldsolver.errors import OptionError
from fieldsolver.experiments.energy_reading import energy_meters, joules_of
from fieldsolver.experiments.reproductions import energy_of_a_text

RANGE = 262_143_328_850


def zone(folder, name, energy, range_uj=RANGE):
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return folder


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Two packages, one with memory; cores and psys would count the same energy twice."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    zones = {
        "package": zone(tmp_path / "intel-rapl:0", "package-0", 1_000_000),
        "core": zone(tmp_path / "intel-rapl:0:0", "core", 0),
        "dram": zone(tmp_path / "intel-rapl:0:1", "dram", 5),
        "second": zone(tmp_path / "intel-rapl:1", "package-1", RANGE - 500_000),
        "psys": zone(tmp_path / "intel-rapl:2", "psys", 0),
        "copy": zone(tmp_path / "intel-rapl-mmio:0", "package-0", 0),
    }
    return tmp_path, zones


def test_joules_of_a_call_over_the_end_of_a_counter(machine):
    folder, zones = machine
    meters = energy_meters(folder)
    assert [meter.name.partition(" ")[0] for meter in meters.found] == ["package-0", "dram", "package-1"]

    def work():
        for name, value in {"package": 4_000_000, "dram": 250_005, "second": 1_500_000, "core": 9**9, "psys": 9**9,
                            "copy": 9**9}.items():  # fmt: skip
            (zones[name] / "energy_uj").write_text(str(value))

    found = joules_of(work, meters.found, least_seconds=0)
    assert found is not None
    assert found.joules == pytest.approx(3 + 0.25 + 2)
    assert found.seconds > 0
    assert len(found.sources) == 3


def test_calls_are_repeated_and_averaged(machine, monkeypatch):
    folder, zones = machine
    clock = iter([0.0, 0.4, 0.8, 1.2, 1.3])
    monkeypatch.setattr("fieldsolver.experiments.energy_reading.time.perf_counter", lambda: next(clock))
    calls = []

    def work():
        calls.append(1)
        (zones["package"] / "energy_uj").write_text(str(1_000_000 + 2_000_000 * len(calls)))

    found = joules_of(work, energy_meters(folder).found, least_seconds=1.0)
    assert found is not None
    assert len(calls) == 3
    assert found.joules == pytest.approx(2.0)
    assert found.seconds == pytest.approx(1.3 / 3)
    with pytest.raises(OptionError, match="at least 0, got -1"):
        joules_of(work, (), least_seconds=-1)


def test_nothing_is_guessed(machine, tmp_path, monkeypatch):
    folder, zones = machine
    assert joules_of(lambda: None, energy_meters(folder).found, least_seconds=0) is None  # counters that stand still
    empty = energy_meters(tmp_path / "none")
    assert joules_of(lambda: None, empty.found) is None
    assert str(empty).startswith("this machine reports no energy: there is no counter of a processor (intel-rapl) in ")
    assert "no NVIDIA GPU" in str(empty)
    (zones["package"] / "energy_uj").unlink()
    (zones["dram"] / "energy_uj").write_text("?")
    (zones["second"] / "max_energy_range_uj").unlink()
    broken = energy_meters(folder)
    assert not broken.found
    assert "intel-rapl:0" in str(broken)
    assert "intel-rapl:0:1" in str(broken)


def test_the_gpu_is_found_by_its_name_and_waited_for(monkeypatch, tmp_path):
    counts, waited = iter([10_000, 10_000, 12_500]), []
    nvml = types.SimpleNamespace(
        NVMLError=RuntimeError, nvmlInit=lambda: None, nvmlDeviceGetHandleByUUID=lambda name: name,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(counts),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    for name, value in {
        "is_available": lambda: True, "device_count": lambda: 1, "synchronize": waited.append,
        "get_device_properties": lambda number: types.SimpleNamespace(uuid="ab-cd", name="A GPU"),
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    meters = energy_meters(tmp_path).found
    assert [(meter.name, meter.handle) for meter in meters] == [("A GPU (cuda:0)", "GPU-ab-cd")]
    found = joules_of(lambda: None, meters, least_seconds=0)
    assert found is not None
    assert found.joules == pytest.approx(2.5)
    assert waited == [0, 0, 0]
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "pip install nvidia-ml-py" in str(energy_meters(tmp_path))


def test_operations_stand_beside_joules(machine):
    folder, zones = machine
    counter = zones["package"] / "energy_uj"

    def work():
        counter.write_text(str(int(counter.read_text()) + 500_000))

    meters = energy_meters(folder)
    found = energy_of_a_text.measured((16, 32, 48), meters, least_seconds=0.0, also=work)
    assert all(value == 0.5 for values in found["joules"].values() for value in values)
    for name, per_size in found["macs"].items():
        first, second = per_size[1] - per_size[0], per_size[2] - per_size[1]
        assert second > first if name.startswith("transformer") else second == first
    text = "\n".join(energy_of_a_text.lines(found))
    assert "| 32 |" in text
    assert "package-0" in text
    none = energy_of_a_text.measured((16,), energy_meters(folder / "none"), least_seconds=0.0)
    said = "\n".join(energy_of_a_text.lines(none))
    assert "reports no energy" in said
    assert "joules" not in said.partition("| tokens")[2]
