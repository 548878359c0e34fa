"""`fieldsolver evaluate`: scores of a trained text model, or its answers to texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fieldsolver.errors import FileFormatError, OptionError

if TYPE_CHECKING:
    from .training.loaded_run import LoadedRun

Run = Annotated[Path, tyro.conf.arg(metavar="RUN")]
SHOWN = 60


def evaluate(
    run: Run,
    data: str | None = None,
    text: tuple[str, ...] = (),
    file: Path | None = None,
    device: str = "cpu",
) -> int:
    """Scores of a trained text model on a test split, or its classes for texts, with probabilities.

    Args:
        run: folder that `fieldsolver train MODEL` wrote.
        data: data set whose test split is taken instead of the run's.
        text: texts to answer.
        file: texts to answer, one a line, UTF-8.
        device: cpu, cuda, cuda:1.
    """
    from .training.loaded_run import load_run

    if (data is not None) + bool(text) + (file is not None) > 1:
        raise OptionError("--data, --text and --file exclude one another; give one of them")
    loaded = load_run(run, device)
    texts = _lines(file) if file is not None else list(text)
    for line in _answers(loaded, texts) if texts else _scores(loaded, data):
        print(line)
    return 0


def _scores(loaded: LoadedRun, name: str | None) -> list[str]:
    from .data import load_text
    from .text import encode_split
    from .training import evaluate_split

    data = load_text(name or loaded.run.data, validation=loaded.run.validation)
    if len(data.classes) != len(loaded.classes):
        raise OptionError(
            f"{data.name} has {len(data.classes)} classes, the model knows {len(loaded.classes)}: "
            f"{', '.join(loaded.classes)}"
        )
    split = encode_split(loaded.tokeniser, data.test, loaded.run.max_length)
    found = evaluate_split(loaded.model, split, classes=len(loaded.classes))
    head = f"{loaded.run.model} on the test split of {data.name}, {len(split):,} texts; {data.note}"
    return [head, *(f"{key:<12}{value:.4f}" for key, value in found.items())]


def _answers(loaded: LoadedRun, texts: list[str]) -> list[str]:
    import numpy as np

    from .text import EncodedSplit
    from .training import predict

    ids = loaded.tokeniser.encode(texts)
    split = EncodedSplit.of(ids, np.zeros(len(ids), dtype=np.int64)).truncated(loaded.run.max_length)
    lines = []
    for text, row in zip(texts, predict(loaded.model, split), strict=True):
        order = row.argsort(descending=True).tolist()[:3]
        shares = "  ".join(f"{loaded.classes[index]} {float(row[index]):.3f}" for index in order)
        short = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
        lines.append(f"{shares}  | {short}")
    return lines


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); convert it first") from None
    except OSError as error:
        raise FileFormatError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    if not lines:
        raise FileFormatError(f"{path} is empty; write one text a line")
    return lines
