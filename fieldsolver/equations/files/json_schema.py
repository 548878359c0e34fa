"""The JSON schema of equation files, for editors.

An editor that knows it (Even Better TOML, taplo) completes keys and marks mistakes in a file whose first line is
``#:schema PATH`` with the path of ``equation.schema.json``, relative to that file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .shapes import Definitions
from .structure import SCHEMA, file_structure

SCHEMA_FILE = Path(__file__).with_name("equation.schema.json")


def equation_file_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the structure of an equation file."""
    definitions: Definitions = {}
    content = file_structure().schema(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:fieldsolver:equation-file:{SCHEMA}",
        "title": "fieldsolver equation file",
        "description": "An equation, its grid, boundary, parameters, start, and how it is solved.",
        **content,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(equation_file_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema() -> None:
    """Write the file that is shipped; a test asks for it when the structure has changed."""
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
