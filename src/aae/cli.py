"""The command `aae`: parses, calls one function for each command, and turns mistakes into one line and an exit code.

torch is imported inside the commands that need it, so that help appears at once.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from aae import __version__, config, recipes
from aae.config import Config
from aae.errors import AAEError, ConfigError, Interrupted

if TYPE_CHECKING:
    from aae.data import Dataset
    from aae.explorer import Live
    from aae.inference import Run

RunPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help="The run directory.")]
DataSource = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="DATA", help="`digits`, `mnist`, or a file or folder in original units."),
]
CodesPath = Annotated[
    Path,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="CODES", help="A .npz file with an array `codes`, or a .npy file."),
]
DataDir = Annotated[str | None, tyro.conf.arg(name="data-dir", metavar="DIR", help="Folder of the named data set.")]
Out = Annotated[
    Path,
    tyro.conf.arg(aliases=["-o"], metavar="FILE", help="The file to write: .npz, .png; .csv, .parquet for a table."),
]
OutArrays = Annotated[
    Path, tyro.conf.arg(aliases=["-o"], metavar="FILE", help="The .npz file to write; .h5ad for a DATA of that kind.")
]
Count = Annotated[int, tyro.conf.arg(aliases=["-n"], help="How many rows to sample.")]
OfClass = Annotated[
    str | None,
    tyro.conf.arg(metavar="CLASS", help="Class to sample, by name or number (default: any, equally likely)."),
]
Compare = Annotated[
    bool, tyro.conf.arg(help="Also train a plain autoencoder and a VAE to stand beside the run in the report.")
]
LiveFlag = Annotated[
    bool,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.arg(name="live", help="Print the address of a page to look and steer."),
]
Quiet = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Print nothing but errors.")]
Layout = Literal["auto", "vectors", "images", "channels-first", "channels-last", "table"]

TABLE_FILES = (".csv", ".tsv", ".parquet", ".feather")
"""Endings of the files for which the recipe of tables is the default."""

EXIT_CODES = """exit codes:
  0    done
  1    a fault of the program (please report it)
  2    a command, option or setting that is unknown, unused or impossible
  3    data that is missing, damaged or does not fit
  4    a run directory that is missing, foreign, damaged or in use
  5    training stopped: a loss was no longer finite
  6    nothing could be written: disk full, or no permission
  130  stopped by Ctrl-C, 143 by SIGTERM; a training run has been saved and can be resumed"""


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
    base, rest = _base(list(arguments))
    chosen = tyro.cli(Train, args=rest, default=Train(settings=base), prog="aae train [RECIPE]")
    settings = config.resolve(base, chosen.settings, written=_written(rest))
    from aae import training
    from aae.data import load
    from aae.game import batch_size
    from aae.progress import Console

    console = Console(chosen.quiet)
    data = load(settings.data)
    console.say(*data.notes)
    if (rows := batch_size(settings, data)) < settings.batch_size:
        console.say(
            f"batch_size = {settings.batch_size} is more than the {rows} training rows: a step takes all of them"
        )
    if chosen.dry_run:
        return _dry_run(settings, data)
    out = chosen.out or training.free_directory(settings.recipe)
    live = _live(out, data) if chosen.live else None
    with console.training() as listener:
        run = training.train(settings, out, data=data, listener=listener, steer=None if live is None else live.steer)
    _finish(run, data, console, chosen.compare, live)


def _dry_run(settings: Config, data: Dataset) -> None:
    """The plan as comments before the settings, so that all of it is a file for --config."""
    from aae.game import sized
    from aae.plan import plan

    settings = sized(settings, data)
    _print("\n".join([*(f"# {line}" for line in plan(settings, data).lines()), "", *config.toml(settings)]))


def resume(
    run: RunPath, /, data_dir: DataDir = None, compare: Compare = True, quiet: Quiet = False, live: LiveFlag = False
) -> None:
    """Continue a run that was stopped, to the same weights as if it never had been; then report."""
    from aae import training
    from aae.checkpoint import RunDirectory
    from aae.progress import Console

    console = Console(quiet)
    settings = config.from_dict(Config, RunDirectory.open(run).config)
    data = _data_again(settings, data_dir)
    link = _live(run, data) if live else None
    with console.training() as listener:
        trained = training.resume(run, data=data, listener=listener, steer=None if link is None else link.steer)
    _finish(trained, data, console, compare, link)


def evaluate(
    run: RunPath,
    /,
    split: Literal["train", "validation", "test"] = "test",
    full: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Also measure decoded samples, beside bad controls.")
    ] = False,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Print JSON instead of a table.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Measure a run on held-out rows, each number beside the best it could be, and write metrics.json."""
    from aae.evaluation import evaluate as measure
    from aae.progress import Console

    loaded = _run(run)
    found = measure(loaded, split=split, data=_data_again(loaded.config, data_dir), full=full)
    if json:
        _print(_json(found))
    else:
        Console(False).numbers(found)


