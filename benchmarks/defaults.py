"""The table of docs/defaults.md: one recipe, `auto`, untouched, on data and priors of many kinds.

    python benchmarks/defaults.py --data-dir DIR --seeds 0

Each run changes nothing but the data, the prior and, where the prior asks for it, the number of dimensions. Measured on
test rows; nothing was chosen on them. Figures of runs that are there already are used again.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn import datasets

import aae
from aae import metrics
from aae.config import Config, replace
from aae.data import load
from aae.diagnosis import diagnose
from aae.evaluation import rows_of

ROOT = Path(__file__).parents[1]
DRAWS = 20
"""Sets of prior samples that the codes of a small table are held against, one after another."""
CASES: dict[str, dict[str, Any]] = {
    "digits, 2-D uniform": {"data.source": "digits"},
    "wine, 2-D uniform": {"data.source": "wine"},
    "breast cancer, 2-D uniform": {"data.source": "breast_cancer"},
    "MNIST, 2-D uniform": {"data.source": "mnist"},
    "MNIST, 2-D Gaussian": {"data.source": "mnist", "prior.kind": "gaussian", "prior.scale": 1.0},
    "MNIST, mixture of ten Gaussians": {"data.source": "mnist", "prior.kind": "mixture", "prior.scale": 4.0},
    "MNIST, 8-D Gaussian": {
        "data.source": "mnist",
        "prior.kind": "gaussian",
        "prior.scale": 1.0,
        "model.latent": 8,
    },
    "MNIST, ring": {"data.source": "mnist", "prior.kind": "ring"},
    "MNIST, swiss roll": {"data.source": "mnist", "prior.kind": "swiss-roll", "prior.scale": 4.0},
    "MNIST, a picture of a heart": {"data.source": "mnist", "prior.kind": "picture"},
}


def heart(path: Path) -> str:
    """A picture, 96 x 96, of a black heart on white."""
    x, y = np.meshgrid(np.linspace(-1.4, 1.4, 96), np.linspace(1.4, -1.4, 96))
    inside = (x**2 + y**2 - 1) ** 3 - x**2 * y**3 <= 0
    Image.fromarray(np.where(inside, 0, 255).astype(np.uint8)).save(path)
    return str(path)


def table_file(name: str, folder: Path) -> str:
    """A table of scikit-learn as a file."""
    bunch = getattr(datasets, f"load_{name}")()
    np.savez(folder / f"{name}.npz", x=bunch.data.astype(np.float32), y=bunch.target.astype(np.int64))
    return str(folder / f"{name}.npz")


def config_of(changes: dict[str, Any], directory: str, seed: int, folder: Path) -> Config:
    changes = {**changes, "seed": seed}
    if changes["data.source"] == "mnist":
        changes["data.directory"] = directory
    elif changes["data.source"] != "digits":
        # Half of a small table is held out: fewer rows than 50 leave a classifier nothing to learn from.
        changes |= {"data.source": table_file(changes["data.source"], folder), "data.test": 0.5}
    if changes.get("prior.kind") == "picture":
        changes["prior.file"] = heart(folder / "heart.png")
    return replace(aae.recipes.recipe("auto"), changes)


def measured(config: Config, folder: Path) -> dict[str, Any]:
    data = load(config.data)
    run = aae.train(config, folder / "run", data=data)
    codes = run.encode(rows_of(data, "test").x, sample=True)
    # One set of prior samples is as random as the codes are: with few rows, the mean over many sets.
    draws = DRAWS if len(codes) < 1000 else 1
    sets = [
        (run.sample_prior(len(codes), seed=100 + i), run.sample_prior(len(codes), seed=500 + i)) for i in range(draws)
    ]
    apart = [metrics.c2st(codes, fresh).accuracy for fresh, _ in sets]
    floor = [metrics.c2st(other, fresh).accuracy for fresh, other in sets]
    verdicts = [diagnose(run.history[: i + 1], joint=True).code for i in range(len(run.history))]
    return {
        "c2st": float(np.mean(apart)),
        "c2st_floor": float(np.mean(floor)),
        "r2": run.history[-1]["r2"],
        "inside": float(run.prior.contains(torch.from_numpy(codes)).double().mean()),
        "rows": len(codes),
        "epochs": len(run.history),
        "seconds": sum(row["seconds"] for row in run.history),
        "verdicts": sorted({*verdicts} - {"healthy", "too-early"} | {*verdicts[-1:]} - {"healthy"}),
    }


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    head = (
        "data and prior",
        "test rows",
        "two-sample test",
        "the prior itself",
        "inside",
        "R2",
        "epochs",
        "minutes",
        "doctor",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, runs in found.items():
        cells = [
            f"{runs[0]['rows']:,}",
            *(spread([run[key] for run in runs]) for key in ("c2st", "c2st_floor", "inside", "r2")),
        ]
        minutes = np.mean([run["seconds"] for run in runs]) / 60
        verdicts = sorted({code for run in runs for code in run["verdicts"]})
        cells += [str(runs[0]["epochs"]), f"{minutes:.1f}", ", ".join(verdicts) or "healthy"]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def page(found: dict[str, list[dict[str, Any]]], command: str, seeds: list[int]) -> str:
    reached = [name for name, runs in found.items() if np.mean([run["c2st"] for run in runs]) <= 0.6]
    missed = [name for name in found if name not in reached]
    return f"""# One default for any data and prior

