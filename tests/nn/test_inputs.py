"""Inputs of layers: as initial state, as forcing, or both; fed per sample, checked, and differentiable."""

import copy
import math

import pytest
import torch
from torch import nn

import fieldsolver as fs


def relaxation(**options):
    """du/dt = (I - u)/tau, whose solution is known."""
    equation = fs.FieldEquation(
        "du/dt = (I - u)/tau", components={"u": 3}, parameters={"I": torch.zeros(3), "tau": 1.0}
    )
    return fs.nn.FieldLayer(equation, **{"duration": 0.7, "rtol": 1e-9, "atol": 1e-11, **options})


def exact(forcing, tau, start, t=0.7):
    return forcing + (start - forcing) * torch.exp(-t / tau)


def reaction_diffusion(**options):
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi, drive) + source",
        grid=fs.Grid((5, 4), extent=(5.0, 4.0)),
        boundary=fs.Neumann(0),
        components={"phi": 2},
        parameters={
            "D": fs.Parameter(0.3, positive=True),
            "drive": torch.zeros(3),
            "source": fs.Spatial(torch.zeros(2, 5, 4)),
        },
        modules={"react": nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2))},
    ).double()
    return fs.nn.FieldLayer(equation, **{"duration": 0.4, "dt": 0.1, "inputs": ("drive", "source"), **options})


