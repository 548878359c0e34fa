"""The documentation runs: every ```python block of README.md and docs/*.md, page by page.

The blocks of a page share their names and a temporary working directory. A block fenced as ```python no-run
is skipped. Of a block fenced as ```console run, the lines that begin with `$ fieldsolver` are run.

A block fenced as ```text output shows what the python block before it prints, warnings of the package included. The
words must agree; numbers must agree to 5 %. Seconds, small counts that hang on rounding (rejected, solves), and numbers
below 1e-6 need not.

    python tests/test_docs.py docs/quickstart.md       runs a page and writes what it prints into these blocks
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import shlex
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fieldsolver.errors import FieldSolverWarning

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = sorted((*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("models/*.md")))
PAGES = [page for page in (ROOT / "README.md", *WRITTEN) if page.exists()]
QUICK_COMMANDS = {"--help", "explain", "list", "solve", "version"}
CLI = [sys.executable, "-c", "import sys; from fieldsolver.experiments.cli import main; sys.exit(main())"]


NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?: s\b| rejected\b| solves\b)?")


class Block(NamedTuple):
    """A fenced block: the number among the page's blocks, the line of its first line of code, the code."""

    number: int
    line: int
    code: str


class Printed(NamedTuple):
    """What the python block with this number printed."""

    number: int
    text: str


def fenced_blocks(text: str, fence: str) -> Iterator[Block]:
    """Yield the blocks whose info string is exactly `fence`."""
    pattern = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
    for number, match in enumerate(pattern.finditer(text), start=1):
        indent, _, info, code = match.groups()
        if info.strip() == fence:
            code = "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
            yield Block(number, text.count("\n", 0, match.start(4)) + 1, code)


def run_blocks(page: Path) -> list[Printed]:
    """Execute the python blocks of a page; failures name page and block, tracebacks show their lines."""
    module = types.ModuleType(f"docs_{page.stem}")
    sys.modules[module.__name__] = module  # dataclasses and pickle look their module up
    printed = []
    try:
        for block in fenced_blocks(page.read_text(encoding="utf-8"), "python"):
            name = f"{page.name}, block {block.number}"
            source = "\n" * (block.line - 1) + block.code
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            try:
                with _captured() as text:
                    exec(compile(source, name, "exec"), module.__dict__)
            except Exception as error:
                error.add_note(f"in {name}, which begins on line {block.line}")
                raise
            printed.append(Printed(block.number, text.getvalue()))
    finally:
        del sys.modules[module.__name__]
    return printed


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    """Collect what is printed; warnings of the package are part of it, as a reader sees them."""
    text = io.StringIO()

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        text.write(f"{category.__name__}: {message}\n")

    with contextlib.redirect_stdout(text), warnings.catch_warnings():
        warnings.simplefilter("always", FieldSolverWarning)
        warnings.showwarning = show
        yield text


def check_outputs(page: Path, printed: list[Printed]) -> None:
    """Compare what the blocks printed with the output blocks that follow them."""
    shown = {block.number: block for block in fenced_blocks(page.read_text(encoding="utf-8"), "text output")}
    for number, text in printed:
        if number + 1 in shown:
            block = shown.pop(number + 1)
            assert same_output(block.code, text), (
                f"{page.name}, block {block.number} (line {block.line}) shows\n{block.code}\nbut it prints\n{text}\n"
                f"if the change is meant, run: python tests/test_docs.py {page}"
            )
    assert not shown, f"{page.name}: output blocks {sorted(shown)} do not follow a python block that runs"


def same_output(expected: str, got: str) -> bool:
    """Whether two printed texts agree: the words exactly, the numbers nearly."""
    if [part.split() for part in NUMBER.split(expected)] != [part.split() for part in NUMBER.split(got)]:
        return False
    return all(
        " " in a or abs(float(a) - float(b)) <= max(0.05 * abs(float(a)), 1e-6)
        for a, b in zip(NUMBER.findall(expected), NUMBER.findall(got), strict=True)
    )


def refresh(page: Path) -> None:
    """Write what the blocks of a page print into its output blocks."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        printed = dict(run_blocks(page))
    text = page.read_text(encoding="utf-8")
    for block in reversed(list(fenced_blocks(text, "text output"))):
        lines = text.splitlines(keepends=True)
        first, last = block.line - 1, block.line - 1 + block.code.count("\n")
        lines[first:last] = printed[block.number - 1].rstrip().splitlines(keepends=True) + ["\n"]
        text = "".join(lines)
    page.write_text(text, encoding="utf-8")


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() is right for a reader
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        check_outputs(page, run_blocks(page))
    finally:
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_console_blocks_run(page: Path, tmp_path: Path) -> None:
    for block in fenced_blocks(page.read_text(encoding="utf-8"), "console run"):
        for line in re.findall(r"^\$ (fieldsolver .*)$", block.code, re.MULTILINE):
            place = f"{page.name}, block {block.number}: {line}"
            _, *arguments = shlex.split(line, comments=True)
            assert arguments[0] in QUICK_COMMANDS, f"{place}: not among QUICK_COMMANDS"
            command = [*CLI, *arguments]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{place}\n{done.stdout}\n{done.stderr}"


def test_blocks_share_names_and_skip_no_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    first, skipped, indented = "python\na = 1\n", "python no-run\nboom\n", "python\n  assert a == 1\n  "
    page.write_text(f"```{first}```\n```{skipped}```\n- item\n  ```{indented}```\n")
    run_blocks(page)


def test_failure_names_page_and_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n```console\n$ ls\n```\n```python\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        run_blocks(page)
    assert caught.value.__notes__ == ["in page.md, block 2, which begins on line 6"]


def test_outputs_are_compared(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint('loss', 0.25)\n```\n```text output\nloss 0.251\n```\n")
    check_outputs(page, run_blocks(page))
    page.write_text(page.read_text().replace("loss 0.251", "loss 0.3"))
    with pytest.raises(AssertionError, match="but it prints"):
        check_outputs(page, run_blocks(page))
    refresh(page)
    assert "loss 0.25\n" in page.read_text()


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("12 steps, 0.03 s", "12 steps, 9.1 s", True),
        ("error 1.2e-09", "error -3e-10", True),
        ("dt <= 1.5      ok", "dt <= 1.51 ok", True),
        ("3 rejected", "4 rejected", True),
        ("12 steps", "14 steps", False),
        ("12 steps", "12 step", False),
        ("error nan", "error 1.0", False),
    ],
)
def test_outputs_agree_up_to_small_differences(expected: str, got: str, same: bool) -> None:
    assert same_output(expected, got) is same


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    for argument in sys.argv[1:]:
        refresh(Path(argument).resolve())
