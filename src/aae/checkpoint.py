"""The run directory: everything that a training run leaves behind, and the one place that writes and reads it.

    RUN/
      config.json  data.json  splits.npz  MANIFEST.json    written once by `create`, hashed in MANIFEST.json
      checkpoints/step-000001234/                          sealed: written whole, never changed
        weights.safetensors  training.safetensors  frames.safetensors  state.json  history.csv  MANIFEST.json
      weights.safetensors  history.csv                     copies of the newest checkpoint's, for people and tools
      lock                                                 held by the process that trains

A kill, a full disk or a loss of power at any moment leaves the last good checkpoint. Hashes are checked before
anything is parsed, and nothing here is a pickle, so opening somebody else's run executes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aae.errors import RunError, StorageError
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
from aae.storage import (
    MANIFEST,
    TEMPORARY,
    json_bytes,
    make_folders,
    read_manifest,
    read_plain,
    read_sealed,
    reading,
    remove,
    seal,
    sha256,
    storing,
    sync_folder,
    write_atomic,
    write_folder,
    write_json,
)

__all__ = ["Checkpoint", "CheckpointWarning", "RunDirectory", "write_atomic", "write_json"]

RUN_FILES = ("config.json", "data.json", "splits.npz")
TENSORS = ("weights", "training", "frames")
CHECKPOINT_FILES = (*(f"{name}.safetensors" for name in TENSORS), "state.json", "history.csv")
COPIES = ("weights.safetensors", "history.csv")
KEPT = 2
"""Good checkpoints that are kept, so that one damaged on the disk does not end the run."""

_CREATING = f"{TEMPORARY}create"
_STEP = re.compile(r"step-(\d{9,})(?:\.(\d+))?")


class CheckpointWarning(UserWarning):
    """Something in the run directory was damaged and an older or partial state is used instead."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after `step` steps."""

    step: int
    tensors: dict[str, Tensors]
    """`weights`, `training` and `frames`, each {name: tensor}, on the processor."""
    state: dict[str, Any]
    history: list[Row]
    """One row for each epoch, oldest first."""


