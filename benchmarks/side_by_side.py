"""A finished run beside PCA, an autoencoder and a VAE, as its own report measured them: docs/side-by-side.md.

    aae train mnist-2d-uniform --data-dir DIR --epochs 12 --threads 1 --out RUN
    python benchmarks/side_by_side.py RUN

The baselines have the run's networks, splits, seed and number of epochs; every figure is measured on test rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch

import aae
from aae.page import MEASURES

ROOT = Path(__file__).parents[1]


def page(run: aae.Run) -> str:
    found = json.loads((run.path / "metrics.json").read_text(encoding="utf-8"))
    beside = found["comparison"]
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
