"""A study on the disk: one SQLite file that several processes work on, and that a later call goes on with.

Beside FILE.db stands FILE.db.lock. Its first byte is held while a process counts the trials and takes the next one, so
there are never more of them than asked for; byte n + 1 is held by the process that trains trial n. The system frees it
however that process ends, so a trial that was killed is found at once and given to nobody: another one takes its place.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aae.config import Config, to_dict
from aae.data import Dataset
from aae.errors import ConfigError, RunError
from aae.storage import make_folders, storing
from aae.tuning.library import optuna
from aae.tuning.space import Space, starting_point

NAME = "aae"
INTERRUPTED = "interrupted"
"""Why a trial ended that its process did not; it does not count."""
NO_MATTER = ("device", "threads", "save_every", "cuda_graphs", "shard_optimizers", "data.source", "data.directory")
"""Settings in which two calls on one study may differ; the rows themselves are compared by their fingerprint."""


class Study:
    """An open study. `ask` gives the next trial, `tell` takes what came of it."""

    def __init__(self, path: Path, base: Config, data: Dataset, space: Space) -> None:
        self.path, self.seed, self.space = path, base.seed, space
        self._mine = set[int]()  # trials that are open here: a process is not kept out by its own locks
        lock = path.with_name(f"{path.name}.lock")
        with storing(path):
            make_folders(path.parent)
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            with self._taking():
                self.optuna = self._open()
                self._same(_described(base, data, space))
                if not self.optuna.trials and (start := starting_point(base, space)) is not None:
                    self.optuna.enqueue_trial(start, user_attrs={"recipe": True})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the lock file."""
        os.close(self._lock)

    def _open(self) -> Any:
        library = optuna()
        try:
            storage = library.storages.RDBStorage(
                f"sqlite:///{self.path}", engine_kwargs={"connect_args": {"timeout": 60}}
            )
            return library.create_study(
                study_name=NAME, storage=storage, directions=("minimize", "minimize"), load_if_exists=True
            )
        except Exception as error:  # whatever the database library makes of a file that is none
            said = str(error).splitlines()[0]
            raise RunError(f"{self.path} cannot be used as a study ({said}); name another file by --study") from error

    def _same(self, wanted: dict[str, Any]) -> None:
        """Record what the study is about, or ConfigError where it is about something else."""
        had = self.optuna.user_attrs.get("about")
        if had is None:
            return self.optuna.set_user_attr("about", json.dumps(wanted))
        for part, before in json.loads(had).items():  # data, space, settings
            if before != wanted[part]:
                raise ConfigError(
                    f"{self.path} is a study of other {part}: {_difference(before, wanted[part])}. Its trials cannot "
                    "be compared with new ones; go on with the same settings, or name another file by --study"
                )

    def ask(self, trials: int) -> Any | None:
        """The next trial, with a value for every setting of the space; None when there are enough.

        What it suggests is a function of the seed, of its number and of what is known of the others.
        """
        with self._taking():
            self._bury()
            had = self.optuna.get_trials(deepcopy=False)
            if sum(counts(trial) for trial in had) >= trials:
                return None
            number = sum(trial.state.name != "WAITING" for trial in had)
            self.optuna.sampler = optuna().samplers.TPESampler(seed=(self.seed * 1_000_003 + number) % 2**32)
            trial = self.optuna.ask(fixed_distributions=self.space)
            fcntl.lockf(self._lock, fcntl.LOCK_EX, 1, trial.number + 1)
            self._mine.add(trial.number)
        return trial

    def tell(self, trial: Any, values: tuple[float, float] | None = None, stopped: bool = False) -> None:
        """Close a trial: its two objectives, or none for one that was stopped early or failed."""
        states = optuna().trial.TrialState
        if values is not None:
            self.optuna.tell(trial, values)
        else:
            self.optuna.tell(trial, state=states.PRUNED if stopped else states.FAIL)
        self._mine.discard(trial.number)
        fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, trial.number + 1)

    def _bury(self) -> None:
        """Close trials whose process has ended without doing so."""
        for trial in self.optuna.get_trials(deepcopy=False):
            if trial.state.name != "RUNNING" or trial.number in self._mine:
                continue
            try:
                fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, trial.number + 1)
            except OSError:
                continue  # somebody is training it
            alive = optuna().trial.Trial(self.optuna, trial._trial_id)
            alive.set_user_attr("reason", INTERRUPTED)
            self.optuna.tell(trial.number, state=optuna().trial.TrialState.FAIL)
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, trial.number + 1)

    @contextlib.contextmanager
    def _taking(self) -> Iterator[None]:
        fcntl.lockf(self._lock, fcntl.LOCK_EX, 1, 0)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, 0)


def counts(trial: Any) -> bool:
    """Whether a trial is one of the number asked for: it runs, or has come to an end of its own."""
    return trial.state.name != "WAITING" and trial.user_attrs.get("reason") != INTERRUPTED


def _described(base: Config, data: Dataset, space: Space) -> dict[str, Any]:
    """What trials have in common, ready for JSON."""
    settings = _flat(to_dict(base))
    to_json = optuna().distributions.distribution_to_json
    return {
        "data": {"fingerprint": data.fingerprint, "validation rows": len(data.splits.validation)},
        "space": {key: json.loads(to_json(kind)) for key, kind in sorted(space.items())},
        "settings": {k: v for k, v in settings.items() if k not in NO_MATTER and k not in space},
    }


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    key = next(k for k in {**before, **now} if before.get(k) != now.get(k))
    return f"{key} was {json.dumps(before.get(key))}, is {json.dumps(now.get(key))}"
