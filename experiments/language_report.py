"""What the command line says of models that predict tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data.plain import load_plain
from .training import TrainingRun, evaluate_questions
from .training.language_parts import counted, encoded, questions

if TYPE_CHECKING:
    from .text import Tokeniser
    from .training.loaded_run import LoadedRun
    from .training.questions import Questions

NUMBERS = ("loss", "perplexity", "bits_per_byte", "accuracy")
COUNTS = ("unigram_loss", "bigram_loss")


def language_summary(done: TrainingRun) -> str:
    """How a run ended: the weights that are kept, the test beside counts, what it took."""
    best = f"validation loss {done.best['validation_loss']:.4f} nats per token"
    numbers = ", ".join(f"{_words(name)} {done.test[name]:.4f}" for name in NUMBERS if name in done.test)
    counts = ", ".join(f"{_words(name)} {done.test[name]:.4f}" for name in COUNTS)
    return (
        f"weights of epoch {done.best['epoch']:.0f} of {len(done.history)} ({best})\n"
        f"test: {numbers}\n"
        f"counts alone: {counts} (add one; Kneser-Ney)\n"
        f"{done.tokens:,} tokens in {done.seconds:.0f} s of training"
    )


def language_scores(loaded: LoadedRun, name: str | None) -> list[str]:
    """Scores on the test part of the run's data, or of other data, beside counts of what the run was trained on.

    Raises:
        OptionError, FileFormatError, DataUnavailable: data that cannot be had, or is too short.
    """
    run, tokeniser, predicts = loaded.run, loaded.tokeniser, loaded.model.predicts
    own = load_plain(run.data, validation=run.validation, fraction=run.fraction)
    data = own if name in (None, own.name) else load_plain(str(name), validation=run.validation)
    test = questions(encoded(tokeniser, data.test), data, "test", tokeniser, predicts=predicts, length=run.max_length)
    found = evaluate_questions(loaded.model, test, predicts=predicts)
    note = own.note if data is own else f"trained on {own.name}"
    head = f"{run.model} on the test part of {data.name}, {test.asked:,} tokens asked; {note}"
    numbers = {**found, **counted(encoded(tokeniser, own.train), tokeniser, test)}
    lines = [head, *(f"{_words(key):<16}{value:.4f}" for key, value in numbers.items())]
    return [*lines, *_caveat(tokeniser, test)]


def _caveat(tokeniser: Tokeniser, test: Questions) -> list[str]:
    """What is missing from a text that the model was asked for, so that bits per byte are not compared with others'."""
    lost = []
    if not tokeniser.exact:
        lost.append(f"a tokeniser of the kind {tokeniser.kind!r} keeps neither capitals nor white space")
    if test.unknown:
        lost.append(f"{test.unknown / test.tokens:.2%} of the tokens are unknown")
    if not lost:
        return []
    return [f"the model is not asked for all of the text: {', and '.join(lost)}"]


def _words(name: str) -> str:
    return name.replace("_", " ")
