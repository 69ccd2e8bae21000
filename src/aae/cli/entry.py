"""The command `aae`: parses, calls one function for each command, and turns mistakes into one line and an exit code.

torch is imported inside the commands that need it, so that help appears at once.
"""

from __future__ import annotations

import difflib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from aae import __version__, plugins
from aae.cli.failing import alone, one_speaks, tell
from aae.cli.looking import compare, doctor, evaluate, explore, list_priors, list_recipes, recommend, report
from aae.cli.measuring import bench, reproduce
from aae.cli.options import (
    say,
)
from aae.cli.sharing import card, export, pull, push
from aae.cli.training import resume, train
from aae.cli.tuning import tune
from aae.cli.using import decode, encode, impute, predict, reconstruct, restyle, sample
from aae.errors import AAEError, ConfigError

EXIT_CODES = """exit codes:
  0    done
  1    a fault of the program (please report it)
  2    a command, option or setting that is unknown, unused or impossible
  3    data that is missing, damaged or does not fit
  4    a run directory that is missing, foreign, damaged or in use
  5    training stopped: a loss was no longer finite
  6    nothing could be written: disk full, or no permission
  130  stopped by Ctrl-C, 143 by SIGTERM; a training run has been saved and can be resumed"""


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "resume": resume,
    "tune": tune,
    "evaluate": evaluate,
    "report": report,
    "doctor": doctor,
    "compare": compare,
    "recommend": recommend,
    "sample": sample,
    "encode": encode,
    "decode": decode,
    "reconstruct": reconstruct,
    "impute": impute,
    "predict": predict,
    "restyle": restyle,
    "explore": explore,
    "export": export,
    "card": card,
    "push": push,
    "pull": pull,
    "bench": bench,
    "reproduce": reproduce,
    "recipes": list_recipes,
    "priors": list_priors,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see EXIT_CODES."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings():  # which puts back what the caller had
            warnings.showwarning = _show_warning
            with one_speaks():
                return _dispatch(given)
    except (AAEError, KeyboardInterrupt) as error:
        return tell(error)
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help"):
        say(_help())
        return 0
    name, rest = given[0], given[1:]
    if name == "--version":
        say(f"aae {__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        raise ConfigError(f'unknown command "{name}"; ' + (f'did you mean "{near[0]}"?' if near else "see aae --help"))
    command = COMMANDS[name]
    if command not in (train, resume):
        alone(name)
    try:
        if command in (train, tune):  # whose defaults are those of a recipe
            command(rest)
        else:
            _with_plugin(command, name, rest)
    except SystemExit as leave:  # tyro has printed the help, or what is wrong
        return int(leave.code or 0)
    return 0


def _with_plugin(command: Callable[..., None], name: str, rest: list[str]) -> None:
    """A command on runs, with `--plugin FILE`, which all of them take, seen to: the file may be run for them."""
    rest, files = list(rest), list[str]()
    while found := next((i for i, given in enumerate(rest) if given.partition("=")[0] == "--plugin"), -1) + 1:
        _, equals, file = rest.pop(found - 1).partition("=")
        if not equals and found > len(rest):
            raise ConfigError("--plugin needs the Python file that a run was trained with")
        files.append(file if equals else rest.pop(found - 1))
    for file in files:
        plugins.allow(file)
    tyro.cli(command, args=rest, prog=f"aae {name}", config=(tyro.conf.AvoidSubcommands,))
    for file in files:
        if not plugins.used(file):
            _show_warning(f"--plugin {file} was not used: no run here was trained with it")


def _help() -> str:
    lines = (f"  {name:<12} {(inspect.getdoc(command) or '').splitlines()[0]}" for name, command in COMMANDS.items())
    return "\n".join(
        [
            "usage: aae COMMAND ...",
            "",
            "Give your latent space any shape: train, look into and use adversarial autoencoders.",
            "",
            "commands:",
            *lines,
            "",
            "aae COMMAND --help shows a command's options; aae train RECIPE --help every setting with its default.",
            "Without a recipe, aae train uses the bundled digits.",
            "aae COMMAND ... --plugin FILE.py opens a run that was trained with code of its own (docs/extending.md).",
            "",
            EXIT_CODES,
        ]
    )


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"aae: warning: {message}\n")
