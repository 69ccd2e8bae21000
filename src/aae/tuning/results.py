"""What a study has found: every trial, the front of those that no other beats, the best one; as files for people."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aae.config import Config, toml
from aae.plots import pareto, save
from aae.storage import make_folders, storing, write_atomic
from aae.tuning.space import applied
from aae.tuning.study import counts
from aae.tuning.trial import names

STATES = {"COMPLETE": "complete", "PRUNED": "stopped early", "FAIL": "failed", "RUNNING": "running"}


@dataclass(frozen=True)
class Trial:
    """One trial. match and error: the objectives, lower is better; None unless it is complete."""

    number: int
    state: str
    """`complete`, `stopped early`, `failed` or `running`."""
    parameters: dict[str, Any]
    match: float | None = None
    error: float | None = None
    score: float = 0.0
    """Both objectives as one number, 0 to 1, higher is better; see `tuning.trial.objectives`."""
    floor: float = 0.0
    recipe: bool = False
    """Whether these are the settings that the search began with."""
    said: str = ""
    """What the doctor says of it, or why it came to no end."""
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        return self.match is not None and self.error is not None


@dataclass(frozen=True)
class Result:
    """A study: its trials in order, and the configuration that they started from."""

    base: Config
    trials: list[Trial]
    rows: int
    """Validation rows that the objectives were measured on."""
    folder: Path | None = field(default=None, compare=False)

    @property
    def front(self) -> list[Trial]:
        """The complete trials that no other beats in one objective without losing in the other, best match first."""
        complete = [t for t in self.trials if t.complete]
        return sorted((t for t in complete if not any(_beats(other, t) for other in complete)), key=_place)

    @property
    def chosen(self) -> Trial | None:
        """The trial of the front with the highest score; None where no trial is complete."""
        return max(self.front, key=lambda trial: trial.score, default=None)

    @property
    def best(self) -> Config:
        """The settings of the chosen trial."""
        assert self.chosen is not None, "no trial is complete"
        return self.settings(self.chosen)

    def settings(self, trial: Trial) -> Config:
        """The settings of a trial."""
        return applied(self.base, trial.parameters)

    def lines(self) -> list[str]:
        """How many trials came to which end, and the front."""
        ends = {state: sum(trial.state == state for trial in self.trials) for state in STATES.values()}
        said = [f"{len(self.trials)} trials: " + ", ".join(f"{n} {state}" for state, n in ends.items() if n)]
        if self.chosen is None:
            return said
        match = names(self.rows)[0]
        said += ["", f"the front, on {self.rows:,} validation rows ({match}; floor {self.chosen.floor:.3f}):"]
        said.append(f"{'trial':>7} {'match':>7} {'error':>8} {'score':>6}")
        for trial in self.front:
            notes = [*(["chosen"] if trial is self.chosen else []), *(["the recipe itself"] if trial.recipe else [])]
            said.append(f"{trial.number:>7} {trial.match:>7.3f} {trial.error:>8.4f} {trial.score:>6.3f}  "
                        f"{', '.join(notes)}".rstrip())  # fmt: skip
        return said

    def write(self, folder: Path) -> list[Path]:
        """Write best.toml, front/trial-N.toml, trials.csv and pareto.png, and return their paths."""
        files = {"trials.csv": self._csv()}
        for trial in self.front:
            files[f"front/trial-{trial.number:03d}.toml"] = self._toml(trial)
        if self.chosen is not None:
            files["best.toml"] = self._toml(self.chosen)
        for name, text in files.items():
            with storing(folder / name):
                make_folders((folder / name).parent)
                write_atomic(folder / name, text.encode())
        for old in (folder / "front").glob("trial-*.toml"):  # that a later trial has beaten
            if f"front/{old.name}" not in files:
                old.unlink()
        paths = [folder / name for name in files]
        return paths if self.chosen is None else [*paths, self._picture(folder)]

    def _toml(self, trial: Trial) -> str:
        about = (
            f"# Trial {trial.number} of {len(self.trials)}: match {trial.match:.4f} (floor {trial.floor:.4f}), "
            f"reconstruction error {trial.error:.5f} on {self.rows} validation rows.\n"
            "# aae train --config FILE trains it again, and measures it on test rows, which the search has not seen.\n"
        )
        return about + "\n".join(toml(self.settings(trial))) + "\n"

    def _csv(self) -> str:
        settings = sorted({key for trial in self.trials for key in trial.parameters})
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["trial", "state", "match", "error", "score", "seconds", *settings, "said"])
        for t in self.trials:
            values = [t.parameters.get(key, "") for key in settings]
            table.writerow([t.number, t.state, t.match, t.error, t.score, f"{t.seconds:.1f}", *values, t.said])
        return out.getvalue()

    def _picture(self, folder: Path) -> Path:
        complete = [trial for trial in self.trials if trial.complete]
        recipe = next((i for i, trial in enumerate(complete) if trial.recipe), None)
        match, error = names(self.rows)
        figure = pareto(
            [_place(trial) for trial in complete],
            chosen=next(i for i, trial in enumerate(complete) if trial is self.chosen),
            start=recipe,
            labels=[str(trial.number) for trial in complete],
            floor=complete[0].floor,
            x=match,
            y=error,
        )
        return save(figure, folder / "pareto.png")


def _place(trial: Trial) -> tuple[float, float]:
    assert trial.match is not None
    assert trial.error is not None
    return trial.match, trial.error


def _beats(one: Trial, other: Trial) -> bool:
    a, b = _place(one), _place(other)
    return a != b and a[0] <= b[0] and a[1] <= b[1]


def trial_of(found: Any) -> Trial:
    """An Optuna trial as ours."""
    noted = found.user_attrs
    match, error = found.values if found.values and all(map(math.isfinite, found.values)) else (None, None)
    return Trial(
        found.number,
        STATES[found.state.name],
        dict(found.params),
        match,
        error,
        noted.get("score", 0.0),
        noted.get("floor", 0.0),
        noted.get("recipe", False),
        noted.get("reason") or noted.get("doctor", ""),
        found.duration.total_seconds() if found.duration else 0.0,
    )


def result_of(study: Any, base: Config, rows: int, folder: Path) -> Result:
    """Every trial of an Optuna study that counts."""
    return Result(base, [trial_of(t) for t in study.get_trials(deepcopy=False) if counts(t)], rows, folder)
