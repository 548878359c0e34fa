"""Two gloo processes train a model that predicts tokens as one process does, by the command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

from fieldsolver.experiments.training import RESULT, read_result

from .tiny_corpus import write_corpus

pytestmark = pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="needs gloo")
TRAIN = [
    sys.executable, "-m", "fieldsolver.experiments.cli", "train", "wave_network", "--preset", "causal", "--data",
    "tiny_shakespeare", "--dim", "8", "--blocks", "wave", "--max-length", "10", "--batch", "7", "--epochs", "2",
    "--warmup", "0.1", "--dropout", "0", "--word-dropout", "0",
]  # fmt: skip


def run(command: list[str], environment: dict[str, str], processes: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {**os.environ, **environment, "OMP_NUM_THREADS": "1"}
    if processes > 1:
        common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
        common |= {"GLOO_SOCKET_IFNAME": "lo"}
    started = [
        subprocess.Popen(
            command, env={**common, **({"RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {})},
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )
        for rank in range(processes)
    ]  # fmt: skip
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0] * processes, said


@pytest.mark.slow  # three processes that import everything anew
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    environment = {"FIELDSOLVER_DATA": str(write_corpus(tmp_path))}
    run([*TRAIN, "--out", str(tmp_path / "one")], environment, 1)
    run([*TRAIN, "--out", str(tmp_path / "two"), "--parallel", "ddp"], environment, 2)
    one, two = (read_result(tmp_path / name / "wave_network" / RESULT, None) for name in ("one", "two"))
    for name in ("loss", "bits_per_byte", "accuracy", "unigram_loss"):
        assert two.test[name] == pytest.approx(one.test[name], abs=1e-4)
    for before, after in zip(one.history, two.history, strict=True):
        assert after["loss"] == pytest.approx(before["loss"], abs=1e-4)
        assert after["tokens"] == before["tokens"]
