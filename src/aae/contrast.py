"""Runs beside each other: configurations with their spread over seeds, and pairs of them seed by seed.

Runs that differ in `seed` alone are one configuration. Everything comes from the runs' own files.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from aae import plots
from aae.card import numbers_of
from aae.config import flatten, unused
from aae.config.rules import covers
from aae.errors import ConfigError, RunError
from aae.inference import Run
from aae.page import MEASURES, STYLE, Measure, p_text
from aae.storage import make_folders, write_atomic

BESIDE = (
    "seed",
    "recipe",
    "threads",
    "device",
    "save_every",
    "log",
    "cuda_graphs",
    "shard_optimizers",
    "data.directory",
)
"""Settings that do not make another configuration: they decide where and how long, not what."""
CURVES = {
    "reconstruction_validation": "Reconstruction loss, validation rows",
    "inside": "Share of codes inside the prior",
    "empty_cells": "Share of the prior's cells that are empty",
    "told_apart": "A fresh classifier on codes and prior",
}
"""What is drawn against the epoch: column of the history -> title."""
LEVEL = 0.95
"""Of the interval for a mean difference."""


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in their seed alone. name: what sets it apart from the others."""

    name: str
    runs: tuple[Run, ...]
    numbers: tuple[Mapping[str, Any], ...]

    def values(self, key: str) -> dict[int, float]:
        """Seed -> measured value, for the runs that have one."""
        found = {}
        for run, numbers in zip(self.runs, self.numbers, strict=True):
            value = numbers.get(key)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found[run.config.seed] = float(value)
        return found


@dataclass(frozen=True)
class Paired:
    """The difference of one measure between two configurations over the seeds that both have.

    mean, deviation: of the differences (deviation over n - 1); low, high: the 95 % interval of the mean by Student's
    t; t_p, sign_p: two-sided p-values of the paired t-test and of the sign test, which needs no normal differences.
    None where there are too few seeds, or no difference.
    """

    measure: Measure
    differences: tuple[float, ...]
    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    t_p: float | None = None
    sign_p: float | None = None


def configurations(runs: Sequence[Run]) -> list[Configuration]:
    """The runs by configuration, in the order in which they came.

    ConfigError for fewer than two runs, or for one that is there twice; RunError for a run that was not evaluated, or
    on another split than the others.
    """
    if len(runs) < 2:
        raise ConfigError("give two runs or more to compare")
    measured = [_numbers(run) for run in runs]
    splits = {str(numbers.get("split")) for numbers in measured}
    if len(splits) > 1:
        raise RunError(
            f"these runs were measured on different splits ({', '.join(sorted(splits))}); "
            "measure them alike: aae evaluate RUN --split test"
        )
    groups: dict[str, list[int]] = {}
    described = [_described(run) for run in runs]
    for i, settings in enumerate(described):
        key = json.dumps(settings, sort_keys=True, default=str)
        same = [k for k in groups.get(key, []) if runs[k].config.seed == runs[i].config.seed]
        if same:
            raise ConfigError(f"{runs[same[0]].where} and {runs[i].where} have the same settings and the same seed")
        groups.setdefault(key, []).append(i)
    names = _names([described[members[0]] for members in groups.values()])
    return [
        Configuration(name, tuple(runs[i] for i in members), tuple(measured[i] for i in members))
        for name, members in zip(names, groups.values(), strict=True)
    ]


def paired(first: Configuration, second: Configuration) -> list[Paired]:
    """Second minus first for every measure that both have, over their common seeds; empty without one.

    RunError if the two saw different data: then a difference says nothing about the settings.
    """
    if first.runs[0].directory.data["fingerprint"] != second.runs[0].directory.data["fingerprint"]:
        raise RunError(f"{first.name} and {second.name} were trained on different data and cannot be paired")
    found = []
    for measure in MEASURES:
        a, b = first.values(measure.key), second.values(measure.key)
        if seeds := sorted(a.keys() & b.keys()):
            found.append(difference(measure, [b[seed] - a[seed] for seed in seeds]))
    return found


