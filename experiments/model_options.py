"""``fieldsolver train wave_network --dim 256``: options of the model itself, beside those of the command."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence

from fieldsolver.errors import OptionError, nearest


def with_model_options(arguments: Sequence[str]) -> list[str]:
    """The arguments with every ``--dim 256`` that the model declares as ``--set dim=256``, which the command reads.

    Raises:
        OptionError: an option that neither the command nor the model has.
    """
    given = list(arguments)
    if len(given) < 2 or given[0] != "train" or given[1].startswith("-"):
        return given
    from .training.text_run import SETTLED, nets

    if given[1] not in nets():
        return given
    from .option_text import is_switch

    kind = nets()[given[1]].load().Config
    own = {field.name for field in dataclasses.fields(kind)} - set(SETTLED)
    shared = _of_the_command()
    result, rest = given[:2], given[2:]
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not word.startswith("--") or name in shared:
            result.append(word)
            continue
        off = name.removeprefix("no_")
        if name not in own and off in own and is_switch(kind, off):
            result += ["--set", f"{off}=false"]
            continue
        if name not in own:
            known = [one.replace("_", "-") for one in sorted({*own, *shared})]
            raise OptionError(
                f"neither the command nor {given[1]} has the option {word!r}{nearest(name.replace('_', '-'), known)}; "
                f"see fieldsolver train --help and fieldsolver list models --model {given[1]}"
            )
        if not equals and is_switch(kind, name) and (not rest or rest[0].startswith("--")):
            value = "true"
        elif not equals:
            if not rest:
                raise OptionError(f"{word} needs a value")
            value = rest.pop(0)
        result += ["--set", f"{name}={value}"]
    return result


def _of_the_command() -> set[str]:
    from .train_command import train

    return {name.rstrip("_") for name in inspect.signature(train).parameters} | {"help", "debug"}
