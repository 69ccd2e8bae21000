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

EXPLORER = "explorer.html"
"""Where the report expects the explorer as one file, beside itself."""
KINDS = {
    "aae": "Adversarial autoencoder",
    "supervised": "Supervised adversarial autoencoder",
    "semi-supervised": "Semi-supervised adversarial autoencoder",
    "clustering": "Clustering adversarial autoencoder",
    "dimension-reduction": "Dimension-reducing adversarial autoencoder",
    "autoencoder": "Autoencoder",
    "vae": "Variational autoencoder",
    "wae-mmd": "Wasserstein autoencoder with a kernel",
    "plugin": "Model of your own",
}


@dataclass(frozen=True)
class Section:
    """One figure of the page: an anchor, a title, what is seen, and the picture's file."""

    anchor: str
    title: str
    caption: str
    file: Path


@dataclass(frozen=True)
class Measure:
    """A row of the table of numbers: what `key` of the metrics means; `key`_floor is its floor, `key`_p a p-value."""

    key: str
    name: str
    meaning: str
    percent: bool = False

    def text(self, value: Any) -> str:
        return f"{value:.1%}" if self.percent else f"{value:.4g}"


MEASURES = (
    Measure("error", "Error", "share of rows put into a wrong class", percent=True),
    Measure("error_head", "Cluster error", "a cluster has the label of the validation row most its own", percent=True),
    Measure("error_majority", "Cluster error by vote", "a cluster has its commonest validation label", percent=True),
    Measure("hungarian_accuracy", "Cluster accuracy", "one cluster matched to each class", percent=True),
    Measure("head_distance", "Nearest heads", "smallest distance between two cluster heads, code units"),
    Measure("nmi", "Mutual information", "of clusters and labels, normalised; 1 at best"),
    Measure("ari", "Rand index", "of clusters and labels, adjusted for chance; 1 at best"),
    Measure(
        "c2st", "Two-sample test", "accuracy of a fresh classifier that tells codes from prior samples; 0.5: cannot"
    ),
    Measure("inside", "Inside the prior", "share of codes in the prior's support", percent=True),
    Measure("empty_cells", "Empty cells", "share of the prior's equal-probability cells without a code", percent=True),
    Measure("crowding", "Fullest cell", "codes in the fullest cell, by the fair share of a cell"),
    Measure("misplaced", "Misplaced codes", "share of codes that would have to change cells", percent=True),
    Measure("max_ks", "Largest axis distance", "Kolmogorov-Smirnov distance of codes from prior, worst axis"),
    Measure("sliced_wasserstein", "Sliced Wasserstein", "how far codes would have to move, by the prior's deviation"),
    Measure("energy", "Energy coefficient", "0: codes and prior are one; 1: two separate points"),
    Measure("mmd", "Kernel discrepancy", "squared maximum mean discrepancy, unbiased, three Gaussian kernels"),
    Measure("mse", "Reconstruction error", "mean squared error per feature, scaled units"),
    Measure("r2", "Explained variation", "1 - error / error of the mean row; 0: no better than the mean"),
    Measure("ssim", "Structural similarity", "of images and their reconstructions, 7 x 7 windows; 1: equal"),
    Measure(
        "category_accuracy", "Categories kept", "share of categories and truth values that come back", percent=True
    ),
    Measure("column_distance", "Column distance", "generated against held-out values of a column, mean; 0: alike"),
    Measure("correlation_difference", "Correlation difference", "generated against held-out rows, mean over pairs"),
    Measure("knn_accuracy", "Neighbour accuracy", "5 nearest training codes vote on each code's class", percent=True),
    Measure("trustworthiness", "Trustworthiness", "1: a code's 12 neighbours are the row's; random codes: about 0.5"),
    Measure("continuity", "Continuity", "1: a row's 12 neighbours stay the code's; random codes: about 0.5"),
    Measure("fid", "Frechet distance of samples", "in features of a digit network, not comparable to Inception's"),
    Measure("kid", "Kernel distance of samples", "the same features, cubic kernel, unbiased"),
    Measure(
        "precision",
        "Precision of samples",
        "share of samples near real rows; copies and averages have it",
        percent=True,
    ),
    Measure("recall", "Recall of samples", "share of real rows near samples", percent=True),
    Measure("density", "Density of samples", "real rows around a sample, by 5; copies and averages have it"),
    Measure("coverage", "Coverage of samples", "share of real rows with a sample nearby", percent=True),
    Measure("memorisation", "Memorisation ratio", "distance to the nearest training row, by that of unseen real rows"),
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


def table_rows(numbers: dict[str, Any]) -> list[tuple[Measure, str, str, str]]:
    """Each measure among the numbers with its value, floor and p-value in words, "" where it has none."""
    found = []
    for measure in MEASURES:
        if measure.key in numbers:
            floor, p = numbers.get(f"{measure.key}_floor"), numbers.get(f"{measure.key}_p")
            best = "" if floor is None else measure.text(floor)
            found.append((measure, measure.text(numbers[measure.key]), best, "" if p is None else p_text(p)))
    return found


def p_text(p: float) -> str:
    """A p-value: two digits, or a bound."""
    return f"{p:.2g}" if p >= 0.001 else "< 0.001"


def _numbers(numbers: dict[str, Any]) -> str:
    body = "".join(
        f"<tr><th scope=row>{measure.name}<small>{_text(measure.meaning)}</small></th>"
        f"<td>{value}</td><td>{best}</td><td>{_text(p)}</td></tr>"
        for measure, value, best, p in table_rows(numbers)
    )
    note = (
        "The floor is what a second sample of the prior scores in place of the codes, or real rows in place of decoded "
        "samples: no model can do better than by chance. With many rows the slightest difference has a small p-value, "
        "so read the size first."
    )
    return (
        "<section id=numbers><h2>Numbers</h2><div class=scroll><table><thead><tr><th>Measure</th><th>This run</th>"
        f"<th>Floor</th><th>p-value</th></tr></thead><tbody>{body}</tbody></table></div>"
        f"<p class=notes>{note}</p></section>{_controls(numbers)}"
    )


def _controls(numbers: dict[str, Any]) -> str:
    """Samples beside what is bad on purpose: a measure that a bad control passes proves nothing."""
    controls = numbers.get("controls")
    if not controls:
        return ""
    kept, columns = beside_controls(numbers, controls)
    head = "".join(f"<th>{_text(name)}</th>" for name in columns)
    body = "".join(
        f"<tr><th scope=row>{m.name}</th>" + "".join(f"<td>{m.text(n[m.key])}</td>" for n in columns.values()) + "</tr>"
        for m in kept
    )
    return (
        "<section id=controls><h2>Samples beside bad controls</h2><div class=scroll><table><thead><tr><th>Measure</th>"
        f"{head}</tr></thead><tbody>{body}</tbody></table></div><p class=notes>{numbers['samples']:,} rows on each "
        f"side; {_text(numbers['features'])}. Where a bad control does as well as real rows, the measure proves "
        "nothing.</p></section>"
    )


def beside_controls(
    numbers: dict[str, Any], controls: dict[str, Any]
) -> tuple[list[Measure], dict[str, dict[str, Any]]]:
    """The measures of samples, and the numbers of this run, of real rows and of each control, by column."""
    floor = {m.key: numbers[f"{m.key}_floor"] for m in MEASURES if f"{m.key}_floor" in numbers}
    columns = {"This run": numbers, "Real rows": floor, **controls}
    return [m for m in MEASURES if all(m.key in one for one in columns.values())], columns


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
    commands = [
        f"aae explore {shell}",
        f"aae export {shell} --explorer {shlex.quote(str(run.path / EXPLORER))}",
        f"aae encode {shell} DATA -o codes.npz",
        f"aae reconstruct {shell} DATA -o reconstructed.npz",
    ]
    if run.config.model.kind != "autoencoder":
        commands.insert(0, f"aae sample {shell} -n 64 -o samples.png")
    code = f"import aae\n\nrun = aae.Run.load({path!r})\ncodes = run.encode(X)\nrows = run.decode(codes)"
    return (
        f"<section id=next><h2>Use this model</h2><pre>{_text(chr(10).join(commands))}</pre>"
        f"<p><a href='{EXPLORER}'>{EXPLORER}</a>, beside this report, is the explorer as one file: codes to pan, and "
        "the decoder under the pointer. <code>aae export</code> above writes it.</p>"
        f"<p>In Python:</p><pre>{_text(code)}</pre></section>"
    )


def _settings(run: Run) -> str:
    used = to_dict(run.config)
    shown = {k: _brief(json.dumps(v)) for k, v in flatten(run.config).items() if _in(used, k)}
    rows = "".join(f"<tr><th scope=row>{k}</th><td>{_text(v)}</td></tr>" for k, v in shown.items())
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


def _brief(text: str, limit: int = 200) -> str:
    """The beginning of a long setting: what was in the file of a prior may be 1 MB."""
    return text if len(text) <= limit else f"{text[:limit]} ... ({len(text):,} characters)"


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
