"""The host's form of Runge-Kutta steps: NumPy and compiled loops agree to the last bit, torch to rounding."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from fieldsolver.methods import METHODS, ExplicitRungeKutta, Step, compiled
from fieldsolver.methods.host_runge_kutta import HOST_ENTRIES, HostRungeKutta, on_host

RUNGE_KUTTA = {name: method for name, method in METHODS.items() if type(method) is ExplicitRungeKutta}
SHAPES = [(1, 3), (5, 3), (7,), (2, 700), (3, 2, 4)]
Result = tuple[Tensor | None, ...]


@pytest.fixture
def numpy_form(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As long as nobody has loaded the compiled loops."""
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "_loaded", None)
        yield patch


def slope(t: Tensor, y: Tensor) -> Tensor:
    """Every stage differs, and time matters; float32 states stay float32."""
    return torch.sin(3 * y) - y * torch.cos(t).to(y.dtype).view(-1, *(1,) * (y.dim() - 1))


def start(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """t, dt (B,) and y, all samples different."""
    generator = torch.Generator().manual_seed(1)
    t, dt = torch.rand(2, shape[0], dtype=torch.float64, generator=generator)
    return t, 0.2 + 0.1 * dt, torch.randn(shape, dtype=dtype, generator=generator)


def results(step: Step) -> Result:
    return step.y_new, step.error, step.coarse_error, *step.k


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_forms_agree(name: str, dtype: torch.dtype, numpy_form: pytest.MonkeyPatch) -> None:
    method = RUNGE_KUTTA[name]
    cancellation = max(float(sum(map(abs, row))) for row in (*method.tableau.a, method.tableau.b))
    for shape in SHAPES:
        t, dt, y = start(shape, dtype)
        host = on_host(method, y, slope(t, y))
        assert isinstance(host, HostRungeKutta)
        numpy_form.setattr(compiled, "_loaded", None)
        by_numpy = host.step(slope, t, dt, y)
        compiled.load_kernels()
        by_kernels = host.step(slope, t, dt, y, (slope(t, y),))
        by_torch = method.step(slope, t, dt, y)
        for a, b, c in zip(results(by_numpy), results(by_kernels), results(by_torch), strict=True):
            assert (a is None) == (b is None) == (c is None)
            if a is not None and b is not None and c is not None:
                assert a.dtype == b.dtype == dtype
                assert a.shape == shape
                assert torch.equal(a, b)
                torch.testing.assert_close(a, c, rtol=0, atol=100 * cancellation * torch.finfo(dtype).eps)
        assert len(by_numpy.memory) == len(by_torch.memory) == int(method.fsal)


@pytest.mark.parametrize("loaded", [False, True])
def test_sample_does_not_notice_the_others(loaded: bool, numpy_form: pytest.MonkeyPatch) -> None:
    if loaded:
        compiled.load_kernels()
    t, dt, y = start((1100, 3), torch.float64)
    together = RUNGE_KUTTA["dopri5"]
    host = HostRungeKutta(together)
    whole = host.step(slope, t, dt, y)
    for row in (0, 340, 341, 1099):  # a block of the loops ends inside sample 341
        alone = host.step(slope, t[row : row + 1], dt[row : row + 1], y[row : row + 1])
        assert torch.equal(alone.y_new[0], whole.y_new[row])
        assert alone.error is not None
        assert whole.error is not None
        assert torch.equal(alone.error[0], whole.error[row])


def test_no_estimate_unless_asked() -> None:
    t, dt, y = start((2, 3), torch.float64)
    step = HostRungeKutta(RUNGE_KUTTA["dop853"]).step(slope, t, dt, y, estimate=False)
    assert step.error is None
    assert step.coarse_error is None


@pytest.mark.parametrize("loaded", [False, True])
def test_awkward_derivatives(loaded: bool, numpy_form: pytest.MonkeyPatch) -> None:
    """f may return views, tensors that require a gradient, and infinities, without a warning."""
    if loaded:
        compiled.load_kernels()
    host, (t, dt, y) = HostRungeKutta(RUNGE_KUTTA["dopri5"]), start((4, 3), torch.float64)
    expected = host.step(slope, t, dt, y).y_new

    def view(t: Tensor, y: Tensor) -> Tensor:
        return slope(t, y).T.contiguous().T

    def with_graph(t: Tensor, y: Tensor) -> Tensor:
        with torch.enable_grad():
            return slope(t, y.detach().requires_grad_())

    for awkward in (view, with_graph):
        assert torch.equal(host.step(awkward, t, dt, y).y_new, expected)
    huge = host.step(lambda t, y: torch.full_like(y, 1e308), t, 100 * dt, y)
    assert not torch.isfinite(huge.y_new).any()


def test_only_plain_small_states() -> None:
    method, y = RUNGE_KUTTA["dopri5"], torch.ones(2, 3, dtype=torch.float64)
    assert on_host(method, y, y) is on_host(method, y[:1], y[:1])
    another = HostRungeKutta(method)  # any other method is left alone
    assert on_host(another, y, y) is another
    large = torch.ones(1, HOST_ENTRIES + 1)
    for unfit in (y.to(torch.complex128), y.expand(4, 2, 3)[:, 0], large, y.to("meta"), torch.nn.Parameter(y), y[:0]):
        assert on_host(method, unfit, unfit) is method
    assert on_host(method, large.view(-1, 1), large.view(-1, 1)) is not method
    with forward_ad.dual_level():
        assert on_host(method, y, forward_ad.make_dual(y, y)) is method
    torch.func.vmap(lambda k1: (on_host(method, y, k1) is method or pytest.fail("vmap"), k1)[1])(torch.ones(5, 2, 3))
