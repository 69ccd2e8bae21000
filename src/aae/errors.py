"""What can go wrong through no fault of the program, each with the exit code that the command line returns for it.

Every message says what was found, what was expected, and what to do about it.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence
from pathlib import Path


class AAEError(Exception):
    """A mistake or a circumstance that the user can act on; shown as one line, without a traceback."""

    exit_code = 1


class ConfigError(AAEError, ValueError):
    """An unknown, unused, or impossible setting."""

    exit_code = 2


def require(condition: bool, message: str) -> None:
    """ConfigError with this message, unless the condition holds."""
    if not condition:
        raise ConfigError(message)


class DataError(AAEError, ValueError):
    """Data that is missing, damaged, of the wrong shape, or not finite."""

    exit_code = 3


class RunError(AAEError):
    """A run directory that is missing, foreign, damaged, or in use by another process."""

    exit_code = 4


class TrainingError(AAEError):
    """Training that cannot go on, such as a loss that is no longer finite."""

    exit_code = 5


class ProcessLost(TrainingError):
    """Another of the processes that train together has ended, or gives no sign of life."""

    def __init__(self, ranks: Sequence[int], size: int, path: str, reason: str) -> None:
        who = f"process {', '.join(map(str, ranks))} (of 0 to {size - 1})" if ranks else f"one of the {size} processes"
        again = f"aae resume {shlex.quote(path)}" if path else "aae resume RUN"
        why = f" ({reason})" if reason else ""
        super().__init__(
            f"{who} has ended or gives no sign of life, so the others stop too{why}. The last checkpoint is kept. "
            f"Go on with any number of processes: {again}, or torchrun --nproc-per-node {size} -m {again}"
        )


class StoppedElsewhere(AAEError):
    """Another of the processes that train together has stopped, and has said why."""

    def __init__(self, rank: int, exit_code: int) -> None:
        super().__init__(f"process {rank} has stopped; its message says why")
        self.exit_code = exit_code


class StorageError(AAEError, OSError):
    """A disk that is full, or a folder that cannot be written."""

    exit_code = 6


class Interrupted(KeyboardInterrupt):
    """Training stopped by Ctrl-C or SIGTERM, with everything so far saved."""

    def __init__(self, number: int, path: Path, step: int, steps: int, again: str = "") -> None:
        """again: what to say to go on; by default to resume the run at `path`."""
        super().__init__(
            f"stopped by {signal.Signals(number).name} at step {step} of {steps}; everything is saved. "
            f"{again or f'Go on with: aae resume {shlex.quote(str(path))}'}"
        )
        self.number, self.path, self.step, self.steps = number, path, step, steps
        self.exit_code = 128 + number

    def saying(self, again: str) -> Interrupted:
        """The same stop, with another way to go on."""
        return Interrupted(self.number, self.path, self.step, self.steps, again)
