"""What an example says about a layer, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from fieldsolver.errors import OptionError
from fieldsolver.testing import Example
from fieldsolver.testing.draws import draw, generator, others

X = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([[1, 2, 3], [4, 0, 1]])


def test_the_axes_may_stand_in_any_order() -> None:
    channels_first = Example(X.mT, "B D T -> B K T")
    assert torch.equal(channels_first.plain(), X)
    assert torch.equal(channels_first.as_input(X), X.mT)
    assert channels_first.output(torch.zeros(2, 7, 5), X).shape == (2, 5, 7)
    field = Example(torch.zeros(4, 2, 8, 9), "B C X Y -> C B X Y")
    assert field.output(torch.zeros(3, 4, 8, 9), field.plain()).shape == (4, 3, 8, 9)
    assert field.component_axes() == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axes": "B T D"}, "axes are written as 'B T D -> B T K'"),
        ({"axes": "B T T -> B T K"}, "each name once a side"),
        ({"axes": "B T -> B T K"}, r"name 2 axes of the input, but its shape is \(2, 5, 3\)"),
        ({"axes": "N T D -> N T K"}, "B must stand on both sides"),
        ({"axes": "B X D -> B T D"}, "tokens in the output only"),
        ({"values": X[:0]}, r"the example has shape \(0, 5, 3\)"),
        ({"vocabulary": 5}, "vocabulary belongs to token ids"),
        ({"pad_id": 0}, "pad_id belongs to token ids"),
        ({"mask": "mask", "lengths": "lengths"}, "padding is told by mask and by lengths; keep one"),
        ({"axes": "B X D -> B X D", "mask": "mask"}, "mask tells padded tokens, but axes"),
        ({"values": IDS, "axes": "B T -> B T V"}, "token ids need their number"),
        ({"values": IDS, "axes": "B T -> B T V", "vocabulary": 4}, "token ids must lie in"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Example(**{"values": X, "axes": "B T D -> B T K", **arguments})


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ((X, X), "the layer returned a tuple; pass call="),
        (IDS, "the layer returned torch.int64"),
        (torch.zeros(2, 7), r"the shape \(2, 7\), which does not fit axes 'B T D -> B T K' with B = 2, T = 5"),
        (torch.zeros(2, 4, 3), r"the shape \(2, 4, 3\)"),
    ],
)
def test_an_output_of_another_kind_is_refused(output: object, message: str) -> None:
    example = Example(X, "B T D -> B T K")
    with pytest.raises(OptionError, match=message):
        example.output(output, example.plain())


def test_draws_keep_the_range_of_every_component() -> None:
    values = X.clone()
    values[..., 1] = values[..., 1].abs() + 10
    drawn = draw(Example(values, "B T D -> B T D"), (50, 20, 3), generator(0))
    assert drawn.shape == (50, 20, 3)
    assert drawn[..., 1].min() >= 10
    assert drawn[..., 0].max() < 10
    assert set(drawn[..., 2].flatten().tolist()) == set(values[..., 2].flatten().tolist())
    field = Example(torch.stack((torch.zeros(4, 6), torch.ones(4, 6)), 1), "B C X -> B C X")
    assert torch.equal(draw(field, (9, 2, 6), generator(0)), field.values[:1].expand(9, 2, 6))


def test_other_ids_differ_everywhere_and_are_never_padding() -> None:
    ids = torch.randint(4, (3, 200), generator=generator(0))
    example = Example(ids + (ids >= 2), "B T -> B T V", vocabulary=5, pad_id=2)
    found = others(example, example.plain(), generator(1))
    assert not (found == example.values).any()
    assert set(found.flatten().tolist()) == {0, 1, 3, 4}
    assert set(draw(example, (3, 200), generator(2)).flatten().tolist()) == {0, 1, 3, 4}
