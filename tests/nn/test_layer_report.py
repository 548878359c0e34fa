"""Reports of layers, and the watch over fixed steps while training moves the coefficients."""

import warnings

import pytest
import torch

import fieldsolver as fs


def diffusion(**options):
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) - u**3",
        grid=fs.Grid(16, extent=1.0),
        boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(0.1, positive=True)},
    )
    return fs.nn.FieldLayer(equation, **{"duration": 0.5, **options})


class TestReport:
    x = torch.linspace(-1, 1, 32).reshape(2, 1, 16)

    def test_fixed_steps_show_their_order(self):
        report = diffusion(dt=0.01, method="heun").report(self.x)
        assert report.accuracy.knob == "dt"
        assert report.accuracy.slope == pytest.approx(2.0, abs=0.15)
        assert report.accepted == (50, 50)
        assert report.rejected == (0, 0)
        # Cells with a Neumann wall: lambda = -4 D/h^2 sin^2(pi 15/32), and heun is stable to -2.
        assert report.limit.exact
        assert report.limit.dt == pytest.approx(2 / (4 * 0.1 * 16**2 * 0.99039264), rel=1e-6)

    def test_tolerances_show_that_the_error_follows(self):
        report = diffusion(rtol=1e-4, atol=1e-6).report(self.x)
        assert report.accuracy.knob == "rtol"
        assert 0.5 < report.accuracy.slope < 1.5
        assert report.accuracy.errors[2] < report.accuracy.errors[0]

    def test_complex_inputs_keep_their_imaginary_part(self):
        turning = fs.FieldEquation("du/dt = (1j - 1)*u + I", parameters={"I": 0.0j}, complex_fields=("u",))
        x = torch.tensor([[1j], [2.0 + 0j]])
        assert fs.nn.FieldLayer(turning, inputs="I", initial=0.0).report(x).spectrum is None
        until = fs.SteadyState(max_time=100.0)
        assert fs.nn.SteadyFieldLayer(turning, until=until, inputs="I", initial=0.0).report(x).spectrum is None

    def test_errors_beyond_the_tolerance_are_noted(self):
        """u = sin(t) is a solution from which all others depart like exp(3 t): errors grow by 8000."""
        equation = fs.FieldEquation("du/dt = 3*(u - sin(t)) + cos(t)")
        layer = fs.nn.FieldLayer(equation, duration=3.0, rtol=1e-4, atol=1e-4)
        (note,) = layer.report(torch.zeros(1, 1)).notes
        assert "times the tolerance" in note

    def test_the_page(self):
        text = str(diffusion(dt=0.01, method="heun").report(self.x))
        for words in (
            "du/dt = D*laplacian(u) - u**3",
            "parameters  1 (rates 1)",
            "heun: dt <= 0.0197",
            "(exact)",
            "slope",
            "spectrum    radius",
        ):
            assert words in text

    def test_a_run_that_is_too_short_is_noted(self):
        equation = fs.FieldEquation("dv/dt = (I - v)/tau", parameters={"I": 0.0, "tau": 12.5})
        layer = fs.nn.FieldLayer(equation, duration=2.0, inputs="I", initial=0.0)
        report = layer.report(torch.ones(1, 1))
        assert report.slowest == pytest.approx(12.5, rel=1e-6)
        assert report.notes == ("the slowest time constant is 12.5, and the run covers 0.16 of it",)
        assert not fs.nn.FieldLayer(equation, duration=20.0, inputs="I", initial=0.0).report(torch.ones(1, 1)).notes

    def test_kinks_are_noted(self):
        jump = fs.FieldEquation("du/dt = -u + heaviside(t - 0.437)")
        (note,) = fs.nn.FieldLayer(jump, dt=0.1).report(torch.ones(1, 1)).notes
        assert "of dt, expected about 4" in note
        smooth = fs.FieldEquation("du/dt = -u")
        assert not fs.nn.FieldLayer(smooth, dt=0.1).report(torch.ones(1, 1)).notes

    def test_a_parameter_per_sample(self):
        equation = fs.FieldEquation("dv/dt = -v/tau", parameters={"tau": 1.0})
        layer = fs.nn.FieldLayer(equation, inputs="tau", duration=3.0)
        report = layer.report(torch.tensor([[0.25], [2.0]]), torch.ones(2, 1))
        assert report.slowest == pytest.approx(0.25, rel=1e-6)  # of the first sample

    def test_nothing_runs(self):
        layer = fs.nn.FieldLayer(diffusion().equation, duration=0.0)
        assert "nothing runs" in str(layer.report(self.x))

    def test_of_a_recurrent_layer(self):
        equation = fs.FieldEquation("dv/dt = (I - v)/tau", parameters={"I": 0.0, "tau": fs.Parameter(2.0)})
        layer = fs.nn.RecurrentFieldLayer(equation, inputs="I", interval=0.5, dt=0.1, initial=0.0)
        report = layer.report(torch.ones(3, 1))
        assert report.accuracy.slope == pytest.approx(4.0, abs=0.2)
        assert report.duration == 0.5
        assert report.notes == ()  # one interval need not be as long as the memory


class TestWatch:
    """dt = 0.019 is stable for D = 0.1 and heun, not for D = 0.2."""

    def layer(self, **options):
        return diffusion(dt=0.019, method="heun", duration=0.038, **options)

    def grow(self, layer):
        with torch.no_grad():
            layer.equation.raw["D"].add_(0.7)

    def test_in_evaluation_a_changed_coefficient_is_judged_once(self):
        layer, x = self.layer().eval(), torch.zeros(1, 1, 16)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer(x)
        self.grow(layer)
        with pytest.warns(fs.FieldSolverWarning, match="beyond the stability limit"):
            layer(x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer(x)

    def test_in_training_it_is_judged_at_once_and_then_at_growing_distances(self):
        layer, x = self.layer(), torch.zeros(1, 1, 16)
        found = []
        for _ in range(120):
            with torch.no_grad():
                layer.equation.raw["D"].add_(0.7 if not found else 1e-6)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                layer(x)
            found.append(len(caught))
        assert [call for call, count in enumerate(found, start=1) if count] == [1, 2, 4, 8, 16, 32, 64, 114]

    def test_loaded_weights_are_judged(self, tmp_path):
        wild = self.layer()
        self.grow(wild)
        layer = self.layer().eval()
        layer.load_weights(wild.save(tmp_path / "w"))
        with pytest.warns(fs.FieldSolverWarning, match="beyond the stability limit"):
            layer(torch.zeros(1, 1, 16))

    def test_who_switched_it_off_hears_nothing(self):
        layer = self.layer(check="off").eval()
        self.grow(layer)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer(torch.zeros(1, 1, 16))
