"""Experiments of the paper, each by one command: runs over seeds, a table beside the published numbers, a figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aae.errors import ConfigError
from aae.reproduction.clustering import TABLE_3
from aae.reproduction.experiment import Budget, Case, Control, Experiment, Found, Measure, Picture
from aae.reproduction.labels import FIGURE_4
from aae.reproduction.latent import FIGURE_2
from aae.reproduction.likelihood import TABLE_1
from aae.reproduction.page import spread
from aae.reproduction.reduction import FIGURE_10
from aae.reproduction.runs import run_all
from aae.reproduction.semi_supervised import TABLE_2
from aae.reproduction.style import FIGURE_7
from aae.training import Listener

__all__ = [
    "EXPERIMENTS",
    "Budget",
    "Case",
    "Control",
    "Experiment",
    "Found",
    "Measure",
    "Picture",
    "reproduce",
    "spread",
]

EXPERIMENTS: dict[str, Experiment] = {
    "figure-2": FIGURE_2,
    "figure-4": FIGURE_4,
    "figure-7": FIGURE_7,
    "figure-10": FIGURE_10,
    "table-1": TABLE_1,
    "table-2": TABLE_2,
    "table-3": TABLE_3,
}


def reproduce(
    name: str,
    out: str | Path,
    *,
    seeds: int = 3,
    budget: Budget = "quick",
    only: tuple[str, ...] = (),
    listener: Callable[[str], Listener | None] | None = None,
    directory: str | None = None,
) -> Path:
    """Run an experiment of the paper into the folder `out` and return its page, OUT/README.md.

    name: a key of `EXPERIMENTS`. seeds: seeds 0 to seeds - 1, or more where more are finished. only: the keys of some
    cases; the others' rows hold what is finished in `out`, so that cases may have different numbers of seeds. listener:
    given the name of a run, what listens to its training. directory: of the data, as `data.directory`.

    ConfigError for an unknown experiment or case and for no seeds; RunError where a folder holds a run of other
    settings, which stays as it is.
    """
    if name not in EXPERIMENTS:
        raise ConfigError(f"there is no experiment {name}; there are {', '.join(EXPERIMENTS)}")
    if seeds < 1:
        raise ConfigError(f"seeds must be 1 or more, got {seeds}")
    known = [case.key for case in EXPERIMENTS[name].cases]
    if unknown := [case for case in only if case not in known]:
        raise ConfigError(f"there is no row {unknown[0]}: {name} has {', '.join(known)}")
    return run_all(name, EXPERIMENTS[name], Path(out), seeds, budget, only, listener, directory)
