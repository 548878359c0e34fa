"""Where results come from: attributes that files can hold, and a checksum of the inputs."""

from __future__ import annotations

import numpy as np
import torch

import fieldsolver as fs
from fieldsolver.analysis.provenance import Provenance


def decay(rate: float) -> fs.FieldEquation:
    return fs.FieldEquation("du/dt = -a*u", parameters={"a": rate})


def test_attributes_can_be_written() -> None:
    attributes = Provenance(decay(1.0), torch.zeros(1), method="rk4", fine=True, dt=None).attributes(nfev=3)
    assert attributes["equation"] == "du/dt = -a*u"
    assert (attributes["dtype"], attributes["device"], attributes["method"], attributes["fine"]) == (
        "float32", "cpu", "rk4", 1,
    )  # fmt: skip
    assert "dt" not in attributes
    assert attributes["nfev"] == 3
    assert attributes["wall_time_s"] >= 0
    assert all(isinstance(value, (int, float, str)) and not isinstance(value, bool) for value in attributes.values())


def test_the_checksum_sees_every_input() -> None:
    state = torch.arange(6.0).reshape(2, 3)

    def checksum(equation: fs.FieldEquation, y: torch.Tensor, **options: object) -> str:
        return Provenance(equation, y, **options).attributes()["inputs_sha256"]

    sums = {
        checksum(decay(1.0), state),
        checksum(decay(1.5), state),
        checksum(decay(1.0), state + 1),
        checksum(decay(1.0), state.reshape(3, 2)),
        checksum(decay(1.0), state.double()),
        checksum(decay(1.0), state, dt=0.1),
    }
    assert len(sums) == 6
    assert checksum(decay(1.0), state.clone()) in sums


def test_states_that_do_not_lie_in_a_row() -> None:
    state = torch.from_numpy(np.arange(6.0).reshape(2, 3))
    turned = state.T.contiguous().T
    one, two = (Provenance(decay(1.0), y).attributes()["inputs_sha256"] for y in (state, turned))
    assert one == two
    Provenance(decay(1.0), torch.tensor([1 + 2j]).conj())
