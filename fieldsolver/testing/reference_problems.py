"""All reference problems, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .exact_problems import EXACT
from .printed_problems import PRINTED
from .reference_problem import ReferenceProblem

REFERENCE_PROBLEMS: Mapping[str, ReferenceProblem] = MappingProxyType({p.name: p for p in (*PRINTED, *EXACT)})
"""Name -> problem: orbits whose ends are printed with many digits, then problems with solutions in closed form."""
