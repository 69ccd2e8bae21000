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

import torch

from aae.checkpoint import RunDirectory
from aae.config import Config, from_dict, replace, to_dict
from aae.data import load
from aae.errors import RunError
from aae.evaluation import data_of, evaluate
from aae.hardware import precision_name
from aae.inference import Run
from aae.reproduction.experiment import Budget, Case, Control, Experiment, Found, Numbers
from aae.reproduction.page import page
from aae.storage import make_folders, storing, write_atomic, write_json
from aae.training import Listener, resume, train

MEASURED, CONTROLS, MACHINE = "measured.json", "controls.json", "machine.json"


def run_all(
    name: str,
    experiment: Experiment,
    out: Path,
    seeds: int,
    budget: Budget,
    only: tuple[str, ...],
    listener: Callable[[str], Listener | None] | None,
    directory: str | None,
) -> Path:
    """See `aae.reproduction.reproduce`, which finds the experiment by its name."""
    if (out / "MANIFEST.json").exists():
        raise RunError(f"{out} is a run itself, and a reproduction is a folder of runs; choose another --out")
    found: Found = {}
    for case in experiment.cases:
        asked = not only or case.key in only
        finished = _trained(case, out, budget)
        for seed in range(max(seeds, finished) if asked else finished):
            run_name = f"{case.key}-seed-{seed}"
            heard = listener(run_name) if listener else None
            config = replace(case.settings(seed, budget), {"data.directory": directory})
            run = _run(config, out / run_name, heard)
            if directory is not None:  # for all that reads the data again: it may have moved since the run was trained
                run.config = replace(run.config, {"data.directory": directory})
            found.setdefault(case.key, []).append(run)
    values = {key: [_measured(run, experiment, budget) for run in runs] for key, runs in found.items()}
    with storing(out):
        make_folders(out)
        controls = _controls(experiment, next(iter(found.values()))[0], out, budget)
        pictures = experiment.draw(experiment, found, out)
        settings = {
            key: {f"seed {seed}": to_dict(run.config) | {"trained": _machine(run)} for seed, run in enumerate(runs)}
            for key, runs in found.items()
        }
        write_atomic(out / "configuration.json", (json.dumps(settings, indent=2) + "\n").encode())
        epochs = {key: len(runs[0].history) for key, runs in found.items()}
        machines = [_machine(run) for runs in found.values() for run in runs]
        text = page(name, experiment, values, budget, epochs, controls, pictures, machines)
        write_atomic(out / "README.md", text.encode())
    return out / "README.md"


def _trained(case: Case, out: Path, budget: Budget) -> int:
    """How many runs of the case, from seed 0 on, an earlier reproduction has finished in the folder."""
    seed = 0
    while _finished(out / f"{case.key}-seed-{seed}", case.settings(seed, budget)):
        seed += 1
    return seed


def _finished(path: Path, config: Config) -> bool:
    """Whether a run with these settings stands there, trained to its end."""
    if not (path / "MANIFEST.json").exists() or _begun(path) != _deciding(config):
        return False
    try:
        return Run.load(path).finished
    except RunError:  # begun and not yet saved, or damaged: resuming it tells, and mends what can be
        return False


def _begun(path: Path) -> Config:
    """The settings that decide, of a run that is there."""
    return _deciding(from_dict(Config, RunDirectory.open(path).config))


def _run(config: Config, path: Path, listener: Listener | None) -> Run:
    """The run in `path`: as it is if finished, resumed if begun, else trained."""
    if _finished(path, config):
        return Run.load(path)
    data = load(config.data)
    if (path / "MANIFEST.json").exists():
        if _begun(path) != _deciding(config):  # before it trains on: it may be somebody's
            raise RunError(
                f"{path} was trained with other settings than this reproduction asks for; choose another --out"
            )
        run = resume(path, data=data, listener=listener)
    else:
        run = train(config, path, data=data, listener=listener)
    products = precision_name(config.precision, run.device)
    write_json(path / MACHINE, {"device": run.device.type, "precision": products, "torch": torch.__version__})
    return run


def _machine(run: Run) -> dict[str, str]:
    """What the run was trained on: device, type of the products, version of PyTorch."""
    return _read(run.path / MACHINE)


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
