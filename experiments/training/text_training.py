"""`train_text`: from a `TextRun` to a trained model in a folder, by way of data, tokeniser, model and task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fieldsolver.errors import FileFormatError
from fieldsolver.experiments.data import PlainTexts, TextData, TextSplit, find_dataset
from fieldsolver.experiments.text import EncodedSplit, Tokeniser, encode_split, fit_tokeniser, load_tokeniser
from fieldsolver.models.parts import CLASSES, TextModel

from .device import find_device
from .language_parts import language_parts
from .language_task import language_task
from .outcome import TrainingRun
from .start import Start, begun, find_start, identity_of_start
from .task import Task
from .text_run import TOKENISER, TextRun, build_net, data_of, predicted_by, refuse_wrong
from .text_task import text_task
from .trainer import train
from .world import Parallel, joined


def train_text(
    run: TextRun,
    folder: Path,
    *,
    resume: bool = False,
    data: TextData | PlainTexts | None = None,
    device: str = "cpu",
    parallel: Parallel | None = None,
    **how: Any,
) -> tuple[TextModel, TrainingRun]:
    """Load, tokenise, build, train.

    Args:
        run: what.
        folder: of this run alone; it gets the tokeniser, and what `train` writes.
        resume: go on with what is there.
        data: what `data_of` gave, if it is loaded already; None loads it.
        device: where the model is trained.
        parallel, how: see `train`.

    Raises:
        OptionError, FileFormatError, DataUnavailable: what the run names cannot be had, the device included.
        TrainingFailed, Interrupted, NotSaved: see `train`.
    """
    start, place = checked_start(run, goes_on=resume and bool(begun(folder))), find_device(device)
    data = data_of(run) if data is None else data
    with joined(parallel) as world:
        tokeniser = _tokeniser(run, start, data, folder, resume=resume, write=world.rank == 0)
        model = build_net(run, tokeniser.size, len(data.classes))
        if start is not None:
            start.hand_on(model)
            if say := how.get("say"):
                say(start.words(model))
        config = {**identity(run, data, tokeniser, model), **identity_of_start(run, start, folder)}
        task = task_of(run, data, tokeniser, model.predicts, config)
        title = f"{run.model} on {run.data}"
        return model, train(
            model.to(place), task, run.settings, folder, resume=resume, parallel=parallel, **{"label": title, **how}
        )


def checked_start(run: TextRun, *, goes_on: bool = False) -> Start | None:
    """Refuse what can be refused before any data is read; what the run starts from, if it does.

    Args:
        run: what.
        goes_on: from its own checkpoint, which has what it took over; then from nothing else.

    Raises:
        OptionError, FileFormatError: see `refuse_wrong`, `find_start` and `Start.hand_on`.
    """
    refuse_wrong(run)
    start = None if goes_on else find_start(run)
    if start is not None:
        classes = 0 if predicted_by(run) != CLASSES else len(find_dataset(run.data).classes)
        start.hand_on(build_net(run, start.tokeniser.size, classes))
    return start


def identity(run: TextRun, data: TextData | PlainTexts, tokeniser: Tokeniser, model: TextModel) -> dict[str, Any]:
    """What the files of a run say of it, as plain data."""
    return {
        "model": run.model,
        "model_config": model.described(),
        "data": run.data,
        "data_fingerprint": data.fingerprint,
        "class_names": list(data.classes),
        "tokeniser": tokeniser.kind,
        "tokeniser_checksum": tokeniser.checksum,
        "max_length": run.max_length,
    }


def task_of(
    run: TextRun, data: TextData | PlainTexts, tokeniser: Tokeniser, predicts: str, config: dict[str, Any]
) -> Task:
    """Texts and their labels, or the tokens of texts, whichever the model predicts."""
    if isinstance(data, PlainTexts):
        parts = language_parts(data, tokeniser, predicts=predicts, length=run.max_length)
        return language_task(
            parts.train, parts.validation, parts.test, predicts=predicts, vocabulary=tokeniser.size,
            label_smoothing=run.label_smoothing, known=parts.known, config=config,
        )  # fmt: skip

    def encoded(part: TextSplit) -> EncodedSplit:
        return encode_split(tokeniser, part, run.max_length)

    return text_task(
        encoded(data.train), encoded(data.validation), encoded(data.test), classes=len(data.classes),
        label_smoothing=run.label_smoothing, config=config,
    )  # fmt: skip


def _tokeniser(
    run: TextRun, start: Start | None, data: TextData | PlainTexts, folder: Path, *, resume: bool, write: bool
) -> Tokeniser:
    """Fitted to the training texts, never to others, or that of the run to start from; on resuming, the run's own."""
    path = folder / TOKENISER
    if resume and path.is_file():
        found = load_tokeniser(path)
        if found.kind != run.tokeniser:
            raise FileFormatError(f"{path} is of the kind {found.kind!r}, this run wants {run.tokeniser!r}")
        if start is not None and found.checksum != start.tokeniser.checksum:
            raise FileFormatError(f"{path} is not the tokeniser of {run.start_from}, from which this run starts")
        return found
    if start is not None:
        tokeniser = start.tokeniser
    else:
        texts = data.train if isinstance(data, PlainTexts) else data.train.texts
        tokeniser = fit_tokeniser(run.tokeniser, texts, run.vocabulary)
    if write:
        folder.mkdir(parents=True, exist_ok=True)
        tokeniser.save(path)
    return tokeniser