class RunDirectory:
    """A run on the disk. Make one with `create` or `open`; `config`, `data` and `splits` never change after that."""

    path: Path
    config: dict[str, Any]
    data: dict[str, Any]
    splits: dict[str, Array]

    def __init__(self, path: Path, identity: str, files: Mapping[str, bytes]) -> None:
        self.path, self._identity, self._locked = path, identity, False
        self.config = read_state(files["config.json"])
        self.data = read_state(files["data.json"])
        self.splits = read_arrays(files["splits.npz"])

    @classmethod
    def create(
        cls, path: str | Path, config: dict[str, Any], data: dict[str, Any], splits: Mapping[str, Array]
    ) -> RunDirectory:
        """Make a run at `path`, a folder that is new or empty, and return it.

        A creation that was interrupted leaves a folder that a second `create` accepts. Raises RunError for a folder
        in use, StorageError where nothing can be written.
        """
        path = Path(path)
        files = {"config.json": json_bytes(config), "data.json": json_bytes(data), "splits.npz": arrays_bytes(splits)}
        files[MANIFEST] = seal("run", files)
        with storing(path, sum(map(len, files.values()))):
            _refuse_occupied(path)
            make_folders(path)
            with _flock(path / "lock"):
                _refuse_occupied(path)  # once more, now that no other process can be filling it
                remove(path / _CREATING)
                write_folder(path / _CREATING, files)
                sync_folder(path)  # from here on it marks what else is in the folder as half made
                for name in RUN_FILES:
                    (path / _CREATING / name).replace(path / name)
                sync_folder(path)  # the manifest comes last: a folder that has one has everything
                (path / _CREATING / MANIFEST).replace(path / MANIFEST)
                sync_folder(path)
                remove(path / _CREATING)
        if source := config.get("plugin", {}).get("source"):  # a copy to read and to name; config.json has it too
            write_atomic(path / "plugin.py", source.encode())
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """The run at `path`, its settings checked against their hashes. Raises RunError that names what is wrong."""
        path = Path(path)
        with reading(path):
            _require_run(path)
        try:
            files = read_sealed(path, "run", RUN_FILES)
            return cls(path, sha256(seal("run", files)), files)
        except RunError as error:
            raise RunError(f"{error}. Restore it from a copy of the run, or train again with another --out.") from None
        except UNREADABLE as error:
            raise RunError(f"{path} holds settings that cannot be read ({error}); train again") from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing. Raises RunError that names the process which holds it already.

        The system frees the lock when its holder ends, however it ends.
        """
        with _flock(self.path / "lock"):
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._locked else self.lock()

    def steps(self) -> list[int]:
        """Steps at which a checkpoint stands, good or damaged, ascending; empty for a run that has yet to save."""
        return sorted({_order(folder)[0] for folder in self._folders()})

    def save(self, step: int, tensors: Mapping[str, Tensors], state: dict[str, Any], history: list[Row]) -> Path:
        """Write the checkpoint of `step` and return its folder; afterwards keep only the newest two good ones.

        `tensors` holds `weights`, `training` and `frames`. Saving a step again puts `step-N.1` beside `step-N`, so
        that a good one exists throughout. Raises StorageError when the disk refuses (what was saved stays), RunError
        when another process holds the run or a good checkpoint of a later step exists, TypeError for a state or
        history that its file cannot hold exactly.
        """
        if set(tensors) != set(TENSORS) or step < 0:
            raise TypeError(f"expected a step of 0 or more and tensors {TENSORS}, got {step} and {tuple(tensors)}")
        files = {f"{name}.safetensors": tensors_bytes(tensors[name]) for name in TENSORS}
        files |= {"state.json": state_bytes(state), "history.csv": history_bytes(history)}
        with self._writing():
            for folder in self._folders():
                if _order(folder)[0] > step and self._is_good(folder):
                    raise RunError(f"step {step} is older than {folder}, which is saved and good; load that first")
            final = self._commit(step, files)
            for name in COPIES:
                write_atomic(self.path / name, files[name])
            self._tidy(final)
        return final

    def _commit(self, step: int, files: Mapping[str, bytes]) -> Path:
        """Build the checkpoint under a temporary name; the rename is the moment from which it counts."""
        parent = self.path / "checkpoints"
        same = [_order(folder)[1] for folder in self._folders() if _order(folder)[0] == step]
        final = parent / (f"step-{step:09d}" + (f".{max(same) + 1}" if same else ""))
        sealed = {**files, MANIFEST: seal("checkpoint", files, run=self._identity, step=step)}
        building = parent / f"{TEMPORARY}{final.name}-{os.getpid()}"
        with storing(final, sum(map(len, sealed.values()))):
            make_folders(parent)
            remove(building)
            try:
                write_folder(building, sealed)
                building.rename(final)
            except BaseException:
                remove(building)
                raise
            sync_folder(parent)
        return final

    def _tidy(self, saved: Path) -> None:
        """Remove what an earlier crash left, and every checkpoint but `saved` and the next good ones before it."""
        parent, good = self.path / "checkpoints", 1
        for folder in self._folders():
            if folder != saved and good < KEPT and self._is_good(folder):
                good += 1
            elif folder != saved:
                doomed = parent / f"{TEMPORARY}{folder.name}"
                remove(doomed)
                with storing(folder):
                    folder.rename(doomed)  # so that a folder half removed never looks like a checkpoint
        with storing(parent):
            sync_folder(parent)
        for stale in parent.glob(f"{TEMPORARY}*"):
            remove(stale)
        for name in COPIES:
            for stale in self.path.glob(f"{TEMPORARY}{name}-*"):
                remove(stale)
        remove(self.path / _CREATING)

    def load(self, repair: bool = False) -> Checkpoint:
        """The newest checkpoint that is whole. One that is damaged is passed over with a CheckpointWarning.

        Puts the copies of weights and history in the run directory right where they are missing or a save behind; with
        `repair` also one that was altered, with a CheckpointWarning. Raises RunError when no good checkpoint is left,
        and without `repair` for a copy that was altered: it may be what somebody means to use.
        """
        while True:
            folders, problems = self._folders(), list[str]()
            try:
                checkpoint, files, used = self._newest_good(folders, problems)
                self._check_copies(files, folders, problems if repair else None)
                break
            except RunError:
                if self._folders() == folders:
                    raise
                # Another process has saved meanwhile and removed what was being read: look again.
        for problem in problems:
            warnings.warn(f"{problem}; using {used} instead", CheckpointWarning, stacklevel=2)
        return checkpoint

    def _newest_good(self, folders: list[Path], problems: list[str]) -> tuple[Checkpoint, dict[str, bytes], Path]:
        for folder in folders:
            try:
                files = self._read(folder)
                return _parse(folder, files), files, folder
            except RunError as error:
                problems.append(str(error))
        if problems:
            raise RunError(f"no good checkpoint is left in {self.path}: {'; '.join(problems)}. Train again.")
        raise RunError(f"{self.path} has no checkpoint yet; let it train with `aae resume {self.path}`")

    def _check_copies(self, files: Mapping[str, bytes], folders: list[Path], repaired: list[str] | None) -> None:
        """Put copies right; `repaired`, if there is such a list, takes those that were altered."""
        for name in COPIES:
            path, wanted = self.path / name, files[name]
            remedy = (
                f"Delete it, and the next command restores it from {self.path / 'checkpoints'}; "
                f"`aae resume {self.path}` does both."
            )
            try:
                found = sha256(read_plain(path))
            except FileNotFoundError:
                found = None
            except RunError as error:
                raise RunError(f"{error}. {remedy}") from None
            if found == sha256(wanted):
                continue
            if found and found not in self._known(name, folders):
                if repaired is None:
                    raise RunError(f"{path} is not what was saved: it differs from every checkpoint's. {remedy}")
                repaired.append(f"{path} was not what had been saved")
            self._restore(path, wanted)

    def _restore(self, path: Path, data: bytes) -> None:
        try:
            with self._writing():
                write_atomic(path, data)
        except RunError:
            return  # the process that holds the run brings the copies up to date at its next save
        except StorageError as error:
            warnings.warn(f"the run is loaded, but {error}", CheckpointWarning, stacklevel=4)

    def _known(self, name: str, folders: list[Path]) -> set[str]:
        """Hashes of `name` in all checkpoints, as listed and as found: one of the two survives a damaged other."""
        known = set()
        for folder in folders:
            with contextlib.suppress(RunError):
                known.add(self._manifest(folder)[name]["sha256"])
            with contextlib.suppress(RunError, FileNotFoundError):
                known.add(sha256(read_plain(folder / name)))
        return known

    def _folders(self) -> list[Path]:
        """Folders of checkpoints, newest first by step, never by date."""
        parent = self.path / "checkpoints"
        with reading(parent):
            found = [path for path in parent.iterdir() if _STEP.fullmatch(path.name)] if parent.is_dir() else []
        return sorted(found, key=_order, reverse=True)

    def _manifest(self, folder: Path) -> dict[str, dict[str, Any]]:
        return read_manifest(folder, "checkpoint", CHECKPOINT_FILES, run=self._identity, step=_order(folder)[0])

    def _read(self, folder: Path) -> dict[str, bytes]:
        return read_sealed(folder, "checkpoint", CHECKPOINT_FILES, run=self._identity, step=_order(folder)[0])

    def _is_good(self, folder: Path) -> bool:
        try:
            self._read(folder)
        except RunError:
            return False
        return True


def _order(folder: Path) -> tuple[int, int]:
    """(step, how often that step was saved before) of a checkpoint's folder."""
    match = _STEP.fullmatch(folder.name)
    assert match, folder
    return int(match[1]), int(match[2] or 0)


