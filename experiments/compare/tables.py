"""Markdown tables of an outcome: results, matched comparisons, learning rates, claims."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .claims import Judged, percent
from .outcome import Outcome, Row

NONE = "-"
UNMEASURED = "not measured"


def results_table(outcome: Outcome, data: str) -> list[str]:
    """One line per row of a data set: sizes, effort, costs, test accuracy."""
    heads = [
        "row", "test accuracy %", "95 % interval", "test set's share", "seeds", "parameters (embedding + rest)",
        "tokens", "seconds", "MACs a token", "held for the gradient MB", "weights and optimiser MB",
        "evaluations a text",
    ]  # fmt: skip
    return table(heads, [_result_cells(row) for row in outcome.on(data)])


def seeds_table(outcome: Outcome, data: str) -> list[str]:
    """Test accuracy of every seed, and the macro averages."""
    rows = [row for row in outcome.on(data) if row.is_measured]
    heads = ["row", "macro precision %", "macro recall %", "macro F1 %", "test accuracy % by seed"]
    return table(
        heads,
        [
            [
                row.name,
                *(percent(row.mean(metric)) for metric in ("precision", "recall", "f1")),
                ", ".join(percent(value) for value in row.accuracies),
            ]
            for row in rows
        ],
    )


def pairs_table(outcome: Outcome) -> list[str]:
    """One line per comparison; p-values of the t test are corrected for the number of lines."""
    heads = [
        "question",
        "data",
        "equal",
        "rows",
        "difference, points",
        "95 % interval",
        "p (t)",
        "p (signs)",
        "p (Holm)",
    ]
    measured = {(item.pair.first, item.pair.second, item.pair.data): item for item in outcome.comparisons()}
    lines = []
    for pair in outcome.study.pairs:
        head = [pair.question, pair.data, pair.matched, f"{pair.first} less {pair.second}"]
        item = measured.get((pair.first, pair.second, pair.data))
        if item is None:
            lines.append([*head, UNMEASURED, NONE, NONE, NONE, NONE])
            continue
        test = item.test
        floor = f" (least possible {test.least_p_signs:.3g})"
        numbers = [f"{100 * test.mean:+.2f}", _interval(test.low, test.high, signed=True)]
        lines.append([*head, *numbers, _p(test.p_t), _p(test.p_signs) + floor, _p(item.adjusted)])
    return table(heads, lines)


def rates_table(outcome: Outcome) -> list[str]:
    """Validation accuracy of every learning rate that was tried on a tenth of the training split."""
    lines = []
    for (_, data), row in outcome.rows.items():
        if not row.entry.recipe.is_network or row.entry.left_out:
            continue
        source = f" (of {row.entry.rates_of})" if row.entry.rates_of else ""
        tried = "; ".join(f"{rate:g}: {percent(value) if math.isfinite(value) else 'failed'}"
                          for rate, value in row.tried.items())  # fmt: skip
        chosen = NONE if row.rate is None else f"{row.rate:g}"
        lines.append(
            [row.name, data, (tried or UNMEASURED) + source, chosen + _tie(row) + _edge(row), str(row.budget or NONE)]
        )
    return table(["row", "data", "learning rate: validation accuracy %", "chosen", "budget of a final run"], lines)


def claims_table(judged: Sequence[Judged]) -> list[str]:
    """One line per claim."""
    lines = [[one.claim.text, one.claim.source, f"**{one.judgement}**", one.words] for one in judged]
    return table(["claim", "where", "verdict", "numbers"], lines)


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; bars in the text are escaped."""

    def shown(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [shown(heads), "| " + " | ".join("---" for _ in heads) + " |", *map(shown, lines)]


def _result_cells(row: Row) -> list[str]:
    if not row.is_measured:
        failed = next((result.failed for result in row.results if result.failed), "")
        return [row.name, f"{UNMEASURED}: {row.entry.left_out or failed or 'not run yet'}", *[NONE] * 10]
    found = row.accuracy()
    deviation = f" ± {percent(found.deviation)}" if math.isfinite(found.deviation) else ""
    first = row.results[0].parameters
    return [
        row.name,
        f"{percent(found.mean)}{deviation}",
        _interval(found.low, found.high),
        f"± {percent(row.test_error())}",
        str(found.number) if row.entry.recipe.is_network else NONE,
        f"{first['total']:,} ({first['embedding']:,} + {first['rest']:,})",
        f"{row.mean('tokens'):,.0f}" if row.entry.recipe.is_network else NONE,
        f"{row.mean('seconds'):.1f}",
        _count(row.mean("macs_per_token")),
        _count(row.mean("held_bytes") / 1e6),
        _count(row.mean("state_bytes") / 1e6),
        _count(row.mean("evaluations")),
    ]


def _count(value: float) -> str:
    if not math.isfinite(value):
        return NONE
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _interval(low: float, high: float, *, signed: bool = False) -> str:
    if not math.isfinite(high):
        return NONE
    return f"{100 * low:+.2f} to {100 * high:+.2f}" if signed else f"{percent(low)} to {percent(high)}"


def _p(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.3g}"


def _tie(row: Row) -> str:
    """Said where several rates have the highest accuracy."""
    best = [value for value in row.tried.values() if value == max(filter(math.isfinite, row.tried.values()))]
    return ", by validation loss: the accuracies are equal" if len(best) > 1 else ""


def _edge(row: Row) -> str:
    rates = row.entry.recipe.rates
    return ", at the edge of what was tried" if row.rate in (min(rates), max(rates)) else ""