def report(run: RunPath, /, compare: Compare = True, data_dir: DataDir = None, quiet: Quiet = False) -> None:
    """Draw the figures of a run and write its report.html."""
    from aae.progress import Console

    loaded = _run(run)
    _finish(loaded, _data_again(loaded.config, data_dir), Console(quiet), compare)


def doctor(
    run: RunPath,
    /,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Print JSON instead of text.")] = False,
) -> None:
    """Say whether the adversarial game of a run is healthy and, if not, which setting to change."""
    from aae.diagnosis import figures_of
    from aae.progress import Console

    loaded = _run(run)
    verdict, figures = loaded.doctor(), figures_of(loaded.history)
    if json:
        said = {"code": verdict.code, "sentence": verdict.sentence, "setting": verdict.setting}
        _print(_json({**said, "epoch": len(loaded.history), "figures": figures}))
    else:
        Console(False).verdict(verdict, figures)


def sample(run: RunPath, /, out: Out, n: Count = 64, seed: int = 0, y: OfClass = None) -> None:
    """Decode codes drawn from the prior: new rows in original units (.npz) or a picture (.png)."""
    from aae.files import ROWS, check_suffix, write_rows

    check_suffix(out, *ROWS)
    loaded = _run(run)
    write_rows(out, loaded.spec, {"samples": loaded.sample(n, seed=seed, y=_class(loaded, y))})
    _print(f"wrote {n} samples to {out}")


def encode(
    run: RunPath, data: DataSource, /, out: OutArrays, data_dir: DataDir = None, layout: Layout = "auto"
) -> None:
    """Write the codes of every row of DATA (arrays `codes` and, where known, `labels`)."""
    from aae.files import check_suffix, labels_of, write_arrays

    annotated = data.lower().endswith(".h5ad")
    check_suffix(out, *((".npz", ".h5ad") if annotated else (".npz",)))
    loaded = _run(run)
    raw = _read(data, data_dir, layout, loaded.config)
    codes = loaded.encode(raw.x)
    if out.suffix.lower() == ".h5ad":
        from aae.data.containers import CODES, write_h5ad

        write_h5ad(out, Path(data), codes)
        return _print(
            f'wrote {data} with {len(codes)} codes of {codes.shape[1]} dimensions in obsm["{CODES}"] to {out}'
        )
    write_arrays(out, {"codes": codes} | labels_of(raw))
    _print(f"wrote {len(codes)} codes of {codes.shape[1]} dimensions to {out}")


def decode(run: RunPath, codes: CodesPath, /, out: Out) -> None:
    """Decode codes: rows in original units (.npz, array `samples`) or a picture (.png)."""
    from aae.files import ROWS, check_suffix, read_codes, write_rows

    check_suffix(out, *ROWS)
    loaded = _run(run)
    rows = loaded.decode(read_codes(codes))
    write_rows(out, loaded.spec, {"samples": rows})
    _print(f"wrote {len(rows)} decoded rows to {out}")


def reconstruct(run: RunPath, data: DataSource, /, out: Out, data_dir: DataDir = None, layout: Layout = "auto") -> None:
    """Encode every row of DATA and decode it again (.npz, array `samples`, or .png)."""
    from aae.files import ROWS, check_suffix, labels_of, write_rows

    check_suffix(out, *ROWS)
    loaded = _run(run)
    raw = _read(data, data_dir, layout, loaded.config)
    rows = loaded.reconstruct(raw.x)
    write_rows(out, loaded.spec, {"samples": rows} | labels_of(raw))
    _print(f"wrote {len(rows)} reconstructed rows to {out}")


