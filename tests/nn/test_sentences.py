"""What goes wrong in daily use is said in one sentence."""

import pytest
import torch
from torch import nn

import fieldsolver as fs


def network(components=3):
    return fs.FieldEquation(
        "du/dt = net(u) + I",
        components={"u": components},
        parameters={"I": torch.zeros(components)},
        modules={"net": nn.Linear(components, components)},
    )


def test_double_numbers_into_single_modules():
    layer = fs.nn.FieldLayer(network(), inputs="I", initial=0.0, dt=0.5)
    with pytest.raises(
        fs.StateError, match=r"hold torch.float32, .* are torch.float64; pass them as .to\(torch.float32"
    ):
        layer(torch.ones(2, 3).double())
    layer.to(torch.float64)(torch.ones(2, 3).double())


def test_modules_that_convert_by_themselves_are_left_alone():
    class Converts(nn.Linear):
        def forward(self, x):
            return super().forward(x.float()).to(x.dtype)

    equation = fs.FieldEquation("du/dt = net(u)", components={"u": 3}, modules={"net": Converts(3, 3)})
    assert fs.nn.FieldLayer(equation, dt=0.5)(torch.ones(2, 3).double()).dtype == torch.float64


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_start_has_the_precision_of_all_inputs(order):
    equation = fs.FieldEquation("du/dt = a + b", parameters={"a": 0.0, "b": 0.0})
    layer = fs.nn.FieldLayer(equation, inputs=order, initial=0.1, dt=0.5)
    values = {"a": torch.ones(2, 1), "b": torch.ones(2, 1).double()}
    assert layer(values).dtype == torch.float64


def test_groups_are_those_of_a_module():
    layer = fs.nn.FieldLayer(network())
    with pytest.raises(fs.OptionError, match="takes a layer or a model, got list"):
        fs.nn.param_groups(list(layer.parameters()), 1e-3)


def test_components_that_were_not_declared():
    layer = fs.nn.FieldLayer(fs.FieldEquation("du/dt = I", parameters={"I": 0.0}), inputs="I", initial=0.0)
    with pytest.raises(fs.StateError, match=r"4 components are declared as torch.zeros\(4\)"):
        layer(torch.ones(2, 4))
    with pytest.raises(fs.StateError, match=r"unsqueeze\(-1\)$"):
        layer(torch.ones(4))
    with pytest.raises(fs.StateError, match=r"expected \(\*batch, 3\)$"):
        fs.nn.FieldLayer(network(), inputs="I", initial=0.0)(torch.ones(2, 4))


@pytest.mark.parametrize("shape", [(3,), (4, 3)])
def test_an_example_without_a_batch(shape):
    options = {"inputs": "I", "initial": 0.0, "dt": 0.5}
    layer = (
        fs.nn.FieldLayer(network(), **options) if len(shape) == 1 else fs.nn.RecurrentFieldLayer(network(), **options)
    )
    with pytest.raises(fs.OptionError, match=r"single sample; pass x.unsqueeze\(0\)"):
        fs.nn.export(layer, torch.ones(shape))


def test_onnx_of_a_recurrent_layer_and_without_a_folder(tmp_path):
    pytest.importorskip("onnxscript")
    recurrent = fs.nn.RecurrentFieldLayer(network(), inputs="I", initial=0.0, dt=0.5)
    with pytest.raises(fs.OptionError, match=r"layer\(sequence\)\[0\]"):
        fs.nn.export_onnx(recurrent, torch.ones(2, 4, 3), path=tmp_path / "r.onnx")
    with pytest.raises(fs.OptionError, match="there is no folder"):
        fs.nn.export_onnx(fs.nn.FieldLayer(network(), dt=0.5), torch.ones(2, 3), path=tmp_path / "absent" / "r.onnx")
