"""What a model that knows the language hands on to one that learns a task."""

from __future__ import annotations

from torch import Tensor, nn

from fieldsolver.errors import OptionError

from .text_model import TextModel


def adopt(model: TextModel, trained: TextModel) -> None:
    """Copy the parts named in `TextModel.handed_on` from `trained` into a model that differs in its head alone.

    Raises:
        OptionError: other architectures, or parts of other shapes; nothing is copied then.
    """
    if type(model) is not type(trained):
        raise OptionError(f"a {type(model).__name__} cannot begin with the weights of a {type(trained).__name__}")
    pairs = [(part, _part(model, part), _part(trained, part)) for part in model.handed_on]
    for part, ours, theirs in pairs:
        one, other = ours.state_dict(), theirs.state_dict()
        different = [name for name in one.keys() | other.keys() if _shape(one, name) != _shape(other, name)]
        if different:
            raise OptionError(f"the networks differ in {part}.{min(different)}; build both with the same configuration")
    for _, ours, theirs in pairs:
        ours.load_state_dict(theirs.state_dict())


def _part(model: TextModel, name: str) -> nn.Module:
    found = getattr(model, name, None)
    if not isinstance(found, nn.Module):
        raise OptionError(f"a {type(model).__name__} has no {name} to hand on to another")
    return found


def _shape(state: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None