def impute(run: RunPath, data: DataSource, /, out: Out, layout: Layout = "auto") -> None:
    """Fill the gaps of every row of DATA, a table, by what the model makes of the rest of the row."""
    import numpy as np

    from aae.files import TABLES, check_suffix, write_table

    check_suffix(out, *TABLES)
    loaded = _run(run)
    given = _read(data, None, layout, config.replace(loaded.config, {"data.label": None})).x
    filled = loaded.impute(given)
    write_table(out, loaded.table(filled) if isinstance(filled, np.ndarray) else filled)
    _print(f"wrote {len(filled)} rows, their gaps filled, to {out}")


def predict(
    run: RunPath, data: DataSource, /, out: OutArrays, data_dir: DataDir = None, layout: Layout = "auto"
) -> None:
    """Write the class or cluster of every row of DATA (arrays `predicted`, `probabilities`, known `labels`)."""
    from aae.files import check_suffix, labels_of, write_arrays

    check_suffix(out, ".npz")
    loaded = _run(run)
    raw = _read(data, data_dir, layout, loaded.config)
    probabilities = loaded.predict_proba(raw.x)
    found = {"predicted": probabilities.argmax(1), "probabilities": probabilities}
    write_arrays(out, found | labels_of(raw))
    _print(f"wrote the classes of {len(probabilities)} rows, out of {probabilities.shape[1]}, to {out}")


def restyle(
    run: RunPath,
    data: DataSource,
    /,
    out: Out,
    n: Annotated[int, tyro.conf.arg(aliases=["-n"], help="How many rows to restyle, from the first on.")] = 10,
    data_dir: DataDir = None,
    layout: Layout = "auto",
) -> None:
    """Decode the style of the first rows of DATA in every class (.npz, array `samples` [n, classes, ...], or .png)."""
    from aae.files import check_suffix, write_arrays, write_restyled

    check_suffix(out, ".npz", ".png")
    loaded = _run(run)
    raw = _read(data, data_dir, layout, loaded.config)
    if n < 1:
        raise ConfigError(f"-n must be 1 or more, got {n}")
    rows = raw.x[:n]
    found = loaded.restyle(rows)
    if out.suffix.lower() == ".npz":
        write_arrays(out, {"samples": found})
    else:
        write_restyled(out, loaded.spec, rows, found, loaded.class_names or [str(k) for k in range(found.shape[1])])
    _print(f"wrote {len(found)} styles in {found.shape[1]} classes to {out}")


def explore(
    run: RunPath,
    /,
    browser: Annotated[bool, tyro.conf.arg(help="Open the page; --no-browser only prints its address.")] = True,
    port: Annotated[int, tyro.conf.arg(help="Where to listen; 0: a port that is free.")] = 0,
    host: Annotated[
        str, tyro.conf.arg(help="Where to listen; beyond this machine only with --allow-remote.")
    ] = "127.0.0.1",
    allow_remote: Annotated[
        bool,
        tyro.conf.FlagCreatePairsOff,
        tyro.conf.arg(help="Let other machines in, unencrypted: whoever has the address sees this run's data."),
    ] = False,
    points: Annotated[int | None, tyro.conf.arg(help="Most rows to show, sampled fairly (default: 200,000).")] = None,
    data_dir: DataDir = None,
) -> None:
    """Look into a run in a browser: codes, what they decode to, neighbours, holes, paths; until Ctrl-C."""
    from aae.explorer import explore as serve

    loaded = _run(run)
    data = _checked_data(loaded, data_dir)
    serve(loaded, data, host=host, port=port, remote=allow_remote, browser=browser, points=points, say=_print)


