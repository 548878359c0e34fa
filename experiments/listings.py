"""What `fieldsolver list` prints."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Callable
from typing import TYPE_CHECKING

from fieldsolver.errors import OptionError, listing, nearest

from .benchmarks import BENCHMARKS
from .registry import EXPERIMENTS
from .sample_files import FOLDER, sample_names

if TYPE_CHECKING:
    from fieldsolver.methods import Method
    from fieldsolver.space.operator_table import OperatorRow


def methods() -> dict[str, str]:
    """Integration schemes, in few words; `method_page` says more."""
    from fieldsolver.methods import METHODS

    return {name: _few_words(scheme) for name, scheme in METHODS.items()}


def equations() -> dict[str, str]:
    """Shipped equation files."""
    return {name: _title(name) for name in sample_names()}


def analysers() -> dict[str, str]:
    """Analysers of equation files."""
    from fieldsolver.analysis.registry import ANALYSERS

    return {name: analyser.question for name, analyser in ANALYSERS.items()}


def models() -> dict[str, str]:
    """Models of texts."""
    from .training.text_run import nets

    return {name: net.description for name, net in nets().items()}


def data() -> dict[str, str]:
    """Data sets of texts, and corpora."""
    from .data import CORPORA, DATASETS

    sets = {
        name: f"{one.description}; {one.rows[0]:,} training and {one.rows[1]:,} test texts; licence: {one.licence}"
        for name, one in DATASETS.items()
    }
    return {**sets, **{name: f"{one.description}; licence: {one.licence}" for name, one in CORPORA.items()}}


def experiments() -> dict[str, str]:
    """Experiments."""
    return {name: experiment.description for name, experiment in EXPERIMENTS.items()}


def modules() -> dict[str, str]:
    """Module kinds that an equation file may ask for."""
    from fieldsolver.equations.file_format import MODULES

    return {name: (builder.__doc__ or "").splitlines()[0] for name, builder in MODULES.items()}


def benchmarks() -> dict[str, str]:
    """Benchmarks."""
    return {name: benchmark.description for name, benchmark in BENCHMARKS.items()}


LISTINGS: dict[str, Callable[[], dict[str, str]]] = {
    "methods": methods,
    "equations": equations,
    "analysers": analysers,
    "models": models,
    "data": data,
    "experiments": experiments,
    "modules": modules,
    "benchmarks": benchmarks,
}


WIDTH = 120
NO_BREAK = "\N{NO-BREAK SPACE}"
OPERATOR_LEGEND = """\
Per scheme: its order, what is read and how many multiply-adds are made for each point, the stencil inside the domain,
and its symbol, the eigenvalue on the wave exp(i k x), with θ = k h and for constant D and v. Operators that are sums
over the axes are shown along one; d_dy, d_dz and so on are like d_dx.
  u: the point itself; s1 = u_(i+1) + u_(i-1), d1 = u_(i+1) - u_(i-1); s2, d2 ... those further out; h: the spacing
  e1 = u_(i+1) - u_i, m1 = D_(i+1) + D_i at the face between two points; e2, m2 ... those around them
  n1, n2, n3: sums of the neighbours displaced along one, two, three axes; F: Fourier, cosine or sine transform\
"""


def operators(word: str | None = None) -> str:
    """Every operator on every scheme, or one of them, as a page of `WIDTH` columns.

    Raises:
        OptionError: there is no such operator.
    """
    from fieldsolver.space.operator_table import OPERATOR_ROWS

    if word is not None and word not in OPERATOR_ROWS:
        raise OptionError(f"--operator is one of {listing(OPERATOR_ROWS)}, got {word!r}{nearest(word, OPERATOR_ROWS)}")
    names = OPERATOR_ROWS if word is None else (word,)
    return "\n\n".join([OPERATOR_LEGEND, *(_operator(name, list(OPERATOR_ROWS[name]())) for name in names)])


def _operator(name: str, rows: list[OperatorRow]) -> str:
    lines = [f"{name:<40}{'order':<44}{'reads':<20}multiply-adds"]
    for row in rows:
        lines.append(f"  {row.scheme:<38}{row.order:<44}{row.points:<20}{row.operations}")
        lines += _formula("stencil", row.stencil) + _formula("symbol", row.symbol)
    return "\n".join(lines)


def _formula(title: str, text: str) -> list[str]:
    """A line of mathematics, broken between its terms alone."""
    kept = re.sub(r"(?<![,;]) (?![-+] )", NO_BREAK, text)
    lines = textwrap.wrap(kept, WIDTH, initial_indent=f"      {title:<9}", subsequent_indent=" " * 17)
    return [line.replace(NO_BREAK, " ") for line in lines]


def _few_words(scheme: Method) -> str:
    steps = "fixed steps" if scheme.error_order is None else "adaptive or fixed steps"
    if not scheme.fixed_steps:
        return f"order up to {scheme.order}, {scheme.stages} stage(s), adaptive steps"
    return f"order {scheme.order}, {scheme.stages} stage(s), {steps}"


def _title(name: str) -> str:
    return str(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")).get("title", ""))