def _require_run(path: Path) -> None:
    if not path.exists():
        raise RunError(f"there is no run at {path}; check the path, or train one with `aae train --out {path}`")
    if not path.is_dir():
        raise RunError(f"{path} is a file, not a run directory; give the folder that `aae train` made")
    if (path / _CREATING).exists() and not os.path.lexists(path / MANIFEST):
        raise RunError(f"the creation of {path} was interrupted; run the same `aae train --out {path}` again")
    if not os.path.lexists(path / MANIFEST):
        raise RunError(f"{path} is not a run directory: it has no {MANIFEST}; give the folder that `aae train` made")


def _refuse_occupied(path: Path) -> None:
    if os.path.lexists(path) and not path.is_dir():
        raise RunError(f"{path} is a file; choose another --out")
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if MANIFEST in names:
        raise RunError(f"{path} holds a run already; choose another --out, or go on with `aae resume {path}`")
    interrupted = _CREATING in names and names <= {"lock", _CREATING, *RUN_FILES}
    if not (names <= {"lock"} or interrupted):
        raise RunError(f"{path} is not empty; choose another --out")


@contextlib.contextmanager
def _flock(path: Path) -> Iterator[None]:
    with storing(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        try:
            with storing(path):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except StorageError as error:
            if not isinstance(error.__cause__, BlockingIOError):
                raise
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
            raise RunError(
                f"{path.parent} is in use by process {holder or '(unknown)'}; wait for it to end, or stop it"
            ) from None
        with storing(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)  # also frees the lock


def _parse(folder: Path, files: Mapping[str, bytes]) -> Checkpoint:
    """The checkpoint in files whose hashes match; RunError if one is not what its name says all the same."""
    try:
        return Checkpoint(
            step=_order(folder)[0],
            tensors={name: read_tensors(files[f"{name}.safetensors"]) for name in TENSORS},
            state=read_state(files["state.json"]),
            history=read_history(files["history.csv"]),
        )
    except UNREADABLE as error:
        raise RunError(f"{folder} cannot be read ({type(error).__name__}: {error})") from error
