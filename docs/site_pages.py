"""What the documentation site adds to the pages of this folder, when `make docs` builds it.

Pages are made from the code: one for each model, troubleshooting by the doctor's codes, the API. The README becomes the
first page, and links that leave this folder (to a source file, an example) lead to copies in the site. MkDocs calls
`on_config`, `on_files` and `on_page_markdown`; the tests call the functions that write the pages.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from aae import diagnosis, recipes  # noqa: E402
from aae.config import Config, flatten, replace, resolve, unused  # noqa: E402

OUTSIDE = {"index.md": "README.md", "benchmarks/README.md": "benchmarks/README.md"}
"""Pages of the site that are files of the repository elsewhere."""
OUTSIDE |= {name: name for name in ("CONTRIBUTING.md", "CHANGELOG.md")}

NEEDS: dict[str, dict[str, Any]] = {
    "semi-supervised": {"data.labelled": 100},
    "clustering": {"model.clusters": 10},
    "dimension-reduction": {"data.labelled": 100},
    "vae": {"prior.kind": "gaussian", "prior.scale": 1.0},
}
"""What a model has to be told beside its kind."""

WIDER = {
    "aae": ["priors.md", "defaults.md"],
    "supervised": ["classes.md"],
    "semi-supervised": ["classes.md", "reproduction.md"],
    "clustering": ["classes.md", "reproduction.md"],
    "dimension-reduction": ["classes.md"],
}
"""Where to read on."""

API = {
    "Runs": ["aae.training", "aae.inference", "aae.evaluation", "aae.diagnosis", "aae.report"],
    "Settings": ["aae.config.settings", "aae.config.learning", "aae.config.rules"],
    "Recipes": [
        "aae.recipes",
        "aae.recipes.shapes",
        "aae.recipes.paper",
        "aae.recipes.still",
        "aae.recipes.wasserstein",
    ],
    "Data": ["aae.data"],
    "scikit-learn": ["aae.estimators"],
    "Priors": ["aae.priors.base", "aae.priors.asked", "aae.priors.kinds"],
    "Models": ["aae.phases", "aae.networks", "aae.objectives", "aae.plugins"],
    "Search": ["aae.tuning.run", "aae.tuning.results", "aae.tuning.space"],
    "Measures and figures": ["aae.metrics", "aae.plots"],
    "What can go wrong": ["aae.errors"],
}
"""The modules of the reference, by subject."""


def kinds() -> dict[str, str]:
    """Every model with its name; a plugin's has no page of ours."""
    from aae.page import KINDS

    return {kind: name for kind, name in KINDS.items() if kind != "plugin"}


def settings(kind: str, **more: object) -> Config:
    """The default recipe with this model."""
    base, wanted = recipes.recipe("digits-2d-uniform"), {"model.kind": kind} | NEEDS.get(kind, {}) | more
    return resolve(base, replace(base, wanted), written=wanted)


def model_page(kind: str) -> str:
    """One model: what it is, its phases, how to train it, the settings that it has no use for."""
    from aae.data import load
    from aae.models import build

    config = settings(kind)
    model = build(config, load(config.data).spec)
    inner = sys.modules[type(model).__module__]
    needs = "".join(f" --{name} {value}" for name, value in NEEDS.get(kind, {}).items())
    wanted = {"model.kind": kind, "epochs": 2} | NEEDS.get(kind, {})
    phases = [f"| {p.name} | {', '.join(p.updates)} | `optimizer.{p.name}` |" for p in model.phases]
    known = _groups()
    ignored = [f"- `{key}`: {why}" for key, why in unused(config).items() if "model.kind" in why and key in known]
    read_on = [f"[{page.removesuffix('.md')}](../{page})" for page in WIDER.get(kind, [])]
    return "\n".join(
        [
            f"# {kinds()[kind]}",
            "",
            f"`model.kind = {kind}`. {_plain(inner.__doc__)}",
            "",
            _plain(type(model).__doc__),
            "",
            "## Its step",
            "",
            "As these settings have it, in this order:",
            "",
            "| phase | updates | learns by |",
            "| --- | --- | --- |",
            *phases,
            "",
            "## Train it",
            "",
            "```console",
            f"$ aae train --model.kind {kind}{needs}",
            "```",
            "",
            "```python",
            "import aae",
            "from aae.config import replace, resolve",
            "",
            "base = aae.recipes.digits_2d_uniform()",
            f"wanted = {wanted!r}",
            f'run = aae.train(resolve(base, replace(base, wanted)), "runs/{kind}")  # two epochs, to show it',
            "print(run, run.doctor().sentence)",
            "```",
            "",
            "## What it has no use for",
            "",
            "Setting one of these is an error, so that nothing is ignored in silence:",
            "",
            *(ignored or ["- nothing"]),
            "",
            *(["Read on: " + ", ".join(read_on) + "."] if read_on else []),
            "",
        ]
    )


