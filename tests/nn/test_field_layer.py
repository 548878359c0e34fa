"""`FieldLayer` is an ordinary module: shapes, gradients, batch independence, weights on disk."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import fieldsolver as fs
from fieldsolver.nn.weights import load_weights, save_weights


def reaction(components=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(components, 8), nn.Tanh(), nn.Linear(8, components))


def layer(duration=0.5, seed=0, **options):
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi)",
        grid=fs.Grid((5, 4), extent=(5.0, 4.0)),
        boundary=fs.Neumann(0),
        components={"phi": 3},
        parameters={"D": fs.Parameter(torch.tensor([0.1, 0.2, 0.3]), positive=True)},
        modules={"react": reaction(seed=seed)},
    )
    return fs.nn.FieldLayer(equation, duration=duration, **options)


def test_in_a_sequential_every_parameter_gets_a_gradient():
    model = nn.Sequential(layer(), nn.Flatten(), nn.Linear(60, 2))
    loss = model(torch.randn(7, 3, 5, 4)).pow(2).mean()
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("options", [{}, {"dt": 0.1}, {"method": "heun", "dt": 0.05}])
def test_gradients_match_central_differences(options):
    module = layer(duration=0.3, **options).double()
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    weights = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    tight = {} if options else {"rtol": 1e-11, "atol": 1e-13}
    module.options.update(tight)

    def loss():
        return (module(x) * weights).sum()

    loss().backward()
    epsilon = 1e-5
    for name, parameter in module.named_parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        index = gradient.abs().argmax().item()
        values = []
        for sign in (1, -1):
            flat[index] += sign * epsilon
            with torch.no_grad():
                values.append(loss().item())
            flat[index] -= sign * epsilon
        difference = (values[0] - values[1]) / (2 * epsilon)
        assert difference == pytest.approx(gradient[index].item(), rel=1e-6), name


def test_neighbours_change_nothing():
    module = layer()
    x = torch.randn(4, 3, 5, 4)
    x[1] *= 30  # needs far smaller steps than the others
    together = module(x)
    for sample in range(4):
        torch.testing.assert_close(module(x[sample : sample + 1])[0], together[sample], rtol=1e-5, atol=1e-6)


def test_modes_by_name_and_by_object_agree():
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    gradients = []
    for mode in ("direct", "checkpointed", fs.gradients.Checkpointed(states=2)):
        module = layer(gradient=mode).double()
        module(x).pow(2).sum().backward()
        gradients.append([p.grad for p in module.parameters()])
    for other in gradients[1:]:
        for a, b in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_zero_duration_passes_through_and_is_differentiable():
    module = layer(duration=0.0)
    x = torch.randn(2, 3, 5, 4, requires_grad=True)
    assert torch.equal(module(x), x)


def test_dict_input_and_trajectory():
    module = layer()
    x = torch.randn(2, 3, 5, 4)
    assert torch.equal(module({"phi": x}), module(x))
    solution = module.trajectory(x, saves=4)
    assert solution["phi"].shape == (4, 2, 3, 5, 4)
    torch.testing.assert_close(solution["phi"][-1], module(x))


def test_eval_under_no_grad_is_the_same_number():
    module = layer()
    x = torch.randn(2, 3, 5, 4)
    with torch.no_grad():
        assert torch.equal(module(x), module(x))


def test_repr_prints_the_equation():
    assert "dphi/dt = D*laplacian(phi) + react(phi)" in repr(layer())


class TestWeights:
    def test_round_trip(self, tmp_path):
        first, second = layer(seed=1), layer(seed=2)
        x = torch.randn(2, 3, 5, 4)
        assert not torch.equal(first(x), second(x))
        second.load_weights(first.save(tmp_path / "w.safetensors"))
        assert torch.equal(first(x), second(x))
        assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]

    def test_another_equation_is_refused_and_nothing_changes(self, tmp_path):
        path = layer(duration=0.7).save(tmp_path / "w.safetensors")
        module = layer(duration=0.5)
        before = {name: value.clone() for name, value in module.state_dict().items()}
        with pytest.raises(fs.FileFormatError, match=r"duration = 0\.7"):
            module.load_weights(path)
        assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())

    def test_truncated_pickle_foreign_and_missing_files_are_refused(self, tmp_path):
        module = layer()
        path = module.save(tmp_path / "w.safetensors")
        cut, pickled, foreign, newer = (tmp_path / name for name in ("cut", "pickled", "foreign", "newer"))
        cut.write_bytes(path.read_bytes()[:-100])
        pickled.write_bytes(pickle.dumps({"a": 1}))
        save_file({"a": torch.ones(1)}, foreign)
        save_file({"a": torch.ones(1)}, newer, metadata={"fieldsolver": json.dumps({"schema": 99})})
        for file, message in (
            (cut, "not a complete"),
            (pickled, "not a complete"),
            (foreign, "did not write it"),
            (newer, "schema 99"),
            (tmp_path / "absent", "no weights file"),
        ):
            with pytest.raises(fs.FileFormatError, match=message):
                module.load_weights(file)

    def test_complex_tensors_are_stored_as_pairs(self, tmp_path):
        module = nn.Module()
        module.weight = nn.Parameter(torch.randn(3, dtype=torch.complex64))
        saved = module.weight.detach().clone()
        save_weights(module, tmp_path / "c", {})
        module.weight.data.zero_()
        load_weights(module, tmp_path / "c", {})
        assert torch.equal(module.weight.data, saved)

    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        module = layer()
        path = module.save(tmp_path / "w.safetensors")
        before = path.read_bytes()

        def full_disk(*args, **kwargs):
            raise OSError("No space left on device")

        monkeypatch.setattr("safetensors.torch.save_file", full_disk)
        with pytest.raises(OSError, match="No space"):
            module.save(path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"duration": -1.0}, fs.OptionError, "not negative"),
        ({"dt": -0.1}, fs.OptionError, "positive"),
        ({"method": "rk5"}, fs.OptionError, "known"),
        ({"method": "abm", "dt": 0.1}, fs.OptionError, "abm chooses its steps and its order; take ab4, or leave dt"),
        ({"gradient": "implicit"}, fs.OptionError, "SteadyFieldLayer"),
        ({"gradient": "adjoint"}, fs.OptionError, "unknown gradient 'adjoint'"),
        ({"max_steps": 0}, fs.OptionError, "max_steps is a whole number"),
        ({"check": "no"}, fs.OptionError, "check is one of"),
        ({"save_at": [2.0]}, fs.OptionError, "outside the span"),
        ({"dt": 100.0, "method": "euler"}, fs.StabilityError, "stability limit"),
    ],
)
def test_bad_options_are_refused_at_construction(options, error, message):
    with pytest.raises(error, match=message):
        layer(**options)


def test_batch_norm_is_refused():
    with pytest.raises(fs.EquationError, match="BatchNorm1d"):
        fs.FieldEquation("du/dt = net(u)", modules={"net": nn.BatchNorm1d(1)})