def fed(batch=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    make = {"generator": generator, "dtype": torch.float64}
    return {"drive": torch.randn(batch, 3, **make), "source": torch.randn(batch, 2, 5, 4, **make)}, torch.randn(
        batch, 2, 5, 4, **make
    )


def test_forcing_from_a_declared_start():
    layer = relaxation(inputs="I", initial=0.5)
    forcing = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(
        layer(forcing), exact(forcing, torch.ones(1, dtype=torch.float64), 0.5), rtol=1e-8, atol=1e-9
    )


def test_forcing_and_state_and_parameters_of_every_sample():
    layer = relaxation(inputs=("I", "tau"))
    forcing, start = torch.randn(2, 4, 3, dtype=torch.float64)
    tau = torch.tensor([[0.3], [1.0], [4.0], [20.0]], dtype=torch.float64)
    torch.testing.assert_close(
        layer({"I": forcing, "tau": tau}, start), exact(forcing, tau, start), rtol=1e-8, atol=1e-9
    )


def test_a_fed_parameter_is_the_declared_one():
    """Feeding what is declared, spatial forcing included, is the equation itself."""
    layer = reaction_diffusion()
    values, start = fed(batch=1)
    text = "dphi/dt = D*laplacian(phi) + react(phi, drive) + source"
    equation = fs.FieldEquation(
        text,
        grid=fs.Grid((5, 4), extent=(5.0, 4.0)),
        boundary=fs.Neumann(0),
        components={"phi": 2},
        parameters={"D": 0.3, "drive": values["drive"][0], "source": fs.Spatial(values["source"][0])},
        modules={"react": layer.equation.submodules["react"]},
    )
    plain = fs.nn.FieldLayer(equation, duration=0.4, dt=0.1)
    torch.testing.assert_close(layer(values, start), plain(start), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    "options", [{}, {"dt": None, "rtol": 1e-11, "atol": 1e-13, "method": "vern7"}, {"gradient": "direct"}]
)
def test_every_route_has_its_gradient(options):
    """Inputs, initial state, learned initial state, coefficients and weights, by central differences."""
    layer = reaction_diffusion(initial={"phi": 0.2}, learn_initial=True, **options)
    values, start = fed(batch=2)
    weights = torch.randn(2, 2, 5, 4, dtype=torch.float64)
    routes = {**values, "start": start}
    for value in routes.values():
        value.requires_grad_()

    def loss():
        return ((layer(values, start) + layer(values)) * weights).sum()

    loss().backward()
    assert layer.initial.grad is not None
    for name, tensor in (*routes.items(), *layer.named_parameters()):
        direction = torch.randn(tensor.shape, dtype=torch.float64)
        ends = []
        with torch.no_grad():
            for sign in (1, -1):
                tensor.add_(direction, alpha=sign * 1e-5)
                ends.append(loss().item())
                tensor.sub_(direction, alpha=sign * 1e-5)
        expected = (ends[0] - ends[1]) / 2e-5
        assert (tensor.grad * direction).sum().item() == pytest.approx(expected, rel=1e-6), name


def test_gradcheck_of_the_input():
    layer = relaxation(inputs="I", initial=0.0, dt=0.1, method="heun")
    assert torch.autograd.gradcheck(layer, torch.randn(2, 3, dtype=torch.float64, requires_grad=True))


class TestSamples:
    def test_fixed_steps_see_no_neighbours_bitwise(self):
        layer = relaxation(inputs=("I", "tau"), dt=0.05, method="rk4")
        forcing, start = torch.randn(2, 5, 3, dtype=torch.float64)
        tau = torch.rand(5, 1, dtype=torch.float64) + 0.2
        together = layer({"I": forcing, "tau": tau}, start)
        order = torch.tensor([3, 0, 4, 1, 2])
        assert torch.equal(layer({"I": forcing[order], "tau": tau[order]}, start[order]), together[order])
        parts = [layer({"I": forcing[rows], "tau": tau[rows]}, start[rows]) for rows in (slice(0, 2), slice(2, 5))]
        assert torch.equal(torch.cat(parts), together)

    def test_adaptive_steps_see_no_neighbours(self):
        layer = reaction_diffusion(dt=None)
        values, start = fed(batch=4)
        start[1] *= 30  # needs far smaller steps than the others
        together = layer(values, start)
        for sample in range(4):
            one = {name: value[sample : sample + 1] for name, value in values.items()}
            torch.testing.assert_close(
                layer(one, start[sample : sample + 1])[0], together[sample], rtol=1e-12, atol=1e-12
            )

    def test_what_has_no_batch_axes_is_the_same_for_all(self):
        layer = reaction_diffusion()
        values, start = fed(batch=3)
        repeated = {"drive": values["drive"][:1].expand(3, 3), "source": values["source"]}
        single = {"drive": values["drive"][0], "source": values["source"]}
        assert torch.equal(layer(single, start), layer(repeated, start))
        assert torch.equal(layer(values, start[0]), layer(values, start[:1].expand(3, 2, 5, 4)))

    def test_several_batch_axes_and_none(self):
        layer = reaction_diffusion()
        values, start = fed(batch=6)
        folded = {name: value.unflatten(0, (2, 3)) for name, value in values.items()}
        flat = layer(values, start)
        assert torch.equal(layer(folded, start.unflatten(0, (2, 3))), flat.unflatten(0, (2, 3)))
        single = layer({name: value[0] for name, value in values.items()}, start[0])
        torch.testing.assert_close(single, flat[0], rtol=1e-13, atol=1e-13)


class TestMask:
    def test_padding_changes_nothing_and_gets_no_gradient(self):
        layer = reaction_diffusion()
        mask = torch.tensor([True, False, True, False])
        results = []
        for junk in (0.0, 1e30, math.nan, math.inf):
            values, start = fed(batch=4)
            start[~mask], values["drive"][~mask] = junk, junk
            tensors = [start.requires_grad_(), *(value.requires_grad_() for value in values.values())]
            layer.zero_grad()
            output = layer(values, start, mask=mask)
            output.pow(2).sum().backward()
            results.append([output.detach(), *(t.grad for t in tensors), *(p.grad.clone() for p in layer.parameters())])
            assert not output[~mask].any()
            assert not start.grad[~mask].any()
        for other in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))

    def test_the_others_are_what_they_are_alone(self):
        layer = reaction_diffusion()
        values, start = fed(batch=4)
        mask = torch.tensor([False, True, True, False])
        alone = layer({name: value[mask] for name, value in values.items()}, start[mask])
        assert torch.equal(layer(values, start, mask=mask)[mask], alone)
        assert torch.equal(layer(values, start, mask=torch.ones(4, dtype=torch.bool)), layer(values, start))

    def test_nobody_is_active(self):
        layer = reaction_diffusion()
        values, start = fed(batch=2)
        assert not layer(values, start, mask=torch.zeros(2, dtype=torch.bool)).any()

    def test_values_per_sample_must_be_fed(self):
        equation = fs.FieldEquation("du/dt = -k*u", parameters={"k": fs.PerSample(torch.ones(2))})
        mask = torch.tensor([True, False])
        with pytest.raises(fs.OptionError, match="'k' has one value for each; feed it"):
            fs.nn.FieldLayer(equation)(torch.ones(2, 1), mask=mask)
        fed_layer = fs.nn.FieldLayer(equation, inputs="k")
        output = fed_layer(torch.tensor([[1.0], [2.0]]), torch.ones(2, 1), mask=mask)
        torch.testing.assert_close(output, torch.tensor([[math.exp(-1)], [0.0]]), rtol=1e-3, atol=0)