def difference(measure: Measure, differences: Sequence[float]) -> Paired:
    """Mean, spread, interval and tests of paired differences; with one pair there is a mean and no more."""
    values = np.asarray(differences, dtype=np.float64)
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Paired(measure, tuple(values), mean)
    deviation = float(np.std(values, ddof=1))
    ups, downs = int((values > 0).sum()), int((values < 0).sum())
    sign = float(stats.binomtest(ups, ups + downs).pvalue) if ups + downs else None
    if deviation == 0:
        return Paired(measure, tuple(values), mean, deviation, sign_p=sign)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / math.sqrt(n)
    t_p = float(2 * stats.t.sf(abs(mean) * math.sqrt(n) / deviation, n - 1))
    return Paired(measure, tuple(values), mean, deviation, mean - half, mean + half, t_p, sign)


def write(runs: Sequence[Run], folder: str | Path) -> Path:
    """Write comparison.md, comparison.html and curves.png to `folder`, and return the page's path."""
    folder = Path(folder)
    groups = configurations(runs)
    parts = sections(groups)
    figure = plots.spread_curves({g.name: [_history(run) for run in g.runs] for g in groups}, CURVES)
    make_folders(folder)
    plots.save(figure, folder / "curves.png")
    write_atomic(folder / "comparison.md", markdown(parts, "curves.png").encode())
    picture = base64.b64encode((folder / "curves.png").read_bytes()).decode()
    write_atomic(folder / "comparison.html", page(parts, f"data:image/png;base64,{picture}").encode())
    return folder / "comparison.html"


@dataclass(frozen=True)
class Section:
    """A heading, a table (its first row the head), and what has to be said about it."""

    title: str
    table: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def sections(groups: Sequence[Configuration]) -> list[Section]:
    """All that is said, before it is Markdown or a page: the runs, the numbers, and every configuration after the first
    one against the first."""
    found = [_which(groups), _table(groups)]
    for other in groups[1:]:
        if groups[0].runs[0].directory.data["fingerprint"] == other.runs[0].directory.data["fingerprint"]:
            found.append(_pair(groups[0], other))
    return found


def _which(groups: Sequence[Configuration]) -> Section:
    rows = [
        (g.name, ", ".join(str(run.config.seed) for run in g.runs), ", ".join(run.where for run in g.runs))
        for g in groups
    ]
    data = {run.directory.data["fingerprint"][:12]: run.spec.name for g in groups for run in g.runs}
    notes = [f"Data: {', '.join(f'{name} ({print_})' for print_, name in data.items())}."]
    if len(data) > 1:
        notes.append("The runs saw different data, so only numbers of the same data can be held against each other.")
    if any(not run.finished for g in groups for run in g.runs):
        notes.append("Some runs have not finished training.")
    return Section("Runs", (("configuration", "seeds", "runs"), *rows), tuple(notes))


def _table(groups: Sequence[Configuration]) -> Section:
    rows, alike = [], len({run.directory.data["fingerprint"] for g in groups for run in g.runs}) == 1
    for measure in MEASURES:
        values = [list(g.values(measure.key).values()) for g in groups]
        if not any(values):
            continue
        floors = [v for g in groups for v in g.values(f"{measure.key}_floor").values()]
        floor = measure.text(float(np.mean(floors))) if floors and alike else ""
        rows.append((measure.name, *(_spread(measure, v) for v in values), floor, measure.meaning))
    sizes = dict.fromkeys(str(numbers.get("rows", "?")) for g in groups for numbers in g.numbers)
    notes = [
        f"{' or '.join(sizes)} rows of the {groups[0].numbers[0].get('split')} split. Mean and standard deviation over "
        "seeds (n - 1); a value without a deviation is one run. "
        + ("The floor is the mean of the runs' floors." if alike else "Floors of different data have no mean.")
    ]
    return Section("Numbers", (("measure", *(g.name for g in groups), "floor", "what it is"), *rows), tuple(notes))


