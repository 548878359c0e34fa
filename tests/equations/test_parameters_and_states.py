"""Parameters and initial states: what is accepted, with all its digits, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fieldsolver.equations import FieldEquation, Parameter, PerSample, Spatial
from fieldsolver.errors import ParameterError, StateError
from fieldsolver.space import Dirichlet, Grid, Neumann, Periodic

LINE = {"grid": Grid(6, extent=1), "boundary": Neumann(0)}


def decay(value):
    return FieldEquation("du/dt = -k*u", parameters={"k": value})


# -- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parameter(-1.0, positive=True), "a positive parameter must start above zero, got -1"),
        (lambda: Parameter(0.0, positive=True), "must start above zero, got 0"),
        (lambda: Parameter(torch.tensor([1.0, -2.0]), positive=True), "must start above zero, got -2"),
        (lambda: Parameter(2.0, bounds=(0, 1)), r"must lie strictly inside \(0, 1\), got 2.0"),
        (lambda: Parameter(1.0, bounds=(0, 1)), "strictly inside"),
        (lambda: Parameter(0.5, bounds=(1, 0)), "bounds must be finite and increasing"),
        (lambda: Parameter(0.5, bounds=(0, math.inf)), "for one side use positive"),
        (lambda: Parameter(0.5, bounds=(0, 1), positive=True), "not both"),
        (lambda: Parameter(1j, positive=True), "a complex parameter has no sign"),
        (lambda: Parameter(math.nan), "Parameter must be finite"),
        (lambda: Parameter("a"), "must be a number, a tensor or fs.Parameter, got 'a'"),
        (lambda: Parameter(True), "must be numeric, got booleans"),
        (lambda: decay(math.nan), "parameter 'k' must be finite"),
        (lambda: decay(torch.tensor([math.inf])), "parameter 'k' must be finite"),
        (lambda: decay(None), "parameter 'k' must be a number"),
        (lambda: decay(torch.ones(2, 2, 2)), r"shape \(2, 2, 2\); give a number, a vector"),
        (lambda: decay(torch.ones(0)), "parameter 'k'"),
        (lambda: decay(Spatial(torch.ones(6))), "is fs.Spatial, but the equation has no grid"),
        (lambda: decay(PerSample(1.0)), r"has shape \(\), expected \(B,\) or \(B, C\)"),
        (lambda: decay(PerSample(torch.ones(2, 3, 4))), r"has shape \(2, 3, 4\)"),
        (lambda: FieldEquation("du/dt = k*u", parameters={"k": Spatial(torch.ones(5))}, **LINE),
         r"shape \(5,\), expected \(6,\)"),
        (lambda: FieldEquation("du/dt = k*u", parameters={"k": Spatial(1.0)}, **LINE), r"shape \(\), expected \(6,\)"),
        (lambda: FieldEquation("du/dt = k*u", parameters={"k": Spatial(torch.ones(2, 2, 6))}, **LINE), "expected"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("given", "value"),
    [(Parameter(2e-5, positive=True), 2e-5), (Parameter(0.3, bounds=(-1, 2)), 0.3), (Parameter(-7.5), -7.5), (0.1, 0.1),
     (np.float64(0.1), 0.1), (3, 3.0), ([0.1], 0.1), (torch.tensor(0.1, dtype=torch.float64), 0.1)],
)  # fmt: skip
def test_values_survive_their_storage(given, value):
    assert decay(given).parameter_values()["k"].item() == pytest.approx(value, rel=1e-14)


def test_no_step_leaves_the_range():
    equation = FieldEquation(
        "du/dt = a*u + b", parameters={"a": Parameter(0.1, positive=True), "b": Parameter(0.5, bounds=(0, 1))}
    )
    optimiser = torch.optim.SGD(equation.parameters(), lr=1e2)
    for sign in (1, -1):
        for _ in range(3):
            optimiser.zero_grad()
            (sign * equation(0.0, torch.ones(1, dtype=torch.float64))).sum().backward()
            optimiser.step()
            values = equation.parameter_values()
            assert values["a"] >= 0
            assert 0 <= values["b"] <= 1


def test_numbers_keep_all_their_digits_in_single_precision():
    """The difference is taken before anything is rounded to the precision of the state."""
    equation = FieldEquation("du/dt = (a - b)*1000000000*u", parameters={"a": 1 + 1e-9, "b": 1.0})
    rate = equation(0.0, torch.ones(1, dtype=torch.float32))
    assert rate.dtype == torch.float32
    assert rate.item() == pytest.approx(1.0, rel=1e-6)


def test_a_tensor_keeps_its_graph():
    """A constant that somebody else trains."""
    k = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    equation = decay(k * 2)
    equation(0.0, torch.ones(1, dtype=torch.float64)).sum().backward()
    assert k.grad.item() == -2.0


def test_where_trainable_and_constant_parameters_live():
    equation = FieldEquation("du/dt = -a*u + b", parameters={"a": Parameter(1.0), "b": 2.0})
    assert [name for name, _ in equation.named_parameters()] == ["raw.a"]
    assert "constant_b" in dict(equation.named_buffers())
    assert equation.describe_parameters() == {"a": "1 (trainable)", "b": "2"}


# -- states -----------------------------------------------------------------------------------------------------------

PLANE = FieldEquation(
    "du/dt = laplacian(u); dphi/dt = u*phi", grid=Grid((4, 5), extent=1), boundary=Periodic(), components={"phi": 3}
)
GOOD = {"u": torch.zeros(4, 5), "phi": torch.zeros(3, 4, 5)}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"u": GOOD["u"]}, "the state lacks the field 'phi'; give all of u, phi"),
        ({**GOOD, "v": 0.0}, "the state has no field 'v'; fields: u, phi"),
        ({**GOOD, "ph": 0.0}, "did you mean 'phi'"),
        ({**GOOD, "u": torch.zeros(5, 4)}, r"field 'u' has shape \(5, 4\), expected \(\*batch, 4, 5\)"),
        ({**GOOD, "u": torch.zeros(5)}, "field 'u' has shape"),
        ({**GOOD, "phi": torch.zeros(4, 5)}, r"field 'phi' has shape \(4, 5\), expected \(\*batch, 3, 4, 5\)"),
        ({"u": torch.zeros(2, 4, 5), "phi": torch.zeros(3, 3, 4, 5)}, "different batch shapes"),
        ({**GOOD, "u": torch.full((4, 5), math.nan)}, "initial state of 'u' contains NaN"),
        ({**GOOD, "phi": torch.full((3, 4, 5), math.inf)}, "initial state of 'phi' contains NaN or infinity"),
        ({**GOOD, "u": math.nan}, "initial state of 'u' contains NaN"),
        ({**GOOD, "u": 1j}, "the state is complex but no field is"),
        ({**GOOD, "u": "zero"}, "field 'u'"),
        ({**GOOD, "u": None}, "field 'u'"),
        (torch.zeros(4, 4, 6), r"the state has shape \(4, 4, 6\), expected \(\*batch, 4, 4, 5\): 4 component"),
        (torch.zeros(5), "the state has shape"),
        (torch.zeros(4, 4, 5, dtype=torch.int64), "dtype torch.int64; use float32, float64"),
        (torch.zeros(4, 4, 5, dtype=torch.float16), "dtype torch.float16"),
        (torch.zeros(4, 4, 5, dtype=torch.bfloat16), "dtype torch.bfloat16"),
        (torch.zeros(4, 4, 5, dtype=torch.bool), "dtype torch.bool"),
        (torch.zeros(4, 4, 5, dtype=torch.complex64), "the state is complex but no field is"),
        ({"u": torch.zeros(4, 5).half(), "phi": torch.zeros(3, 4, 5).half()}, "dtype torch.float16"),
        ([1, 2], "must be a dict of fields or one tensor, got list"),
        (3.0, "must be a dict of fields or one tensor, got float"),
    ],
)  # fmt: skip
def test_states_that_cannot_be(state, message):
    with pytest.raises(StateError, match=message):
        PLANE.pack(state)


def test_packing_and_unpacking():
    u, phi = torch.rand(2, 4, 5, dtype=torch.float64), torch.rand(3, 4, 5, dtype=torch.float64)
    packed = PLANE.pack({"phi": phi, "u": u})  # the order of the dict is not the order of the state
    assert packed.shape == (2, 4, 4, 5)
    fields = PLANE.unpack(packed)
    assert torch.equal(fields["u"], u)
    assert torch.equal(fields["phi"], phi.expand(2, 3, 4, 5))
    assert torch.equal(PLANE.pack(fields), packed)
    assert PLANE.unpack(packed[None])["u"].shape == (1, 2, 4, 5)


def test_numbers_take_the_precision_of_the_tensors_beside_them():
    packed = PLANE.pack({"u": 0.1, "phi": torch.zeros(3, 4, 5, dtype=torch.float64)})
    assert packed.dtype == torch.float64
    assert (packed[0] == 0.1).all()  # and not 0.1 rounded to single precision on the way
    assert PLANE.pack({"u": 0.1, "phi": 0}).dtype == torch.get_default_dtype()
    assert PLANE.pack({"u": torch.ones(4, 5, dtype=torch.int64), "phi": GOOD["phi"].double()}).dtype == torch.float64


def test_arrays_of_numpy_keep_their_precision():
    u = np.full((4, 5), 0.1)
    packed = PLANE.pack({"u": u, "phi": np.zeros((3, 4, 5))})
    assert packed.dtype == torch.float64
    assert (packed[0] == 0.1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lists_and_flipped_arrays(dtype):
    u = np.arange(20.0).reshape(4, 5) / 10
    beside = torch.zeros(3, 4, 5, dtype=dtype)
    for given in (u[::-1], u[::-1].tolist()):
        assert torch.equal(PLANE.pack({"u": given, "phi": beside.double()})[0], torch.from_numpy(u[::-1].copy()))
    assert PLANE.pack({"u": u.tolist(), "phi": beside}).dtype == dtype


def test_nested_lists_of_parameters_keep_their_digits():
    equation = FieldEquation(
        "du/dt = k*u", parameters={"k": Spatial([[0.1] * 3] * 3)}, grid=Grid((3, 3), extent=1), boundary=Periodic()
    )
    assert (equation.parameter_values()["k"] == 0.1).all()


def test_a_real_field_beside_a_complex_one_is_real():
    equation = FieldEquation("dA/dt = 1j*A; du/dt = -u", complex_fields=("A",))
    with pytest.raises(StateError, match="field 'u' is real but its initial state is not"):
        equation.pack({"A": 1.0, "u": 1j})


def test_complex_states():
    equation = FieldEquation("dA/dt = 1j*A - u; du/dt = abs(A)", complex_fields=("A",))
    assert equation.pack({"A": 1.0, "u": torch.zeros((), dtype=torch.float64)}).dtype == torch.complex128
    assert equation.pack(torch.zeros(2, dtype=torch.float32)).dtype == torch.complex64
    assert equation.pack({"A": 1j, "u": 0.5}).dtype == torch.complex64


def test_a_wall_that_is_an_unknown_is_held_at_its_value():
    equation = FieldEquation(
        "du/dt = laplacian(u) + 1", grid=Grid(6, extent=1, centring="node"),
        boundary={"x-": Dirichlet("2*t"), "x+": Neumann(0)},
    )  # fmt: skip
    y = torch.rand(1, 6, dtype=torch.float64)
    t = torch.tensor(0.25, dtype=torch.float64)
    projected = equation.project(t, y)
    assert projected[0, 0] == 0.5
    assert torch.equal(projected[:, 1:], y[:, 1:])
    assert equation(t, y)[0, 0] == 0
    assert torch.equal(equation(t, y), equation(t, projected))  # what stands there in y does not matter
    free = FieldEquation("du/dt = laplacian(u)", grid=Grid(6, extent=1), boundary=Dirichlet(1))
    assert free.project(t, y) is y