def export(
    run: RunPath,
    /,
    explorer: Annotated[Path, tyro.conf.arg(metavar="FILE", help="The .html file to write.")],
    points: Annotated[int, tyro.conf.arg(help="Most rows to keep, sampled fairly.")] = 20_000,
    data_dir: DataDir = None,
) -> None:
    """Write the explorer of a run as one file that works offline."""
    from aae.explorer import export as write
    from aae.files import check_suffix

    check_suffix(explorer, ".html", option="--explorer")
    loaded = _run(run)
    said = write(loaded, explorer, _checked_data(loaded, data_dir), points)
    _print(f"wrote {explorer}, {said}")


def bench(
    case: Annotated[
        list[Literal["dense-128", "dense-512", "conv-128"]],
        tyro.conf.arg(help="What to measure; everything if none is named."),
    ] = [],  # noqa: B006
    rounds: Annotated[int, tyro.conf.arg(help="How often each contender runs, in turn with the others.")] = 7,
    device: str = "auto",
    threads: Annotated[int, tyro.conf.arg(help="Processor threads (0: PyTorch's own choice).")] = 0,
    quiet: Quiet = False,
) -> None:
    """Measure how fast training is on this machine, beside a plain loop and its own matrix products."""
    from aae import bench
    from aae.hardware import device_of, using_threads

    if rounds < 1:
        raise ConfigError(f"--rounds must be 1 or more, got {rounds}")
    where = device_of(device)
    told = None if quiet else functools.partial(print, file=sys.stderr)
    with using_threads(threads):
        measured = [bench.measure(bench.CASES[name](), where, rounds, told) for name in case or bench.CASES]
        _print(f"{bench.machine(where)}\n\n{bench.table(measured)}")


def reproduce(
    name: Annotated[Literal["table-2"], tyro.conf.Positional, tyro.conf.arg(metavar="NAME", help="What to reproduce.")],
    /,
    seeds: Annotated[int, tyro.conf.arg(help="How many seeds, from 0 on.")] = 3,
    budget: Annotated[
        Literal["quick", "full"], tyro.conf.arg(help="How long to train: minutes, or as long as the recipe says.")
    ] = "quick",
    only: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="CASE", help="Some rows of the table, such as 100-labels.")
    ] = (),
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR", help="Folder to write.")] = None,
    quiet: Quiet = False,
) -> None:
    """Run an experiment of the paper over seeds: a table beside its numbers, a figure, the exact settings."""
    from aae import reproduction
    from aae.progress import Console

    if seeds < 1:
        raise ConfigError(f"--seeds must be 1 or more, got {seeds}")
    known = [case.key for case in reproduction.EXPERIMENTS[name].cases]
    if unknown := [case for case in only if case not in known]:
        raise ConfigError(f"--only {unknown[0]}: {name} has {', '.join(known)}")
    console, folder = Console(quiet), out or Path("reproductions") / f"{name}-{budget}"
    with console.baselines() as listener:
        page = reproduction.reproduce(name, folder, seeds=seeds, budget=budget, only=only, listener=lambda _: listener)
    console.say(page.read_text(encoding="utf-8"), f"written to {page}")


def list_recipes() -> None:
    """List the recipes, a line each."""
    width = max(map(len, recipes.RECIPES))
    _print("\n".join(f"{name:<{width}}  {line}" for name, line in recipes.describe().items()))


