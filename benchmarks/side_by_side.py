"""A finished run beside PCA, an autoencoder, a VAE and a WAE-MMD: docs/side-by-side.md.

    aae train mnist-2d-uniform --data-dir DIR --epochs 12 --threads 1 --out RUN
    python benchmarks/side_by_side.py RUN

The baselines have the run's networks, splits, seed and number of epochs; every figure is measured on test rows. The
run's own report measured the first three. The WAE-MMD is held to the run's own prior, by a weight that is chosen on
validation rows, and trained here, into RUN/wae-mmd-WEIGHT.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import torch

import aae
from aae.comparison import baseline
from aae.config import Divergence, Optimizer, Optimizers, Reconstruction
from aae.config import Model as ModelConfig
from aae.data import Dataset
from aae.evaluation import data_of, evaluate
from aae.page import MEASURES
from aae.training import resume

ROOT = Path(__file__).parents[1]
WEIGHTS = (10.0, 100.0, 1000.0)
"""Factors on the kernel distance that are tried; Tolstikhin et al. 2018 take 10 for eight dimensions."""


def wae_mmd(run: aae.Run, data: Dataset) -> tuple[float, dict[str, Any]]:
    """The weight whose codes a fresh classifier tells from the prior least, on validation rows; test rows measured."""
    trained = {weight: _wae_mmd(run, data, weight) for weight in WEIGHTS}
    told = {weight: evaluate(one, split="validation", data=data)["c2st"] for weight, one in trained.items()}
    best = min(told, key=lambda weight: told[weight])
    return best, evaluate(trained[best], data=data)


def _wae_mmd(run: aae.Run, data: Dataset, weight: float) -> aae.Run:
    path = run.path / f"wae-mmd-{weight:g}"
    if (path / "MANIFEST.json").exists():
        return resume(path, data=data)
    base = baseline(run.config, data.spec, "autoencoder")
    config = dataclasses.replace(
        base,
        recipe="",
        model=dataclasses.replace(base.model, kind="wae-mmd", posterior=ModelConfig().posterior),
        prior=run.config.prior,
        reconstruction=Reconstruction("mse", "sum"),
        divergence=Divergence(weight=weight),
        optimizer=Optimizers(reconstruction=Optimizer("adam", learning_rate=1e-3, momentum=0.5)),
    )
    return aae.train(config, path, data=data)


def page(run: aae.Run) -> str:
    found = json.loads((run.path / "metrics.json").read_text(encoding="utf-8"))
    weight, kernel = wae_mmd(run, data_of(run))
    own = list(found["comparison"])[-1]
    beside = {name: numbers for name, numbers in found["comparison"].items() if name != own}
    tried = ", ".join(f"{w:g}" for w in WEIGHTS)
    note = f"weight {weight:g}, chosen among {tried} by the two-sample test on validation rows"
    beside |= {"WAE-MMD": {**kernel, "note": note}, own: found["comparison"][own]}
    kept = [m for m in MEASURES if all(m.key in numbers for numbers in beside.values())]
    floors = [found.get(f"{m.key}_floor") for m in kept]
    lines = [
        "| measure | " + " | ".join(beside) + " | the prior itself |",
        "|" + " --- |" * (len(beside) + 2),
        *(
            f"| {m.name} | "
            + " | ".join(m.text(numbers[m.key]) for numbers in beside.values())
            + f" | {'' if floor is None else m.text(floor)} |"
            for m, floor in zip(kept, floors, strict=True)
        ),
    ]
    notes = [f"- {name}: {numbers['note']}." for name, numbers in beside.items() if numbers["note"]]
    threads, epochs = run.config.threads, len(run.history)
    return "\n".join(
        [
            f"# {run.spec.name} side by side, {epochs} epochs",
            "",
            f"`{run.config.recipe}` cut to {epochs} epochs, beside methods with the same networks, splits, seed "
            f"{run.config.seed} and number of epochs; {found['rows']:,} test rows, one seed. "
            "[results.md](results.md) has the recipe at its full length.",
            "",
            f"Made by `aae train {run.config.recipe} --data-dir DIR --epochs {epochs} --threads {threads} --out RUN` "
            f"and `python benchmarks/side_by_side.py RUN` (torch {torch.__version__}, aae {aae.__version__}).",
            "",
            *lines,
            "",
            *notes,
            *(f"- {m.name}: {m.meaning}." for m in kept),
            "",
            "![Side by side](images/mnist-comparison.png)",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = aae.Run.load(parser.parse_args().run)
    shutil.copy(run.path / "figures" / "comparison.png", ROOT / "docs" / "images" / "mnist-comparison.png")
    (ROOT / "docs" / "side-by-side.md").write_text(page(run), encoding="utf-8")


if __name__ == "__main__":
    main()
