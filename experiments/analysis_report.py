"""The page that `fieldsolver analyze all` writes: one HTML file, its figures inside, light or dark as the screen."""

from __future__ import annotations

import base64
import html
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fieldsolver._version import __version__
from fieldsolver.analysis.problem import Problem
from fieldsolver.results import AnalysisResult, provenance_attributes

if TYPE_CHECKING:
    import xarray

LONGEST_TABLE = 30
"""Results with more rows are in their files alone."""

WIDEST_TABLE = 10

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --page: #ffffff; --quiet: #6b7075; --line: #d9dcdf; --good: #00745a;
  --bad: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --page: #14171a; --quiet: #9aa1a8; --line: #33383d;
  --good: #2fc79f; --bad: #ff8a47; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
pre { overflow-x: auto; padding: 0.7rem 1rem; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: 0.9rem; display: block; overflow-x: auto; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
img { max-width: 100%; height: auto; }
.question, footer { color: var(--quiet); }
.holds { color: var(--good); font-weight: 600; }
.fails { color: var(--bad); font-weight: 600; }
.open { font-weight: 600; }
summary { cursor: pointer; color: var(--quiet); }
"""


@dataclass(frozen=True)
class Section:
    """What one analyser found.

    Attributes:
        name: of the analyser.
        question: what it answers.
        result: its result; None if it could not be run.
        error: then, why.
        pictures: PNG by theme.
    """

    name: str
    question: str
    result: AnalysisResult | None = None
    error: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """``stability: PASS: dt = 1 is below the limit 2.1``."""
        if self.result is None:
            return f"{self.name}: could not be run: {self.error}"
        return f"{self.name}: {self.result.status.name}: {self.result.reason}"


def analysis_report(title: str, problem: Problem, sections: list[Section]) -> str:
    """The page as HTML."""
    made = provenance_attributes()["created"]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>",
            f"<h1>{html.escape(title)}</h1>",
            f"<pre>{html.escape(repr(problem.equation))}</pre>",
            "<h2>Verdicts</h2>",
            _overview(sections),
            *map(_section, sections),
            f"<footer><p>fieldsolver {__version__}, {made}. The numbers are in the .nc files beside this page "
            "(xarray.open_dataset).</p></footer>",
            "</body></html>",
        ]
    )


def _overview(sections: list[Section]) -> str:
    rows = [
        f'<tr><td><a href="#{section.name}">{section.name}</a></td><td>{_verdict(section)}</td>'
        f"<td>{html.escape(section.result.reason if section.result else section.error)}</td></tr>"
        for section in sections
    ]
    return f"<table>{''.join(rows)}</table>"


def _verdict(section: Section) -> str:
    if section.result is None:
        return '<span class="fails">not run</span>'
    status = section.result.status
    kind = "holds" if status.holds else "fails" if status.name in ("FAIL", "DEGENERATE") else "open"
    return f'<span class="{kind}">{status.value}</span>'


def _section(section: Section) -> str:
    lines = [f'<h2 id="{section.name}">{section.name}: {_verdict(section)}</h2>']
    lines.append(f'<p class="question">{html.escape(section.question)}</p>')
    if section.result is None:
        return "\n".join([*lines, f"<p>{html.escape(section.error)}</p>"])
    lines.append(f"<p>{html.escape(section.result.reason)}</p>")
    if section.pictures:
        lines.append(_picture(section))
    numbers = _scalars(section.result.dataset) + _table(section.result)
    return "\n".join([*lines, f"<details><summary>Numbers</summary>{numbers}</details>"])


def _picture(section: Section) -> str:
    sources = {
        theme: f"data:image/png;base64,{base64.b64encode(png).decode()}" for theme, png in section.pictures.items()
    }
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{sources["dark"]}">'
        f'<img src="{sources["light"]}" alt="{html.escape(section.line, quote=True)}"></picture>'
    )


def _scalars(data: xarray.Dataset) -> str:
    rows = [
        f'<tr><td>{html.escape(str(name))}</td><td class="number">{html.escape(_text(value.values.item()))}</td>'
        f"<td>{html.escape(_meaning(value))}</td></tr>"
        for name, value in data.variables.items()
        if not value.dims
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _meaning(value: xarray.Variable) -> str:
    units = value.attrs.get("units", "1")
    return f"{value.attrs.get('long_name', '')}{'' if units in ('1', '') else f' ({units})'}"


def _table(result: AnalysisResult) -> str:
    """The main table, if it is short."""
    if not any(variable.dims for variable in result.dataset.data_vars.values()):
        return ""
    frame = result.to_dataframe()
    if len(frame) > LONGEST_TABLE or len(frame.columns) > WIDEST_TABLE:
        return ""
    return str(frame.reset_index().to_html(index=False, border=0, float_format=_text))


def _text(value: object) -> str:
    """Six digits; words as they are."""
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.6g}"
    return str(value)
