"""Settings of the documentation (`make docs`)."""

import re
from typing import Any

from fieldsolver._version import __version__

project = "fieldsolver"
author = "The fieldsolver authors"
project_copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "code"  # docstrings write `name` for code

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]


def plain_docstrings(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text: `Parameter`s is code, and a star in (*batch, C, *grid) is a star."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``.+?``|`[^`]+`)", line)
        for place, part in enumerate(parts):
            if not part.startswith("`"):
                parts[place] = part.replace("*", r"\*")
            elif not part.startswith("``"):
                follows = parts[place + 1][:1] if place + 1 < len(parts) else ""
                parts[place] = f"`{part}`" + (r"\ " if follows.isalnum() else "")
        lines[number] = "".join(parts)


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", plain_docstrings, priority=100)  # before napoleon
