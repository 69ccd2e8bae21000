"""The command `tune`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from aae import config
from aae.cli.training import base_of, settings_named
from aae.config import Config


@dataclass(frozen=True)
class Tune:
    """Search settings by many short runs: best prior match and reconstruction on held-out rows (docs/tuning.md)."""

    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A .toml or .json file of settings to start from; options on the line go before it and are not searched."""
    trials: int = 50
    """How many trials the study is to have; a study that has some goes on to this number."""
    study: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The SQLite file of the study, for one process or several at once; results go to the folder of the same name
    (default: tuning/RECIPE.db)."""
    space: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A .toml file that says what to search, on top of the default or, with `defaults = false`, alone."""
    stop_early: bool = True
    """Stop trials that are worse than half of the others in both objectives."""
    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print nothing but errors."""
    settings: Annotated[Config, tyro.conf.arg(name="")] = field(default_factory=Config)


def tune(arguments: Sequence[str]) -> None:
    """Search settings by many short runs: best prior match and reconstruction on held-out rows."""
    base, rest = base_of(list(arguments))
    chosen = tyro.cli(Tune, args=rest, default=Tune(settings=base), prog="aae tune [RECIPE]")
    written = settings_named(rest)
    settings = config.resolve(base, chosen.settings, written=written)
    from aae import tuning
    from aae.data import load
    from aae.progress import Console

    console = Console(chosen.quiet)
    space = tuning.read_space(chosen.space, settings, written) if chosen.space else None
    data = load(settings.data)
    console.say(*data.notes)
    study = chosen.study or Path("tuning") / f"{settings.recipe}.db"
    result = tuning.tune(
        settings,
        study,
        trials=chosen.trials,
        space=tuning.default_space(settings, written) if space is None else space,
        data=data,
        stop_early=chosen.stop_early,
        say=console.say,
        listener=console.trial,
    )
    console.say("", *result.lines())
    if result.chosen is not None:
        folder = study.with_suffix("")
        console.say("", f"picture: {folder / 'pareto.png'}", f"train:   aae train --config {folder / 'best.toml'}")
