"""The subcommands; their signatures and docstrings are the command line's options and help (tyro reads them)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fieldsolver.errors import OptionError

from .arguments import Float
from .compare_command import compare, reproduce
from .evaluate_command import evaluate
from .files import writable_folder
from .generate_command import generate
from .train_command import OUT, train

File = Annotated[str, tyro.conf.arg(metavar="FILE")]
What = Literal[
    "all", "methods", "equations", "analysers", "models", "data", "experiments", "modules", "benchmarks", "operators"
]
Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME ...]")]


def demo(out: Path = OUT) -> int:
    """Train the digits in a short form and solve Gray-Scott; ends with the paths of the report and the animation.

    Args:
        out: folder for the results.
    """
    from .demo import run_demo

    run_demo(writable_folder(out))
    return 0


def list_(
    what: tyro.conf.Positional[What] = "all",
    operator: str | None = None,
    method: str | None = None,
    model: str | None = None,
) -> int:
    """Say what there is: methods, equation files, analysers, models, data, experiments, benchmarks, operators.

    Args:
        what: which list; "all" shows the methods in few words (alone: orders, costs, stability, sources), and leaves
            out the operators (stencils, symbols, costs).
        operator: one operator of that list, such as laplacian.
        method: one method of that list, such as tsit5.
        model: one model of that list: its presets and options.
    """
    from .listings import LISTINGS, operators
    from .method_table import method_page

    for option, value in (("operator", operator), ("method", method), ("model", model)):
        if value is not None and what != f"{option}s":
            raise OptionError(f"--{option} belongs to 'fieldsolver list {option}s', got 'list {what}'")
    if what == "operators":
        print(operators(operator))
        return 0
    if model is not None:
        from .model_page import model_page

        print(model_page(model))
        return 0
    if what == "methods":
        for line in method_page(method):
            print(line)
        return 0
    for name, lines in LISTINGS.items():
        if what in ("all", name):
            print(f"{name}:")
            print("\n".join(f"  {key:<26} {text}" for key, text in lines().items()))
    return 0


def solve(
    file: File,
    out: Path = OUT,
    t_end: Float = None,
    dt: Float = None,
    method: str | None = None,
    checkpoint: Path | None = None,
    no_animation: bool = False,
    no_check: bool = False,
) -> int:
    """Solve an equation file and write data, figure, animation and report.

    Args:
        file: an equation file (TOML), or the name of a shipped one (see `fieldsolver list equations`).
        out: folder for the results; they go into OUT/NAME.
        t_end: end of the time span instead of the file's.
        dt: fixed step instead of the file's settings.
        method: scheme instead of the file's.
        checkpoint: file that holds the state of a long solve; the same command goes on from it after Ctrl-C.
        no_animation: write no animation.
        no_check: skip the second, finer run that estimates the error.
    """
    from .solve_file import solve_file

    paths, failure, events = solve_file(
        file, out, t_end=t_end, dt=dt, method=method, checkpoint=checkpoint, animation=not no_animation,
        check=not no_check,
    )  # fmt: skip
    print("\n".join([*events, *map(str, paths)]))
    if failure is not None:
        raise failure
    return 0


def explain(file: File, dt: Float = None) -> int:
    """Say what is known of an equation: terms, stiffness, the largest stable step of each method, memory.

    Args:
        file: an equation file (TOML), or the name of a shipped one.
        dt: a fixed step to judge.
    """
    import fieldsolver as fs
    from fieldsolver.equations.file_format import load_equation

    from .sample_files import find_equation_file

    print(fs.explain(load_equation(find_equation_file(file)).equation, dt=dt))
    return 0


def analyze(
    name: Annotated[str, tyro.conf.arg(metavar="NAME|all")],
    file: File,
    out: Path = OUT,
    method: str | None = None,
    dt: Float = None,
    t_end: Float = None,
    strict: bool = False,
) -> int:
    """Analyse an equation file: stability, dispersion, energy, ...; each ends with a verdict, numbers and a picture.

    Args:
        name: an analyser (see `fieldsolver list analysers`), or "all" for a report on one page.
        file: an equation file (TOML), or the name of a shipped one.
        out: folder for the results; they go into OUT/FILE/analysis.
        method: scheme to judge instead of the file's.
        dt: fixed step to judge instead of the file's settings.
        t_end: end of the time span instead of the file's.
        strict: exit code 1 unless every verdict that applies holds.
    """
    from fieldsolver.results import Verdict

    from .analyze_file import Choice, analyze_file

    sections = analyze_file(name, file, out, Choice(method, dt, t_end), print)
    results = [section.result for section in sections]
    for result in results if strict else ():
        if result is not None and result.status is not Verdict.NOT_APPLICABLE:
            result.assert_pass()
    return 1 if None in results else 0


def check(file: File) -> int:
    """Say what an equation file declares and what looks wrong, or list everything that is wrong with it.

    Args:
        file: an equation file (TOML), or the name of a shipped one.
    """
    from .check_file import check_file
    from .sample_files import find_equation_file

    page, code = check_file(find_equation_file(file))
    print(page)
    return code


def bench(
    names: tyro.conf.Positional[Names] = (),
    repeats: int = 7,
    threads: int = 1,
    output: Path | None = None,
    strict: bool = False,
) -> int:
    """Measure speed and costs against other packages; those that are not installed are left out, and named.

    Args:
        names: benchmarks (see `fieldsolver list benchmarks`); all when none is named.
        repeats: timed runs of each side, at least 5; a first one only warms up.
        threads: threads of torch. Set OMP_NUM_THREADS to the same before you start.
        output: file for the numbers, .nc or .json.
        strict: exit code 1 unless every bar is met.
    """
    import sys

    from .bench import run_benchmarks
    from .benchmarks import BenchSettings
    from .benchmarks.page import benchmark_page

    def say(text: str) -> None:
        if sys.stderr.isatty():
            print(f"measuring {text}", file=sys.stderr)

    results = []
    for result, path in run_benchmarks(names, BenchSettings(repeats=repeats, threads=threads, say=say), output):
        print(benchmark_page(result) if path is None else f"{benchmark_page(result)}\n{path}")
        results.append(result)
    for result in results if strict else ():
        result.assert_pass()
    return 0


def link(
    files: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE [FILE ...]")]],
    open_: Annotated[bool, tyro.conf.arg(name="open")] = False,
    box: Annotated[tuple[float, float, float], tyro.conf.arg(metavar="LX LY LZ")] = (math.inf, math.inf, math.inf),
) -> int:
    """Linking numbers of closed curves, with a proof: two curves, or all pairs of many.

    Args:
        files: xyz (each frame is a curve), csv or txt (x, y, z; an empty line ends a curve), npy (N, 3) or (K, N, 3),
            pdb (the backbone of each chain).
        open_: the curves are open chains: Gauss's integral instead.
        box: lengths of a periodic box, inf where nothing repeats: each curve with all images of the others.
    """
    from .link_files import link_page

    page, code = link_page(files, open_=open_, box=box)
    print(page)
    return code


def partition(
    file: File,
    parts: int = 2,
    objective: Literal["difference", "largest", "smallest"] = "difference",
    time_limit: float = 1.0,
    column: str = "",
) -> int:
    """Split the numbers of a file into parts of sums as equal as can be, and say how far from the best they are.

    Args:
        file: csv, txt or npy; numbers in any arrangement, or a table under a line of names.
        parts: how many.
        objective: make the difference or the largest sum small, or the smallest sum large.
        time_limit: seconds of search.
        column: of a table, the one that holds the weights.
    """
    from .partition_file import partition_page

    print(partition_page(file, parts, objective, time_limit, column))
    return 0


def version() -> int:
    """Print the versions of fieldsolver, Python and torch."""
    import platform

    import torch

    from fieldsolver import __version__

    print(f"fieldsolver {__version__} (Python {platform.python_version()}, torch {torch.__version__})")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "list": list_,
    "solve": solve,
    "train": train,
    "evaluate": evaluate,
    "generate": generate,
    "explain": explain,
    "analyze": analyze,
    "check": check,
    "bench": bench,
    "link": link,
    "partition": partition,
    "compare": compare,
    "reproduce": reproduce,
    "version": version,
}
