"""Round trip: what is kept outside the state dict is lost, and a new layer shows it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict
from fieldsolver.testing import Example, check_round_trip

X = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
SEQUENCE = Example(X, "B T D -> B T D")


class Layer(nn.Module):
    """A linear layer and a mixing matrix that is drawn when it is built, and kept in one of several places."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        mixing = torch.randn(4, 4)
        match place:
            case "buffer":
                self.register_buffer("mixing", mixing)
            case "no persistent buffer":
                self.register_buffer("mixing", mixing, persistent=False)
            case "attribute":
                self.mixing = mixing
            case "complex":
                self.mixing = nn.Parameter(torch.complex(mixing, mixing.T))
            case "tied":
                self.mixing = self.linear.weight

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x) @ self.mixing.real
        return y + x @ self.mixing.imag if self.mixing.is_complex() else y


@pytest.mark.parametrize("place", ["buffer", "complex", "tied"])
def test_what_is_in_the_state_dict_comes_back(place: str) -> None:
    result = check_round_trip(Layer(place), SEQUENCE, make=lambda: Layer(place))
    assert result.status is Verdict.PASS, result.reason
    assert "loaded into a new layer" in result.reason


@pytest.mark.parametrize("place", ["no persistent buffer", "attribute"])
def test_what_is_not_is_lost_and_only_a_new_layer_shows_it(place: str) -> None:
    lost = check_round_trip(Layer(place), SEQUENCE, make=lambda: Layer(place))
    assert lost.status is Verdict.FAIL
    assert "output of the loaded layer" in lost.reason
    copied = check_round_trip(Layer(place), SEQUENCE)
    assert copied.status is Verdict.PASS
    assert "make= was not given" in copied.reason


def test_ways_to_save_of_one_s_own() -> None:
    def forgets_the_bias(layer: nn.Module, path) -> None:
        torch.save({name: value for name, value in layer.state_dict().items() if "bias" not in name}, path)

    def load(layer: nn.Module, path) -> None:
        layer.load_state_dict(torch.load(path, weights_only=True), strict=False)

    result = check_round_trip(Layer("buffer"), SEQUENCE, save=forgets_the_bias, load=load)
    assert result.status is Verdict.FAIL
    with pytest.raises(OptionError, match="save= and load= belong together"):
        check_round_trip(Layer("buffer"), SEQUENCE, save=forgets_the_bias)


def test_a_load_that_does_nothing_is_found() -> None:
    result = check_round_trip(Layer("buffer"), SEQUENCE, save=lambda layer, path: None, load=lambda layer, path: None)
    assert result.status is Verdict.FAIL


def make_field() -> nn.Module:
    equation = fs.FieldEquation("dx/dt = -k*x**3", parameters={"k": fs.Parameter(1.0, positive=True)})
    return fs.nn.FieldLayer(equation, duration=1.0)


def test_fields_by_their_own_files() -> None:
    result = check_round_trip(
        make_field(),
        Example(X[:, :1, 0], "B C -> B C"),
        make=make_field,
        save=lambda layer, path: layer.save(path),
        load=lambda layer, path: layer.load_weights(path),
    )
    assert result.status is Verdict.PASS, result.reason


def test_a_state_dict_with_other_things_is_refused() -> None:
    class Extra(nn.Linear):
        def get_extra_state(self) -> dict:
            return {"steps": 3}

        def set_extra_state(self, state: dict) -> None:
            pass

    with pytest.raises(OptionError, match="the state dict holds a dict under '_extra_state'; pass save= and load="):
        check_round_trip(Extra(4, 4), SEQUENCE)
