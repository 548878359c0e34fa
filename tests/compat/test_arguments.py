"""What is refused: in one sentence, and with the type that torchdiffeq raises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.compat.method_names import IMPLICIT, NAMES
from fieldsolver.errors import OptionError, StateError

F64 = torch.float64
T = torch.tensor([0.0, 1.0], dtype=F64)
Y0 = torch.ones(2, dtype=F64)


def decay(t: Tensor, y: Any) -> Any:
    return tuple(-part for part in y) if isinstance(y, tuple) else -y


@pytest.mark.parametrize(
    ("y0", "t", "error"),
    [
        (Y0, [0.0, 1.0], AssertionError),
        (Y0, torch.tensor([0, 1]), TypeError),
        (Y0, T[None], AssertionError),
        (Y0, torch.tensor([0.0, 1.0, 1.0]), AssertionError),
        (Y0, torch.tensor([0.0, 1.0, 0.5]), AssertionError),
        ([Y0, Y0], T, AssertionError),
        (1.0, T, AssertionError),
    ],
    ids=["list", "integers", "matrix", "repeated", "turns", "list of tensors", "number"],
)
def test_states_and_times(y0: Any, t: Any, error: type[Exception]) -> None:
    """The errors are OptionErrors and so ValueErrors, and of torchdiffeq's type."""
    for odeint in (fs.odeint, torchdiffeq.odeint):
        with pytest.raises(error) as caught:
            odeint(decay, y0, t)
        if odeint is fs.odeint:
            assert isinstance(caught.value, OptionError | ValueError)
            assert len(str(caught.value)) > 20


@pytest.mark.parametrize("name", ["dopri", "RK4", "", 5])
def test_unknown_methods(name: Any) -> None:
    for odeint in (fs.odeint, torchdiffeq.odeint):
        with pytest.raises(ValueError, match="dopri5"):
            odeint(decay, Y0, T, method=name)


@pytest.mark.parametrize("name", IMPLICIT)
def test_implicit_methods_of_later_versions(name: str) -> None:
    with pytest.raises(OptionError, match="no stiff methods"):
        fs.odeint(decay, Y0, T, method=name)


def test_every_method_of_torchdiffeq_is_there() -> None:
    from torchdiffeq._impl.odeint import SOLVERS

    assert set(NAMES) == set(SOLVERS)


@pytest.mark.parametrize(
    ("tolerances", "match"),
    [
        ({"rtol": (1e-3, 1e-3, 1e-3)}, "shape"),
        ({"atol": torch.ones(3)}, "shape"),
        ({"atol": torch.tensor(1e-3, requires_grad=True)}, "gradient"),
        ({"rtol": -1.0}, "negative"),
        ({"rtol": 0.0, "atol": 0.0}, "positive"),
    ],
    ids=["tuple", "shape", "gradient", "negative", "zero"],
)
def test_tolerances(tolerances: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        fs.odeint(decay, Y0, T, **tolerances)


def test_tolerances_of_tuples() -> None:
    with pytest.raises(AssertionError, match="2 tensors"):
        fs.odeint(decay, (Y0, Y0), T, rtol=(1e-3,))


@pytest.mark.parametrize(
    ("f", "y0", "match"),
    [
        (lambda t, y: 0.0, Y0, "float"),
        (lambda t, y: (y,), Y0, "tuple"),
        (lambda t, y: torch.ones(3, dtype=F64), Y0, "shape"),
        (lambda t, y: y[0], (Y0, Y0), "Tensor"),
        (lambda t, y: (y[0],), (Y0, Y0), "1 values"),
        (3.0, Y0, "float"),
    ],
)
def test_rates(f: Any, y0: Any, match: str) -> None:
    with pytest.raises(StateError, match=match):
        fs.odeint(f, y0, T)


def test_states_that_cannot_be() -> None:
    with pytest.raises(StateError, match="float"):
        fs.odeint(decay, torch.ones(2, dtype=torch.int64), T)


def test_the_adjoint_needs_to_know_its_parameters() -> None:
    for odeint_adjoint in (fs.odeint_adjoint, torchdiffeq.odeint_adjoint):
        with pytest.raises(ValueError, match=r"nn\.Module"):
            odeint_adjoint(decay, Y0, T)


def test_options_of_another_adjoint_method() -> None:
    net = nn.Linear(2, 2, dtype=F64)

    class Field(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return self.net(y)

    for odeint_adjoint in (fs.odeint_adjoint, torchdiffeq.odeint_adjoint):
        with pytest.raises(ValueError, match="adjoint_options"):
            odeint_adjoint(Field(), Y0, T, method="rk4", options={"step_size": 0.1}, adjoint_method="dopri5")
    y = fs.odeint_adjoint(
        Field(), Y0, T, method="rk4", options={"step_size": 0.1}, adjoint_method="dopri5", adjoint_options={}
    )
    assert y.requires_grad
    with pytest.raises(OptionError, match="unknown method"):
        fs.odeint_adjoint(Field(), Y0, T, adjoint_method="dopri55")


def test_the_adjoint_cannot_be_differentiated_twice() -> None:
    a = torch.tensor(0.5, dtype=F64, requires_grad=True)
    y = fs.odeint_adjoint(lambda t, y: a * y, Y0, T, adjoint_params=(a,))
    with pytest.raises(OptionError, match="create_graph"):
        torch.autograd.grad(y.sum(), a, create_graph=True)


def test_what_is_exported() -> None:
    assert {"odeint", "odeint_adjoint", "odeint_event"} <= set(fs.__all__)
