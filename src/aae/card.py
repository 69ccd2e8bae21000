"""The model card of a run: README.md with YAML in front, written from the run's own files and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from aae.config import Config, replace, toml
from aae.errors import RunError
from aae.inference import Run
from aae.memory import MemoryRun
from aae.page import KINDS, MEASURES

FIGURES = {
    "latent": "Codes of training and held-out rows, and the outline of the prior.",
    "holes": "Where codes are missing from the prior, and where they crowd.",
    "manifold": "Rows decoded from a grid of codes along the prior; any that lie outside it are faded.",
    "samples": "Decoded samples of the prior.",
}
"""The figures of a run that a card shows, if they are there."""
COPIES, UNLIKE = 0.5, 1.5
"""Ratios of memorisation below and above which the card warns."""


def card(run: Run, name: str = "", license: str | None = None) -> str:
    """The card as Markdown.

    It says what the model is, how to use it, what data it has seen (with the fingerprint), its settings, its scores
    beside their floors, where the latent space has holes, whether samples copy training rows, and what the doctor
    says. What has not been measured is said to be so, with the command that measures it. name: of the repository.
    """
    numbers = numbers_of(run)
    title = name.rpartition("/")[2] or f"{run.spec.name}-{run.config.model.kind}"
    sections = (
        [f"# {title}", _lead(run)],
        ["## Use", _use(run, name)],
        ["## Data", *_data(run)],
        ["## Scores", *_scores(numbers)],
        ["## Known holes", *_holes(numbers)],
        ["## Memorisation", _memorisation(numbers)],
        ["## Training", *_training(run)],
    )
    text = "\n\n".join(part for section in sections for part in section if part)
    return f"{_front(run, title, numbers, license)}\n{text}\n"


def numbers_of(run: Run) -> dict[str, Any]:
    """What evaluation has measured; nothing for a run that was not evaluated. RunError for a file that is damaged."""
    if isinstance(run.directory, MemoryRun):
        return {}
    path = run.path / "metrics.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); write it again with `aae evaluate {run.path}`") from None
    return found if isinstance(found, dict) else {}


def portable(config: Config) -> Config:
    """The settings without the folders of one machine: paths are cut to their last part."""
    changes: dict[str, Any] = {"data.source": Path(config.data.source).name or config.data.source}
    if config.prior.file:
        changes["prior.file"] = Path(config.prior.file).name
    return replace(config, changes | {"data.directory": None})


def _front(run: Run, title: str, numbers: Mapping[str, Any], license: str | None) -> str:
    """The YAML in front; every value as JSON, which YAML reads."""
    kind, spec = run.config.model.kind, run.spec
    tags = ["adversarial-autoencoder", kind, "safetensors"]
    if kind != "autoencoder":
        tags.append(f"prior-{run.config.prior.kind}")
    tags.append("image" if spec.is_image else "tabular" if spec.columns else "vectors")
    task = "unconditional-image-generation" if spec.is_image else "feature-extraction"
    facts: dict[str, Any] = {"library_name": "adversarial-autoencoder", "pipeline_tag": task, "tags": tags}
    if license:
        facts["license"] = license
    measured = [
        {"type": m.key, "name": m.name, "value": numbers[m.key]} for m in MEASURES if _is_number(numbers.get(m.key))
    ]
    if measured:
        dataset = {"name": spec.name, "type": spec.name, "split": numbers.get("split", "test")}
        task_of = {"type": task}
        facts["model-index"] = [
            {"name": title, "results": [{"task": task_of, "dataset": dataset, "metrics": measured}]}
        ]
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in facts.items()), "---", ""])


def _lead(run: Run) -> str:
    kind = run.config.model.kind
    shape = " x ".join(map(str, run.spec.original_shape))
    words = f"{KINDS[kind]} with codes of {run.latent} dimensions, trained on {run.spec.name} (rows of {shape})"
    return f"{words}." if kind == "autoencoder" else f"{words}. Its codes are held to a prior: {run.prior.describe()}."


def _use(run: Run, name: str) -> str:
    where = f'aae.Run.from_hub("{name}")' if name else 'aae.Run.load("this folder")'
    lines = ["pip install 'adversarial-autoencoder[hub]'", ""]
    code = ["import aae", "", f"run = {where}", "codes = run.encode(rows)       # rows in original units"]
    code.append("again = run.reconstruct(rows)" if not run.model.beside or run.model.classifies else "")
    code += [] if run.config.model.kind == "autoencoder" else ["new = run.sample(64)"]
    shown = "\n".join(line for line in code if line or line == code[1])
    return f"```\n{lines[0]}\n```\n\n```python\n{shown}\n```"


def _data(run: Run) -> Iterable[str]:
    spec, about = run.spec, run.directory.data
    sizes = ", ".join(f"{count:,} {name}" for name, count in about["splits"].items())
    facts = {
        "Name": spec.name,
        "Rows": sizes,
        "Row": f"{' x '.join(map(str, spec.original_shape))}, {'mixed types' if spec.columns else spec.dtype}",
        "Scaling": "by column" if spec.columns else spec.scaling,
        "Fingerprint": f"`{about['fingerprint']}`",
    }
    if spec.classes:
        facts["Classes"] = _few(spec.classes)
    if spec.columns:
        facts["Columns"] = _few([f"{c.name} ({c.kind})" for c in spec.columns])
    yield _table(("", ""), list(facts.items()))
    yield "The fingerprint is the SHA-256 of rows and labels: `aae evaluate` refuses other data."


def _scores(numbers: Mapping[str, Any]) -> Iterable[str]:
    if not numbers:
        yield "Not measured yet: `aae evaluate RUN`."
        return
    yield (
        f"On {numbers.get('rows', '?')} rows of the {numbers.get('split', 'test')} split. A floor is the same measure "
        "with a second sample of the prior, or real rows, in place of the model's: about as good as it can get."
    )
    rows = []
    for m in MEASURES:
        value, floor = numbers.get(m.key), numbers.get(f"{m.key}_floor")
        if _is_number(value):
            rows.append((m.name, m.text(value), m.text(floor) if _is_number(floor) else "", m.meaning))
    yield _table(("measure", "value", "floor", "what it is"), rows)


def _holes(numbers: Mapping[str, Any]) -> Iterable[str]:
    empty, floor = numbers.get("empty_cells"), numbers.get("empty_cells_floor")
    if not _is_number(empty):
        yield "Not measured: there is no prior to hold codes against, or `aae evaluate RUN` has not been run."
        return
    beside = f" (as many codes drawn from the prior itself leave {floor:.1%})" if _is_number(floor) else ""
    inside = numbers.get("inside")
    yield (
        f"{empty:.1%} of the prior's cells of equal probability hold no code of a held-out row{beside}."
        + (f" {1 - inside:.1%} of the codes lie outside the prior." if _is_number(inside) else "")
        + " A sample decoded from an empty cell is an extrapolation."
    )


def _memorisation(numbers: Mapping[str, Any]) -> str:
    ratio, floor = numbers.get("memorisation"), numbers.get("memorisation_floor")
    if not _is_number(ratio):
        return "Not checked yet: `aae evaluate RUN --full`, or samples were not measured for this kind of model."
    said = "no sign of copies"
    if ratio < COPIES:
        said = "**samples lie much closer to training rows than unseen rows do: expect copies**"
    elif ratio > UNLIKE:
        said = "no copies, but samples are unlike any training row"
    beside = f"; real rows against each other: {floor:.3g}" if _is_number(floor) else ""
    return (
        f"Distance of decoded samples to their nearest training row, by that of held-out rows: {ratio:.3g}{beside}. "
        f"0 would be copies, 1 no closer than unseen rows: {said}."
    )


def _training(run: Run) -> Iterable[str]:
    verdict, seconds = run.doctor(), sum(row["seconds"] for row in run.history)
    state = "" if run.finished else " It was stopped before its end."
    yield f"{len(run.history)} epochs in {seconds:.0f} s, seed {run.config.seed}.{state} The doctor: {verdict.sentence}"
    yield "```toml\n" + "\n".join(line for line in toml(portable(run.config)) if "prior.content" not in line) + "\n```"


def _few(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
