"""The lynx and hare experiment: two fits, the checks on them, and the files it leaves."""

from __future__ import annotations

from pathlib import Path

from fieldsolver.experiments.options import RunOptions
from fieldsolver.experiments.run_config import write_run_config
from fieldsolver.nn.weights import save_weights

from .data import load_pelts
from .fits import LEVEL, SEED, STARTS, TEXT, fit_pelts
from .outcome import LAST_KNOWN, Outcome
from .report import write_report

REPLICATES = 200


def run(options: RunOptions) -> Path:
    """Fit, check, write ``report.md``, figures, ``config.toml``, ``result.nc``, weights; print the table.

    `seeds` is the number of simulated data sets (the short form has none); `epochs` and `resume` do not apply: a fit
    takes seconds.
    """
    pelts, progress = load_pelts(), None if options.progress else False
    likelihood = fit_pelts(pelts, uncertainty="profile", progress=progress)
    replicates = options.seeds or REPLICATES
    outcome = Outcome(
        pelts,
        likelihood,
        posterior=fit_pelts(pelts, with_priors=True, progress=progress),
        early=fit_pelts(pelts.until(LAST_KNOWN), progress=progress),
        simulation=None if options.quick else likelihood.simulation_check(replicates, seed=SEED),
        quick=options.quick,
    )
    write_run_config(
        options.out / "config.toml", "lynx_hare", quick=options.quick, seeds=replicates, epochs=1,
        settings={"level": LEVEL, "starts": STARTS, "seed": SEED},
    )  # fmt: skip
    initial = {f"initial_{name}": float(value) for name, value in likelihood.initial.items()}
    save_weights(likelihood.equation, options.out / "weights.safetensors", {"equation": TEXT, **initial})
    return write_report(outcome, options.out)
