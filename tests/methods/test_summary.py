"""What a list of methods shows of each."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fieldsolver.methods import METHODS, MethodSummary


@pytest.mark.parametrize("name", METHODS)
def test_every_method_describes_itself(name: str) -> None:
    method, summary = METHODS[name], METHODS[name].describe()
    assert isinstance(summary, MethodSummary)
    assert (summary.name, summary.order, summary.dense_order) == (name, method.order, method.interpolant_order)
    assert summary.evaluations == method.stages - int(method.fsal)
    assert (summary.embedded_order is None) == (method.error_order is None)
    assert summary.real_interval > 0 or name == "reversible_heun"  # whose region is an interval of the imaginary axis
    assert summary.real_interval + summary.imaginary_interval > 0


def test_the_numbers_of_dop853() -> None:
    summary = METHODS["dop853"].describe()
    assert (summary.order, summary.embedded_order, summary.dense_order) == (8, 5, 7)
    assert (summary.stages, summary.evaluations, summary.extra_stages, summary.fsal) == (13, 12, 3, True)
    assert summary.ssp_radius is None
    assert "Hairer" in summary.source


def test_only_what_is_asked_for_is_read() -> None:
    code = """
import sys
import fieldsolver.methods as methods
assert "vern9" in methods.METHODS and len(methods.METHODS) == len(list(methods.METHODS))
assert not [name for name in methods.METHODS if f"fieldsolver.methods.{name}" in sys.modules]
methods.get_method("vern9")
assert "fieldsolver.methods.vern9" in sys.modules and "fieldsolver.methods.vern7" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
