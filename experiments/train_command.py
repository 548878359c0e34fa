"""`fieldsolver train`: an experiment, a text model on a data set, or a file that repeats either."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fieldsolver.errors import OptionError, listing

from .arguments import Float, Int
from .files import writable_folder
from .options import RunOptions
from .registry import EXPERIMENTS, find_experiment

OUT = Path("out")
Name = Annotated[str, tyro.conf.arg(metavar="NAME|FILE")]
Options = tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="OPTION=VALUE")]]


def train(
    name: Name,
    out: Path = OUT,
    seeds: Int = None,
    epochs: Int = None,
    resume: bool = False,
    quick: bool = False,
    data: str | None = None,
    preset: str | None = None,
    start_from: Path | None = None,
    set_: Options = (),
    seed: Int = None,
    learning_rate: Float = None,
    batch: Int = None,
    tokeniser: str | None = None,
    vocabulary: Int = None,
    max_length: Int = None,
    fraction: Float = None,
    validation: Float = None,
    weight_decay: Float = None,
    warmup: Float = None,
    schedule: Literal["cosine", "linear"] | None = None,
    clip: Float = None,
    label_smoothing: Float = None,
    patience: Int = None,
    accumulate: Int = None,
    precision: Literal["float32", "bfloat16", "float16"] | None = None,
    embedding_rate: Float = None,
    lazy_embeddings: bool = False,
    dense_embeddings: bool = False,
    budget_tokens: Int = None,
    budget_seconds: Float = None,
    save_seconds: Float = None,
    compile: bool = False,
    device: str | None = None,
    parallel: Literal["ddp", "fsdp"] | None = None,
    tensorboard: bool = False,
    wandb: str | None = None,
) -> int:
    """Train a text model on real data, or run an experiment; writes OUT/NAME/config.toml, results and weights.

    Args:
        name: a model or an experiment (see `fieldsolver list`), or the config.toml of an earlier run to repeat it.
        out: folder for the results; they go into OUT/NAME.
        seeds: number of seeds; of experiments.
        epochs: number of passes over the data.
        resume: continue an interrupted run from its last checkpoint.
        quick: a short form; its numbers are those of a short run; of experiments.
        data: data set, or corpus for a model that predicts tokens (see `fieldsolver list data`). This and all that
            follows is of models.
        preset: a named configuration of the model (see `fieldsolver list models --model NAME`).
        start_from: folder of a run of the same model, to begin with its tokeniser, embedding and encoder.
        set_: an option of the model; --dim 256 says the same as --set dim=256.
        seed: of initial weights, batches and dropout.
        learning_rate: at its highest.
        batch: texts, or windows of text, per step, of all processes together.
        tokeniser: words, bpe, wordpiece or characters; fitted on the training texts.
        vocabulary: largest number of token ids.
        max_length: tokens of a text that are read, or of a window of text.
        fraction: share of the training texts that is used.
        validation: share of those that is kept back to choose the best epoch by.
        weight_decay: of AdamW.
        warmup: share of the steps in which the rate rises, or from 1 on their number.
        schedule: how the rate falls.
        clip: largest norm of the gradient.
        label_smoothing: share of the target that is spread over all classes.
        patience: epochs without a better validation accuracy, or likelihood of tokens, that end the run.
        accumulate: pieces that a batch is computed in.
        precision: of products; bfloat16 and float16 by autocast.
        embedding_rate: learning rate of embeddings, as a multiple.
        lazy_embeddings: update only the rows of embeddings that occur: much faster for large vocabularies on a CPU.
        dense_embeddings: update all rows, where a preset or a config.toml says otherwise.
        budget_tokens: tokens after which the run ends.
        budget_seconds: seconds of training after which the run ends.
        save_seconds: write a checkpoint within epochs too, so often.
        compile: run the model through torch.compile.
        device: cpu, cuda, cuda:1; chosen by itself when left out.
        parallel: share batches among the processes of torchrun.
        tensorboard: log to OUT/NAME/tensorboard too.
        wandb: project of Weights & Biases to log to.
    """
    given = {key: value for key, value in locals().items() if value is not None and value is not False and value != ()}
    for key in ("name", "out", "resume"):
        given.pop(key, None)
    _refuse_less_than_one(given)
    if name not in EXPERIMENTS and Path(name).suffix == ".toml":
        return _repeat(Path(name), given, out, resume=resume)
    if name in EXPERIMENTS:
        return _experiment(name, given, out, resume=resume)
    from .train_text_model import train_text_model

    return train_text_model(name, _without(given, _ONLY_EXPERIMENTS, "experiments", name), out, resume=resume)


_OF_EXPERIMENTS = {"seeds", "epochs", "quick"}
_ONLY_EXPERIMENTS = {"seeds", "quick"}


def _repeat(path: Path, given: dict[str, Any], out: Path, *, resume: bool) -> int:
    from .run_config import RunConfig, read_run_config
    from .train_text_model import repeat_text_model

    stored = read_run_config(path)
    if not isinstance(stored, RunConfig):
        return repeat_text_model(
            stored, _without(given, _ONLY_EXPERIMENTS, "experiments", stored.model), out, resume=resume
        )
    kept = {"quick": stored.quick, "seeds": stored.seeds, "epochs": stored.epochs}
    asked = {**{key: value for key, value in kept.items() if value}, **given}
    return _experiment(stored.experiment, asked, out, resume=resume)


def _experiment(name: str, given: dict[str, Any], out: Path, *, resume: bool) -> int:
    experiment = find_experiment(name)
    _without(given, given.keys() - _OF_EXPERIMENTS, "models", name)
    folder = writable_folder(out / name)
    print(experiment.load()(RunOptions(folder, resume=resume, **given)))
    return 0


def _without(given: dict[str, Any], refused: set[str], whose: str, name: str) -> dict[str, Any]:
    wrong = [f"--{key.replace('_', '-')}" for key in given if key in refused]
    if wrong:
        belong = "is an option" if len(wrong) == 1 else "are options"
        raise OptionError(f"{listing(wrong)} {belong} of {whose}, not of {name}")
    return given


def _refuse_less_than_one(given: dict[str, Any]) -> None:
    for key in ("seeds", "epochs"):
        if key in given and given[key] < 1:
            raise OptionError(f"--{key} is at least 1, got {given[key]}")
