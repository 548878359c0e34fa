"""The documentation runs: every ```python block of README.md and docs/*.md, page by page.

The blocks of a page share their names and a temporary working directory. A block fenced as ```python no-run
is skipped. Of a block fenced as ```console run, the lines that begin with `$ fieldsolver` are run.
"""

from __future__ import annotations

import linecache
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.exists()]
QUICK_COMMANDS = {"--help", "--version", "demo", "explain", "solve"}
CLI = [sys.executable, "-c", "import sys; from fieldsolver.experiments.cli import main; sys.exit(main())"]


class Block(NamedTuple):
    """A fenced block: the number among the page's blocks, the line of its first line of code, the code."""

    number: int
    line: int
    code: str


def fenced_blocks(text: str, fence: str) -> Iterator[Block]:
    """Yield the blocks whose info string is exactly `fence`."""
    pattern = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
    for number, match in enumerate(pattern.finditer(text), start=1):
        indent, _, info, code = match.groups()
        if info.strip() == fence:
            code = "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
            yield Block(number, text.count("\n", 0, match.start(4)) + 1, code)


def run_blocks(page: Path) -> None:
    """Execute the python blocks of a page; failures name page and block, tracebacks show their lines."""
    module = types.ModuleType(f"docs_{page.stem}")
    sys.modules[module.__name__] = module  # dataclasses and pickle look their module up
    try:
        for block in fenced_blocks(page.read_text(encoding="utf-8"), "python"):
            name = f"{page.name}, block {block.number}"
            source = "\n" * (block.line - 1) + block.code
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            try:
                exec(compile(source, name, "exec"), module.__dict__)
            except Exception as error:
                error.add_note(f"in {name}, which begins on line {block.line}")
                raise
    finally:
        del sys.modules[module.__name__]


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() is right for a reader
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        run_blocks(page)
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