def _spread(measure: Measure, values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = measure.text(float(np.mean(values)))
    return mean if len(values) == 1 else f"{mean} ± {measure.text(float(np.std(values, ddof=1)))}"


def _pair(first: Configuration, second: Configuration) -> Section:
    found = paired(first, second)
    title = f"{second.name}, minus {first.name}"
    if not found:
        return Section(title, (), ("They have no seed in common; train both with the same seeds to pair them.",))
    n = max(len(one.differences) for one in found)
    rows = [
        (
            one.measure.name,
            _signed(one.mean),
            "" if one.deviation is None else f"{one.deviation:.2g}",
            "" if one.low is None or one.high is None else f"{_signed(one.low)} to {_signed(one.high)}",
            "" if one.t_p is None else p_text(one.t_p),
            "" if one.sign_p is None else p_text(one.sign_p),
        )
        for one in found
    ]
    return Section(
        title,
        (("measure", "mean difference", "deviation", "95 % interval", "paired t: p", "signs: p"), *rows),
        tuple(_caveats(n, len(rows))),
    )


def _caveats(n: int, measures: int) -> Iterable[str]:
    if n < 2:
        yield "One seed in common: these are differences between two runs, and nothing says how much a seed changes."
        return
    yield f"Differences over {n} common seeds, each within one seed; shares as fractions of 1."
    least = 2.0 ** (1 - n)
    if least > 0.05:
        yield (
            f"With {n} seeds the sign test cannot fall below {least:.2g}, and the t-test leans on differences being "
            "normal, which so few cannot show: read the interval, and add seeds before you believe it."
        )
    yield (
        f"{measures} measures are tested and no p-value is corrected for that: by chance alone about one in twenty is "
        "below 0.05, and the measures move together."
    )


def _signed(value: float) -> str:
    return f"{value:+.3g}"


def markdown(parts: Sequence[Section], picture: str | None = None) -> str:
    """The sections as Markdown."""
    text = ["# Runs compared"]
    for i, part in enumerate(parts):
        text.append(f"## {part.title}")
        if part.table:
            head, *rows = part.table
            lines = [head, ("---",) * len(head), *rows]
            text.append("\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines))
        text += part.notes
        if picture and i == 1:
            text += ["## Curves", f"![Mean over seeds, with every run behind it]({picture})"]
    return "\n\n".join(text) + "\n"


def page(parts: Sequence[Section], picture: str) -> str:
    """The sections as one self-contained page."""
    body = ["<h1>Runs compared</h1>"]
    for i, part in enumerate(parts):
        body.append(f"<section><h2>{html.escape(part.title)}</h2>")
        if part.table:
            head, *rows = part.table
            top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
            lines = "".join(
                f"<tr><th scope=row>{html.escape(row[0])}</th>"
                + "".join(f"<td>{html.escape(c)}</td>" for c in row[1:])
                + "</tr>"
                for row in rows
            )
            body.append(f"<div class=scroll><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>")
        body += [f"<p class=notes>{html.escape(note)}</p>" for note in part.notes]
        body.append("</section>")
        if i == 1:
            said = "Means over seeds, and every run behind them."
            body.append(
                f"<section><h2>Curves</h2><figure><img src='{picture}' alt='{said}'>"
                f"<figcaption>{said}</figcaption></figure></section>"
            )
    top = f"<meta charset=utf-8><title>Runs compared</title><style>{STYLE}main{{max-width:76rem}}</style>"
    return f"<!doctype html><html lang=en><head>{top}</head><body><main>{''.join(body)}</main></body></html>\n"


def _numbers(run: Run) -> dict[str, Any]:
    found = numbers_of(run)
    if not found:
        raise RunError(f"{run.where} has not been measured; do it with: aae evaluate {run.where}")
    return found


def _described(run: Run) -> dict[str, Any]:
    """What makes a configuration: the settings that the run uses and that decide its weights, and its data."""
    ignored = unused(run.config)
    kept = {k: v for k, v in flatten(run.config).items() if k not in BESIDE and not covers(ignored, k)}
    return kept | {"data": run.directory.data["fingerprint"][:12]}


def _names(described: Sequence[Mapping[str, Any]]) -> list[str]:
    """What sets each configuration apart: its values of the settings in which they differ."""
    keys = [
        key
        for key in dict.fromkeys(k for one in described for k in one)
        if len({json.dumps(one.get(key), default=str) for one in described}) > 1
    ]
    shown = [key for key in keys if key != "data.source"] or keys
    if "data.source" in keys and "data" in shown:
        shown = ["data.source" if key == "data" else key for key in shown]
    if not shown:
        return ["all runs"]
    return [", ".join(f"{key} = {_short(one[key])}" for key in shown if key in one) for one in described]


def _short(value: Any, most: int = 40) -> str:
    text = " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return text if len(text) <= most else f"{text[:most]}..."


def _history(run: Run) -> dict[str, Any]:
    keys = ["epoch", *(key for key in CURVES if all(isinstance(row.get(key), float | int) for row in run.history))]
    return {key: [row[key] for row in run.history] for key in keys}