def list_priors(
    action: Annotated[Literal["list", "show"], tyro.conf.Positional] = "list",
    what: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME|FILE", help="A prior, a picture or a point cloud.")
    ] = "",
    /,
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE", help="The .png file to write.")] = None,
) -> None:
    """List the priors, a line each; `aae priors show NAME_OR_FILE -o prior.png` draws one."""
    from aae import priors

    if action == "list":
        if what or out is not None:
            raise ConfigError("aae priors lists every prior; to draw one: aae priors show NAME_OR_FILE -o prior.png")
        width = max(map(len, priors.KINDS))
        _print("\n".join(f"{name:<{width}}  {line}" for name, (_, line) in priors.KINDS.items()))
        return
    if not what or out is None:
        raise ConfigError(
            "aae priors show needs a prior and a file to write: aae priors show NAME_OR_FILE -o prior.png"
        )
    from aae.files import check_suffix
    from aae.gallery import picture
    from aae.plots import save

    check_suffix(out, ".png")
    shown = priors.named(what)
    save(picture(shown), out)
    _print(f"drew {shown.describe()} to {out}")


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "resume": resume,
    "evaluate": evaluate,
    "report": report,
    "doctor": doctor,
    "sample": sample,
    "encode": encode,
    "decode": decode,
    "reconstruct": reconstruct,
    "impute": impute,
    "predict": predict,
    "restyle": restyle,
    "explore": explore,
    "export": export,
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
            return _dispatch(given)
    except AAEError as error:
        return _fail(str(error), error.exit_code)
    except Interrupted as stopped:
        return _fail(str(stopped), stopped.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped by Ctrl-C", 130)
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help"):
        _print(_help())
        return 0
    name, rest = given[0], given[1:]
    if name == "--version":
        _print(f"aae {__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        raise ConfigError(f'unknown command "{name}"; ' + (f'did you mean "{near[0]}"?' if near else "see aae --help"))
    command = COMMANDS[name]
    try:
        if command is train:
            train(rest)
        else:
            tyro.cli(command, args=rest, prog=f"aae {name}", config=(tyro.conf.AvoidSubcommands,))
    except SystemExit as leave:  # tyro has printed the help, or what is wrong
        return int(leave.code or 0)
    return 0


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
            "",
            EXIT_CODES,
        ]
    )


def _base(arguments: list[str]) -> tuple[Config, list[str]]:
    """The settings that the line starts from, by recipe and file, and the arguments without the recipe."""
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else None
    file = _value(arguments, "--config")
    if file is None:
        return recipes.recipe(name or _recipe_for(_value(arguments, "--data", "--data.source"))), arguments
    written = config.load_file(file).get("recipe")
    if name is None:
        name = written if written in recipes.RECIPES else recipes.DEFAULT
    return config.from_file(file, recipes.recipe(name)), arguments


def _recipe_for(source: str | None) -> str:
    if source is not None and source.lower().endswith(TABLE_FILES):
        return "table-8d-gaussian"
    return "mnist-2d-uniform" if source == "mnist" else recipes.DEFAULT


def _value(arguments: list[str], *names: str) -> str | None:
    """What follows one of these options on the line, the last time it stands there."""
    found = None
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            found = value if equals else (arguments[i + 1] if i + 1 < len(arguments) else None)
    return found


def _written(arguments: list[str]) -> list[str]:
    """The settings that the line names, dotted; other options are left out."""
    known, found = config.flatten(Config()), []
    for argument in arguments:
        if argument.startswith("--"):
            group, dot, name = argument.partition("=")[0].removeprefix("--").replace("-", "_").rpartition(".")
            found.append(f"{group}{dot}{name.removeprefix('no_')}")
    return [name for name in found if name in known]


def _data_again(settings: Config, data_dir: str | None) -> Dataset:
    """The data of a run, from another folder if one is given."""
    from aae.data import load

    return load(config.replace(settings, {"data.directory": data_dir} if data_dir else {}).data)


def _live(path: Path, data: Dataset) -> Live:
    """A page for a run that is about to train; its address is printed even if quiet, as it cannot be guessed."""
    from aae.explorer import live

    return live(path, data, say=_print)


def _finish(run: Run, data: Dataset, console: Any, compare: bool, live: Live | None = None) -> None:
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


def _checked_data(run: Run, data_dir: str | None) -> Dataset:
    from aae.evaluation import data_of

    return data_of(run, directory=data_dir)


def _run(path: Path) -> Run:
    from aae.inference import Run

    return Run.load(path)


def _class(run: Run, written: str | None) -> int | None:
    """The class on the line as a number; the run itself says what is wrong with one that it does not have."""
    from aae.classes import class_number

    return None if written is None else class_number(written, run.model.beside, run.class_names)


def _read(source: str, data_dir: str | None, layout: Layout, settings: Config) -> Any:
    from aae.data import read

    data = config.replace(settings, {"data.directory": data_dir, "data.layout": layout}).data
    return read(source, data, needs_label=False)


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # an address is waited for, through a pipe too


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"aae: {message}\n")
    return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"aae: warning: {message}\n")
