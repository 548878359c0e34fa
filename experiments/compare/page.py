"""The page of a comparison: what was measured, on what, for how long, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldsolver._version import __version__
from fieldsolver.experiments.files import write_figure, write_text
from fieldsolver.results import provenance_attributes
from fieldsolver.themes import THEMES, drawn_in

from .claims import Judged
from .figures import drawings_of
from .outcome import Outcome
from .result import cells_csv, comparison_result
from .tables import claims_table, pairs_table, rates_table, results_table, seeds_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    Drawing = Callable[[], Figure]


class Section:
    """A part of the page that is measured apart from the rows.

    Args:
        title: its heading.
        lines: Markdown.
        drawings: functions that draw a figure, by name.
    """

    def __init__(self, title: str, lines: Sequence[str], drawings: Mapping[str, Drawing] | None = None) -> None:
        self.title, self.lines, self.drawings = title, lines, dict(drawings or {})


def write_comparison(
    outcome: Outcome,
    folder: Path,
    name: str,
    *,
    title: str,
    about: Sequence[str],
    command: str,
    judged: Sequence[Judged] = (),
    sections: Sequence[Section] = (),
) -> Path:
    """Write NAME.md, its figures for both themes, NAME_cells.csv and NAME.nc into `folder`; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = drawings_of(outcome)
    drawings |= {key: drawing for section in sections for key, drawing in section.drawings.items()}
    for key, drawing in drawings.items():
        for theme in THEMES:
            with drawn_in(theme):
                write_figure(folder / _figure_name(name, key, theme), drawing())
    result = comparison_result(outcome, judged)
    result.to_netcdf(folder / f"{name}.nc")
    write_text(folder / f"{name}_cells.csv", cells_csv(outcome))
    lines = [
        f"# {title}", "", *_short(outcome, command), *about, "", f"**{result.reason[0].upper()}{result.reason[1:]}.**",
        "", *_claims(judged), *_results(outcome, name), *_pairs(outcome),
        *(line for section in sections for line in _section(section, name)), *_made(outcome, name, command),
    ]  # fmt: skip
    return write_text(folder / f"{name}.md", "\n".join(lines) + "\n")


def _short(outcome: Outcome, command: str) -> list[str]:
    if not outcome.study.quick:
        return []
    full = command.replace(" --quick", "")
    return [
        f"> **A short run for demonstration.** Its numbers say little. In full: `{full}`.",
        "",
    ]


def _claims(judged: Sequence[Judged]) -> list[str]:
    if not judged:
        return []
    return [
        "## Claims",
        "",
        *claims_table(judged),
        "",
        "A stated accuracy is reproduced if it does not lie above the 95 % interval of the mean over seeds; a mean "
        "below it with an interval of more than a point to either side decides nothing. A claimed advantage is, if a "
        "paired t test over seeds finds it with p < 0.05 after Holm's correction for all tested claims of the table. "
        "What is mathematics is decided by a computation.",
        "",
    ]


def _results(outcome: Outcome, name: str) -> Iterator[str]:
    yield from ("## Results", "")
    for data in outcome.study.data_sets:
        results = [result for row in outcome.on(data) for result in row.results]
        notes = _longest(dict.fromkeys(result.note for result in results))
        tested = {
            len(result.samples["correct"]) for row in outcome.on(data) for result in row.results if result.samples
        }
        yield from (f"### {data}", "")
        if notes:
            size = " and ".join(f"{number:,}" for number in sorted(tested))
            yield from (f"{'; '.join(notes)}; judged by {size} test texts.", "")
        yield from (*results_table(outcome, data), "", *seeds_table(outcome, data), "")
    words = {"accuracy": "Test accuracy of all rows", "effort": "Test accuracy over training seconds"}
    for key in drawings_of(outcome):
        yield from _picture(name, key, words[key])
    yield (
        "Accuracy: mean ± sample deviation over seeds. The interval is that of the mean (Student's t), and speaks of "
        "seeds only; the test set's share is one standard deviation that another test set of this size would cause. "
        "Seconds: training on one thread, evaluation not counted. MACs: products of matrices and convolutions of a "
        "forward pass, transforms and element-wise work not counted. Held: what a forward pass keeps for the gradient "
        "of the longest batch, counted, not sampled. Evaluations: of the right-hand side, per test text."
    )
    yield ""


