"""Experiments of the paper, each by one command: runs over seeds, a table beside the published numbers, a figure.

A reproduction is a folder. Every run in it is a run directory like any other, so an interrupted reproduction goes on
where it stopped, and a longer one takes over the runs that are finished.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from aae import plots, recipes
from aae.config import Config, to_dict
from aae.data import load
from aae.errors import RunError
from aae.evaluation import evaluate
from aae.inference import Run
from aae.storage import make_folders, storing, write_atomic
from aae.training import Listener, resume, train

Budget = Literal["quick", "full"]


@dataclass(frozen=True)
class Case:
    """One row of a table. key: its folder. paper, best: what the paper and the best public result report, in percent.

    settings: the configuration for a seed and a budget.
    """

    key: str
    name: str
    paper: str
    best: str
    settings: Callable[[int, Budget], Config]


@dataclass(frozen=True)
class Experiment:
    """A table of the paper: its cases, and the measure of a run, a share, that it reports in percent."""

    title: str
    measure: str
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()


def _semi_supervised(labels: int | None) -> Callable[[int, Budget], Config]:
    def settings(seed: int, budget: Budget) -> Config:
        config = recipes.mnist_semi_supervised_100()
        data = dataclasses.replace(config.data, labelled=labels, label_seed=0 if labels is None else seed)
        config = dataclasses.replace(config, seed=seed, data=data)
        if budget == "quick":
            config = dataclasses.replace(config, epochs=40, schedule_epochs=(30,))
        return config

    return settings


EXPERIMENTS = {
    "table-2": Experiment(
        "Table 2: semi-supervised classification of MNIST, test error",
        "error",
        (
            Case("100-labels", "100 labels", "1.90 ± 0.10", "0.91 ± 0.05 (Ladder + PBWN)", _semi_supervised(100)),
            Case("1000-labels", "1000 labels", "1.60 ± 0.08 [1]", "0.84 ± 0.08 (Ladder) [1]", _semi_supervised(1000)),
            Case("all-labels", "all labels", "0.85 ± 0.02 [1]", "0.57 ± 0.02 (Ladder) [1]", _semi_supervised(None)),
        ),
        (
            "[1] Recalled, not checked against the publication.",
            "50,000 training and 10,000 validation rows. Labelled rows: as many of each class, from training rows, "
            "chosen by the seed. The test rows are read once, after the last epoch; nothing was chosen by them.",
        ),
    )
}


def reproduce(
    name: str,
    out: Path,
    *,
    seeds: int = 3,
    budget: Budget = "quick",
    only: tuple[str, ...] = (),
    listener: Callable[[str], Listener | None] | None = None,
) -> Path:
    """Run an experiment of the paper into the folder `out` and return its page, OUT/README.md.

    seeds: seeds 0 to seeds - 1. only: the keys of some cases; the others' rows stand empty. listener: given the name
    of a run, what listens to its training. RunError where a folder holds a run of other settings.
    """
    experiment = EXPERIMENTS[name]
    found: dict[str, list[Run]] = {}
    for case in experiment.cases:
        if only and case.key not in only:
            continue
        for seed in range(seeds):
            run_name = f"{case.key}-seed-{seed}"
            heard = listener(run_name) if listener else None
            found.setdefault(case.key, []).append(_run(case.settings(seed, budget), out / run_name, heard))
    values = {key: [_measured(run, experiment.measure) for run in runs] for key, runs in found.items()}
    with storing(out):
        make_folders(out)
        plots.save(plots.curves(_curves(experiment, found), "epoch", "validation error (%)"), out / "curves.png")
        settings = {key: to_dict(runs[0].config) for key, runs in found.items()}
        write_atomic(out / "configuration.json", (json.dumps(settings, indent=2) + "\n").encode())
        write_atomic(out / "README.md", page(name, experiment, values, budget, found).encode())
    return out / "README.md"


def _run(config: Config, path: Path, listener: Listener | None) -> Run:
    """The run in `path`: as it is if finished, resumed if begun, else trained."""
    if not (path / "MANIFEST.json").exists():
        return train(config, path, data=load(config.data), listener=listener)
    run = resume(path, listener=listener)
    if _deciding(run.config) != _deciding(config):
        raise RunError(f"{path} was trained with other settings than this reproduction asks for; choose another --out")
    return run


def _deciding(config: Config) -> Config:
    """The settings that decide what a run learns: not its name, where it was trained, or how often it was saved."""
    data = dataclasses.replace(config.data, directory=None)
    return dataclasses.replace(config, recipe="", save_every=0.0, device="auto", threads=0, data=data)


def _measured(run: Run, measure: str) -> float:
    """The measure on the test rows, in percent; taken once and kept in the run's metrics.json."""
    file = run.path / "metrics.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    found = known if measure in known else evaluate(run)
    return 100 * float(found[measure])


def _curves(experiment: Experiment, found: dict[str, list[Run]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    curves = {}
    for case in experiment.cases:
        for seed, run in enumerate(found.get(case.key, [])):
            error = np.array([100 * row["error_validation"] for row in run.history])
            curves[f"{case.name}, seed {seed}"] = (np.arange(1, len(error) + 1), error)
    return curves


def page(
    name: str, experiment: Experiment, values: dict[str, list[float]], budget: Budget, found: dict[str, list[Run]]
) -> str:
    """The reproduction as Markdown."""
    lines = [f"# {experiment.title}", "", "| | paper | ours | seeds | epochs | best public |", "| --- " * 6 + "|"]
    for case in experiment.cases:
        ours, runs = values.get(case.key, []), found.get(case.key, [])
        epochs = str(len(runs[0].history)) if runs else ""
        lines.append(f"| {case.name} | {case.paper} | {spread(ours)} | {len(ours)} | {epochs} | {case.best} |")
    lines += ["", "Percent; ours is the mean and the standard deviation over seeds.", ""]
    lines += [f"{note}\n" for note in experiment.notes]
    most = max((len(v) for v in values.values()), default=1)
    lines += ["![Validation error after each epoch](curves.png)", ""]
    some = "" if len(values) == len(experiment.cases) else " --only " + " ".join(values)
    command = f"aae reproduce {name} --budget {budget} --seeds {most}{some}"
    lines += [f"Made by `{command}`; settings: `configuration.json`.", ""]
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Mean and deviation over seeds (n - 1), or one seed's value, with two decimals."""
    if len(values) < 2:
        return "".join(f"{value:.2f} (one seed)" for value in values)
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
