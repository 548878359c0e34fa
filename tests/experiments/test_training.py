"""Training on texts: pieces, precision, resumption within epochs, the best weights, budgets, interruption, logs."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import MissingDependencyError
from fieldsolver.experiments.options import Interrupted
from fieldsolver.experiments.training import (
    BEST,
    CHECKPOINT,
    LOG,
    OFFENDING,
    RESULT,
    LazyAdamW,
    Measured,
    Task,
    TrainingFailed,
    TrainingRun,
    TrainSettings,
    evaluate_split,
    learning_rate,
    predict,
    read_offending_batch,
    text_task,
    train,
)
from fieldsolver.experiments.training.optimisers import make_optimisers
from fieldsolver.solve import progress as solve_progress

from .text_models import MeanModel, mean_model, texts

SETTINGS = TrainSettings(epochs=3, batch=16, learning_rate=0.02, seed=5, keep="best")
TRAIN, VALIDATION, TEST = texts(100, 0), texts(40, 1), texts(40, 2)
TASK = text_task(TRAIN, VALIDATION, TEST, classes=3)


def repeatable(run: TrainingRun) -> list[list[tuple[str, float]]]:
    """Of the log what the machine has no say in."""
    skipped = ("seconds", "peak_memory_mb", "tokens_per_second")
    return [[(name, value) for name, value in row.items() if name not in skipped] for row in run.history]


def assert_same_weights(one: nn.Module, other: nn.Module, *, within: float = 0.0) -> None:
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=0, atol=within, msg=name)


def calling(task: Task, act: Callable[[int], None]) -> Task:
    """The task, with an act before each loss."""
    steps = 0

    def loss(model: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        nonlocal steps
        steps += 1
        act(steps)
        return task.loss(model, indices, generator)

    return replace(task, loss=loss)


def stopping(after: int) -> Task:
    """Ctrl-C during step `after`."""
    return calling(TASK, lambda step: os.kill(os.getpid(), signal.SIGINT) if step == after else None)


def test_a_text_model_learns_and_all_numbers_are_there(tmp_path: Path) -> None:
    model = mean_model(dropout=0.1)
    run = train(model, TASK, replace(SETTINGS, epochs=12), tmp_path)
    assert run.test["accuracy"] > 0.6  # a third by chance
    assert run.tokens == 12 * TRAIN.tokens
    assert run.steps == 12 * math.ceil(100 / 16)
    assert run.best["accuracy"] == max(row["accuracy"] for row in run.history)
    names = {"accuracy", "precision", "recall", "f1", "validation_loss", "tokens", "evaluations", "tokens_per_second"}
    assert names | {"epoch", "loss", "learning_rate", "seconds", "peak_memory_mb"} <= set(run.history[0])
    assert run.history[0]["evaluations"] == pytest.approx(TRAIN.tokens / 100)  # this model counts a token as one
    with (tmp_path / LOG).open() as file:
        assert [float(row["accuracy"]) for row in csv.DictReader(file)] == [row["accuracy"] for row in run.history]
    assert evaluate_split(model, TEST, classes=3) == run.test  # the model ends with the weights that were tested


def test_the_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    model = mean_model()
    answers = predict(model, TEST).argmax(1).numpy()
    found = evaluate_split(model, TEST, classes=3, size=7)
    macro = precision_recall_fscore_support(TEST.labels, answers, average="macro", zero_division=0)[:3]
    assert found["accuracy"] == pytest.approx(accuracy_score(TEST.labels, answers), abs=1e-12)
    assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(list(macro), abs=1e-12)
    logits = predict(model, TEST).log()
    labels = torch.from_numpy(TEST.labels)
    assert found["loss"] == pytest.approx(float(nn.functional.nll_loss(logits, labels)), rel=1e-5)


@pytest.mark.parametrize("accumulate", [2, 3, 16])
def test_pieces_have_the_gradient_of_the_whole(tmp_path: Path, accumulate: int) -> None:
    whole, pieces = mean_model(weight=0.1).double(), mean_model(weight=0.1).double()
    settings = replace(SETTINGS, clip=0.3)
    one = train(whole, TASK, settings, tmp_path / "whole")
    other = train(pieces, TASK, replace(settings, accumulate=accumulate), tmp_path / "pieces")
    assert_same_weights(whole, pieces, within=1e-9)
    assert [row["loss"] for row in one.history] == pytest.approx([row["loss"] for row in other.history], rel=1e-12)


@pytest.mark.parametrize("after", [1, 5, 7, 11])  # 7 steps an epoch
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_ctrl_c_within_an_epoch_and_on_bitwise(tmp_path: Path, after: int, precision: str) -> None:
    settings = replace(SETTINGS, precision=precision)
    whole, broken = mean_model(dropout=0.3), mean_model(dropout=0.3)
    expected = train(whole, TASK, settings, tmp_path / "whole")
    epoch, steps = divmod(after, 7)
    where = f"{steps} steps after epoch {epoch}" if steps else "7 steps after epoch 0"
    with pytest.raises(Interrupted, match=f"holds {where} of 3; continue with the same command and --resume"):
        train(broken, stopping(after), settings, tmp_path / "broken")
    fresh = mean_model(seed=9, dropout=0.3)
    torch.rand(17)  # whatever happened in between
    run = train(fresh, TASK, settings, tmp_path / "broken", resume=True)
    assert_same_weights(whole, fresh)
    assert repeatable(run) == repeatable(expected)
    assert run.test == expected.test
    heads = {(tmp_path / name / LOG).read_text().split("\n")[0] for name in ("broken", "whole")}
    assert len(heads) == 1


def test_signals_are_heard_as_before_after_training(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train(mean_model(), TASK, replace(SETTINGS, epochs=1), tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def twice(step: int) -> None:
        if step == 9:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="holds epoch 1 of 3"):
        train(mean_model(), calling(TASK, twice), SETTINGS, tmp_path)


@pytest.mark.parametrize("every", [1, 3])
def test_a_crash_goes_on_from_the_last_saved_step_bitwise(tmp_path: Path, every: int) -> None:
    def crash(step: int) -> None:
        if step == 13:
            raise RuntimeError("power cut")

    whole, fresh = mean_model(dropout=0.3), mean_model(seed=9, dropout=0.3)
    expected = train(whole, TASK, SETTINGS, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="power cut"):
        train(mean_model(dropout=0.3), calling(TASK, crash), SETTINGS, tmp_path / "cut", save_steps=every)
    made = []
    run = train(fresh, calling(TASK, made.append), SETTINGS, tmp_path / "cut", resume=True)
    assert len(made) == 21 - 12  # 12 is the last saved step of both
    assert_same_weights(whole, fresh)
    assert repeatable(run) == repeatable(expected)


def test_a_finished_run_is_loaded_without_its_checkpoint(tmp_path: Path) -> None:
    first, second = mean_model(), mean_model(seed=9)
    expected = train(first, TASK, SETTINGS, tmp_path)
    (tmp_path / CHECKPOINT).unlink()

    def never(model: nn.Module) -> dict[str, float]:
        raise AssertionError("the test split is looked at once")

    idle = replace(calling(TASK, lambda step: pytest.fail("trained")), test=never)
    run = train(second, idle, SETTINGS, tmp_path, resume=True)
    assert run == expected
    assert_same_weights(first, second)


def test_the_best_weights_are_kept_and_the_test_comes_once_with_them(tmp_path: Path) -> None:
    seen: list[Tensor] = []
    scores = iter([0.2, 0.9, 0.9, 0.1])
    tested: list[Tensor] = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append(model.state_dict()["last.weight"].clone())
        return {"accuracy": next(scores)}

    def test(model: nn.Module) -> dict[str, float]:
        tested.append(model.state_dict()["last.weight"].clone())
        return {"accuracy": 0.5}

    task = replace(TASK, evaluate=evaluate, test=test)
    run = train(mean_model(), task, replace(SETTINGS, epochs=9, patience=2), tmp_path)
    assert run.best["epoch"] == 2
    assert len(run.history) == 4
    assert len(tested) == 1
    assert torch.equal(tested[0], seen[1])
    assert json.loads((tmp_path / RESULT).read_text())["test"] == {"accuracy": 0.5}


def test_a_budget_of_tokens_ends_the_run_and_drives_the_schedule(tmp_path: Path) -> None:
    budget = int(1.5 * TRAIN.tokens)
    settings = replace(SETTINGS, epochs=10, budget_tokens=budget)
    run = train(mean_model(), TASK, settings, tmp_path)
    assert budget <= run.tokens < budget + 16 * 20
    assert len(run.history) == 2
    assert run.history[-1]["learning_rate"] < 0.1 * SETTINGS.learning_rate  # of a tenth of the epochs


def test_a_budget_of_seconds_ends_the_run(tmp_path: Path) -> None:
    run = train(mean_model(), TASK, replace(SETTINGS, epochs=10**6, budget_seconds=0.05), tmp_path)
    assert run.seconds >= 0.05
    assert run.history[-1]["learning_rate"] < SETTINGS.learning_rate


def test_the_line_of_the_schedule_falls_evenly() -> None:
    line = replace(SETTINGS, schedule="linear", warmup=0.1, learning_rate=2.0)
    assert [learning_rate(line, step, 100) for step in (4, 9, 50, 99)] == pytest.approx([0.96, 1.82, 1.0, 0.02])
    steps = replace(line, warmup=20)
    assert [learning_rate(steps, step, 100) for step in (4, 9, 50)] == pytest.approx([0.48, 0.91, 1.0])


def test_lazy_updates_are_adamw_where_every_row_occurs() -> None:
    tables = [nn.Embedding(6, 4, sparse=sparse, dtype=torch.float64) for sparse in (False, True)]
    tables[1].load_state_dict(tables[0].state_dict())
    plain = torch.optim.AdamW(tables[0].parameters(), lr=0.1, weight_decay=0.2)
    lazy = LazyAdamW(tables[1].parameters(), lr=0.1, weight_decay=0.2)
    for step in range(20):
        ids = torch.cat([torch.arange(6), torch.tensor([0, 2, 2])])
        for table, optimiser in zip(tables, (plain, lazy), strict=True):
            optimiser.zero_grad()
            (table(ids) - step % 3).square().mean().backward()
            optimiser.step()
    torch.testing.assert_close(tables[1].weight, tables[0].weight, rtol=1e-12, atol=1e-12)


def test_lazy_updates_without_decay_are_those_of_torch() -> None:
    tables = [nn.Embedding(50, 4, sparse=True, dtype=torch.float64) for _ in range(2)]
    tables[1].load_state_dict(tables[0].state_dict())
    before = tables[0].weight.detach().clone()
    eps = 1e-16  # torch adds it before the correction of the bias, AdamW and we after
    ours = LazyAdamW(tables[0].parameters(), lr=0.1, weight_decay=0.0, eps=eps)
    theirs = torch.optim.SparseAdam(tables[1].parameters(), lr=0.1, eps=eps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        ids = torch.randint(40, (6,), generator=generator)
        for table, optimiser in zip(tables, (ours, theirs), strict=True):
            optimiser.zero_grad()
            (table(ids) - 1).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(tables[0].weight, tables[1].weight, rtol=1e-10, atol=1e-12)
    assert torch.equal(tables[0].weight[40:], before[40:])


def test_lazy_decay_is_of_the_rows_that_occur() -> None:
    table = nn.Embedding(4, 3, sparse=True, dtype=torch.float64)
    before = table.weight.detach().clone()
    lazy = LazyAdamW(table.parameters(), lr=0.1, weight_decay=0.5)
    (0 * table(torch.tensor([0, 0, 2]))).sum().backward()
    lazy.step()
    factors = torch.tensor([0.95, 1.0, 0.95, 1.0], dtype=torch.float64)
    torch.testing.assert_close(table.weight.detach(), factors[:, None] * before)


def test_lazy_embeddings_train_resume_and_give_the_tables_back(tmp_path: Path) -> None:
    settings = replace(SETTINGS, lazy_embeddings=True, clip=0.1)
    whole, broken, fresh = mean_model(), mean_model(), mean_model(seed=9)
    expected = train(whole, TASK, settings, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(broken, stopping(10), settings, tmp_path / "broken")
    run = train(fresh, TASK, settings, tmp_path / "broken", resume=True)
    assert_same_weights(whole, fresh)
    assert repeatable(run) == repeatable(expected)
    assert not fresh.embedding.sparse
    assert expected.history[-1]["loss"] < expected.history[0]["loss"]


def test_the_clipped_norm_counts_sparse_gradients_too() -> None:
    from fieldsolver.experiments.training.gradient_norm import clip_gradient

    norms, after = [], []
    for sparse in (False, True):
        model = mean_model()
        model.embedding.sparse = sparse
        TASK.loss(model, torch.arange(30), torch.Generator()).loss.backward()
        norms.append(clip_gradient(model.parameters(), 0.01))
        gradient = model.embedding.weight.grad
        assert gradient is not None
        after.append(gradient.to_dense() if sparse else gradient)
        assert clip_gradient(model.parameters(), 10.0) == pytest.approx(0.01, rel=1e-3)
    assert norms[0] == pytest.approx(norms[1], rel=1e-6)
    torch.testing.assert_close(after[0], after[1])


def test_groups_of_parameters() -> None:
    model = mean_model()
    settings = replace(SETTINGS, embedding_rate=0.5, weight_decay=0.3)
    groups = {group["name"]: group for one in make_optimisers(model, settings) for group in one.param_groups}
    assert groups["embeddings"]["params"] == [model.embedding.weight]
    assert groups["embeddings"]["share"] == 0.5
    assert groups["vectors"]["weight_decay"] == 0
    assert groups["weights"]["weight_decay"] == 0.3
    assert sum(len(group["params"]) for group in groups.values()) == len(list(model.parameters()))


def test_bfloat16_is_near_float32_and_not_the_same(tmp_path: Path) -> None:
    rows = {
        precision: train(mean_model(), TASK, replace(SETTINGS, precision=precision), tmp_path / precision).history
        for precision in ("float32", "bfloat16", "float16")
    }
    for precision in ("bfloat16", "float16"):
        assert rows[precision][0]["loss"] == pytest.approx(rows["float32"][0]["loss"], rel=0.02)
        assert rows[precision][0]["loss"] != rows["float32"][0]["loss"]


def test_label_smoothing_is_that_of_torch(tmp_path: Path) -> None:
    model, task = mean_model(weight=0.1), text_task(TRAIN, classes=3, label_smoothing=0.2)
    indices = torch.arange(10)
    found = task.loss(model, indices, torch.Generator()).loss.item()
    batch = task.tensors(indices) if task.tensors is not None else {}
    answer = model(batch["ids"], batch["mask"], detailed=True)
    expected = nn.functional.cross_entropy(answer.logits, batch["labels"], label_smoothing=0.2) + answer.penalty
    assert found == pytest.approx(expected.item())


def test_the_offending_batch_can_be_computed_again(tmp_path: Path) -> None:
    def poison(step: int) -> None:
        if step == 10:
            with torch.no_grad():
                model.last.weight[0, 0] = float("inf")

    model = mean_model(dropout=0.3)
    with pytest.raises(TrainingFailed, match=r"in epoch 2 the loss is (nan|inf).* at step 10, first in '\w+"):
        train(model, calling(TASK, poison), SETTINGS, tmp_path)
    found = read_offending_batch(tmp_path / OFFENDING)
    assert (found.epoch, found.step) == (2, 10)
    assert set(found.batch) == {"indices", "ids", "mask", "labels"}
    again = mean_model(seed=9, dropout=0.3)
    noise = found.restore(again)
    loss = TASK.loss(again.train(), found.batch["indices"], noise).loss
    assert not torch.isfinite(loss)
    with pytest.raises(fs.FileFormatError, match="did not write it as a"):
        read_offending_batch(tmp_path / CHECKPOINT)
    fresh = mean_model()  # the checkpoint is of before
    assert len(train(fresh, TASK, SETTINGS, tmp_path, resume=True).history) == 3


def test_an_evaluation_that_fails_loses_no_step(tmp_path: Path) -> None:
    """What was trained is kept; a run that goes on looks again, and trains no step twice."""
    calls: list[int] = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise fs.StabilityError("text 3 overflows", math.nan)
        return TASK.evaluate(model) if TASK.evaluate is not None else {}

    settings = replace(SETTINGS, keep="last")
    task = replace(TASK, evaluate=evaluate)
    words = r"after the steps of epoch 2 no scores were found \(text 3 overflows\); lower the learning rate \(0.02\)"
    with pytest.raises(TrainingFailed, match=words) as failed:
        train(mean_model(dropout=0.3), task, settings, tmp_path / "failed")
    assert isinstance(failed.value.__cause__, fs.StabilityError)
    made: list[int] = []
    fresh, whole = mean_model(seed=9, dropout=0.3), mean_model(dropout=0.3)
    run = train(fresh, calling(task, made.append), settings, tmp_path / "failed", resume=True)
    expected = train(whole, TASK, settings, tmp_path / "whole")
    assert len(made) == 7  # of the third epoch
    assert_same_weights(whole, fresh)
    assert repeatable(run) == repeatable(expected)


def test_a_test_that_fails_leaves_the_trained_run(tmp_path: Path) -> None:
    def test(model: nn.Module) -> dict[str, float]:
        raise fs.StabilityError("text 3 overflows", math.nan)

    with pytest.raises(TrainingFailed, match=r"when training was over no scores were found \(text 3 overflows\)"):
        train(mean_model(), replace(TASK, test=test), SETTINGS, tmp_path)
    run = train(mean_model(), calling(TASK, lambda step: pytest.fail("trained")), SETTINGS, tmp_path, resume=True)
    assert len(run.history) == 3


def test_a_batch_that_cannot_be_kept_hides_no_failure(tmp_path: Path) -> None:
    def poison(step: int) -> None:
        with torch.no_grad():
            model.last.weight[0, 0] = float("inf")

    (tmp_path / OFFENDING / "in the way").mkdir(parents=True)
    model = mean_model()
    with pytest.raises(TrainingFailed, match=r"at step 1.*the batch cannot be kept in .*the last checkpoint is kept"):
        train(model, calling(TASK, poison), SETTINGS, tmp_path)


def test_float16_leaves_out_a_step_that_overflows(tmp_path: Path) -> None:
    def loud(model: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        loss, counts = TASK.loss(model, indices, generator)
        return Measured(loss * 1e4, counts)

    run = train(mean_model(), replace(TASK, loss=loud), replace(SETTINGS, precision="float16"), tmp_path)
    assert math.isfinite(run.history[-1]["loss"])


def test_tensorboard_and_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, float]] = []
    ended = []
    fake = SimpleNamespace(
        init=lambda **options: SimpleNamespace(
            log=lambda numbers, step: sent.append({**numbers, "step": step}),
            finish=lambda exit_code: ended.append((options["project"], exit_code)),
        )
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    train(mean_model(), TASK, SETTINGS, tmp_path, tensorboard=True, wandb="waves")
    assert ended == [("waves", 0)]
    assert [row["step"] for row in sent if "epoch/accuracy" in row] == [7, 14, 21]
    assert sum("step/loss" in row for row in sent) == 21

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("epoch/accuracy")] == [7, 14, 21]
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependencyError, match="pip install wandb"):
        train(mean_model(), TASK, SETTINGS, tmp_path / "other", wandb="waves")


def test_the_bar_shows_loss_rate_and_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve_progress, "PATIENCE", 0.0)
    train(mean_model(), TASK, replace(SETTINGS, epochs=1), tmp_path, progress=True, label="waves")
    shown = capsys.readouterr().err
    for word in ("waves:", "loss ", "rate ", "tokens_per_second "):
        assert word in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"accumulate": 17}, r"accumulate is between 1 and the batch \(16\), got 17"),
        ({"precision": "int8"}, "precision is one of float32, bfloat16, float16, got 'int8'"),
        ({"warmup": -1.0}, "warmup is a fraction of all steps, or from 1 on their number, got -1.0"),
        ({"patience": 0}, "patience is positive or None, got 0"),
        ({"lazy_embeddings": True, "groups": False}, "groups=False treats all parameters alike"),
        ({"learning_rate": float("nan")}, "must be positive"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(fs.OptionError, match=sentence):
        replace(SETTINGS, **changes)


def test_what_excludes_one_another(tmp_path: Path) -> None:
    lazy = replace(SETTINGS, lazy_embeddings=True)
    with pytest.raises(fs.OptionError, match="sparse gradients, which neither --parallel nor --compile"):
        train(mean_model(), TASK, lazy, tmp_path, compile=True)
    with pytest.raises(fs.OptionError, match="--parallel ddp needs several processes; start it as: torchrun"):
        train(mean_model(), TASK, SETTINGS, tmp_path, parallel="ddp")
    with pytest.raises(fs.OptionError, match="keep='best' watches 'acuracy', but evaluation gave"):
        train(mean_model(), TASK, replace(SETTINGS, monitor="acuracy"), tmp_path)
    with pytest.raises(fs.OptionError, match=r"labels lie in 0..1, got 2; say classes=3"):
        text_task(TRAIN, classes=2)


@pytest.mark.slow  # compiles
def test_compiled_training_is_near_the_plain_one(tmp_path: Path) -> None:
    plain, compiled = mean_model(), mean_model()
    one = train(plain, TASK, replace(SETTINGS, epochs=1), tmp_path / "plain")
    other = train(compiled, TASK, replace(SETTINGS, epochs=1), tmp_path / "compiled", compile=True)
    assert one.history[0]["loss"] == pytest.approx(other.history[0]["loss"], rel=1e-4)
    assert isinstance(compiled, MeanModel)
    assert BEST in {path.name for path in (tmp_path / "compiled").iterdir()}
