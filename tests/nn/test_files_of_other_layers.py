"""A weights file belongs to its modules and constants as much as to its text."""

import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.tensor_files import write_tensors


def made(activation=nn.Tanh, c=5.0, table=20, **options):
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        "du/dt = net(u) - c*u + sum_of",
        components={"u": 3},
        parameters={"c": c, "sum_of": torch.arange(3.0) * table},
        modules={"net": nn.Sequential(nn.Linear(3, 4), activation(), nn.Linear(4, 3))},
    )
    return fs.nn.FieldLayer(equation, dt=0.1, **options)


def test_another_network_is_refused(tmp_path):
    path = made().save(tmp_path / "w")
    with pytest.raises(fs.FileFormatError, match=r"modules\['net'\] = 'Sequential.*Tanh.*but this one has .*ReLU"):
        made(nn.ReLU).load_weights(path)


def test_other_constants_are_refused_and_stay(tmp_path):
    path, layer = made(c=1.0).save(tmp_path / "w"), made(c=5.0)
    with pytest.raises(fs.FileFormatError, match=r"constants\['c'\] = '1.0', but this one has '5.0'"):
        layer.load_weights(path)
    assert layer.equation.parameter_values()["c"] == 5.0
    with pytest.raises(fs.FileFormatError, match=r"constants\['sum_of'\]"):
        made(table=21).load_weights(made().save(tmp_path / "t"))


def test_constants_that_are_fed_do_not_count(tmp_path):
    path = made(c=1.0, inputs="c", initial=0.0).save(tmp_path / "w")
    made(c=2.0, inputs="c", initial=0.0).load_weights(path)


def test_files_go_from_one_precision_to_another(tmp_path):
    made(c=0.1).double().load_weights(made(c=0.1).save(tmp_path / "w"))
    made(c=0.1).load_weights(made(c=0.1).double().save(tmp_path / "d"))


def test_files_from_before_still_load(tmp_path):
    layer = made()
    config = {key: value for key, value in layer.config().items() if key not in ("modules", "constants")}
    write_tensors(tmp_path / "old", layer.state_dict(), config, key="fieldsolver", schema=1)
    made().load_weights(tmp_path / "old")


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(fs.OptionError, match=r"there is no folder .*absent.* make it first"):
        made().save(tmp_path / "absent" / "w")
