"""A fixed step that was stable at construction is judged again, whatever moved the coefficients."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.nn.stability_watch import StabilityWatch

BEYOND = "beyond the stability limit"


def heat(D=0.3, **options):
    """rk4 at dt = 1 is stable up to D = 0.696."""
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u)",
        grid=fs.Grid(16, extent=16.0),
        boundary=fs.Periodic(),
        parameters={"D": fs.Parameter(D, positive=True)},
    )
    return fs.nn.FieldLayer(equation, duration=4.0, method="rk4", dt=1.0, **options)


def fed(**options):
    return heat(inputs="D", initial=1.0, **options)


def calls_that_warn(calls):
    found = []
    for number, call in enumerate(calls, start=1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        found += [number] * len(caught)
    return found


def move(layer):
    with torch.no_grad():
        layer.equation.raw["D"].add_(1.0)


x = torch.ones(1, 1, 16)


@pytest.mark.parametrize("training", [True, False])
def test_the_first_evaluation_after_a_change_is_judged(training):
    layer = heat().train(training)
    layer(x)
    move(layer)
    with pytest.warns(fs.FieldSolverWarning, match=BEYOND):
        layer(x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("way", ["file", "state_dict", "model", "assign"])
def test_what_was_loaded_is_judged_at_once(training, way, tmp_path):
    """Also when training has come to where only every 50th change is judged."""
    wild, layer = heat(), heat().train(training)
    move(wild)
    for _ in range(70):
        with torch.no_grad():
            layer.equation.raw["D"].add_(1e-6)
        layer(x)
    if way == "file":
        layer.load_weights(wild.save(tmp_path / "w"))
    elif way == "model":
        nn.Sequential(layer).load_state_dict(nn.Sequential(wild).state_dict())
    else:
        layer.load_state_dict(wild.state_dict(), assign=way == "assign")
    with pytest.warns(fs.FieldSolverWarning, match=BEYOND):
        layer(x)


def test_other_parameters_in_a_functional_call_are_judged():
    function, numbers = heat().pure()
    function(numbers, x)
    with pytest.warns(fs.FieldSolverWarning, match=BEYOND):
        function({name: value + 1.0 for name, value in numbers.items()}, x)


def test_fed_rates_are_judged_by_the_extremes_of_the_batch():
    slow, fast = torch.full((3, 1), 0.3), torch.tensor([[0.1], [0.8], [0.2]])
    layer = fed().eval()
    assert calls_that_warn(lambda d=d: layer(d) for d in (slow, slow, fast, fast, slow, fast * 1.1)) == [3, 6]
    with pytest.warns(fs.FieldSolverWarning, match=BEYOND):
        fed()(fast)  # in training mode
    layer = fed()
    assert calls_that_warn(lambda: layer(fast) for _ in range(9)) == [1]


def test_small_time_constants_are_the_fast_ones():
    equation = fs.FieldEquation("du/dt = -u/tau", parameters={"tau": 1.0})
    layer = fs.nn.FieldLayer(equation, inputs="tau", initial=1.0, dt=0.5, method="rk4").eval()
    assert calls_that_warn(
        [lambda: layer(torch.tensor([[1.0], [50.0]])), lambda: layer(torch.tensor([[0.1], [9.0]]))]
    ) == [2]


def test_what_is_fed_but_no_rate_costs_nothing(monkeypatch):
    equation = fs.FieldEquation("du/dt = I - u", parameters={"I": 0.0})
    layer = fs.nn.RecurrentFieldLayer(equation, inputs="I", initial=0.0, dt=0.5).eval()
    monkeypatch.setattr(StabilityWatch, "_judge", lambda *_: pytest.fail("judged"))
    layer(torch.ones(2, 3, 1))


def test_copies_and_pickles_of_the_watch_look_again():
    layer = heat()
    layer(x)
    for watch in (copy.deepcopy(layer.watch), pickle.loads(pickle.dumps(layer.watch))):
        layer.watch = watch
        assert calls_that_warn([lambda: layer(x)]) == []
