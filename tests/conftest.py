"""What every test runs under: one torch thread a process, reproducible Hypothesis examples, a chosen device.

Environment variables:
    HYPOTHESIS_PROFILE: ``ci`` (default: the same examples every time) or ``explore`` (new ones, and more).
    FIELDSOLVER_TEST_DEVICE: what the `device` fixture returns; with anything but ``cpu`` only the tests that
        take the fixture, or are marked ``gpu``, are run.
    FIELDSOLVER_TYPECHECK: ``1``, or the names of packages: check jaxtyping annotations at run time (slower).
"""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")

if _typechecked := os.environ.get("FIELDSOLVER_TYPECHECK"):
    from jaxtyping import install_import_hook  # before fieldsolver is imported

    _packages = ["fieldsolver"] if _typechecked == "1" else _typechecked.split(",")
    install_import_hook(_packages, "beartype.beartype")

import hypothesis
import pytest
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

DEVICE = torch.device(os.environ.get("FIELDSOLVER_TEST_DEVICE", "cpu"))


@pytest.fixture
def device() -> torch.device:
    """The device under test: take it in every test that means the same on CUDA."""
    return DEVICE


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if DEVICE.type != "cpu":
        kept = [i for i in items if "device" in getattr(i, "fixturenames", ()) or i.get_closest_marker("gpu")]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    elif not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs CUDA"))
