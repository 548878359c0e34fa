"""Fixed-step and steady layers as exported programs and ONNX files: any batch, the numbers of the layer."""

import numpy as np
import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.nn.export import export
from fieldsolver.nn.onnx_file import export_onnx


def equation(seed=0, **parameters):
    torch.manual_seed(seed)
    return fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi) + drive*sin(t)",
        grid=fs.Grid((4, 3), extent=(4.0, 3.0)),
        boundary=fs.Neumann(0),
        components={"phi": 2},
        parameters={"D": fs.Parameter(torch.tensor([0.1, 0.3]), positive=True), "drive": 0.4, **parameters},
        modules={"react": nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Dropout(0.1), nn.Linear(5, 2))},
    )


def fixed(**options):
    return fs.nn.FieldLayer(equation(), **{"duration": 0.25, "dt": 0.1, "method": "heun", **options})


def steady():
    rest = fs.FieldEquation("dx/dt = -x + 0.1*tanh(x + I)", components={"x": 3}, parameters={"I": torch.zeros(3)})
    return fs.nn.SteadyFieldLayer(
        rest, until=fs.SteadyState(atol=1e-6, max_time=24.0), inputs="I", initial=0.0, dt=1.0, method="heun"
    )


def states(samples=3):
    return torch.randn(samples, 2, 4, 3, generator=torch.Generator().manual_seed(samples))


@pytest.mark.parametrize("samples", [1, 3])
def test_an_exported_layer_takes_any_batch(samples):
    layer = fixed().train()
    program = export(layer, states(samples))
    assert layer.training
    assert layer.equation.submodules["react"][2].training
    layer.eval()
    for batch in (1, 2, 5):
        torch.testing.assert_close(program.module()(states(batch)), layer(states(batch)), rtol=1e-6, atol=1e-6)


def test_a_model_that_contains_layers_is_exported_whole():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), fixed(), nn.Flatten(), nn.Linear(24, 4)).eval()
    x = torch.randn(3, 1, 4, 3)
    program = export(model, x)
    torch.testing.assert_close(program.module()(x[:2]), model(x[:2]), rtol=1e-6, atol=1e-6)
    assert {"1.equation.raw.D", "3.weight"} <= set(program.state_dict)


def test_a_steady_layer_is_its_fixed_number_of_steps():
    layer, x = steady(), torch.randn(4, 3)
    program = export(layer, x)
    torch.testing.assert_close(program.module()(x[:3]), layer(x[:3]), rtol=1e-5, atol=1e-5)


def run_onnx(path, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    return torch.from_numpy(session.run(None, {name: x.numpy()})[0])


# Translating the loop of the steady layer takes half a minute on a busy machine.
@pytest.mark.parametrize("make", [fixed, pytest.param(steady, marks=pytest.mark.slow)])
def test_onnxruntime_computes_the_same(make, tmp_path):
    pytest.importorskip("onnxscript")
    layer = make().eval()
    inputs = (lambda n: states(n)) if make is fixed else (lambda n: torch.randn(n, 3))
    path = export_onnx(layer, inputs(2), path=tmp_path / "layer.onnx")
    for batch in (1, 2, 5):
        x = inputs(batch)
        torch.testing.assert_close(run_onnx(path, x), layer(x), rtol=1e-5, atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["layer.onnx"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    path = tmp_path / "layer.onnx"
    path.write_bytes(b"old")

    class Broken:
        def optimize(self):
            pass

        def save(self, target, **options):
            target.write_bytes(b"half")
            raise OSError("No space left on device")

    monkeypatch.setattr("torch.onnx.export", lambda *args, **options: Broken())
    with pytest.raises(OSError, match="No space"):
        export_onnx(nn.Linear(2, 2), torch.ones(2, 2), path=path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["layer.onnx"]


@pytest.mark.parametrize(
    ("layer", "example", "message"),
    [
        (lambda: fixed(dt=None), (states(),), "the FieldLayer chooses its steps by the numbers .* make it with dt="),
        (lambda: nn.Sequential(fixed(dt=None)), (states(),), "the layer '0' chooses its steps"),
        (fixed, (torch.tensor(1.0),), r"share their first axis, the batch, got shapes \[\(\)\]"),
        (fixed, (states(2), states(3)), "share their first axis"),
        (fixed, (), "share their first axis"),
    ],
)
def test_what_cannot_be_exported_is_refused(layer, example, message):
    with pytest.raises(fs.OptionError, match=message):
        export(layer(), *example)


def test_parameters_per_sample_are_refused():
    own = equation(drive=fs.PerSample(torch.ones(3)))
    with pytest.raises(fs.OptionError, match=r"fs\.PerSample parameters, which fix the batch"):
        export(fs.nn.FieldLayer(own, duration=0.2, dt=0.1), states(3))


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(fs.OptionError, match=r"needs the package 'onnx'; pip install 'fieldsolver\[export\]'"):
        export_onnx(fixed(), states(), path=tmp_path / "x.onnx")


def test_what_overflows_shows_in_the_output():
    burst = fs.nn.FieldLayer(
        fs.FieldEquation("dx/dt = x**3", components={"x": 2}), duration=0.2, dt=0.1, method="euler"
    )
    module = export(burst, torch.ones(3, 2)).module()
    y = module(torch.tensor([[1.0, 1.0], [1e30, 1.0]]))
    assert np.isfinite(y[0].numpy()).all()
    assert not np.isfinite(y[1, 0].item())


# bosh3 carries its last stage to the next step, reversible_rk4 a second state, rk4 nothing.
@pytest.mark.parametrize("method", ["bosh3", "reversible_rk4", "rk4"])
def test_many_steps_become_a_loop_and_not_many_copies(method):
    layer = fixed(method=method, dt=0.01, check="off").eval()
    program = export(layer, states())
    loops = [node for node in program.graph.nodes if node.op == "call_function" and "while_loop" in str(node.target)]
    assert len(loops) == 1
    torch.testing.assert_close(program.module()(states(2)), layer(states(2)), rtol=1e-5, atol=1e-6)


def test_numbers_among_the_arguments_are_part_of_the_program():
    decay = fs.FieldEquation("dx/dt = -x + I", parameters={"I": 0.0})
    layer = fs.nn.FieldLayer(decay, duration=0.5, dt=0.25, inputs="I", method="heun")
    x, start = torch.randn(3, 1), {"x": 2.0}
    for example in (x, x[:1]):
        torch.testing.assert_close(export(layer, example, start).module()(x, start), layer(x, start))


def test_a_spectral_layer_is_exported_with_its_tables():
    wave = fs.FieldEquation(
        "du/dt = 0.01*laplacian(u) - u*d_dx(u)",
        grid=fs.Grid((8, 6), extent=(1.0, 1.0)),
        boundary=fs.Periodic(),
        scheme=fs.Spectral(),
    )
    module = fs.nn.FieldLayer(wave, duration=0.02, dt=0.01, method="heun")
    x = torch.randn(3, 1, 8, 6)
    torch.testing.assert_close(export(module, x).module()(x[:1]), module(x[:1]), rtol=1e-5, atol=1e-6)


def test_what_onnx_lacks_is_said_in_one_sentence(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")

    def refuse(*args, **options):
        raise torch.onnx.OnnxExporterError("step 3/3 ...") from ValueError("No ONNX function found for aten.foo")

    monkeypatch.setattr("torch.onnx.export", refuse)
    with pytest.raises(fs.OptionError, match=r"as ONNX: No ONNX function found for aten\.foo; take fs\.nn\.export"):
        export_onnx(nn.Linear(2, 2), torch.ones(2, 2), path=tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
