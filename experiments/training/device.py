"""The device of a name, if this machine has it."""

from __future__ import annotations

import torch

from fieldsolver.errors import OptionError, listing


def find_device(name: str) -> torch.device:
    """The device that torch calls so.

    Raises:
        OptionError: there is none of this name, or it cannot hold a number. What torch says of one that is there, but
            broken or full, passes through.
    """
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    known = ["cpu", *(["cuda"] if cards else []), *(f"cuda:{number}" for number in range(cards))]
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch's builds differ in what they raise
        if name in known:  # it is there, and something else is wrong with it
            raise
        raise OptionError(f"this machine has no device {name!r}; it has {listing(known)}") from error
    return device
