"""Wave networks in other runtimes: real arithmetic throughout, weights of eight bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import TextModel

EXPORTED = ("small", "best", "deep", "learnable", "phase", "attention", "hybrid")


def network(preset: str) -> tuple[TextModel, Tensor, Tensor]:
    torch.manual_seed(0)
    bigrams = 50 if preset == "best" else 0
    model = build("wave_network", preset, vocabulary=40, dim=16, bigrams=bigrams).eval()
    ids = torch.randint(2, 40, (3, 11), generator=torch.Generator().manual_seed(0))
    return model, ids, torch.arange(11) < torch.tensor([[11], [4], [1]])


@pytest.mark.slow
@pytest.mark.parametrize("preset", EXPORTED)
def test_an_onnx_file_gives_the_same_logits(preset: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, ids, mask = network(preset)
    path = fs.nn.export_onnx(model, ids, mask, path=tmp_path / "wave.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    for rows in (3, 2):
        (got,) = session.run(None, dict(zip(names, (ids[:rows].numpy(), mask[:rows].numpy()), strict=True)))
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(got), model(ids[:rows], mask[:rows]), rtol=1e-5, atol=1e-5)


def test_eight_bits_change_little() -> None:
    model, ids, mask = network("deep")
    small, report = fs.nn.quantised(model, ids, mask)
    assert report.change.max() < 0.03
    assert {"encoder.blocks.0.first", "encoder.blocks.2.read.linear", "head"} <= set(report.converted)
    assert all(isinstance(one, nn.Embedding) or "Int8" in type(one).__name__
               for one in small.modules() if hasattr(one, "weight") and one.weight.dim() == 2)  # fmt: skip
