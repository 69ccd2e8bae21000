"""The report as one HTML file: no script, no outside address, readable by light and by dark, on a screen or a phone."""

from __future__ import annotations

import base64
import html
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aae import __version__
from aae.config import flatten, to_dict
from aae.inference import Run

KINDS = {"aae": "Adversarial autoencoder", "autoencoder": "Autoencoder", "vae": "Variational autoencoder"}


@dataclass(frozen=True)
class Section:
    """One figure of the page: an anchor, a title, what is seen, and the picture's file."""

    anchor: str
    title: str
    caption: str
    file: Path


@dataclass(frozen=True)
class Measure:
    """A row of the table of numbers: what `key` of the metrics means and what a perfect prior match would score."""

    key: str
    name: str
    meaning: str
    percent: bool = False

    def text(self, value: Any) -> str:
        return f"{value:.1%}" if self.percent else f"{value:.4g}"


MEASURES = (
    Measure(
        "c2st", "Two-sample test", "accuracy of a fresh classifier that tells codes from prior samples; 0.5: cannot"
    ),
    Measure("inside", "Inside the prior", "share of codes in the prior's support", percent=True),
    Measure("empty_cells", "Empty cells", "share of the prior's equal-probability cells without a code", percent=True),
    Measure("max_ks", "Largest axis distance", "Kolmogorov-Smirnov distance of codes from prior, worst axis"),
    Measure("mse", "Reconstruction error", "mean squared error per feature, scaled units"),
    Measure("r2", "Explained variation", "1 - error / error of the mean row; 0: no better than the mean"),
    Measure("knn_accuracy", "Neighbour accuracy", "5 nearest training codes vote on each code's class", percent=True),
)


def page(run: Run, numbers: dict[str, Any], sections: list[Section]) -> str:
    """The whole page as text."""
    title = f"{KINDS[run.config.model.kind]} on {run.spec.name}"
    parts = [
        f"<header><h1>{_text(title)}</h1><p class=lead>{_text(_lead(run, numbers))}</p>{_contents(sections)}</header>",
        _numbers(numbers),
        *(_figure(section) for section in sections),
        _side_by_side(numbers.get("comparison", {})),
        _next(run),
        _settings(run),
        f"<footer>Made by aae {_text(__version__)}. This page is one file and needs no network.</footer>",
    ]
    head = (
        "<meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{_text(title)}</title><style>{STYLE}</style>"
    )
    body = "".join(parts)
    return f"<!doctype html><html lang=en><head>{head}</head><body><main>{body}</main></body></html>\n"


def _text(value: object) -> str:
    return html.escape(str(value))


def _lead(run: Run, numbers: dict[str, Any]) -> str:
    prior = "no prior" if run.config.model.kind == "autoencoder" else run.prior.describe()
    seconds = numbers["training_seconds"]
    time = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} minutes"
    if not run.finished:
        prior += "; training has not finished yet"
    return (
        f"{run.latent}-dimensional codes, {prior}. {numbers['epochs']} epochs in {time}, seed {numbers['seed']}. "
        f"Measured on {numbers['rows']:,} {numbers['split']} rows that training never saw."
    )


def _contents(sections: list[Section]) -> str:
    links = "".join(f"<a href='#{s.anchor}'>{_text(s.title)}</a>" for s in sections)
    return f"<nav aria-label=Contents>{links}<a href='#next'>Use this model</a><a href='#settings'>Settings</a></nav>"


def _numbers(numbers: dict[str, Any]) -> str:
    rows = []
    for measure in MEASURES:
        if measure.key in numbers:
            floor = numbers.get(f"{measure.key}_floor")
            best = "" if floor is None else measure.text(floor)
            value = measure.text(numbers[measure.key])
            rows.append(
                f"<tr><th scope=row>{measure.name}<small>{_text(measure.meaning)}</small></th>"
                f"<td>{value}</td><td>{best}</td></tr>"
            )
    return (
        "<section id=numbers><h2>Numbers</h2><div class=scroll><table><thead><tr><th>Measure</th><th>This run</th>"
        "<th>The prior itself</th></tr></thead><tbody>" + "".join(rows) + "</tbody></table></div></section>"
    )


