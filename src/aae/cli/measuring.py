"""The commands that measure the program itself: its speed, and the paper once more."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from aae.cli.options import (
    DataDir,
    Quiet,
    say,
)
from aae.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from aae.training import Listener


def bench(
    case: Annotated[
        list[Literal["dense-128", "dense-512", "conv-128", "encode"]],
        tyro.conf.arg(help="What to measure; everything if none is named."),
    ] = [],  # noqa: B006
    rounds: Annotated[int, tyro.conf.arg(help="How often each contender runs, in turn with the others.")] = 7,
    device: str = "auto",
    threads: Annotated[int, tyro.conf.arg(help="Processor threads (0: PyTorch's own choice).")] = 0,
    quiet: Quiet = False,
) -> None:
    """Measure how fast training and encoding are on this machine, beside a plain loop and its own matrix products."""
    from aae import bench
    from aae.config.settings import MOST_THREADS
    from aae.hardware import device_of, using_threads

    if rounds < 1:
        raise ConfigError(f"--rounds must be 1 or more, got {rounds}")
    if not 0 <= threads <= MOST_THREADS:
        raise ConfigError(f"--threads must be 0 to {MOST_THREADS}, got {threads}")
    where = device_of(device)
    told = None if quiet else functools.partial(print, file=sys.stderr)
    with using_threads(threads):
        measured = [bench.measure(bench.CASES[name](), where, rounds, told) for name in case or bench.CASES]
        say(f"{bench.machine(where)}\n\n{bench.table(measured)}")


def reproduce(
    name: Annotated[
        Literal["figure-2", "figure-4", "figure-7", "figure-10", "table-1", "table-2", "table-3"],
        tyro.conf.Positional,
        tyro.conf.arg(help="What to reproduce."),
    ],
    /,
    seeds: Annotated[int, tyro.conf.arg(help="How many seeds, from 0 on.")] = 3,
    budget: Annotated[
        Literal["quick", "full"],
        tyro.conf.arg(
            help="How long each run trains, and there is one for each row and seed. quick: minutes on a processor, "
            "most of an hour for table-2 100-labels; full: as long as the recipe says, for a GPU or nights."
        ),
    ] = "quick",
    only: Annotated[
        tuple[str, ...] | None,
        tyro.conf.arg(
            metavar="CASE",
            help="Some rows of the table, such as 100-labels; a wrong one is answered with all of them.",
            help_behavior_hint="(default: all of them)",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        tyro.conf.arg(
            aliases=["-o"],
            metavar="DIR",
            help="Folder to write; without it reproductions/NAME-BUDGET.",
            help_behavior_hint="(optional)",
        ),
    ] = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Run an experiment of the paper over seeds: a table beside its numbers, a figure, the exact settings."""
    from aae import reproduction
    from aae.progress import Console

    if seeds < 1:
        raise ConfigError(f"--seeds must be 1 or more, got {seeds}")
    known = [case.key for case in reproduction.EXPERIMENTS[name].cases]
    if only is not None and (not only or set(only) - set(known)):
        wrong = next((case for case in only if case not in known), "nothing")
        raise ConfigError(f"--only {wrong}: {name} has {', '.join(known)}")
    console, folder = Console(quiet), out or Path("reproductions") / f"{name}-{budget}"
    with console.reproductions() as listener:

        def heard(run: str) -> Listener | None:
            console.title = run
            return listener

        try:
            page = reproduction.reproduce(
                name, folder, seeds=seeds, budget=budget, only=only or (), listener=heard, directory=data_dir
            )
        except Interrupted as stop:
            raise stop.saying("Give the same command again to go on.") from None
    console.say(page.read_text(encoding="utf-8"), f"written to {page}")
