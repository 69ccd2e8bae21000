"""What can go wrong through no fault of the program, each with the exit code that the command line returns for it.

Every message says what was found, what was expected, and what to do about it.
"""


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
