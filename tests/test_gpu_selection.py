"""`make test-gpu` runs the tests that take a device, those of gradients among them, and says so without a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def selected(*files: str) -> list[str]:
    """The tests of these files that run on another device."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "FIELDSOLVER_TEST_DEVICE": "cuda"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_only_tests_that_take_a_device_are_run() -> None:
    found = selected("tests/gradients/test_on_device.py", "tests/testing/test_comparison.py")
    assert len(found) == 6
    assert all("test_on_device.py::" in name for name in found)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_without_a_gpu_it_stops_before_the_tests_and_says_why() -> None:
    # A make around this one would print more lines, and pass its own options on.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
    command = ["make", "-n", "--no-print-directory", "test-gpu"]
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    *before, question, run = printed.strip().splitlines()
    assert "torch.cuda.is_available()" in question
    assert run.startswith("FIELDSOLVER_TEST_DEVICE=cuda ")
    assert not any("pytest" in line for line in before)
    code = question.split("-c ", 1)[1].strip("'")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "make test-gpu: torch finds no CUDA device here"
