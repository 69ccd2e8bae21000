"""How a command ends that cannot do what was asked: a line that says why, and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from typing import TextIO

from aae import ranks
from aae.errors import AAEError, ConfigError, Interrupted, StoppedElsewhere

_errors: list[TextIO] = []
"""Where errors go in a process that is silent."""


def tell(error: BaseException) -> int:
    """Write what went wrong to standard error, and return the exit code for it."""
    if isinstance(error, (AAEError, Interrupted)):
        return fail(str(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return fail("stopped by Ctrl-C", 130)
    with heard():
        traceback.print_exception(error)
    return 1


def fail(message: str, code: int) -> int:
    with heard():
        sys.stderr.write(f"aae: {message}\n")
    return code


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """What goes wrong is said also by a process that is otherwise silent."""
    with contextlib.redirect_stderr(_errors[-1]) if _errors else contextlib.nullcontext():
        yield


def alone(command: str) -> None:
    """ConfigError if torchrun started several processes for a command that one process does."""
    where = ranks.place()
    if where is not None:
        raise ConfigError(
            f"aae {command} works in one process, and torchrun started {where.size}; call it without torchrun "
            "(train and resume are for several)"
        )


@contextlib.contextmanager
def one_speaks() -> Iterator[None]:
    """Of several processes the first one prints, and says what is wrong before they have met, once on each machine."""
    where = ranks.place()
    with contextlib.ExitStack() as silent, open(os.devnull, "w", encoding="utf-8") as nowhere:
        if where is not None and where.rank > 0:
            _errors.append(sys.stderr)
            silent.callback(_errors.pop)
            silent.enter_context(contextlib.redirect_stdout(nowhere))
            silent.enter_context(contextlib.redirect_stderr(nowhere))
        try:
            yield
        except AAEError as error:
            if where is None or (where.local_rank == 0 and not isinstance(error, StoppedElsewhere)):
                raise
            raise SystemExit(error.exit_code) from None
