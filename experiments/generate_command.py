"""`fieldsolver generate`: a text that goes on as a trained model of language would go on."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fieldsolver.errors import OptionError
from fieldsolver.models.parts import CLASSES, NEXT_TOKEN, PAD, UNKNOWN

if TYPE_CHECKING:
    from torch import Tensor

    from .text import Tokeniser
    from .training.loaded_run import LoadedRun

Run = Annotated[Path, tyro.conf.arg(metavar="RUN")]


def generate(
    run: Run,
    prompt: str = "",
    tokens: int = 100,
    temperature: float = 1.0,
    seed: int = 0,
    device: str = "cpu",
) -> int:
    """Go on with a text, token by token, by a model that was trained to predict the next one.

    Args:
        run: folder that `fieldsolver train MODEL` wrote.
        prompt: text to begin with; there must be one.
        tokens: how many more.
        temperature: 0 takes the likeliest token each time; 1 draws as the model predicts, more draws more evenly.
        seed: of the draws.
        device: cpu, cuda, cuda:1.
    """
    import torch

    from fieldsolver.models.parts import generate as go_on

    from .training.loaded_run import load_run

    _refuse_options(prompt, tokens, temperature)
    loaded = load_run(run, device)
    _refuse_other_models(run, loaded)
    ids = _encoded(loaded.tokeniser, prompt)
    draws = torch.Generator().manual_seed(seed)
    written = go_on(
        loaded.model, ids.to(next(loaded.model.parameters()).device), tokens, temperature=temperature,
        generator=draws, never=(PAD, UNKNOWN),
    )  # fmt: skip
    print(loaded.tokeniser.decode(written[0].tolist()))
    return 0


def _refuse_options(prompt: str, tokens: int, temperature: float) -> None:
    if not prompt or prompt.isspace():
        raise OptionError("the prompt is empty; give --prompt a text to go on with")
    if tokens < 1:
        raise OptionError(f"--tokens is at least 1, got {tokens}")
    if not 0 <= temperature < math.inf:
        raise OptionError(f"--temperature is finite and at least 0, got {temperature}")


def _refuse_other_models(run: Path, loaded: LoadedRun) -> None:
    predicts = loaded.model.predicts
    if predicts != NEXT_TOKEN:
        what = f"answers with classes ({', '.join(loaded.classes)})" if predicts == CLASSES else "guesses hidden tokens"
        raise OptionError(
            f"the model of {run} {what} and cannot go on with a text; train one that predicts the next token, such as "
            "fieldsolver train wave_network --preset causal --data tiny_shakespeare"
        )


def _encoded(tokeniser: Tokeniser, prompt: str) -> Tensor:
    """Ids (1, N); says on the error stream what of the prompt the model cannot read."""
    import torch

    ids = tokeniser.encode([prompt])[0]
    unknown = int((ids == UNKNOWN).sum())
    if unknown == len(ids):
        raise OptionError(
            f"nothing of the prompt {prompt!r} is in the vocabulary of the run ({tokeniser.kind}, {tokeniser.size:,} "
            "ids); take words of its training texts"
        )
    if unknown:
        print(f"fieldsolver: {unknown} of the prompt's {len(ids)} tokens are not in the vocabulary", file=sys.stderr)
    return torch.from_numpy(ids).long()[None]