def _side_by_side(compared: dict[str, Any]) -> str:
    if not compared:
        return ""
    kept = [m for m in MEASURES if all(m.key in numbers for numbers in compared.values())]
    head = "".join(f"<th>{_text(name)}</th>" for name in compared)
    body = "".join(
        f"<tr><th scope=row>{m.name}</th>"
        + "".join(f"<td>{m.text(n[m.key])}</td>" for n in compared.values())
        + "</tr>"
        for m in kept
    )
    notes = "".join(f"<li>{_text(name)}: {_text(n['note'])}.</li>" for name, n in compared.items() if n["note"])
    return (
        "<section><h2>Side by side in numbers</h2><div class=scroll><table><thead><tr><th>Measure</th>"
        f"{head}</tr></thead><tbody>{body}</tbody></table></div><ul class=notes>{notes}</ul></section>"
    )


def _figure(section: Section) -> str:
    kind = "gif" if section.file.suffix == ".gif" else "png"
    data = base64.b64encode(section.file.read_bytes()).decode()
    return (
        f"<section id={section.anchor}><h2>{_text(section.title)}</h2><figure>"
        f"<img src='data:image/{kind};base64,{data}' alt='{_text(section.caption)}'>"
        f"<figcaption>{_text(section.caption)}</figcaption></figure></section>"
    )


def _next(run: Run) -> str:
    path = str(run.path)
    shell = shlex.quote(path)
    commands = [f"aae encode {shell} DATA -o codes.npz", f"aae reconstruct {shell} DATA -o reconstructed.npz"]
    if run.config.model.kind != "autoencoder":
        commands.insert(0, f"aae sample {shell} -n 64 -o samples.png")
    code = f"import aae\n\nrun = aae.Run.load({path!r})\ncodes = run.encode(X)\nrows = run.decode(codes)"
    return (
        f"<section id=next><h2>Use this model</h2><pre>{_text(chr(10).join(commands))}</pre>"
        f"<p>In Python:</p><pre>{_text(code)}</pre></section>"
    )


def _settings(run: Run) -> str:
    used = to_dict(run.config)
    shown = {k: v for k, v in flatten(run.config).items() if _in(used, k)}
    rows = "".join(f"<tr><th scope=row>{k}</th><td>{_text(json.dumps(v))}</td></tr>" for k, v in shown.items())
    return (
        "<section id=settings><h2>Settings</h2><details><summary>Every setting of this run (config.json)</summary>"
        f"<div class=scroll><table class=settings><tbody>{rows}</tbody></table></div></details>"
        f"{_changes(run)}</section>"
    )


def _changes(run: Run) -> str:
    """What was done by hand while the run trained, so that nobody takes its config.json for the whole recipe."""
    if not run.changes:
        return ""
    said = "".join(
        f"<li>From step {change['step']:,} on, the {_text(change['phase'])} phase learnt at "
        f"{change['learning_rate']:g}, before the schedule.</li>"
        for change in run.changes
    )
    return f"<p>Learning rates were changed by hand while this run trained:</p><ul class=notes>{said}</ul>"


def _in(nested: dict[str, Any], dotted: str) -> bool:
    at: Any = nested
    for key in dotted.split("."):
        if key not in at:
            return False
        at = at[key]
    return True


STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--paper:#fff;--card:#f6f8fa;--link:#0b5cad}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--line:#30363d;--paper:#0d1117;--card:#161b22;
--link:#6cb6ff}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 4rem}h1{font-size:1.9rem;margin:0 0 .4rem;line-height:1.2}
h2{font-size:1.25rem;margin:2.6rem 0 .8rem}.lead{color:var(--soft);margin:0 0 1rem}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem}a{color:var(--link)}
figure{margin:0}figure img{max-width:100%;height:auto;display:block;margin:0 auto;background:#fff;border:1px solid
var(--line);border-radius:8px;padding:.5rem}figcaption,.notes,footer{color:var(--soft);font-size:.94rem;margin-top:.6rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.45rem .8rem .45rem 0;
border-bottom:1px solid var(--line);vertical-align:top;font-weight:400}thead th{color:var(--soft);font-size:.9rem}
td{font-variant-numeric:tabular-nums;white-space:nowrap}th small{display:block;color:var(--soft)}
.settings th{font-family:ui-monospace,monospace;font-size:.86rem}.settings td{white-space:normal}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;overflow-x:auto;
font:.88rem/1.5 ui-monospace,monospace}summary{cursor:pointer;color:var(--link)}footer{margin-top:3rem}
"""
