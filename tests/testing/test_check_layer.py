"""All checks at once: the table, its verdict, and what does not apply."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached
from fieldsolver.testing import Example, check_layer

NAMES = ["causality", "padding", "batch_independence", "load_bearing", "phase_use", "zero_dynamics", "gradient_check",
         "determinism", "round_trip"]  # fmt: skip
X = torch.randn(2, 12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class Mixer(nn.Module):
    """A causal mean over the real tokens; `leaks` takes the mean over all of them."""

    def __init__(self, leaks: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.leaks, self.linear = leaks, nn.Linear(4, 3).double()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = torch.where(mask[..., None], torch.tanh(self.linear(x)), 0.0)
        if self.leaks:
            return y - y.mean(1, keepdim=True)
        return y.cumsum(1) / mask.cumsum(1).clamp(min=1)[..., None]


EXAMPLE = Example(X, "B T D -> B T K", mask="mask")


def test_a_right_layer() -> None:
    report = check_layer(Mixer(), EXAMPLE, make=Mixer, switches={"leaks": True})
    assert list(report) == NAMES
    assert len(report) == len(NAMES)
    assert {name for name, one in report.items() if one.status is Verdict.NOT_APPLICABLE} == {
        "phase_use",
        "zero_dynamics",
    }
    assert report.holds
    assert report.assert_pass() is report
    table = str(report)
    assert table.splitlines()[0].split() == ["Mixer", "verdict", "measured", "limit"]
    assert all(len(line) <= 120 for line in table.splitlines())
    assert "the input is real; at= names the submodule" in " ".join(table.split())


def test_a_wrong_layer() -> None:
    report = check_layer(Mixer(leaks=True), EXAMPLE)
    assert {name for name, one in report.items() if one.status is Verdict.FAIL} == {"causality", "padding"}
    assert not report.holds
    with pytest.raises(VerdictNotReached, match=r"Mixer: causality is FAIL: .*; padding is FAIL"):
        report.assert_pass()
    claimed = check_layer(Mixer(leaks=True), EXAMPLE, causal=False)
    assert claimed["causality"].status is Verdict.NOT_APPLICABLE


def test_a_field() -> None:
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + u - u**3",
        grid=fs.Grid(shape=(6,), extent=3.0),
        boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(0.1, positive=True)},
    )

    def make(duration: float = 0.5) -> nn.Module:
        return fs.nn.FieldLayer(equation, duration=duration, method="rk4", dt=0.1).double()

    def growth(layer: nn.Module) -> Tensor:
        with torch.no_grad():
            return layer(states).flatten(1).var(1).log()

    states = torch.randn(4, 1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    example = Example(states, "B C X -> B C X")
    report = check_layer(make(), example, make=make, metric=growth, better="lower", ablated=make(0.0))
    assert report.holds, str(report)
    assert {name for name, one in report.items() if one.status is Verdict.PASS} == {
        "batch_independence", "load_bearing", "zero_dynamics", "gradient_check", "determinism", "round_trip",
    }  # fmt: skip


def test_results_are_files_like_those_of_every_analysis(tmp_path) -> None:
    pytest.importorskip("h5netcdf")
    result = check_layer(Mixer(), EXAMPLE)["causality"]
    again = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "causality.nc"))
    assert (again.schema, again.status, again.reason) == ("causality/1", result.status, result.reason)
    assert again["value"].values.tolist() == result["value"].values.tolist()
    assert {"units", "long_name"} <= set(again["value"].attrs)


def test_options_reach_their_check() -> None:
    report = check_layer(Mixer(), EXAMPLE, options={"causality": {"threshold": 1e-30}, "padding": {"side": "right"}})
    assert report["causality"].status is Verdict.FAIL  # round-off is seen, then
    assert float(report["causality"]["threshold"]) == 1e-30
    with pytest.raises(OptionError, match=r"no check 'causal' with options; known: .* did you mean 'causality'"):
        check_layer(Mixer(), EXAMPLE, options={"causal": {}})
    with pytest.raises(OptionError, match="better is 'higher' or 'lower', got None"):
        check_layer(Mixer(), EXAMPLE, metric=lambda layer: [1.0, 2.0])
    with pytest.raises(OptionError, match="threshold is a positive number, got -1"):
        check_layer(Mixer(), EXAMPLE, options={"causality": {"threshold": -1}})
    with pytest.raises(OptionError, match=r"no usual threshold for outputs of torch\.bfloat16"):
        check_layer(nn.Identity(), Example(X.bfloat16(), "B T D -> B T D"))
    with pytest.raises(OptionError, match=r"a layer is an nn\.Module, got function"):
        check_layer(lambda x: x, EXAMPLE)


def test_a_layer_that_cannot_be_copied_is_refused() -> None:
    layer = Mixer()
    layer.kept = layer.linear(X)
    with pytest.raises(OptionError, match=r"the layer cannot be copied: .* keep no graph"):
        check_layer(layer, EXAMPLE)


def test_unknown_keywords_are_named() -> None:
    with pytest.raises(OptionError, match=r"causality has no option 'prefix'; known: .* did you mean 'prefixes'"):
        check_layer(Mixer(), EXAMPLE, options={"causality": {"prefix": False}})
    with pytest.raises(OptionError, match="zero_dynamics has no option 'confident'"):
        check_layer(Mixer(), EXAMPLE, options={"zero_dynamics": {"confident": 0.9}})
    with pytest.raises(OptionError, match="the options of causality are a mapping"):
        check_layer(Mixer(), EXAMPLE, options={"causality": False})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: nn.Linear(4, 3), "cannot be loaded into the layer that make= built; both need the same parameters"),
        (lambda: Mixer, "make= builds a new layer, an nn.Module, but it returned a type"),
        (lambda: 1 / 0, "the check ended with ZeroDivisionError: division by zero"),
    ],
)
def test_a_make_of_another_layer_is_a_row(make, reason: str) -> None:
    report = check_layer(Mixer(), EXAMPLE, make=make)
    assert [name for name, one in report.items() if one.status is Verdict.FAIL] == ["round_trip"]
    assert reason in report["round_trip"].reason
    assert "\n" not in report["round_trip"].reason


class Faulty(Mixer):
    """Raises where something is asked of it that a user may never have tried."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.fault == "single" and len(x) == 1:
            raise ValueError("one sample is too few")
        if self.fault == "always":
            raise RuntimeError("no luck")
        if self.fault == "length" and x.shape[1] == 8:
            return super().forward(x, mask)[:, :7]
        y = super().forward(x, mask)
        if self.fault == "NaN":
            return y * float("nan")
        if self.fault == "input":
            x.mul_(2)
        return y


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        ("single", {"padding", "batch_independence"}),
        ("always", set(NAMES) - {"phase_use", "zero_dynamics"}),
        ("length", {"causality", "padding"}),
        ("NaN", {"gradient_check"}),
        ("input", {"determinism"}),
    ],
)
def test_an_error_is_a_row_and_the_others_still_run(fault: str, failed: set[str]) -> None:
    report = check_layer(Faulty(fault), EXAMPLE)
    assert list(report) == NAMES
    assert {name for name, one in report.items() if one.status is Verdict.FAIL} == failed
    assert not report.holds
    words = {"single": "one sample is too few", "always": "no luck", "length": ", 7, 3), which does not fit axes",
             "NaN": "not finite", "input": "the input, afterwards"}  # fmt: skip
    assert all(words[fault] in report[name].reason for name in failed)
    for name, one in report.items():
        if fault == "input" and one.status is Verdict.INCONCLUSIVE:
            assert "changes its input in place" in one.reason, name
