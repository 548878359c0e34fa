"""The pictures of a field of tokens and the counts behind them."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.wavenet_neuro.operation_counts import (
    break_even,
    field_macs,
    synaptic_operations,
    transformer_macs,
)
from fieldsolver.models.wavenet_neuro.plots import (
    animate_field,
    change_rate,
    computation_comparison,
    energy_curve,
    field_snapshots,
    residual_curve,
    steps_histogram,
)

T = torch.linspace(0, 3, 7)


def falling(texts=2):
    return torch.exp(-T)[:, None] * torch.arange(1.0, texts + 1)


# -- counts ----------------------------------------------------------------------------------------------------------


def test_macs_of_the_claim_are_2_4_to_1_and_not_305000_to_1():
    field = field_macs(1000, 512, evaluations=20)
    transformer = transformer_macs(1000, 512, layers=12)
    assert field == pytest.approx(2.1e10, rel=0.01)
    assert transformer == pytest.approx(5.0e10, rel=0.01)
    assert transformer / field == pytest.approx(2.4, abs=0.05)


def test_macs_are_those_of_the_layers_they_count():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    n, C = 24, 8
    x = torch.randn(1, C, 4, 6)
    one = torch.nn.Sequential(
        torch.nn.Conv2d(C, C, 3, padding=1, groups=C, bias=False),
        torch.nn.Conv2d(C, 2 * C, 1),
        torch.nn.GELU(),
        torch.nn.Conv2d(2 * C, C, 1),
    )
    with FlopCounterMode(display=False) as counter:
        one(x)
    assert counter.get_total_flops() == 2 * field_macs(n, C, evaluations=1)
    block = torch.nn.TransformerEncoderLayer(C, 2, 4 * C, dropout=0.0, batch_first=True).train()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # fused attention is not counted
        block(torch.randn(1, n, C))
    assert counter.get_total_flops() == pytest.approx(2 * transformer_macs(n, C, layers=1), rel=1e-9)


def test_break_even_is_where_both_cost_the_same():
    n = break_even(64, evaluations=60, layers=2)
    assert n > 0
    assert field_macs(1, 64, evaluations=60) * n == pytest.approx(2 * (12 * n * 64**2 + 2 * n**2 * 64))
    assert break_even(512, evaluations=1, layers=12) == 0
    assert synaptic_operations(10, 64) == 10 * 64 * 3


# -- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_wear_the_theme(theme):
    page = {"light": "#ffffff", "dark": "#14171a"}[theme]
    before = dict(mpl.rcParams)
    line, plane = torch.randn(7, 3, 5), torch.randn(7, 3, 4, 5)
    figures = [
        field_snapshots(T, line, words=list("abcde"), theme=theme),
        field_snapshots(T, plane, moments=2, theme=theme),
        energy_curve(T, falling(), theme=theme),
        residual_curve(T, falling(), threshold=0.1, theme=theme),
        steps_histogram(torch.tensor([3.0, 4, 9]), torch.tensor([True, False, True]), theme=theme),
        computation_comparison(theme=theme),
    ]
    assert {to_hex(figure.get_facecolor()) for figure in figures} == {page}
    assert dict(mpl.rcParams) == before
    with pytest.raises(OptionError, match="did you mean 'dark'"):
        energy_curve(T, falling(), theme="darc")


def test_snapshots_show_the_field_at_their_moments():
    line = torch.randn(7, 3, 5)
    figure = field_snapshots(T, line, moments=3)
    pictures = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in figure.axes[:3]] == ["t = 0", "t = 1.5", "t = 3"]
    for shown, index in zip(pictures, (0, 3, 6), strict=True):
        assert np.allclose(shown, line[index])
    plane = torch.zeros(7, 2, 4, 5)
    plane[:, :, 3, 0] = 2.0  # the right end of the lowest row
    shown = next(axes.images[0].get_array() for axes in field_snapshots(T, plane).axes if axes.images)
    assert shown.shape == (5, 4)
    assert shown[-1, -1] == 2.0
    with pytest.raises(StateError, match="choose a sample"):
        field_snapshots(T, torch.zeros(7, 2))


def test_an_energy_that_rises_is_marked():
    assert energy_curve(T, falling()).axes[0].get_title() == "never rises"
    risen = falling()
    risen[4, 1] += 1.0
    axes = energy_curve(T, risen).axes[0]
    assert axes.get_title() == "rises 1 times (marked)"
    marked = [drawn for drawn in axes.lines if drawn.get_marker() == "^" and len(drawn.get_xdata())]
    assert len(marked) == 1
    assert float(marked[0].get_xdata()[0]) == float(T[4])


def test_rates_of_change_and_their_threshold():
    middle, rate = change_rate(T, T[:, None, None].expand(7, 2, 4) * torch.tensor([1.0, 3.0])[:, None])
    assert torch.allclose(rate, torch.tensor([1.0, 3.0]).expand(6, 2))
    assert torch.allclose(middle, (T[1:] + T[:-1]) / 2)
    axes = residual_curve(middle, rate, threshold=0.5).axes[0]
    assert axes.get_yscale() == "log"
    assert any(list(drawn.get_ydata()) == [0.5, 0.5] for drawn in axes.lines)
    for bad, message in (({"residual": -rate}, "at least zero"), ({"residual": rate[1:]}, "one value per time")):
        with pytest.raises(StateError, match=message):
            residual_curve(middle, **bad)
    with pytest.raises(OptionError, match="positive"):
        residual_curve(middle, rate, threshold=0.0)
    with pytest.raises(StateError, match="two times"):
        change_rate(T[:1], torch.zeros(1, 1, 1))


def test_the_histogram_counts_every_text():
    evaluations, right = torch.tensor([5.0, 5, 7, 30]), torch.tensor([True, True, False, False])
    axes = steps_histogram(evaluations, right).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "right: 2 texts, mean 5.0",
        "wrong: 2 texts, mean 18.5",
    ]
    assert sum(bar.get_height() for bar in axes.patches[:-1]) == pytest.approx(1)
    with pytest.raises(StateError, match="at least one text"):
        steps_histogram(torch.zeros(0))
    with pytest.raises(StateError, match="one entry per text"):
        steps_histogram(evaluations, right[:2])


def test_a_film_appears_whole_or_not_at_all(tmp_path):
    from PIL import Image

    values = torch.randn(4, 3, 5)
    written = animate_field(tmp_path / "film.gif", T[:4], values, theme="dark")
    with Image.open(written) as film:
        assert film.n_frames == 4
    with pytest.raises(OptionError, match=r"\.gif or \.mp4"):
        animate_field(tmp_path / "film.avi", T[:4], values)
    with pytest.raises(OptionError, match="no folder"):
        animate_field(tmp_path / "none" / "film.gif", T[:4], values)
    with pytest.raises(OptionError, match="at least 1 picture"):
        animate_field(tmp_path / "slow.gif", T[:4], values, fps=0)
    with pytest.raises(StateError, match="choose a sample"):
        animate_field(tmp_path / "bad.gif", T[:4], torch.zeros(4))
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]
