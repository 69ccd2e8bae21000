"""What follows a training run from outside: called as it goes, never able to change a byte of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aae.config import Config
from aae.data import Dataset
from aae.diagnosis import Verdict
from aae.serialize import Row

if TYPE_CHECKING:
    from aae.inference import Run


@dataclass(frozen=True)
class Progress:
    """What a listener hears: after every step, and with `row` filled at the end of every epoch."""

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: Callable[[], dict[str, float]]
    """Mean losses of the epoch so far; asking waits for the device, so ask rarely."""
    row: Row | None = None
    verdict: Verdict | None = None
    """What the doctor says, at the end of every epoch; see `aae.diagnosis`."""
    of: str = ""
    """Which of several runs this is, where one command trains more than one."""


Listener = Callable[[Progress], None]


class Callback:
    """What can follow a run; override what you need. An exception in one stops training as any other would.

    With several processes it is called in the one that writes the run.
    """

    def start(self, path: Path, config: Config, data: Dataset, epoch: int) -> None:
        """Before the first step. path: the run directory; epoch: how many have passed, more than 0 when resumed."""

    def step(self, moment: Progress) -> None:
        """After every step but the last of an epoch."""

    def epoch(self, moment: Progress) -> None:
        """At the end of every epoch: `moment.row` is its row of the history."""

    def end(self, run: Run) -> None:
        """After the last step, with the run as it was saved; not when training was stopped."""

    def close(self) -> None:
        """Last of all, however training ended."""


class Listening(Callback):
    """A plain function as a callback."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def step(self, moment: Progress) -> None:
        self.listener(moment)

    def epoch(self, moment: Progress) -> None:
        self.listener(moment)


@dataclass(frozen=True)
class Audience:
    """Several callbacks as one."""

    callbacks: tuple[Callback, ...]

    def __call__(self, moment: Progress) -> None:
        for callback in self.callbacks:
            (callback.step if moment.row is None else callback.epoch)(moment)

    def end(self, run: Run) -> None:
        for callback in self.callbacks:
            callback.end(run)


@contextlib.contextmanager
def following(
    callbacks: Sequence[Callback | Listener], path: Path, config: Config, data: Dataset, epoch: int
) -> Iterator[Audience | None]:
    """Start the callbacks, yield them as one, and close them; None if there are none."""
    if not callbacks:
        yield None
        return
    everyone = tuple(each if isinstance(each, Callback) else Listening(each) for each in callbacks)
    with contextlib.ExitStack() as stack:
        for each in everyone:
            stack.callback(each.close)
            each.start(path, config, data, epoch)
        yield Audience(everyone)
