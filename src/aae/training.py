"""The loop: a configuration in, a run directory out; interrupted, resumed, or killed, the same weights in the end."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aae.capture import stepper
from aae.checkpoint import Checkpoint, RunDirectory
from aae.config import Config, check, from_dict, learns_labels, plain, replace, to_dict
from aae.data import MEMORY, Dataset, Splits, dataset, load
from aae.diagnosis import LASTING, diagnose
from aae.distributed import Group
from aae.errors import ConfigError, DataError, Interrupted, RunError
from aae.game import Game
from aae.hardware import device_of, float32_products, keep_freed_memory, precision_of, using_threads
from aae.inference import Run
from aae.memory import MemoryRun
from aae.pace import sized
from aae.plugins import begun, belongs
from aae.priors import admit, with_content
from aae.tracking import Callback, following, trackers
from aae.tracking import Listener as Listener
from aae.tracking import Progress as Progress

CONDITIONS_KEPT = 1000
"""Rows whose conditions a run keeps, to sample under when none are given."""
LOOK_EVERY = 5.0
"""Seconds between two looks at the losses within an epoch on an accelerator, which has to be waited for each time."""


Steer = Callable[[Game, "Stop"], bool]
"""Called between two steps, to wait, to change a learning rate or to ask for a stop; True: save, and call again."""


def train(
    config: Config,
    out: str | Path | None = None,
    *,
    data: Any = None,
    listener: Listener | None = None,
    steer: Steer | None = None,
    group: Group | None = None,
    callbacks: Sequence[Callback | Listener] = (),
) -> Run:
    """Train a model in a new run directory and return the run.

    out: the directory, which must not exist or be empty; None: runs/RECIPE, numbered if that is taken.
    data: the data to train on; None: what `config.data` names. A `Dataset`, or anything that `aae.data.dataset` takes
    (arrays, tensors, ...), or a pair of rows and labels. With fewer training rows than `batch_size`, a step takes all.
    listener: called with a `Progress` after every step.
    steer: called after every step as well, with what may then be changed; see `Steer`.
    group: the processes that train together, each of which calls this with the same settings; see `aae.distributed`.
    The first one writes the run, and the others return it from memory. They cannot be steered.
    callbacks: more that follow the run, functions like `listener` or whole `aae.tracking.Callback`s; what `config.log`
    names comes after them. With several processes the first one alone is followed.

    Raises ConfigError, DataError, RunError and StorageError before anything is trained; TrainingError if a loss is no
    longer finite; Interrupted after Ctrl-C or SIGTERM, when everything so far has been saved.
    """
    check(config)
    callbacks = (*callbacks, *trackers(config))
    data, source = _given(config, data)
    _check_labels(config, data)
    config = sized(replace(config, {"data.source": source}), data)
    config = _of_a_new_run(config)
    path = free_directory(config.recipe) if out is None else Path(out)
    device = device_of(config.device) if group is None else group.device(config.device)
    precision_of(config.precision, device)  # refused here rather than after a directory was made
    _check_processes(group, data, steer)
    game = Game.new(config, data, device, group)
    record = _record(config, data)
    directory = MemoryRun(*record) if group is not None and not group.first else RunDirectory.create(path, *record)
    return _followed(directory, game, listener, steer, callbacks)


def _of_a_new_run(config: Config) -> Config:
    """The settings of a run that begins, whose prior networks can learn: what its files hold stands in them."""
    config = begun(dataclasses.replace(config, prior=with_content(config.prior)))
    if config.model.kind != "autoencoder":  # which has no prior
        admit(config.prior, config.model.latent)
    return config


def train_in_memory(
    config: Config,
    data: Dataset,
    *,
    start: Run | None = None,
    listener: Listener | None = None,
    measured: int | Collection[int] = LASTING,
) -> Run:
    """Train a model and return the run, which no directory holds; `Run.save` gives it one.

    start: a run of the same networks, whose weights and optimizers are the first ones. measured: how many of the last
    epochs, or which ones, are measured beyond their losses; the default is enough for a diagnosis, and on a few hundred
    rows measuring takes longer than training. Ctrl-C raises KeyboardInterrupt, as in any other computation, and nothing
    is kept. Otherwise as `train`.
    """
    check(config)
    if config.log:
        raise ConfigError("log needs a run directory, and this run is kept in memory; leave log out, or use aae.train")
    config = _of_a_new_run(sized(config, data))
    _check_labels(config, data)
    keep_freed_memory()
    game = Game.new(config, data, device_of(config.device))
    if start is not None:
        game.take_over(start.directory.load())
    game.measured = measured
    kept = MemoryRun(*_record(config, data))
    with using_threads(config.threads), float32_products(config.precision, game.device):
        game.keep_frame(0)
        _loop(kept, game, listener, None, Stop())  # a Stop that is not entered catches no signals
    return Run(kept, config.device)


def resume(
    path: str | Path,
    *,
    data: Dataset | None = None,
    listener: Listener | None = None,
    steer: Steer | None = None,
    group: Group | None = None,
    plugin: str | Path | None = None,
    callbacks: Sequence[Callback | Listener] = (),
) -> Run:
    """Continue a run from its last checkpoint to the end; a finished run is returned as it is.

    With `group`, any number of processes goes on with what any other number has begun; else as `train`. plugin: the
    file of a run that uses one, as for `Run.load`. Raises RunError if the data has changed since the run began, beside
    what `train` raises.
    """
    if plugin is not None:
        belongs(plugin, from_dict(Config, RunDirectory.open(path).config), str(path))
    directory, checkpoint = _begun(path, group)
    if checkpoint is not None and checkpoint.state["finished"]:
        return Run(directory)
    config = from_dict(Config, directory.config)
    data = load(config.data) if data is None else data
    if group is None or group.first:
        check_same_data(directory, data)
    device = device_of(config.device) if group is None else group.device(config.device)
    _check_processes(group, data, steer)
    if checkpoint is None:
        game = Game.new(config, data, device, group)
    else:
        game = Game.restored(config, data, device, checkpoint, group)
    return _followed(directory, game, listener, steer, (*callbacks, *trackers(config)))


def _begun(path: str | Path, group: Group | None) -> tuple[RunDirectory | MemoryRun, Checkpoint | None]:
    """A run and its last checkpoint; None: killed before the first one was saved.

    Of several processes the first one reads the run, and sends it to the others, which need not see its disk.
    """
    if group is None:
        directory = RunDirectory.open(path)
        return directory, directory.load(repair=True) if directory.steps() else None
    opened = RunDirectory.open(path) if group.first else None
    if opened is not None and opened.steps():
        opened.load(repair=True)
    files = MemoryRun.of(opened).files() if opened is not None else {}
    sent = {name: group.sent(files.get(name, b"")) for name in group.same(lambda: list(files))}
    run = MemoryRun.from_files(sent)
    return run if opened is None else opened, run.load() if run.saved else None


def _check_processes(group: Group | None, data: Dataset, steer: Steer | None) -> None:
    """Refuse what several processes cannot do together, and data that is not the same in all of them."""
    if group is None:
        return
    if steer is not None:
        raise ConfigError(f"training in {group.size} processes cannot be steered; use one, or leave `steer` out")
    group.same_data(data.fingerprint)


def free_directory(name: str, parent: str | Path = "runs") -> Path:
    """runs/NAME, or runs/NAME-2, runs/NAME-3 ...: the first that does not exist."""
    candidates = (Path(parent) / (name if i == 1 else f"{name}-{i}") for i in range(1, 10**6))
    return next(path for path in candidates if not path.exists())


def check_same_data(directory: RunDirectory | MemoryRun, data: Dataset) -> None:
    """RunError unless this is the data that the run was trained on."""
    if data.fingerprint != directory.data["fingerprint"]:
        raise RunError(
            f"the data {data.spec.name} is not what {directory.path} was trained on: its fingerprint is "
            f"{data.fingerprint[:12]}, the run's is {directory.data['fingerprint'][:12]}. "
            "Put the original data back, or train a new run."
        )
    parts = {name: getattr(data.splits, name) for name in ("train", "validation", "test")} | {"labelled": data.labelled}
    parts["conditions"] = kept_conditions(data)
    moved = [name for name, rows in directory.splits.items() if not np.array_equal(rows, parts[name])]
    if moved:
        raise RunError(
            f"the rows of {', '.join(moved)} are not those of {directory.path}: the data was split or labelled with "
            "other settings. Load it with the run's own (config.json, data.*), or pass its splits."
        )


def _record(config: Config, data: Dataset) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
    """What a run keeps of its settings, of its data, and of the row numbers that belong to it.

    Row numbers are those of each split, and of the labelled rows if training looks at labels. Beside them stand some
    rows' `conditions`, where the decoder is told any: new rows are sampled under these.
    """
    described = {"spec": plain(data.spec), "fingerprint": data.fingerprint, "splits": _sizes(data.splits)}
    kept = {name: getattr(data.splits, name) for name in ("train", "validation", "test")}
    kept |= {"labelled": data.labelled} if learns_labels(config) else {}
    kept |= {"conditions": kept_conditions(data)} if data.conditions is not None else {}
    return to_dict(config), described, kept


def kept_conditions(data: Dataset) -> np.ndarray:
    """The conditions of the first training rows, which are in random order: float64 [rows, columns]."""
    rows = data.splits.train[:CONDITIONS_KEPT]
    return np.zeros((0, 0)) if data.conditions is None else data.conditions.numpy()[rows]


def _sizes(splits: Splits) -> dict[str, int]:
    return {name: len(getattr(splits, name)) for name in ("train", "validation", "test")}


def _given(config: Config, data: Any) -> tuple[Dataset, str]:
    """The data to train on, and what `data.source` will say of it in the run directory."""
    if data is None:
        return load(config.data), config.data.source
    if isinstance(data, Dataset):
        return data, MEMORY if data.source is None else data.source
    x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    return dataset(x, y, config.data), MEMORY


def _check_labels(config: Config, data: Dataset) -> None:
    """DataError unless the training rows have the labels that the model learns from."""
    train, kind = data.splits.train, config.model.kind
    if learns_labels(config) and not len(data.labelled):
        raise DataError(f"model.kind = {kind} learns from labels, and {data.spec.name} has none in its training rows")
    if data.conditions is not None and kind != "supervised":
        raise DataError(
            f"conditions would be ignored: the decoder of model.kind = {kind} is told none; leave them out, or set "
            "model.kind to supervised"
        )
    if kind == "supervised" and not (data.y is None and data.conditions is not None):
        unknown = len(train) - (0 if data.y is None else int((data.y[train] >= 0).sum()))
        if unknown:
            raise DataError(
                f"model.kind = supervised needs the label of every training row, and {unknown} of {len(train)} rows of "
                f"{data.spec.name} have none; leave those rows out, or set model.kind to semi-supervised"
            )


def _followed(
    directory: RunDirectory | MemoryRun,
    game: Game,
    listener: Listener | None,
    steer: Steer | None,
    callbacks: Sequence[Callback | Listener],
) -> Run:
    """Train to the end with everybody listening; of several processes the one with the directory."""
    if isinstance(directory, MemoryRun):
        return _continue(directory, game, listener, steer)
    done = game.step // game.steps_per_epoch
    with following(callbacks, directory.path, game.config, game.data, done) as audience:
        heard = [each for each in (listener, audience) if each is not None]

        def hear(moment: Progress) -> None:
            for each in heard:
                each(moment)

        run = _continue(directory, game, hear if heard else None, steer)
        if audience is not None:
            audience.end(run)
    return run


def _continue(directory: RunDirectory | MemoryRun, game: Game, listener: Listener | None, steer: Steer | None) -> Run:
    """Train from where `game` stands to the end, saving as it goes."""
    keep_freed_memory()
    if game.group is not None:
        game.group.path = game.group.same(lambda: str(directory.path))
    exact = float32_products(game.config.precision, game.device)
    locked = directory.lock() if isinstance(directory, RunDirectory) else contextlib.nullcontext()
    with locked, using_threads(game.config.threads), exact, Stop() as stop:
        if game.step == 0:
            game.keep_frame(0)
            _save(directory, game)  # a run can be resumed from its first moment
        _loop(directory, game, listener, steer, stop)
    return Run(directory, game.config.device)


def _save(directory: RunDirectory | MemoryRun, game: Game) -> None:
    """Save the run where this process keeps it; several processes all stand at one place, so the first one's will do.

    The others give it their parts of sharded optimizers, and keep what they end with.
    """
    momenta = game.momenta()
    if game.group is None or game.group.first or game.finished:
        game.save(directory, momenta)


def _loop(
    directory: RunDirectory | MemoryRun, game: Game, listener: Listener | None, steer: Steer | None, stop: Stop
) -> None:
    config, precision, group = game.config, precision_of(game.config.precision, game.device), game.group
    take = stepper(game, precision)
    saved = looked = started = time.perf_counter()
    while not game.finished:
        epoch, position = divmod(game.step, game.steps_per_epoch)
        order = game.feed.order(epoch)
        for i in range(position, game.steps_per_epoch):
            take(order[i * config.batch_size : (i + 1) * config.batch_size])
            if game.device.type == "cpu" or started - looked > LOOK_EVERY:
                looked = started
                game.check_finite()
            if listener is not None and i < game.steps_per_epoch - 1:
                listener(Progress(epoch + 1, config.epochs, game.step, game.steps, game.mean_losses))
            ends = i == game.steps_per_epoch - 1
            if ends:
                game.check_finite()  # which waits for a device that is behind: its work is part of the epoch
            now = time.perf_counter()
            game.epoch_seconds, started = game.epoch_seconds + now - started, now
            if ends:
                row = game.end_epoch(precision)
                if listener is not None:
                    verdict = diagnose(game.history, joint=config.adversarial.phases == "joint")
                    listener(Progress(epoch + 1, config.epochs, game.step, game.steps, dict, row, verdict))
                started = time.perf_counter()
            if steer is not None:
                while steer(game, stop):
                    game.save(directory)
                    saved = time.perf_counter()
                started = time.perf_counter()  # a pause is no time spent training
            asked, due = stop.signal, now - saved >= config.save_every
            if group is not None:
                asked, due = group.asked(asked, due)
            if asked or game.finished or due:
                _save(directory, game)
                saved = started = time.perf_counter()
            if asked and not game.finished:
                if group is not None:
                    group.wait()  # until it is saved
                raise Interrupted(asked, directory.path if group is None else Path(group.path), game.step, game.steps)


class Stop:
    """Turns Ctrl-C and SIGTERM into a request to stop at the next step; a second one is not held back."""

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, Any] = {}

    def _ask(self, number: int, frame: object) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():  # Python takes handlers from no other
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