def _longest(notes: Iterable[str]) -> list[str]:
    """Without those that another one begins with."""
    found = list(notes)
    return [note for note in found if not any(other != note and other.startswith(note) for other in found)]


def _pairs(outcome: Outcome) -> list[str]:
    if not outcome.study.pairs:
        return []
    return [
        "## Matched comparisons",
        "",
        *pairs_table(outcome),
        "",
        "Paired over seeds, two-sided. With n seeds the sign-flip permutation test cannot give less than 2 / 2^n, "
        "which is above 0.05 for n = 5: the t test decides, and leans on differences that are about normal. A row "
        "without seeds stands with its one accuracy against every seed of the other.",
        "",
    ]


def _section(section: Section, name: str) -> Iterator[str]:
    yield from (f"## {section.title}", "", *section.lines, "")
    for key in section.drawings:
        yield from _picture(name, key, section.title)


def _made(outcome: Outcome, name: str, command: str) -> list[str]:
    machines = {
        ", ".join(f"{key} {value}" for key, value in result.machine.items())
        for row in outcome.rows.values()
        for result in row.results
    }
    seconds = sum(result.seconds for row in outcome.rows.values() for result in row.results)
    return [
        "## How it was made",
        "",
        *rates_table(outcome),
        "",
        f"Every network was tuned alike: its learning rates were tried on {outcome.study.tuned_on:.0%} of the "
        f"training split{_longer(outcome)}{_elsewhere(outcome)}, and judged by the validation split, which no network "
        "is trained on. Weights are those of the epoch with the best validation accuracy; the test split was used once "
        "per final run, at its end. Rows without seeds choose nothing, and are fitted to the validation split as well.",
        "",
        *_missing(outcome),
        f"Final runs took {seconds / 60:.0f} minutes of training in all. Machine: {'; '.join(sorted(machines))}.",
        "",
        f"fieldsolver {__version__}, {provenance_attributes()['created']}. Numbers: `{name}.nc`, `{name}_cells.csv`; "
        f"to repeat: `{command}`.",
    ]


def _missing(outcome: Outcome) -> list[str]:
    """Costs that were asked for and could not be measured."""
    said = {f"`{name}` on {data}: {result.missing}" for (name, data), row in outcome.rows.items()
            for result in row.results if result.missing}  # fmt: skip
    return [f"Costs that could not be measured: {'; '.join(sorted(said))}.", ""] if said else []


def _longer(outcome: Outcome) -> str:
    """How often a tuning run passes over its part, where that is more than a final run passes over the whole."""
    often = {
        key: row.entry.tuned_longer for key, row in outcome.rows.items() if row.tried and row.entry.tuned_on is None
    }
    most = max(often.values(), default=1)
    if most == 1:
        return ""
    once = [f"`{name}` on {data}" for (name, data), times in often.items() if times == 1]
    besides = f" ({', '.join(once)}: {_passes(1)})" if once else ""
    return f" in {_passes(most)} over it{besides}"


def _passes(times: int) -> str:
    return "as many passes" if times == 1 else f"{times} times as many passes"


def _elsewhere(outcome: Outcome) -> str:
    """Rows that chose their rates on a part of their own."""
    parts = [
        f"`{name}` on {data}: on {row.entry.tuned_on:.0%}, in {_passes(row.entry.tuned_longer)}"
        for (name, data), row in outcome.rows.items()
        if row.tried and row.entry.tuned_on is not None
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _picture(name: str, key: str, words: str) -> list[str]:
    light, dark = (_figure_name(name, key, theme) for theme in ("light", "dark"))
    return [f"![{words}]({light})", "", f"([dark]({dark}))", ""]


def _figure_name(name: str, key: str, theme: str) -> str:
    return f"{name}_{key}.png" if theme == "light" else f"{name}_{key}_{theme}.png"
