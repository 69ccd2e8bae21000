"""A run that is kept in memory: what a run directory offers to training and to `Run`, without a folder.

Its bytes are those of a run directory (safetensors, JSON, CSV, .npz without objects), so that a model goes from process
to process without a pickle of weights and without a path, and `write` makes the directory at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aae.checkpoint import Checkpoint, RunDirectory
from aae.errors import RunError
from aae.serialize import (
    UNREADABLE,
    Array,
    Row,
    Tensors,
    arrays_bytes,
    history_bytes,
    read_arrays,
    read_history,
    read_state,
    read_tensors,
    state_bytes,
    tensors_bytes,
)
from aae.storage import json_bytes

TENSORS = ("weights", "training", "frames")


class MemoryRun:
    """The settings, the data's description and the newest checkpoint of a run that has no directory."""

    def __init__(self, config: dict[str, Any], data: dict[str, Any], splits: Mapping[str, Array]) -> None:
        self.config, self.data, self.splits = config, data, dict(splits)
        self._checkpoint: Checkpoint | None = None

    @classmethod
    def of(cls, directory: RunDirectory | MemoryRun) -> MemoryRun:
        """The run in a directory, with its newest checkpoint, as it stands now; a run in memory is returned itself."""
        if isinstance(directory, MemoryRun):
            return directory
        run = cls(directory.config, directory.data, directory.splits)
        run._checkpoint = directory.load() if directory.steps() else None
        return run

    @property
    def saved(self) -> bool:
        """Whether there is a checkpoint; a run that was killed before its first one has none."""
        return self._checkpoint is not None

    @property
    def path(self) -> Path:
        """A run in memory has none: RunError that says how to get one."""
        raise RunError("this run is kept in memory only; give it a directory first: run.save(PATH)")

    def save(self, step: int, tensors: Mapping[str, Tensors], state: dict[str, Any], history: list[Row]) -> None:
        """Keep this checkpoint, a copy of it, in place of the one before."""
        copies = {name: {key: tensor.clone() for key, tensor in tensors[name].items()} for name in TENSORS}
        self._checkpoint = Checkpoint(step, copies, state, [dict(row) for row in history])

    def load(self) -> Checkpoint:
        """The newest checkpoint; RunError where nothing was saved yet."""
        if self._checkpoint is None:
            raise RunError("this run has no checkpoint yet")
        return self._checkpoint

    def write(self, path: str | Path) -> RunDirectory:
        """Make a run directory of it at `path`, which must not exist or be empty; RunError or StorageError else."""
        kept = self.load()
        directory = RunDirectory.create(path, self.config, self.data, self.splits)
        directory.save(kept.step, kept.tensors, kept.state, kept.history)
        return directory

    def files(self) -> dict[str, bytes]:
        """The run as named bytes; `from_files` makes an equal run of them."""
        found = {
            "config.json": json_bytes(self.config),
            "data.json": json_bytes(self.data),
            "splits.npz": arrays_bytes(self.splits),
        }
        if self._checkpoint is None:
            return found
        kept = self._checkpoint
        found |= {f"{name}.safetensors": tensors_bytes(kept.tensors[name]) for name in TENSORS}
        return found | {
            "state.json": state_bytes(kept.state),
            "history.csv": history_bytes(kept.history),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> MemoryRun:
        """The run in the bytes of `files`; nothing is run and no pickle read. RunError for bytes of another kind."""
        try:
            run = cls(
                read_state(files["config.json"]), read_state(files["data.json"]), read_arrays(files["splits.npz"])
            )
            if "state.json" not in files:
                return run
            state = read_state(files["state.json"])
            tensors = {name: read_tensors(files[f"{name}.safetensors"]) for name in TENSORS}
            run._checkpoint = Checkpoint(state["step"], tensors, state, read_history(files["history.csv"]))
        except UNREADABLE as error:
            raise RunError(f"these are not the bytes of a run ({type(error).__name__}: {error})") from error
        return run

    def __reduce__(self) -> tuple[Any, ...]:
        return MemoryRun.from_files, (self.files(),)
