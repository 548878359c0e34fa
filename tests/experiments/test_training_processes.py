"""Two gloo processes with DDP and FSDP2 train as one process does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist

import fieldsolver as fs
from fieldsolver.experiments.training import CHECKPOINT, LOG, OFFENDING, read_offending_batch, train
from fieldsolver.tensor_files import read_tensors

from . import train_in_processes as script
from .text_models import mean_model

pytestmark = pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="needs gloo")


def start(folder: Path, *what: str) -> list[str]:
    """Both processes to their end; what they said if one failed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    common |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, script.__file__, str(folder), *what],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=300)[1] for process in started]
    return [text for process, text in zip(started, said, strict=True) if process.returncode]


@pytest.mark.slow  # two processes that import everything anew
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    assert start(tmp_path) == []
    alone = script.model()
    run = train(alone, script.task(), script.SETTINGS, tmp_path / "alone")
    for name in ("ddp", "fsdp", "again"):
        for rank in range(2):
            found = np.load(tmp_path / f"{name}{rank}.npz")
            for key, value in alone.state_dict().items():
                np.testing.assert_allclose(found[key], value.numpy(), atol=1e-8, rtol=0, err_msg=f"{name} {rank} {key}")
            if name != "again":
                np.testing.assert_allclose(found["losses"], [row["loss"] for row in run.history], rtol=1e-8)
                np.testing.assert_allclose(found["test"], [run.test["accuracy"], run.test["loss"]], rtol=1e-8)
                assert int(found["tokens"]) == run.tokens
    assert (tmp_path / "ddp" / LOG).read_text().count("\n") == 3
    # What two wrote, one reads: a checkpoint knows nothing of shards.
    for name in ("ddp", "fsdp"):
        (tmp_path / name / "result.json").unlink()
        one = mean_model(seed=9, weight=0.1).double()
        train(one, script.task(), script.SETTINGS, tmp_path / name, resume=True)
        for key, value in alone.state_dict().items():
            np.testing.assert_allclose(one.state_dict()[key].numpy(), value.numpy(), atol=1e-8, rtol=0)
    assert (tmp_path / "fsdp" / CHECKPOINT).is_file()


@pytest.mark.slow  # two processes that import everything anew
def test_a_field_that_one_process_cannot_follow_ends_both(tmp_path: Path) -> None:
    assert start(tmp_path, "failing") == []
    for name in ("ddp", "fsdp"):
        stepped, looked = tmp_path / f"{name}_step", tmp_path / f"{name}_evaluation"
        assert "no loss was found (a field of another process could not be followed)" in (stepped / "said0").read_text()
        assert "in epoch 1 no loss was found (text 3 overflows) at step 3" in (stepped / "said1").read_text()
        found = read_offending_batch(stepped / OFFENDING)
        assert (found.step, len(found.batch["indices"])) == (3, 15)
        found.restore(script.model())
        assert "after the steps of epoch 1 no scores were found (a field of another" in (looked / "said0").read_text()
        assert "no scores were found (text 3 overflows)" in (looked / "said1").read_text()
        # All steps of the epoch are kept: only the evaluation is left.
        assert checkpoint_numbers(looked / CHECKPOINT) == (0, 7)


def checkpoint_numbers(path: Path) -> tuple[int, int]:
    _, header = read_tensors(path, key="fieldsolver_checkpoint", schema=2, what="checkpoint", sealed=True)
    return header["epoch"], header["position"]


def test_processes_that_do_not_know_of_each_other_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(fs.OptionError, match="several processes would write the same files; say --parallel ddp"):
        train(script.model(), script.task(), script.SETTINGS, tmp_path)
