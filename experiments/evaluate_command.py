"""`fieldsolver evaluate`: scores of a trained text model, or its answers to texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fieldsolver.errors import FileFormatError, OptionError, listing
from fieldsolver.models.parts import CLASSES

if TYPE_CHECKING:
    from .data import TextData
    from .training.loaded_run import LoadedRun
    from .training.text_run import TextRun

Run = Annotated[Path, tyro.conf.arg(metavar="RUN")]
NO_TEXT = ("\0",)
"""No command line can hold it: None would be what ``--text None`` says."""
Texts = Annotated[tuple[str, ...], tyro.conf.arg(metavar="TEXT ...", help_behavior_hint="")]
SHOWN = 60


def evaluate(
    run: Run,
    data: str | None = None,
    text: Texts = NO_TEXT,
    file: Path | None = None,
    device: str = "cpu",
) -> int:
    """Scores of a trained text model on a test split, or its classes for texts, with probabilities.

    A model that predicts tokens has a loss, a perplexity, and the losses of counts beside them.

    Args:
        run: folder that `fieldsolver train MODEL` wrote.
        data: data set or corpus whose test part is taken instead of the run's.
        text: texts to answer.
        file: texts to answer, one a line, UTF-8.
        device: cpu, cuda, cuda:1.
    """
    from .training.loaded_run import load_run

    texts = None if text == NO_TEXT else list(text)
    if sum(one is not None for one in (data, texts, file)) > 1:
        raise OptionError("--data, --text and --file exclude one another; give one of them")
    if texts == []:
        raise OptionError("--text came without a text; give one in quotes, or several")
    loaded = load_run(run, device)
    if loaded.model.predicts != CLASSES:
        from .language_report import language_scores

        if texts is not None or file is not None:
            raise OptionError(f"{run} predicts tokens and has no classes for texts; leave out --text and --file")
        print("\n".join(language_scores(loaded, data)))
        return 0
    texts = texts if file is None else _lines(file)
    for line in _scores(loaded, data) if texts is None else _answers(loaded, texts):
        print(line)
    return 0


def _scores(loaded: LoadedRun, name: str | None) -> list[str]:
    from .data import CORPORA, DATASETS, load_text
    from .text import encode_split
    from .training import evaluate_split

    run = loaded.run
    if name in CORPORA:
        raise OptionError(
            f"{name} is running text without labels, and the run answers with classes; take one of {listing(DATASETS)}"
        )
    data = load_text(name or run.data, validation=run.validation)
    if len(data.classes) != len(loaded.classes):
        raise OptionError(
            f"{data.name} has {len(data.classes)} classes, the model knows {len(loaded.classes)}: "
            f"{', '.join(loaded.classes)}"
        )
    split = encode_split(loaded.tokeniser, data.test, run.max_length)
    found = evaluate_split(loaded.model, split, classes=len(loaded.classes))
    head = f"{run.model} on the test split of {data.name}, {len(split):,} texts; {_note(run, data)}"
    return [head, *(f"{key:<12}{value:.4f}" for key, value in found.items())]


def _note(run: TextRun, data: TextData) -> str:
    """Of the training rows only where they are of the same data set."""
    if data.name == run.data:
        return data.part(run.fraction).note
    return "; ".join(one for one in (data.caveat, f"trained on {run.data}", data.tested) if one)


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
        # Not splitlines, which ends lines at form feeds and Unicode's separators too; "\r\n" is read as "\n".
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); convert it first") from None
    except OSError as error:
        raise FileFormatError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    if lines == [""]:
        raise FileFormatError(f"{path} is empty; write one text a line")
    return lines
