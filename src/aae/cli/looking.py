"""The commands that look into a run, and list what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from aae import recipes
from aae.cli.options import (
    Compare,
    DataDir,
    DataSource,
    Layout,
    Quiet,
    RunPath,
    as_json,
    checked_data,
    data_again,
    run_of,
    say,
)
from aae.cli.training import finish
from aae.errors import ConfigError


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

    loaded = run_of(run)
    found = measure(loaded, split=split, data=data_again(loaded.config, data_dir), full=full)
    if json:
        say(as_json(found))
    else:
        Console(False).numbers(found)


def report(run: RunPath, /, compare: Compare = True, data_dir: DataDir = None, quiet: Quiet = False) -> None:
    """Draw the figures of a run and write its report.html."""
    from aae.progress import Console

    loaded = run_of(run)
    finish(loaded, data_again(loaded.config, data_dir), Console(quiet), compare)


def doctor(
    run: RunPath,
    /,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Print JSON instead of text.")] = False,
) -> None:
    """Say whether the adversarial game of a run is healthy and, if not, which setting to change."""
    from aae.diagnosis import figures_of
    from aae.progress import Console

    loaded = run_of(run)
    verdict, figures = loaded.doctor(), figures_of(loaded.history)
    if json:
        said = {"code": verdict.code, "sentence": verdict.sentence, "setting": verdict.setting}
        say(as_json({**said, "epoch": len(loaded.history), "figures": figures}))
    else:
        Console(False).verdict(verdict, figures)


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

    loaded = run_of(run)
    data = checked_data(loaded, data_dir)
    serve(loaded, data, host=host, port=port, remote=allow_remote, browser=browser, points=points, say=say)


def compare(
    runs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN RUN ...", help="Two runs or more.")
    ],
    /,
    out: Annotated[
        Path | None,
        tyro.conf.arg(aliases=["-o"], metavar="DIR", help="Also write comparison.md, comparison.html and curves.png."),
    ] = None,
) -> None:
    """Hold measured runs side by side: spread over seeds, and configurations paired seed by seed."""
    from aae import contrast

    loaded = [run_of(run) for run in runs]
    said = contrast.markdown(contrast.sections(contrast.configurations(loaded)))
    page = None if out is None else contrast.write(loaded, out)
    say(said.rstrip() if page is None else f"{said}\nwritten to {page}")


def recommend(
    data: DataSource,
    /,
    goal: Annotated[
        Literal["auto", "look", "generate", "classify", "cluster", "anomalies"],
        tyro.conf.arg(help="What the model is for; auto: by what the data is and which rows have labels."),
    ] = "auto",
    label: Annotated[str | None, tyro.conf.arg(metavar="COLUMN", help="The column of a table with the labels.")] = None,
    layout: Layout = "auto",
    data_dir: DataDir = None,
    time: Annotated[bool, tyro.conf.arg(help="Try a few steps to say how long it takes.")] = True,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Print JSON instead of text.")] = False,
) -> None:
    """Choose a recipe and settings for DATA, with the reason for each choice, the size and the time."""
    from aae import recommend as advisor
    from aae.config import Config, replace
    from aae.data import load
    from aae.pace import sized
    from aae.plan import plan

    named = {"data.source": data, "data.label": label, "data.layout": layout, "data.directory": data_dir}
    config = replace(Config(), named)
    rows = load(config.data)
    advice = advisor.recommend(config, rows, goal)
    cost = plan(sized(advice.config, rows), rows).lines() if time else []
    if json:
        say(as_json({**advisor.facts(advice, rows), "cost": cost}))
    else:
        say("\n".join([*advice.lines(), "", advisor.described(rows), *cost]))


def list_recipes() -> None:
    """List the recipes, a line each."""
    width = max(map(len, recipes.RECIPES))
    say("\n".join(f"{name:<{width}}  {line}" for name, line in recipes.describe().items()))


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
        say("\n".join(f"{name:<{width}}  {line}" for name, (_, line) in priors.KINDS.items()))
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
    say(f"drew {shown.describe()} to {out}")