def _groups() -> set[str]:
    """Settings and groups that a page lists: not those of a single phase's optimizer."""
    names = set(flatten(Config()))
    return {name for name in names | {name.partition(".")[0] for name in names} if not name.startswith("optimizer.")}


def _plain(doc: str | None) -> str:
    """A docstring as a paragraph of Markdown."""
    lines = [line.strip() for line in (doc or "").splitlines()]
    return "\n".join(lines).strip()


def troubleshooting() -> str:
    """The doctor's codes in the order in which they are given, each with what was seen, what to do, and commands."""
    seen = _verdicts()
    lines = [
        "# Troubleshooting",
        "",
        "`aae doctor RUN` gives one code and the setting to change first; so do the report and `run.doctor()`.",
        "How each is measured: [the doctor](doctor.md).",
        "",
    ]
    for code, meaning in diagnosis.MEANINGS.items():
        found, advice = seen[code]
        lines += [f"## {code}", "", meaning, "", f"*When:* {found}.", "", f"*What to do:* {advice}.", ""]
    return "\n".join(lines)


def _verdicts() -> dict[str, tuple[str, str]]:
    """Code -> (what was seen, what to do), from the table of docs/doctor.md. KeyError for a code without a row."""
    rows = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+?) \|$", rows, re.MULTILINE)
    table = {code: (seen, advice) for code, seen, advice in found}
    return {code: table[code] for code in diagnosis.MEANINGS}


def api_page() -> str:
    """The reference, from the docstrings."""
    about = "Also in Python: `help(aae.train)`. Every public name has its formula, shapes and errors there."
    lines = ["# API", "", about, ""]
    for subject, modules in API.items():
        lines += [f"## {subject}", ""]
        for module in modules:
            lines += [f"::: {module}", "    options: { heading_level: 3, show_root_full_path: true }", ""]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Every page that is made here, by its place in the site."""
    made = {f"models/{kind}.md": model_page(kind) for kind in kinds()}
    return made | {"troubleshooting.md": troubleshooting(), "api.md": api_page()}


def on_config(config: Any) -> Any:
    """Put the page of every model under "Models", and pages that the list does not name at its end."""
    for entry in config["nav"]:
        if "Models" in entry:
            entry["Models"] = ["models.md", *({name: f"models/{kind}.md"} for kind, name in kinds().items())]
    named = set(re.findall(r"'([^']+\.md)'", repr(config["nav"])))
    if rest := [page.name for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in named]:
        config["nav"].append({"More": rest})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here, those that lie elsewhere, and copies of what they link to."""
    from mkdocs.structure.files import File

    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    for place, source in OUTSIDE.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text(encoding="utf-8")))
    linked = set()
    for page in files.documentation_pages():
        text = page.content_string
        linked |= {found for _, found in _links(text, _source(page.src_uri)) if _place(found) == f"files/{found}"}
    for name in linked:
        files.append(File.generated(config, f"files/{name}", abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let the links of a page lead to where the site has what they mean."""
    here = page.file.src_uri
    for target, found in _links(markdown, _source(here)):
        place, _, anchor = _place(found), *target.partition("#")[1:]
        new = posixpath.relpath(place, posixpath.dirname(here) or ".") + (f"#{anchor}" if anchor else "")
        markdown = markdown.replace(f"]({target})", f"]({new})")
    return markdown


def _source(place: str) -> str:
    """The repository's name of a page of the site."""
    return OUTSIDE.get(place, f"docs/{place}")


def _place(name: str) -> str:
    """The site's place of a file of the repository."""
    outside = {source: place for place, source in OUTSIDE.items()}
    return outside.get(name) or (name.removeprefix("docs/") if name.startswith("docs/") else f"files/{name}")


def _links(markdown: str, source: str) -> list[tuple[str, str]]:
    """(target as written, file of the repository) of every relative link to a file that there is."""
    found = []
    for target in dict.fromkeys(re.findall(r"\]\(([^)\s]+)\)", markdown)):
        path = target.partition("#")[0]
        if not path or "://" in path:
            continue
        name = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if (ROOT / name).is_file() or name in OUTSIDE.values():
            found.append((target, name))
    return found
