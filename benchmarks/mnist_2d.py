"""The numbers and pictures of docs/results.md: MNIST on a 2-D uniform prior, by every method, on held-out test codes.

    python benchmarks/mnist_2d.py --data-dir DIR --seeds 0 1 2

Trains `mnist-2d-uniform` once for each seed, the post's recipe once, and the baselines of the first seed's report;
runs that are there already are used again. Writes docs/results.md and docs/images.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aae
from aae.config import replace
from aae.data import load
from aae.page import MEASURES, Measure
from aae.report import write

ROOT = Path(__file__).parents[1]
GOALS = {
    "c2st": "at most 0.57",
    "inside": "at least 98 %",
    "empty_cells": "at most 2 %",
    "mse": "at most 0.038",
    "knn_accuracy": "at least 80 %, aim 90 %",
}
PICTURES = ("latent.png", "manifold.png", "comparison.png", "losses.png", "reconstructions.png")


def trained(name: str, seed: int, out: Path, directory: str, epochs: int | None, compare: bool) -> aae.Run:
    """The finished run of a recipe and seed, with its report; trained or resumed if need be."""
    changes: dict[str, Any] = {"seed": seed, "data.directory": directory} | ({"epochs": epochs} if epochs else {})
    config, path = replace(aae.recipes.recipe(name), changes), out / f"{name}-seed-{seed}"
    data = load(config.data)

    def listen(moment: Any) -> None:
        if moment.row is not None:
            row = moment.row
            print(f"{name} seed {seed} epoch {moment.epoch}/{moment.epochs} {row['samples_per_second']:.0f} rows/s "
                  f"reconstruction {row['reconstruction_train']:.4f}", flush=True)  # fmt: skip

    run = (
        aae.resume(path, data=data, listener=listen)
        if path.exists()
        else aae.train(config, path, data=data, listener=listen)
    )
    if not (path / "metrics.json").exists():
        write(run, compare=compare, data=data, listener=listen)
    return run


def metrics_of(run: aae.Run) -> dict[str, Any]:
    return json.loads((run.path / "metrics.json").read_text())


def spread(measure: Measure, values: list[float]) -> str:
    scale, unit = (100, " %") if measure.percent else (1, "")
    digits = 1 if measure.percent else 4
    mean = f"{np.mean(values) * scale:.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1) * scale:.{digits}f}{unit}" if len(values) > 1 else mean + unit


def tables(ours: list[aae.Run], post: aae.Run) -> str:
    found = [metrics_of(run) for run in ours]
    beside = {name: n for name, n in found[0].get("comparison", {}).items() if name != "AAE"}
    post_numbers = metrics_of(post)
    head = [
        "measure",
        "goal",
        f"mnist-2d-uniform ({len(ours)} seed{'s' if len(ours) > 1 else ''})",
        "the prior itself",
        "the post's recipe",
        *beside,
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    kept = [measure for measure in MEASURES if measure.key in post_numbers and measure.key in found[0]]
    for measure in kept:
        key = measure.key
        floor = found[0].get(f"{key}_floor")
        cells = [
            measure.name,
            GOALS.get(key, ""),
            spread(measure, [n[key] for n in found]),
            "" if floor is None else spread(measure, [floor]),
            spread(measure, [post_numbers[key]]),
            *(spread(measure, [numbers[key]]) if key in numbers else "" for numbers in beside.values()),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    minutes = [n["training_seconds"] / 60 for n in found]
    times = f"{np.mean(minutes):.1f} ± {np.std(minutes, ddof=1):.1f}" if len(minutes) > 1 else f"{minutes[0]:.1f}"
    others = [f"{post_numbers['training_seconds'] / 60:.1f}", *("" for _ in beside)]
    lines.append("| " + " | ".join(["Minutes of training", "at most 10", times, "", *others]) + " |")
    lines.append("")
    lines += [f"- {m.name}: {m.meaning}." for m in kept]
    lines += [f"- {name}: {numbers['note']}." for name, numbers in beside.items() if numbers["note"]]
    return "\n".join(lines)


def curves(run: aae.Run) -> str:
    """The post's claim in numbers: how each test loss moves over the first, middle and last third of training."""
    thirds = np.array_split(np.arange(len(run.history)), 3)
    lines = ["| test loss | first third | middle third | last third |", "| --- | --- | --- | --- |"]
    for loss in ("reconstruction", "discriminator", "generator"):
        values = np.array([row[f"{loss}_test"] for row in run.history])
        cells = (f"{values[part].mean():.4f} ± {values[part].std():.4f}" for part in thirds)
        lines.append(f"| {loss} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(ours: list[aae.Run], post: aae.Run, command: str) -> str:
    first, numbers = ours[0], metrics_of(ours[0])
    side_by_side = "![Side by side](images/mnist-comparison.png)" if "comparison" in numbers else ""
    compared = "PCA, baselines and the post's recipe are" if side_by_side else "The post's recipe is"
    return f"""# Results: MNIST on a 2-D uniform prior

Made by `{command}` ({platform.machine()}, {torch.get_num_threads()} processor threads, torch {torch.__version__},
aae {aae.__version__}). Every figure is measured on the {numbers["rows"]:,} test images, on which no choice was made;
each run is trained on {first.directory.data["splits"]["train"]:,} images.
Seeds (with more than one, ± is the standard deviation over them):
{", ".join(str(run.config.seed) for run in ours)}. {compared} one seed; the post's recipe ran
{len(post.history)} epochs, ours {len(first.history)}.
Other runs of it reached only a part of the prior in as many epochs, at about the same error.

{tables(ours, post)}

![Latent space](images/latent.png)
![Manifold](images/manifold.png)
{side_by_side}

## The post's claim: reconstruction falls steadily, the adversarial losses level off

Mean ± deviation of the test losses over the epochs of each third of the post's recipe (log 2 = {np.log(2):.4f}):

{curves(post)}

![Losses of the post's recipe](images/post-losses.png)

The same for `mnist-2d-uniform`:

{curves(first)}

![Losses](images/losses.png)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "mnist-2d")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script; default: the recipes' own")
    parser.add_argument("--post-epochs", type=int, help="epochs of the post's recipe; default: the recipe's own")
    parser.add_argument("--no-compare", action="store_true", help="leave the baselines out")
    given = parser.parse_args()
    first, *others = given.seeds
    ours = [trained("mnist-2d-uniform", first, given.out, given.data_dir, given.epochs, compare=not given.no_compare)]
    post = trained(
        "mnist-2d-uniform-post", first, given.out, given.data_dir, given.post_epochs or given.epochs, compare=False
    )
    for seed in others:
        ours.append(trained("mnist-2d-uniform", seed, given.out, given.data_dir, given.epochs, compare=False))
    images = ROOT / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        if (ours[0].path / "figures" / name).exists():
            # The README shows the digits' comparison under the plain name.
            shutil.copy(ours[0].path / "figures" / name, images / name.replace("comparison", "mnist-comparison"))
    shutil.copy(post.path / "figures" / "losses.png", images / "post-losses.png")
    seeds = " ".join(map(str, given.seeds))
    command = f"python benchmarks/mnist_2d.py --data-dir DIR --seeds {seeds}"
    command += " --no-compare" if given.no_compare else ""
    for name, value in (("epochs", given.epochs), ("post-epochs", given.post_epochs)):
        command += f" --{name} {value}" if value else ""
    (ROOT / "docs" / "results.md").write_text(page(ours, post, command))


if __name__ == "__main__":
    main()