`aae train auto --data DATA --prior.kind KIND` is one set of settings for all of these. Made by
`{command}` ({platform.machine()}, one processor thread, torch {torch.__version__}, aae {aae.__version__});
seed{"s" if len(seeds) > 1 else ""} {", ".join(map(str, seeds))}. Nothing was changed but data, prior and,
for the 8-D prior, the number of dimensions.

{table(found)}

The goal is a two-sample test of at most 0.60 on held-out codes: reached by {len(reached)} of {len(found)}
{f"(not by: {'; '.join(missed)})" if missed else ""}.

- Two-sample test: accuracy of freshly trained boosted trees, 5 folds, at telling codes of test rows from prior samples;
  0.5: cannot. With fewer than 1,000 test rows it is the mean over {DRAWS} sets of prior samples, and half of the rows
  of the two tables is held out; one run's figure is still uncertain by about 0.5 / sqrt(2 x test rows).
- "The prior itself": the same test between two sets of prior samples, as many as there are test rows.
- R2: of reconstruction, on validation rows (training rows where there are fewer than 50), against the mean row.
- Minutes: spent in training steps, while other programs used the machine.
- Doctor: every verdict but `healthy` of any epoch, and `too-early` of the last one only; see [doctor.md](doctor.md).

{f"Not measured yet: {'; '.join(name for name in CASES if name not in found)}." if len(found) < len(CASES) else ""}

The settings were chosen on validation rows of digits, wine, breast cancer, and MNIST with 2-D uniform, 2-D Gaussian,
mixture, ring, swiss roll and 8-D Gaussian priors, one seed each; those of the heart were looked at to confirm them.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "defaults.json")
    parser.add_argument("--render", action="store_true", help="write the page from the figures that are there")
    given = parser.parse_args()
    known = json.loads(given.out.read_text()) if given.out.exists() else {}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in () if given.render else given.seeds:
        for name, changes in CASES.items():
            if f"{name}, seed {seed}" not in known:
                with tempfile.TemporaryDirectory() as folder:
                    config = config_of(changes, given.data_dir, seed, Path(folder))
                    known[f"{name}, seed {seed}"] = measured(config, Path(folder))
                print(name, seed, known[f"{name}, seed {seed}"], flush=True)
                given.out.write_text(json.dumps(known, indent=1))
    keys = {name: [f"{name}, seed {seed}" for seed in given.seeds] for name in CASES}
    found = {name: [known[key] for key in mine] for name, mine in keys.items() if known.keys() >= set(mine)}
    command = f"python benchmarks/defaults.py --data-dir DIR --seeds {' '.join(map(str, given.seeds))}"
    (ROOT / "docs" / "defaults.md").write_text(page(found, command, given.seeds))


if __name__ == "__main__":
    main()
