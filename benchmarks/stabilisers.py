"""The table of docs/stabilisers.md: what each stabiliser does to prior match and reconstruction, over seeds.

    python benchmarks/stabilisers.py --seeds 0 1 2

Trains the bundled digits on a 2-D uniform prior, once for each variant and seed, everything else being equal, and
measures on held-out test rows. Figures of runs that are there already are used again.
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

import aae
from aae.config import Config, replace
from aae.data import Dataset, load
from aae.diagnosis import diagnose

ROOT = Path(__file__).parents[1]
PLAIN = {
    "adversarial.weight": 0.05,
    "adversarial.final_weight": 0.05,
    "adversarial.input_noise": 0.0,
    "adversarial.gradient_penalty": 0.0,
}
"""Joint phases with a fixed weight and nothing to hold the discriminator: what the rows of the table change."""
PENALTY = {"adversarial.gradient_penalty": 0.02}
GAP = {"adversarial.gradient_penalty": 0.1, "adversarial.penalty": "one"}
SEPARATE = {"adversarial.phases": "separate", "adversarial.weight": 0.1, "adversarial.final_weight": 0.1}
BALANCED = {"adversarial.balance": "gradients", "adversarial.weight": 1.0, "adversarial.final_weight": 1.0}
GROWING = {**BALANCED, "adversarial.weight": 0.5, "adversarial.final_weight": 2.0}
BOTH = {"adversarial.input_noise": 0.05, "adversarial.gradient_penalty": 0.02}
VARIANTS: dict[str, dict[str, Any]] = {
    "joint phases, weight 0.05, no stabiliser": {},
    "three separate phases": {**SEPARATE, "optimizer.generator.learning_rate": 1e-3},
    "input noise 0.05, fading": {"adversarial.input_noise": 0.05},
    "input noise 0.3, fading": {"adversarial.input_noise": 0.3},
    "R1 and R2, 0.02": PENALTY,
    "R1 and R2, 0.2": {"adversarial.gradient_penalty": 0.2},
    "label smoothing 0.1": {"adversarial.label_smoothing": 0.1},
    "spectral normalisation": {"adversarial.spectral_norm": True},
    "least squares": {"adversarial.objective": "least-squares"},
    "hinge": {"adversarial.objective": "hinge"},
    "Wasserstein, WGAN-GP 0.1": {"adversarial.objective": "wasserstein", **GAP},
    "Wasserstein, WGAN-GP 0.1, 3 discriminator steps": {
        "adversarial.objective": "wasserstein",
        **GAP,
        "adversarial.discriminator_steps": 3,
    },
    "3 discriminator steps": {"adversarial.discriminator_steps": 3},
    "weight growing from 0.005 to 0.3": {"adversarial.weight": 0.005, "adversarial.final_weight": 0.3},
    "weight from gradients, equal pull": BALANCED,
    "weight from gradients, pull growing from 0.5 to 2": GROWING,
    "input noise 0.05, R1 and R2 0.02": BOTH,
    "running average of weights, 0.999": {"average": 0.999},
    "3 discriminator steps, running average": {"adversarial.discriminator_steps": 3, "average": 0.999},
    "pull growing from 0.5 to 2, input noise 0.05, R1 and R2 0.02": {**GROWING, **BOTH},
    "the same, 3 discriminator steps, running average": {
        **GROWING,
        **BOTH,
        "adversarial.discriminator_steps": 3,
        "average": 0.999,
    },
    "the same, 5 discriminator steps of three layers (`auto`)": {
        **GROWING,
        **BOTH,
        "adversarial.discriminator_steps": 5,
        "model.discriminator": (128, 128, 128),
        "average": 0.999,
    },
}
MEASURES = ("c2st", "inside", "empty_cells", "mse", "knn_accuracy")


def measured(config: Config, data: Dataset) -> dict[str, Any]:
    """What evaluation finds on the test rows, and the worst that the doctor said."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = aae.train(config, Path(folder) / "run", data=data)
        except aae.errors.TrainingError as error:
            return {"verdicts": [f"stopped: {error}"]}
        found = {name: value for name, value in run.evaluate().items() if name.startswith(MEASURES)}
        joint = config.adversarial.phases == "joint"
        codes = [diagnose(run.history[: i + 1], joint).code for i in range(len(run.history))]
        said = {*codes} - {"healthy", "too-early"} | {*codes[-1:]} - {"healthy"}
        return {**found, "verdicts": sorted(said), "seconds": sum(r["seconds"] for r in run.history)}


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    head = ("variant", "two-sample test", "inside", "empty cells", "squared error", "5-neighbour accuracy", "doctor")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, runs in found.items():
        kept = [run for run in runs if "mse" in run]
        cells = []
        for measure in MEASURES:
            values = [run[measure] for run in kept if measure in run]
            cells.append(f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "not measured")
        alarms = sorted({code for run in runs for code in run["verdicts"]})
        lines.append("| " + " | ".join([name, *cells, ", ".join(alarms) or "healthy"]) + " |")
    return "\n".join(lines)


def page(found: dict[str, list[dict[str, Any]]], base: Config, data: Dataset, command: str, rows: int) -> str:
    floors = next(run for runs in found.values() for run in runs if "mse" in run)
    floor = ", ".join(f"{n} {floors[f'{n}_floor']:.3f}" for n in ("c2st", "inside", "empty_cells"))
    seeds = len(next(iter(found.values())))
    return f"""# Stabilisers: an ablation

Made by `{command}` ({platform.machine()}, one processor thread, torch {torch.__version__}, aae {aae.__version__}).

The bundled digits, 2-D uniform prior, {base.epochs} epochs of {len(data.splits.train):,} rows in batches of
{base.batch_size}, squared error, Adam with linear decay. Each row changes what it names in the first row and nothing
else; the settings are in the script. Measured on {rows} test rows, on which nothing was chosen; ± is the standard
deviation over {seeds} seeds. What the prior itself would score: {floor}.
A two-sample test of 0.5 is a perfect match, and with so few rows two runs that differ by less than 0.03 are not told
apart. "doctor" lists every verdict but `healthy` that any epoch of any seed got, and `too-early` of last
epochs only (see [doctor.md](doctor.md)).

{table(found)}

What the rows are: [`aae.objectives`](../src/aae/objectives.py) and
[`aae.models.adversary`](../src/aae/models/adversary.py) give formulas and sources.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "stabilisers.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    widths = dict.fromkeys(("model.encoder", "model.decoder", "model.discriminator"), (128, 128))
    base = replace(aae.recipes.digits_2d_uniform(), {"epochs": given.epochs, "threads": 1, **widths, **PLAIN})
    data = load(base.data)
    known = json.loads(given.out.read_text()) if given.out.exists() else {}
    for seed in given.seeds:
        for name, changes in VARIANTS.items():
            key = f"{name}, {given.epochs} epochs, seed {seed}"
            if key not in known:
                known[key] = measured(replace(base, {**changes, "seed": seed}), data)
                print(key, known[key].get("c2st"), known[key]["verdicts"], flush=True)
                given.out.parent.mkdir(parents=True, exist_ok=True)
                given.out.write_text(json.dumps(known, indent=1))
    found = {n: [known[f"{n}, {given.epochs} epochs, seed {seed}"] for seed in given.seeds] for n in VARIANTS}
    command = f"python benchmarks/stabilisers.py --seeds {' '.join(map(str, given.seeds))} --epochs {given.epochs}"
    text = page(found, base, data, command, len(data.splits.test))
    (ROOT / "docs" / "stabilisers.md").write_text(text)


if __name__ == "__main__":
    main()
