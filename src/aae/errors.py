"""What can go wrong through no fault of the program, each with the exit code that the command line returns for it.

Every message says what was found, what was expected, and what to do about it.
"""

from __future__ import annotations

import shlex
import signal
from pathlib import Path


class AAEError(Exception):
    """A mistake or a circumstance that the user can act on; shown as one line, without a traceback."""

    exit_code = 1


class ConfigError(AAEError, ValueError):
    """An unknown, unused, or impossible setting."""

    exit_code = 2


class DataError(AAEError, ValueError):
    """Data that is missing, damaged, of the wrong shape, or not finite."""

    exit_code = 3


class RunError(AAEError):
    """A run directory that is missing, foreign, damaged, or in use by another process."""

    exit_code = 4


class TrainingError(AAEError):
    """Training that cannot go on, such as a loss that is no longer finite."""

    exit_code = 5


class StorageError(AAEError, OSError):
    """A disk that is full, or a folder that cannot be written."""

    exit_code = 6


class Interrupted(KeyboardInterrupt):
    """Training stopped by Ctrl-C or SIGTERM, with everything so far saved."""

    def __init__(self, number: int, path: Path, step: int, steps: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name} at step {step} of {steps}; everything is saved. "
            f"Go on with: aae resume {shlex.quote(str(path))}"
        )
        self.number, self.step, self.steps = number, step, steps
        self.exit_code = 128 + number
