"""Save and load: what is written to a file brings the same layer back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from fieldsolver.errors import FieldSolverError, OptionError
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.tensor_files import read_tensors, write_tensors

from .comparison import change, worst
from .draws import generator, normal_like, others
from .example import Example
from .layer_result import Part, judged, result
from .obstacles import not_finite
from .subject import Subject, copied, own_random_numbers
from .unfit_error import UnfitError

CHECK = "round_trip"
_KEY, _SCHEMA = "fieldsolver.testing", 1

Save = Callable[[nn.Module, Path], object]
Load = Callable[[nn.Module, Path], object]


def check_round_trip(
    layer: nn.Module,
    example: Example,
    *,
    make: Callable[[], nn.Module] | None = None,
    save: Save | None = None,
    load: Load | None = None,
    seed: int = 0,
) -> AnalysisResult:
    """Write a layer, load it into another one, and compare outputs bitwise.

    Args:
        layer: any module; a copy with disturbed parameters is what is saved, so that a layer that was never loaded
            differs.
        example: an input.
        make: builds a new layer, as a program does that loads weights. None: a copy takes its place; it cannot show
            what is kept in plain attributes, which a new layer would not have.
        save: ``save(layer, path)``; None: the state dict as safetensors (no pickle).
        load: ``load(layer, path)``.
        seed: of the disturbance, and of the random numbers with which `make` is called.

    Returns:
        Schema ``round_trip/1``, dimension ``part``: the output of the loaded layer and its state dict, bitwise.
        INCONCLUSIVE when the output is not finite.

    Raises:
        OptionError: only one of `save` and `load`, a state dict with something else than tensors, or a `make` that
            does not build a layer into which the saved one can be loaded.
    """
    if (save is None) != (load is None):
        raise OptionError("save= and load= belong together; pass both, or neither for the state dict")
    saved = Subject(layer, example, seed=seed)
    _disturb(saved.layer, seed)
    fresh = Subject(_other(layer, make, example.values.device, seed), example, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer"
        (save or _save)(saved.layer, path)
        _loaded(load or _load, fresh.layer, path, made=make is not None)
    x = example.plain()
    about = {"made": int(make is not None), "seed": seed}
    inputs = [x, others(example, x, generator(seed))]
    with torch.no_grad():
        if reason := not_finite(saved(x)):
            return result(CHECK, [], Verdict.INCONCLUSIVE, reason, about)
        outputs = worst([change(fresh(x), saved(x)) for x in inputs])
    own, theirs = _tensors(fresh.layer), _tensors(saved.layer)
    parts = [Part("output of the loaded layer", outputs, 0.0), Part("state dict", _state_change(own, theirs), 0.0)]
    where = "a new layer" if make is not None else "a copy (make= was not given, so plain attributes were not examined)"
    return judged(CHECK, parts, f"loaded into {where}", f"loaded into {where}, but it is another one", about)


def _other(layer: nn.Module, make: Callable[[], nn.Module] | None, device: torch.device, seed: int) -> nn.Module:
    """A layer to load into; its parameters are not those that were saved, since these were disturbed."""
    if make is None:
        other = copied(layer)
    else:
        with own_random_numbers(device, seed + 1):  # what is drawn and not saved then differs
            made = make()
        if not isinstance(made, nn.Module):
            raise UnfitError(f"make= builds a new layer, an nn.Module, but it returned a {type(made).__name__}")
        other = made.to(device)
    return other


def _loaded(load: Load, layer: nn.Module, path: Path, *, made: bool) -> None:
    try:
        load(layer, path)
    except FieldSolverError:
        raise
    except Exception as error:
        source = "the layer that make= built" if made else "a copy of the layer"
        said = " ".join(str(error).split())
        raise UnfitError(
            f"the saved layer cannot be loaded into {source}; both need the same parameters ({said})"
        ) from error


def _disturb(layer: nn.Module, seed: int) -> None:
    """Move every parameter by a tenth of its size."""
    random = generator(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.is_floating_point() or parameter.is_complex():
                size = float(parameter.abs().mean()) or 1.0
                parameter.add_(normal_like(parameter, random), alpha=0.1 * size)


def _tensors(layer: nn.Module) -> dict[str, Tensor]:
    found = layer.state_dict()
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise OptionError(f"the state dict holds a {type(value).__name__} under {name!r}; pass save= and load=")
    return dict(found)


def _save(layer: nn.Module, path: Path) -> None:
    write_tensors(path, _tensors(layer), {}, key=_KEY, schema=_SCHEMA)


def _load(layer: nn.Module, path: Path) -> None:
    tensors, _ = read_tensors(path, key=_KEY, schema=_SCHEMA, what="layer")
    layer.load_state_dict(tensors)


def _state_change(own: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """1 where an entry has another name, shape, dtype or value, else 0."""
    same = own.keys() == theirs.keys() and all(
        own[name].dtype == tensor.dtype and own[name].shape == tensor.shape and torch.equal(own[name], tensor)
        for name, tensor in theirs.items()
    )
    return 0.0 if same else 1.0
