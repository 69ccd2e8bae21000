"""The search: ask for a trial, train it, tell what came of it, until there are as many as wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aae.config import Config, check
from aae.data import Dataset, load
from aae.errors import AAEError, ConfigError, DataError
from aae.pace import sized
from aae.plugins import begun
from aae.training import Listener
from aae.tuning.results import Result, result_of
from aae.tuning.space import Space, applied, default_space
from aae.tuning.study import INTERRUPTED, Study, counts
from aae.tuning.trial import Figures, Hopeless, Watch, labels_of, objectives, train

LEAST_ROWS = 20
"""Validation rows below which chance decides which trial is best."""

Say = Callable[[str], None]


def tune(
    base: Config,
    study: str | Path,
    *,
    trials: int = 50,
    space: Space | None = None,
    data: Dataset | None = None,
    stop_early: bool = True,
    say: Say | None = None,
    listener: Callable[[int], contextlib.AbstractContextManager[Listener | None]] | None = None,
) -> Result:
    """Search settings around `base` until the study has `trials` trials, and write what it found beside it.

    study: an SQLite file, made if need be; a later call with the same settings, data and space goes on with it, and
    several processes may call this at the same time. Its folder, named like it without the ending, gets best.toml,
    front/, trials.csv and pareto.png. space: None: `default_space(base)`. data: None: what `base.data` names.

    Each trial trains in memory and is measured on validation rows (`trial.objectives`); test rows are not looked at.
    A trial that diverges, or whose settings do not go together, is recorded as failed with the reason, and the search
    goes on. stop_early: stop hopeless trials; see `trial.Watch`. The first trial is `base` itself.

    Raises ConfigError without Optuna, for a study of other settings, or for a model without a prior; DataError for
    fewer than 20 validation rows; RunError for a file that is no study; TrainingError never.
    """
    if trials < 1:
        raise ConfigError(f"--trials must be 1 or more, got {trials}")
    if check(base).model.kind == "autoencoder":
        raise ConfigError("a plain autoencoder has no prior to match, so it has not the two objectives of a search")
    data = load(base.data) if data is None else data
    rows = len(data.splits.validation)
    if rows < LEAST_ROWS:
        raise DataError(
            f"a search chooses by validation rows, and {data.spec.name} has {rows}; it needs {LEAST_ROWS} or more: "
            "raise data.validation"
        )
    path, base = Path(study), begun(sized(base, data))
    folder = path.with_suffix("")
    if folder == path or folder.is_file():
        raise ConfigError(
            f"--study {study}: what is found goes to the folder {folder}, which is a file; name the study "
            f"{path.with_suffix('.db') if folder == path else path.with_stem(path.stem + '-2')}"
        )
    opened = Study(path, base, data, default_space(base) if space is None else space)
    try:
        while (trial := opened.ask(trials)) is not None:
            with listener(trial.number) if listener else contextlib.nullcontext() as beside:
                said = _one(opened, trial, base, data, stop_early, beside)
            if say is not None:
                say(f"trial {trial.number}: {said}")
        result = result_of(opened.optuna, base, rows, folder)
    finally:
        opened.close()
    result.write(folder)
    return result


def _one(study: Study, trial: Any, base: Config, data: Dataset, stop_early: bool, beside: Listener | None) -> str:
    """Train one trial and tell the study; what came of it in a line."""

    def reached(quarter: int, figures: Figures) -> None:
        trial.set_user_attr(f"quarter {quarter}", list(figures))

    def peers(quarter: int) -> list[Figures]:
        others = study.optuna.get_trials(deepcopy=False)
        found = [t.user_attrs.get(f"quarter {quarter}") for t in others if t.number != trial.number and counts(t)]
        return [tuple(figures) for figures in found if figures is not None]

    try:
        settings = applied(base, trial.params)
        judged = stop_early and not trial.user_attrs.get("recipe", False)
        run = train(settings, data, Watch(base.epochs, peers, reached, judged, beside))
        found = objectives(run, data)
    except Hopeless as why:
        return _closed(study, trial, "stopped early", str(why), stopped=True)
    except KeyboardInterrupt:
        _closed(study, trial, "interrupted", INTERRUPTED)
        raise
    except AAEError as error:  # diverged, or settings that do not go together
        return _closed(study, trial, "failed", str(error))
    except torch.OutOfMemoryError as error:
        return _closed(study, trial, "failed", f"out of memory: {error}")
    for name, value in (labels_of(run) | {k: found[k] for k in ("score", "floor")}).items():
        trial.set_user_attr(name, value)
    study.tell(trial, (found["match"], found["error"]))
    return (
        f"match {found['match']:.3f} (floor {found['floor']:.3f}), reconstruction error {found['error']:.4f}, "
        f"score {found['score']:.3f}"
    )


def _closed(study: Study, trial: Any, end: str, reason: str, stopped: bool = False) -> str:
    trial.set_user_attr("reason", reason)
    study.tell(trial, stopped=stopped)
    return f"{end}: {reason}"
