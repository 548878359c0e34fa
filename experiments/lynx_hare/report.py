"""The report of the lynx and hare experiment: one page that says what was measured and how far to trust it."""

from __future__ import annotations

from pathlib import Path

from fieldsolver._version import __version__
from fieldsolver.experiments.deliver import deliver
from fieldsolver.results import AnalysisResult, provenance_attributes

from .figures import data_and_fit, phase_plane, residual_picture
from .outcome import LAST_KNOWN, SPECIES, Outcome, Score
from .published import CASE_STUDY, POSTERIORDB, REFERENCE
from .result import lynx_hare_result


def write_report(outcome: Outcome, folder: Path) -> Path:
    """Write result.nc, the figures and report.md into `folder`, print the table, return the report's path."""
    result, table = lynx_hare_result(outcome), estimates_table(outcome)
    figures = {
        "fit": data_and_fit(outcome),
        "phase_plane": phase_plane(outcome),
        "residuals": residual_picture(outcome),
    }
    return deliver(folder, result, figures, table, _page(outcome, result, table))


def estimates_table(outcome: Outcome) -> list[str]:
    """Rows of a Markdown table: ours beside the published posterior."""
    fit, posterior = outcome.likelihood, outcome.posterior
    lines = [
        "| unknown | maximum likelihood | 90 % Laplace | 90 % profile | MAP, case study's priors | 90 % Laplace (MAP) "
        "| published mean | sd |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for label in fit.labels:
        published = REFERENCE[label]
        lines.append(
            f"| {label} | {fit.estimates[label]:.4g} | {_ends(fit.laplace_intervals[label])} "
            f"| {_ends(fit.profile_intervals[label])} | {posterior.estimates[label]:.4g} "
            f"| {_ends(posterior.laplace_intervals[label])} | {published.mean:.4g} | {published.sd:.2g} |"
        )
    return lines


def _ends(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.4g} .. {interval[1]:.4g}"


def _page(outcome: Outcome, result: AnalysisResult, table: list[str]) -> list[str]:
    fit = outcome.likelihood
    short = ["> **A short run for demonstration**, without the check by simulated data; the estimates are those of the "
             "full run, `fieldsolver train lynx_hare`.", ""] if outcome.quick else []  # fmt: skip
    return [
        "# Lynx and hare: a declared equation fitted to pelt counts",
        "",
        *short,
        "The Hudson Bay Company's yearly counts of snowshoe hare and Canada lynx pelts, 1900 to 1920 (21 years, in",
        "thousands). Four rates, both populations of 1900 and the noise of each count are found by gradients through",
        "the adaptive solve:",
        "",
        "```",
        str(fit.equation),
        "log count = log population + normal noise, sigma per species",
        "```",
        "",
        "## Result",
        "",
        f"**{result.status.name}**: {result.reason}.",
        "",
        *table,
        "",
        f"Rates per year. Published: posterior means and standard deviations of the model of [the Stan case study]"
        f"({CASE_STUDY}) (B. Carpenter, 2018), from {POSTERIORDB}. The mode that we give and the mean of a skewed "
        "posterior are not the same number: for the noise scales the mean is larger by "
        f"{_mean_over_mode(outcome):.0%}.",
        "",
        "![counts and fit](fit.png)",
        "",
        "## How far to trust it",
        "",
        *_search(outcome),
        *_coverage(outcome),
        *_independence(outcome),
        "",
        "![residuals](residuals.png)",
        "",
        "## Against trivial predictors",
        "",
        *_scores(outcome),
        "",
        "![phase plane](phase_plane.png)",
        "",
        "## How it was made",
        "",
        f"{fit.objective.model.method.name}, rtol {fit.objective.model.options['rtol']:g}; trust-region Newton from "
        f"{fit.starts} starting points, {fit.evaluations} solves in batches, {fit.seconds:.1f} s. Log likelihood "
        f"{fit.log_likelihood:.3f}, AIC {fit.aic:.1f}, BIC {fit.bic:.1f} ({fit.observations_count} counts, "
        f"{len(fit.labels)} unknowns).",
        "",
        f"fieldsolver {__version__}, {provenance_attributes()['created']}. Numbers: `result.nc`; fitted equation: "
        "`weights.safetensors`; to repeat: `fieldsolver train config.toml`.",
    ]


def _mean_over_mode(outcome: Outcome) -> float:
    ratios = [REFERENCE[f"sigma({name})"].mean / outcome.likelihood.sigma[name] - 1 for name in SPECIES]
    return sum(ratios) / len(ratios)


def _search(outcome: Outcome) -> list[str]:
    fit = outcome.likelihood
    return [
        f"* {fit.starts_agreeing} of {fit.starts} starting points ended in this minimum, none in a better one; the "
        f"Newton decrement there is {fit.decrement:.1g}, the Hessian positive definite.",
    ]


def _coverage(outcome: Outcome) -> list[str]:
    check = outcome.simulation
    if check is None:
        return ["* Whether the 90 % intervals hold what they promise is checked in the full run only."]
    coverage = ", ".join(f"{label} {value:.0%}" for label, value in zip(check.labels, check.coverage, strict=True))
    mean, count = float(check.coverage.mean()), len(check.estimates)
    error = (mean * (1 - mean) / count) ** 0.5
    said = [
        f"* Of {count} data sets simulated from the fit and fitted again ({int(check.usable.min())} gave intervals), "
        f"the 90 % Laplace intervals contained the truth this often: {coverage} (each with a standard error of about "
        f"{error:.1%}; {mean:.0%} on average)."
    ]
    if mean < 0.9 - 2 * error:
        said[0] += (
            " They promise too much: maximum likelihood takes sigma too small, because it divides by the number of "
            f"counts and not by what the unknowns leave of it ({outcome.likelihood.observations_count} counts, "
            f"{len(check.labels)} unknowns). Read them as intervals of about {mean:.0%}."
        )
    return said


def _independence(outcome: Outcome) -> list[str]:
    lags = outcome.autocorrelations()
    shown = ", ".join(f"{name} {value:+.2f}" for name, value in lags.items())
    bound = 1.96 / len(outcome.pelts.year) ** 0.5
    worse = [name for name, value in lags.items() if abs(value) > bound]
    verdict = "no sign of dependence, though 21 years would show only a strong one"
    if worse:
        verdict = (
            f"{' and '.join(worse)} beyond it. The errors are not independent, as the model says they are: it misses "
            "part of the dynamics, and the intervals are too narrow for that reason too"
        )
    return [f"* Correlation of neighbouring residuals: {shown}; independent ones stay within {bound:.2f}: {verdict}."]


def _scores(outcome: Outcome) -> list[str]:
    rows = outcome.scores()
    return [
        "| predictor | numbers from the data | error in sample | Lotka-Volterra, same years "
        f"| forecast {LAST_KNOWN + 1} to 1920 |",
        "| --- | --- | --- | --- | --- |",
        *(_score_row(row) for row in rows),
        "",
        "Root mean square error of log counts, both species (0.25 is about a quarter of the count). The errors in "
        "sample belong to years that the predictor was fitted to, so they flatter it, the more so the more numbers it "
        "takes. AR(2) sees the two counts before each year it predicts; Lotka-Volterra sees none after its fit. The "
        f"last column is out of sample: everything fitted to 1900 to {LAST_KNOWN}, the ten years after it predicted at "
        "once (AR(2) iterated). The period of ten years is the one number that looks ahead: it was read off the whole "
        "series.",
        "",
        _forecast_sentence(rows[0], min(rows[1:], key=lambda row: row.forecast)),
    ]


def _score_row(row: Score) -> str:
    return f"| {row.name} | {row.numbers} | {row.fitted:.3f} | {row.model_there:.3f} | {row.forecast:.3f} |"


def _forecast_sentence(model: Score, best: Score) -> str:
    said = "comes out ahead of" if model.forecast < best.forecast else "loses to"
    return (
        f"Out of sample the model ({model.forecast:.3f}) {said} the best of the others, {best.name} "
        f"({best.forecast:.3f}). This is one forecast of one decade: a difference of that size proves nothing."
    )