class TestReadout:
    def layer(self, **options):
        equation = fs.FieldEquation(
            "du/dt = v; dv/dt = -u; dw/dt = -w",
            grid=fs.Grid(4, extent=1.0),
            boundary=fs.Periodic(),
            components={"w": 3},
        )
        return fs.nn.FieldLayer(equation, dt=0.1, **options)

    @pytest.mark.parametrize(
        ("readout", "components"),
        [("u", [0]), (("w", "u"), [2, 3, 4, 0]), ({"w": [2, 0]}, [4, 2]), ({"w": 1, "v": 0}, [3, 1]), (None, range(5))],
    )
    def test_components(self, readout, components):
        y = torch.randn(2, 5, 4)
        assert torch.equal(self.layer(readout=readout)(y), self.layer()(y)[:, list(components)])

    def test_times_come_after_the_batch(self):
        y = torch.randn(2, 3, 5, 4)
        output = self.layer(readout="w", save_at=[0.0, 0.35, 1.0])(y)
        assert output.shape == (2, 3, 3, 3, 4)
        assert torch.equal(output[:, :, 0], y[:, :, 2:])
        assert torch.equal(output[:, :, 2], self.layer(readout="w")(y))
        assert self.layer(duration=0.0, save_at=[0.0, 0.0])(y).shape == (2, 3, 2, 5, 4)

    @pytest.mark.parametrize(
        ("readout", "message"),
        [
            ("x", "no field 'x'"),
            ({"w": 3}, r"component \[3\] of 'w', which has 3"),
            ({"w": []}, "none"),
            ((), "names nothing"),
        ],
    )
    def test_what_is_not_there(self, readout, message):
        with pytest.raises(fs.OptionError, match=message):
            self.layer(readout=readout)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: relaxation(inputs="J"), fs.OptionError, "no parameter 'J'"),
        (lambda: relaxation(inputs=("I", "I")), fs.OptionError, "twice"),
        (lambda: relaxation(inputs="I")(torch.ones(2, 3)), fs.OptionError, "where to start"),
        (lambda: relaxation()(torch.ones(2, 3), torch.ones(2, 3)), fs.OptionError, "has no inputs="),
        (lambda: relaxation(inputs="I", initial=0.0)(torch.ones(2, 4)), fs.StateError, r"expected \(\*batch, 3\)"),
        (lambda: relaxation(inputs="I", initial=0.0)(torch.ones(2, 3).long()), fs.StateError, "floating"),
        (lambda: relaxation(inputs="I", initial=0.0)(torch.ones(2, 3).half()), fs.StateError, "float16"),
        (lambda: relaxation(inputs="I", initial=0.0)({"J": torch.ones(3)}), fs.OptionError, "no input 'J'"),
        (lambda: relaxation(inputs=("I", "tau"))({"I": torch.ones(3)}), fs.OptionError, "'tau' is missing"),
        (lambda: relaxation(inputs=("I", "tau"))(torch.ones(3)), fs.OptionError, "pass a dict"),
        (lambda: relaxation(initial=0.0), fs.OptionError, "without inputs the call brings the state"),
        (lambda: relaxation(inputs="I")(torch.ones(2, 3), torch.ones(4, 3)), fs.StateError, "batch axes differ"),
        (lambda: relaxation(learn_initial=True), fs.OptionError, "a value to start from"),
        (lambda: relaxation(inputs="I", initial=torch.zeros(3)), fs.OptionError, "dict of fields, or a number"),
        (lambda: relaxation(inputs="I", initial={"v": 0.0}), fs.StateError, "no field 'v'"),
        (lambda: relaxation()(torch.ones(2, 3), mask=torch.ones(2)), fs.StateError, "torch.bool"),
        (lambda: relaxation()(torch.ones(2, 3), mask=torch.ones(3, dtype=torch.bool)), fs.StateError, r"\(2,\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_matrices_and_signals_have_no_value_per_sample():
    equation = fs.FieldEquation(
        "du/dt = K @ u + s",
        components={"u": 2},
        parameters={"K": torch.eye(2), "s": fs.Signal([0.0, 1.0], [0.0, 1.0])},
    )
    for name in ("K", "s"):
        with pytest.raises(fs.OptionError, match="has no value per sample"):
            fs.nn.FieldLayer(equation, inputs=name)


def test_copies_move_and_keep_their_inputs():
    layer = reaction_diffusion(initial=0.1)
    values, _ = fed()
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(values), layer(values))
    lower = twin.float()({name: value.float() for name, value in values.items()})
    assert lower.dtype == torch.float32
    torch.testing.assert_close(lower.double(), layer(values), rtol=1e-5, atol=1e-5)
