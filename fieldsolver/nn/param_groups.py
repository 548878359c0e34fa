"""Parameters in groups for an optimiser: what sets time scales moves slowly, and is never pulled towards zero.

Four groups, those that are empty left out:

* ``"weights"``: matrices and kernels of modules, and matrix parameters of the equation. Weight decay keeps them small.
* ``"vectors"``: biases, scales of norms, learned initial states. No weight decay: it would shift, not shrink.
* ``"coefficients"``: the other declared parameters. No weight decay: a positive one is stored as its logarithm, and
  decay would pull it to 1, whatever its unit; an amplitude or a source has no reason to be zero either.
* ``"rates"``: declared parameters that set time scales, that is, coefficients of linear terms (diffusivities, decay
  rates) and whatever something is divided by (time constants). No weight decay, and a smaller learning rate: a step
  in them changes every later state, moves the limit of stability, and a slow mode once lost has no gradient.

Source: Gu, Goel, Re, *Efficiently modeling long sequences with structured state spaces*, ICLR 2022, Appendix D (the
parameters of the state matrix and the time step are trained without weight decay and with a reduced learning rate).
"""

from __future__ import annotations

from typing import Any

from torch import nn

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.graph import Node, ParameterSymbol, Quotient, walk
from fieldsolver.equations.knowledge import split
from fieldsolver.errors import OptionError

GROUPS = ("weights", "vectors", "coefficients", "rates")


def param_groups(
    module: nn.Module, lr: float, weight_decay: float = 0.0, *, rate_lr: float = 0.1
) -> list[dict[str, Any]]:
    """Every parameter of `module`, a layer or a whole model with layers in it, exactly once.

    Args:
        module: its declared equations are found wherever they are.
        lr: learning rate.
        weight_decay: of the group ``"weights"``; that of the others is 0.
        rate_lr: learning rate of the group ``"rates"``, as a multiple of `lr`.

    Returns:
        Groups with the keys ``params``, ``lr``, ``weight_decay`` and ``name``, as every torch optimiser takes them.

    Raises:
        OptionError: a number that is negative, or no module.
    """
    if not isinstance(module, nn.Module):
        raise OptionError(f"param_groups takes a layer or a model, got {type(module).__name__}; pass the module itself")
    for name, value in (("lr", lr), ("weight_decay", weight_decay), ("rate_lr", rate_lr)):
        if not value >= 0:
            raise OptionError(f"{name} is not negative, got {value!r}")
    groups: dict[str, dict[str, Any]] = {
        name: {
            "params": [],
            "lr": lr * rate_lr if name == "rates" else lr,
            "weight_decay": weight_decay if name == "weights" else 0.0,
            "name": name,
        }
        for name in GROUPS
    }
    declared = _declared(module)
    for parameter in module.parameters():
        usual = "weights" if parameter.dim() >= 2 else "vectors"
        groups[declared.get(id(parameter), usual)]["params"].append(parameter)
    return [group for group in groups.values() if group["params"]]


def rates(equation: FieldEquation) -> set[str]:
    """Names of the parameters that set time scales: in coefficients of linear terms, or in a denominator."""
    found: set[str] = set()
    for row, node in equation.right_sides.items():
        linear, _ = split(row, node, equation.layout)
        for term in linear:
            found |= _names(term.coefficient, *([] if term.inside is None else [term.inside]))
        for part in walk(node):
            if isinstance(part, Quotient):
                found |= _names(part.operands[1])
    return found


def _declared(module: nn.Module) -> dict[int, str]:
    """The group of everything that is not a module's weight, by the identity of the parameter."""
    found = {}
    for part in module.modules():
        if isinstance(part, FieldEquation):
            slow = rates(part)
            for name, stored in part.raw.items():
                matrix = part.declared[name].place in ("matrix", "matrix field")
                found[id(stored)] = "rates" if name in slow else "weights" if matrix else "coefficients"
        initial = getattr(part, "initial", None)
        if isinstance(initial, nn.Parameter):
            found[id(initial)] = "vectors"
    return found


def _names(*nodes: Node) -> set[str]:
    return {node.name for node in walk(*nodes) if isinstance(node, ParameterSymbol)}
