"""The runs of an experiment over seeds, and the folder that they leave: tables, pictures, settings.

Every run in it is a run directory like any other, so an interrupted reproduction goes on where it stopped, and a longer
one takes over the runs that are finished.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aae.config import Config, to_dict
from aae.data import load
from aae.errors import RunError
from aae.evaluation import data_of, evaluate
from aae.inference import Run
from aae.reproduction.experiment import Budget, Case, Control, Experiment, Found, Numbers
from aae.reproduction.page import page
from aae.storage import make_folders, storing, write_atomic, write_json
from aae.training import Listener, resume, train

MEASURED, CONTROLS = "measured.json", "controls.json"


def run_all(
    name: str,
    experiment: Experiment,
    out: Path,
    seeds: int,
    budget: Budget,
    only: tuple[str, ...],
    listener: Callable[[str], Listener | None] | None,
) -> Path:
    """See `aae.reproduction.reproduce`, which finds the experiment by its name."""
    found: Found = {}
    for case in experiment.cases:
        asked = not only or case.key in only
        for seed in range(seeds if asked else _trained(case, out, budget)):
            run_name = f"{case.key}-seed-{seed}"
            heard = listener(run_name) if listener else None
            found.setdefault(case.key, []).append(_run(case.settings(seed, budget), out / run_name, heard))
    values = {key: [_measured(run, experiment, budget) for run in runs] for key, runs in found.items()}
    with storing(out):
        make_folders(out)
        controls = _controls(experiment, next(iter(found.values()))[0], out, budget)
        pictures = experiment.draw(experiment, found, out)
        settings = {key: to_dict(runs[0].config) for key, runs in found.items()}
        write_atomic(out / "configuration.json", (json.dumps(settings, indent=2) + "\n").encode())
        epochs = {key: len(runs[0].history) for key, runs in found.items()}
        text = page(name, experiment, values, budget, epochs, controls, pictures)
        write_atomic(out / "README.md", text.encode())
    return out / "README.md"


def _trained(case: Case, out: Path, budget: Budget) -> int:
    """How many runs of the case, from seed 0 on, an earlier reproduction has finished in the folder."""
    seed = 0
    while ((path := out / f"{case.key}-seed-{seed}") / "MANIFEST.json").exists():
        run = Run.load(path)
        if not run.finished or _deciding(run.config) != _deciding(case.settings(seed, budget)):
            break
        seed += 1
    return seed


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


def _measured(run: Run, experiment: Experiment, budget: Budget) -> Numbers:
    """The measures on the test rows; taken once and kept in the run's metrics.json and measured.json."""
    found: Numbers = {}
    if experiment.evaluates:
        known = _read(run.path / "metrics.json")
        found |= known if known.get("split") == "test" else evaluate(run)
    if experiment.also is not None:
        kept = _read(run.path / MEASURED)
        if kept.get("budget") != budget:
            kept = {"budget": budget, "numbers": experiment.also(run, data_of(run), budget)}
            write_json(run.path / MEASURED, kept)
        found |= kept["numbers"]
    return found


def _controls(experiment: Experiment, run: Run, out: Path, budget: Budget) -> list[Control]:
    """The rows that no model is trained for, on the data of the run; measured once and kept in the folder."""
    if experiment.controls is None:
        return []
    file = out / CONTROLS
    known = _read(file)
    if known.get("budget") != budget:
        rows = experiment.controls(data_of(run), budget)
        known = {"budget": budget, "rows": [dataclasses.asdict(row) for row in rows]}
        write_json(file, known)
    return [Control(**row) for row in known["rows"]]


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found
