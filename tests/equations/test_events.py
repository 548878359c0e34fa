"""Declared events: what is refused, what their graphs compute, and that everything about them can be read back."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

import fieldsolver as fs
from fieldsolver.equations.events import EventFunction, function_events
from fieldsolver.errors import EquationError, EquationSyntaxError, EquationTypeError, UnknownNameError

GRID = fs.Grid(shape=8, extent=1.0)


def neuron(*events: fs.Event, **options: Any) -> fs.FieldEquation:
    parameters = {"I": 1.5, "tau": 2.0, **options.pop("parameters", {})}
    return fs.FieldEquation("dv/dt = (I - v)/tau", parameters=parameters, events=events, **options)


def values(equation: fs.FieldEquation, event: EventFunction, t: float, y: torch.Tensor) -> torch.Tensor:
    _, parameters = equation.pure()
    return event.condition(parameters, torch.full(y.shape[:1], t, dtype=torch.float64), y)


def after(equation: fs.FieldEquation, event: EventFunction, t: float, y: torch.Tensor) -> torch.Tensor:
    _, parameters = equation.pure()
    assert event.reset is not None
    return event.reset(parameters, torch.full(y.shape[:1], t, dtype=torch.float64), y)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"direction": "upp"}, "direction is 'up', 'down' or 'both', got 'upp'; did you mean 'up'"),
        ({"direction": 1}, "direction is 'up', 'down' or 'both', got 1"),
        ({"reset": "v = 0"}, "reset is a dict such as"),
        ({"reset": {}}, "reset is empty"),
        ({"terminal": 1}, "terminal is True or False, got 1"),
        ({"name": " "}, "the name of an event is text"),
        ({"max_events": 0}, "max_events is a positive integer, got 0"),
        ({"max_events": True}, "max_events is a positive integer, got True"),
    ],
)
def test_arguments_that_cannot_be(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(fs.OptionError, match=sentence):
        fs.Event("v - 1", **options)


def test_a_condition_is_text_or_a_function() -> None:
    with pytest.raises(fs.OptionError, match=r"the condition of an event is text .* got int"):
        fs.Event(1)


@pytest.mark.parametrize(
    ("event", "error", "sentence"),
    [
        (fs.Event("w - 1"), UnknownNameError, "in the condition of event 'w - 1': unknown name 'w'; known here: v, I"),
        (fs.Event("v > 1"), EquationTypeError, "is the comparison v > 1; write its difference"),
        (fs.Event("I - 1"), EquationTypeError, "never changes"),
        (fs.Event("v - "), EquationSyntaxError, "in the condition of event"),
        (fs.Event("v", reset={"w": "0"}), UnknownNameError, "names 'w', but the states are v"),
        (fs.Event("v", reset={"v": "z"}), UnknownNameError, "in the reset of 'v' by event 'v': unknown name 'z'"),
        (fs.Event("v", reset={"v": "1j"}), EquationTypeError, "is complex, but v is real"),
        (fs.Event("v", reset={"v": "v > 1"}), EquationTypeError, "the comparison"),
        (fs.Event("v + white_noise(0)"), EquationTypeError, "contains noise"),
        (fs.Event("mean(v)"), EquationTypeError, "needs a grid"),
    ],
)
def test_declarations_that_cannot_be(event: fs.Event, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        neuron(event)


def test_lists_of_events() -> None:
    with pytest.raises(fs.OptionError, match="two events are called 'v - 1'"):
        neuron(fs.Event("v - 1"), fs.Event("v -  1"))
    with pytest.raises(fs.OptionError, match="events holds str"):
        neuron("v - 1")
    with pytest.raises(fs.OptionError, match="events is a list"):
        fs.FieldEquation("dv/dt = -v", events=fs.Event("v"))


def test_on_a_grid_a_condition_is_one_number_per_sample() -> None:
    def make(*e, **o):
        return fs.FieldEquation("du/dt = -u", grid=GRID, boundary=fs.Periodic(), events=e, **o)

    with pytest.raises(EquationTypeError, match=r"varies in space, .* write mean\(...\) or integral\(...\)"):
        make(fs.Event("u - 1"))
    with pytest.raises(EquationTypeError, match="varies in space"):
        make(fs.Event("mean(u) - x"))
    with pytest.raises(EquationTypeError, match=r"has 2 components; pick one"):
        make(fs.Event("mean(u)"), components={"u": 2})
    with pytest.raises(EquationTypeError, match=r"is complex and has no sign; take real"):
        make(fs.Event("mean(u)"), complex_fields=("u",))
    with pytest.raises(EquationTypeError, match="all fields lie on the same grid"):
        make(fs.Event("mean(u)", reset={"u": "restrict(u)"}))


def test_a_parameter_may_be_used_by_an_event_alone_and_must_be_used() -> None:
    neuron(fs.Event("v - threshold"), parameters={"threshold": 1.0})
    neuron(fs.Event("v - 1", reset={"v": "rest"}), parameters={"rest": 0.0})
    with pytest.raises(fs.ParameterError, match="'threshold' appears in no equation"):
        neuron(fs.Event("v - 1"), parameters={"threshold": 1.0})


# -- values -----------------------------------------------------------------------------------------------------------


def test_condition_and_reset_of_a_neuron() -> None:
    reset = {"v": "rest - (v - 1)", "w": "w + v + t"}
    equation = fs.FieldEquation(
        "dv/dt = I - v - w;  dw/dt = -w",
        parameters={"I": 1.5, "rest": fs.PerSample(torch.tensor([0.0, 0.5, 0.25])), "threshold": fs.Parameter(1.0)},
        events=[fs.Event("v - threshold + 0*t", direction="up", reset=reset, name="spike")],
    )
    (spike,) = equation.event_functions()
    assert (spike.name, spike.direction, spike.terminal, spike.selectable) == ("spike", 1, False, True)
    y = torch.tensor([[1.25, 3.0], [0.5, 1.0], [2.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(values(equation, spike, 2.0, y), y[:, 0] - 1.0)
    expected = torch.tensor([[-0.25, 6.25], [1.0, 3.5], [-0.75, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(after(equation, spike, 2.0, y), expected)


def test_gradients_name_the_parameters() -> None:
    """The condition and the reset take the tuple of parameters: its derivatives are theirs, without any capture."""
    event = fs.Event("v - threshold", reset={"v": "rest"})
    given = {"threshold": fs.Parameter(1.0), "rest": fs.Parameter(0.5)}
    equation = neuron(event, parameters=given)
    (spike,), (_, parameters) = equation.event_functions(), equation.pure()
    own = tuple(p.detach().clone().requires_grad_(True) for p in parameters)
    t, y = torch.zeros(2, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64)
    place = list(equation.declared).index("threshold")
    (slope,) = torch.autograd.grad(spike.condition(own, t, y).sum(), own[place])
    assert slope.item() == -2.0
    assert spike.reset is not None
    (slope,) = torch.autograd.grad(spike.reset(own, t, y).sum(), own[list(equation.declared).index("rest")])
    assert slope.item() == 2.0


def test_second_order_in_time() -> None:
    ball = fs.FieldEquation(
        "d2h/dt2 = -g", parameters={"g": 9.81}, events=[fs.Event("h", "down", reset={"dh/dt": "-0.5*d_dt(h)"})]
    )
    (impact,) = ball.event_functions()
    y = torch.tensor([[0.5, -4.0]], dtype=torch.float64)
    torch.testing.assert_close(values(ball, impact, 0.0, y), y[:, 0])
    torch.testing.assert_close(after(ball, impact, 0.0, y), torch.tensor([[0.5, 2.0]], dtype=torch.float64))
    with pytest.raises(UnknownNameError, match="the states are h, dh/dt; did you mean 'dh/dt'"):
        fs.FieldEquation("d2h/dt2 = -1", events=[fs.Event("h", reset={"dhdt": "0"})])


def test_on_a_grid() -> None:
    x = GRID.coordinate(0)
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u);  dv/dt = -v", grid=GRID, boundary=fs.Neumann(0), parameters={"D": 0.1, "h": 0.5},
        events=[fs.Event("mean(u**2) - h*t", reset={"v": "u*x + mean(u)"}), fs.Event("integral(v)", name="empty")],
    )  # fmt: skip
    square, empty = equation.event_functions()
    y = torch.rand(3, 2, 8, dtype=torch.float64)
    torch.testing.assert_close(values(equation, square, 0.5, y), (y[:, 0] ** 2).mean(-1) - 0.25)
    torch.testing.assert_close(values(equation, empty, 0.5, y), y[:, 1].sum(-1) / 8)
    new = after(equation, square, 0.5, y)
    assert torch.equal(new[:, 0], y[:, 0])
    torch.testing.assert_close(new[:, 1], y[:, 0] * x + y[:, 0].mean(-1, keepdim=True))


def test_resets_reach_the_walls_and_not_beyond_a_mask() -> None:
    """A node on a Dirichlet wall is a state like any other when it is reset; cells outside a mask stay zero."""
    nodes = fs.Grid(shape=5, extent=1.0, centring="node")
    line = fs.FieldEquation(
        "du/dt = laplacian(u)", grid=nodes, boundary=fs.Dirichlet(0), events=[fs.Event("t - 1", reset={"u": "7"})]
    )
    full = torch.zeros(1, 1, 5, dtype=torch.float64)
    torch.testing.assert_close(after(line, line.event_functions()[0], 0.0, full), full + 7)
    inside = torch.tensor([True, True, True, False, False, True, True, True])
    cut = fs.FieldEquation(
        "du/dt = laplacian(u)", grid=GRID, boundary={"x": fs.Neumann(0), "mask": fs.Neumann(0)}, mask=inside,
        events=[fs.Event("t - 1", reset={"u": "u + 7"})],
    )  # fmt: skip
    new = after(cut, cut.event_functions()[0], 0.0, torch.zeros(1, 1, 8, dtype=torch.float64))
    torch.testing.assert_close(new[0, 0], 7.0 * inside.double())


def test_fields_on_grids_of_their_own() -> None:
    coarse, fine = fs.Grid(shape=4, extent=1.0), fs.Grid(shape=8, extent=1.0)

    def make(*events):
        return fs.FieldEquation(
            "du/dt = restrict(v) - u;  dv/dt = prolong(u) - v", grid={"u": coarse, "v": fine}, boundary=fs.Neumann(0),
            events=events,
        )  # fmt: skip

    equation = make(fs.Event("mean(v) - 1", reset={"u": "restrict(v)"}))
    (event,) = equation.event_functions()
    y = torch.rand(2, 12, dtype=torch.float64)
    torch.testing.assert_close(values(equation, event, 0.0, y), y[:, 4:].mean(-1) - 1)
    new = after(equation, event, 0.0, y)
    torch.testing.assert_close(new[:, :4], y[:, 4:].reshape(2, 4, 2).mean(-1))
    assert torch.equal(new[:, 4:], y[:, 4:])
    with pytest.raises(EquationTypeError, match="reset of 'u' by event"):
        make(fs.Event("mean(v)", reset={"u": "v"}))
    with pytest.raises(EquationTypeError, match=r"the condition of event .mean"):
        equation.event_functions([fs.Event("mean(u) - mean(v)")])


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_resets_keep_the_dtype(dtype: torch.dtype) -> None:
    fields = ("v",) if dtype.is_complex else ()
    equation = neuron(fs.Event("real(v) - 1", reset={"v": "2*v + t"}), complex_fields=fields)
    (event,) = equation.event_functions()
    y = torch.ones(2, 1, dtype=dtype)
    assert after(equation, event, 0.5, y).dtype == dtype
    assert not values(equation, event, 0.5, y).is_complex()


def test_functions_beside_text() -> None:
    equation = neuron(fs.Event(lambda t, y: y[..., 0] - t, reset={"v": "0"}, name="late"))
    (event,) = equation.event_functions()
    y = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    torch.testing.assert_close(values(equation, event, 2.0, y), y[:, 0] - 2.0)
    assert not event.selectable
    assert torch.equal(after(equation, event, 2.0, y), torch.zeros_like(y))


def test_events_that_are_declared_later() -> None:
    equation = neuron(fs.Event("v - 1", name="spike"))
    first, second = equation.event_functions([fs.Event("v - I", direction="down", terminal=True)])
    assert (first.name, second.name, second.direction, second.terminal) == ("spike", "v - I", -1, True)
    with pytest.raises(fs.OptionError, match="two events are called 'spike'"):
        equation.event_functions([fs.Event("v", name="spike")])
    with pytest.raises(EquationError, match="unknown name 'w'"):
        equation.event_functions([fs.Event("w")])


# -- functions --------------------------------------------------------------------------------------------------------


def test_functions_of_a_plain_right_hand_side() -> None:
    def low(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return y[..., 0]

    t, one = torch.zeros(1, dtype=torch.float64), torch.tensor([[2.0, 3.0]], dtype=torch.float64)
    (event,) = function_events([fs.Event(low, reset=lambda t, y: y + 1)], batch_dims=0)
    assert event.name == "low"
    assert not event.selectable
    torch.testing.assert_close(event.condition((), t, one), torch.tensor([2.0], dtype=torch.float64))
    assert event.reset is not None
    torch.testing.assert_close(event.reset((), t, one), one + 1)
    many, times = one.repeat(3, 1), torch.arange(3, dtype=torch.float64)
    batched = fs.Event(lambda t, y: y[..., 0] - t, reset=lambda t, y: y * t)
    (event,) = function_events([batched], batch_dims=1)
    assert event.name == "event 0"
    assert event.reset is not None
    torch.testing.assert_close(event.condition((), times, many), many[:, 0] - times)
    torch.testing.assert_close(event.reset((), times, many), many * times[:, None])


@pytest.mark.parametrize("batch_dims", [0, 1])
def test_functions_that_return_something_else(batch_dims: int) -> None:
    t, y = torch.zeros(3 if batch_dims else 1, dtype=torch.float64), torch.ones(3 if batch_dims else 1, 2).double()

    def make(*a, **o):
        return function_events([fs.Event(*a, **o, name="odd")], batch_dims=batch_dims)[0]

    with pytest.raises(fs.StateError, match=r"condition of event 'odd' returned shape .* one number per sample"):
        make(lambda t, y: y).condition((), t, y)
    with pytest.raises(fs.StateError, match="condition of event 'odd' returned float"):
        make(lambda t, y: 1.0).condition((), t, y)
    with pytest.raises(fs.StateError, match=r"dtype torch\.bool"):
        make(lambda t, y: y[..., 0] > 0).condition((), t, y)

    def first(t, y):
        return y[..., 0]

    for wrong in (lambda t, y: y[..., :1], lambda t, y: y.float(), lambda t, y: 0.0):
        reset = make(first, reset=wrong).reset
        with pytest.raises(fs.StateError, match="reset of event 'odd' returned"):
            reset((), t, y)
    with pytest.raises(fs.OptionError, match="declared as text, but the right-hand side is a plain function"):
        make("v - 1")


# -- reading back -----------------------------------------------------------------------------------------------------


def test_text_mentions_events_and_parses_back() -> None:
    event = fs.Event("v - 1", direction="up", reset={"v": "0.5*v"}, terminal=True, name="spike")
    equation = neuron(event)
    text = "dv/dt = (I - v)/tau\n# event spike: v - 1 crosses zero upwards; v -> 0.5*v; the end"
    assert str(equation) == text
    assert text in repr(equation)
    again = fs.FieldEquation(str(equation), parameters={"I": 1.5, "tau": 2.0})
    assert again.right_sides == equation.right_sides
    (declared,) = equation.events
    retold = fs.Event(str(declared.condition), reset={"v": str(declared.reset["v"])})
    assert neuron(retold).events[0].nodes() == declared.nodes()
    assert equation.fingerprint() != neuron().fingerprint()


def test_front_ends_agree() -> None:
    class Neuron(fs.System):
        v = fs.Field()
        I, tau = 1.5, 2.0

        def rates(self, s: Any) -> Any:
            return {"v": (self.I - self.v) / self.tau}

    s = fs.Symbols()
    v = s.field("v")
    by_class = Neuron.equation(events=[fs.Event("v - 1", reset={"v": "0"})])
    by_graph = fs.FieldEquation({v: -v}, events=[fs.Event(v - 1, reset={v: 0})])
    for equation in (by_class, by_graph):
        (declared,) = equation.events
        assert declared.nodes() == neuron(fs.Event("v - 1", reset={"v": "0"})).events[0].nodes()
        assert declared.name == "v - 1"
    with pytest.raises(UnknownNameError, match="the condition of event 'w - 1' uses 'w', which is not declared"):
        fs.FieldEquation({v: -v}, events=[fs.Event(s.field("w") - 1)])


def test_copies_keep_their_events() -> None:
    equation = neuron(fs.Event("v - 1", reset={"v": "0"}))
    y = torch.ones(2, 1, dtype=torch.float64)
    for copied in (copy.deepcopy(equation), pickle.loads(pickle.dumps(equation))):
        (event,) = copied.event_functions()
        assert torch.equal(values(copied, event, 0.0, y), torch.zeros(2, dtype=torch.float64))
