"""The commands that train: `train` and `resume`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from aae import config, ranks, recipes
from aae.cli.failing import tell
from aae.cli.options import (
    Compare,
    DataDir,
    LiveFlag,
    Quiet,
    RunPath,
    data_again,
    say,
)
from aae.cli.words import check_words
from aae.config import Config
from aae.errors import ConfigError

if TYPE_CHECKING:
    from aae.data import Dataset
    from aae.explorer import Live
    from aae.inference import Run

TABLE_FILES = (".csv", ".tsv", ".parquet", ".feather")
"""Endings of the files for which the recipe of tables is the default."""


@dataclass(frozen=True)
class Train:
    """Train a model in a new run directory, measure it, and write its report."""

    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A .toml or .json file of settings, such as the config.json of a run; options on the line go before it."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The run directory to make (default: runs/RECIPE, numbered if taken)."""
    compare: bool = True
    """Also train a plain autoencoder and a VAE to stand beside the run in the report."""
    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print nothing but errors."""
    live: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the address of a page that shows the latent space while it trains, with pause, save, stop and rates."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train nothing: print what the run would cost (parameters, memory, time), and its settings as TOML."""
    settings: Annotated[Config, tyro.conf.arg(name="")] = field(default_factory=Config)


def train(arguments: Sequence[str]) -> None:
    """Train a model in a new run directory, measure it, and write its report."""
    base, rest = base_of(list(arguments))
    chosen = tyro.cli(Train, args=rest, default=Train(settings=base), prog="aae train [RECIPE]")
    settings = config.resolve(base, chosen.settings, written=settings_named(rest))
    _refuse_live(chosen.live)
    from aae import training
    from aae.data import load
    from aae.distributed import processes
    from aae.progress import Console

    if chosen.dry_run:
        where = ranks.place()
        return _dry_run(settings, load(settings.data), chosen.compare) if where is None or where.rank == 0 else None
    with processes(tell) as group:
        console = Console(chosen.quiet or not (group is None or group.first))
        data = load(settings.data) if group is None else group.in_turn(lambda: load(settings.data))
        console.say(*data.notes, *_size_notes(settings, data))
        out = chosen.out or training.free_directory(settings.recipe)
        live = live_page(out, data) if chosen.live else None
        steer = None if live is None else live.steer
        with console.training() as listener:
            run = training.train(settings, out, data=data, listener=listener, steer=steer, group=group)
    if group is None or group.first:
        finish(run, data, console, chosen.compare, live)


def _size_notes(asked: Config, data: Dataset) -> list[str]:
    """What the settings ask for that a run of these rows or this length cannot do; the rest of it is done."""
    from aae.pace import sized

    used, said = sized(asked, data), []
    if used.batch_size < asked.batch_size:
        said.append(
            f"batch_size = {asked.batch_size} is more than the {used.batch_size} training rows: a step takes all of "
            "them"
        )
    if late := [epoch for epoch in used.schedule_epochs if epoch >= used.epochs]:
        said.append(
            f"schedule_epochs: the run ends after epoch {used.epochs}, so the rates do not fall after epoch "
            f"{' and '.join(map(str, late))}"
        )
    if asked.shard_optimizers and ranks.place() is None:
        said.append("shard_optimizers: there is one process, which keeps all of them")
    return said


def _refuse_live(live: bool) -> None:
    if live and ranks.place() is not None:
        raise ConfigError("--live steers one process; leave torchrun out, or --live")


def _dry_run(settings: Config, data: Dataset, compare: bool) -> None:
    """The plan as comments before the settings, so that all of it is a file for --config."""
    from aae.pace import sized
    from aae.plan import plan

    notes, settings = _size_notes(settings, data), sized(settings, data)
    where = ranks.place()
    expected = plan(settings, data, where.size if where else 1)
    lines = [*notes, *expected.lines()]
    if compare:
        lines.append("beside that the report trains its baselines, for as many epochs; --no-compare leaves them out")
    told = [f"# {line}" for line in lines]
    say("\n".join([*told, "", *config.toml(settings)]))


def resume(
    run: RunPath, /, data_dir: DataDir = None, compare: Compare = True, quiet: Quiet = False, live: LiveFlag = False
) -> None:
    """Continue a run that was stopped, to the same weights as if it never had been; then report."""
    _refuse_live(live)
    from aae import training
    from aae.checkpoint import RunDirectory
    from aae.distributed import processes
    from aae.progress import Console

    def settings() -> dict[str, Any]:
        return RunDirectory.open(run).config

    with processes(tell) as group:
        console = Console(quiet or not (group is None or group.first))
        written = config.from_dict(Config, settings() if group is None else group.same(settings))
        data = data_again(written, data_dir) if group is None else group.in_turn(lambda: data_again(written, data_dir))
        link = live_page(run, data) if live else None
        steer = None if link is None else link.steer
        with console.training() as listener:
            trained = training.resume(run, data=data, listener=listener, steer=steer, group=group)
    if group is None or group.first:
        finish(trained, data, console, compare, link)


def base_of(arguments: list[str]) -> tuple[Config, list[str]]:
    """The settings that the line starts from, by recipe and file, and the arguments without the recipe."""
    check_words(arguments)
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else None
    file = _value(arguments, "--config")
    if file is None:
        return recipes.recipe(name or _recipe_for(_value(arguments, "--data", "--data.source"))), arguments
    written = config.load_file(file).get("recipe")
    if name is None:
        name = written if written in recipes.RECIPES else recipes.DEFAULT
    return config.from_file(file, recipes.recipe(name)), arguments


def _recipe_for(source: str | None) -> str:
    if source is None or source == "digits":
        return recipes.DEFAULT
    if source == "mnist":
        return "mnist-2d-uniform"
    if source.lower().endswith(TABLE_FILES):
        return "table-8d-gaussian"
    if os.path.isdir(os.path.expanduser(source)):
        from aae.data.sources import kind_of_folder

        by_kind = {"images": "images-2d-uniform", "table": "table-8d-gaussian", "array": "auto"}
        return by_kind[kind_of_folder(Path(source).expanduser())]
    return recipes.DEFAULT


def _value(arguments: list[str], *names: str) -> str | None:
    """What follows one of these options on the line, the last time it stands there."""
    found = None
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            found = value if equals else (arguments[i + 1] if i + 1 < len(arguments) else None)
    return found


def settings_named(arguments: list[str]) -> list[str]:
    """The settings that the line names, dotted; other options are left out."""
    known, found = config.flatten(Config()), []
    for argument in arguments:
        if argument.startswith("--"):
            group, dot, name = argument.partition("=")[0].removeprefix("--").replace("-", "_").rpartition(".")
            found.append(f"{group}{dot}{name.removeprefix('no_')}")
    return [name for name in found if name in known]


def live_page(path: Path, data: Dataset) -> Live:
    """A page for a run that is about to train; its address is printed even if quiet, as it cannot be guessed."""
    from aae.explorer import live

    return live(path, data, say=say)


def finish(run: Run, data: Dataset, console: Any, compare: bool, live: Live | None = None) -> None:
    """Report on a trained run and print what to open."""
    from aae.report import write

    if live is not None:
        live.finish(run)
    with console.baselines() as listener:
        path = write(run, compare=compare, data=data, listener=listener)
    console.numbers(json.loads((run.path / "metrics.json").read_text()))
    console.say(f"figures: {run.path / 'figures'}", f"report:  {path}")
    if live is not None:
        console.say("the live page stays for as long as it is open (leave with Ctrl-C)")
        live.linger()
