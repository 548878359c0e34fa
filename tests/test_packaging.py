"""The package as it is shipped: its list of packages, its wheel, its public names, its imports, its text."""

from __future__ import annotations

import ast
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BESIDE = ("analysis", "experiments", "models")  # lie beside fieldsolver/, install inside it
SOURCES = ("fieldsolver", *BESIDE)
DATA_SUFFIXES = (".csv", ".json", ".toml")


def find_packages() -> dict[str, Path]:
    """Return the dotted name of every folder with an `__init__.py`, and the folder."""
    found = {}
    for top in SOURCES:
        for folder, subfolders, files in os.walk(ROOT / top):  # does not follow the links
            subfolders[:] = [name for name in subfolders if name != "__pycache__"]
            if "__init__.py" in files:
                parts = Path(folder).relative_to(ROOT).parts
                found[".".join(parts if top == "fieldsolver" else ("fieldsolver", *parts))] = Path(folder)
    return dict(sorted(found.items()))


PACKAGES = find_packages()


def repository_files() -> list[Path]:
    """Return what git tracks or would track; skip where there is no git checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listing.split("\0") if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def run_python(code: str, cwd: Path, *path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pyproject_lists_every_package() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert listed == list(PACKAGES), "list every folder with an __init__.py, sorted"


@pytest.mark.parametrize("name", BESIDE)
def test_links_lead_to_the_folders_beside(name: str) -> None:
    link = ROOT / "fieldsolver" / name
    assert link.is_symlink()
    assert os.readlink(link) == f"../{name}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that no build folder is left behind and none left behind is shipped."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index"]
    command = [*pip, "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_has_one_top_level_name(wheel: Path) -> None:
    version = wheel.name.split("-")[1]
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"fieldsolver", f"fieldsolver-{version}.dist-info"}


def test_wheel_ships_every_module_and_data_file(wheel: Path) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("fieldsolver/")}
    expected = {"fieldsolver/py.typed"}
    for file in repository_files():
        parts = file.relative_to(ROOT).parts
        if parts[0] in SOURCES and file.suffix in (".py", *DATA_SUFFIXES):
            expected.add("/".join(parts if parts[0] == "fieldsolver" else ("fieldsolver", *parts)))
    assert shipped == expected


def test_wheel_runs_apart_from_the_repository(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import fieldsolver.analysis, fieldsolver.experiments.cli as cli; print(cli.__file__)"
    where = Path(run_python(code, tmp_path, tmp_path / "site").splitlines()[-1])
    assert where == tmp_path / "site" / "fieldsolver" / "experiments" / "cli.py"


def public_imports(source: str) -> set[str]:
    """Return the public names that an `__init__.py` imports from its own distribution."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in nodes if node.level or (node.module or "").split(".")[0] == "fieldsolver"]
    names = {alias.asname or alias.name for node in ours for alias in node.names}
    return {name for name in names if not name.startswith("_")}


def constants_classes_functions(name: str) -> tuple[bool, bool, str]:
    """Sort key: the order that ruff's RUF022 writes."""
    return not (len(name) > 1 and name.isupper()), not name[0].isupper(), name


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_complete_and_sorted(package: str) -> None:
    imported = public_imports((PACKAGES[package] / "__init__.py").read_text())
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None)
    if names is None:
        assert not imported, f"{package} re-exports {sorted(imported)} and has no __all__"
        return
    assert imported <= set(names), f"{package}.__all__ lacks {sorted(imported - set(names))}"
    assert [name for name in names if not hasattr(module, name)] == []
    assert list(names) == sorted(names, key=constants_classes_functions)


def test_import_is_light(tmp_path: Path) -> None:
    heavy = ("matplotlib", "numba", "pandas", "scipy", "sklearn", "sympy", "xarray")
    code = f"import sys, fieldsolver; print([name for name in {heavy!r} if name in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]", "import these inside the functions that need them"


# Written in pieces, so that this file passes its own test.
HOSTS = ("pypi" + ".org", "python" + "hosted.org", "registry" + ".npmjs", "deb." + "debian.org")
PLACES = ("/" + "work/", "/" + "opt/wheels", "/" + "opt/pypi", "/" + "root/")
FORBIDDEN = re.compile("|".join([*map(re.escape, HOSTS), *(rf"(?<![\w.}}-]){re.escape(p)}" for p in PLACES)]))


def test_text_names_no_registry_and_no_machine() -> None:
    found = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        for number, line in enumerate(text.splitlines(), start=1):
            if match := FORBIDDEN.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


NOQA = r"noqa\b(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?"
EXCEPTION = re.compile(rf"#\s*(?:{NOQA}|type:\s*ignore(?:\[[\w, -]*\])?)")


def unexplained_exceptions(source: str) -> list[int]:
    """Return the lines whose lint exception has no words beside it, nor in a comment on the line above."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    plain = [token for token in comments if not EXCEPTION.search(token.string)]
    alone = {token.start[0] for token in plain if not token.line[: token.start[1]].strip()}
    return [
        token.start[0]
        for token in comments
        if EXCEPTION.search(token.string)
        and not re.search(r"[^\W\d_]{2}", EXCEPTION.sub("", token.string))
        and token.start[0] - 1 not in alone
    ]


def test_every_lint_exception_has_its_reason() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in repository_files()
        if path.suffix == ".py"
        for line in unexplained_exceptions(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "say why, as in `# noqa: B008 - immutable default`"


@pytest.mark.parametrize(
    ("line", "explained"),
    [
        ("x = 1  # noqa: E741", False),
        ("x = 1  # type: ignore[misc]", False),
        ("x = 1  # type: ignore[misc]  # noqa: E741, B008", False),
        ("x = 1  # noqa: E741 - the paper's letter", True),
        ("x = 1  # type: ignore[misc]  # the stubs lack it", True),
        ("# the stubs lack it\nx = 1  # type: ignore[misc]", True),
        ("x = '# noqa: E741'", True),
    ],
)
def test_reasons_are_recognised(line: str, explained: bool) -> None:
    assert (unexplained_exceptions(line + "\n") == []) is explained
