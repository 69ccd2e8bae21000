"""Does bfloat16 cost quality? The same runs in fp32 and in bf16, several seeds each, measured on validation rows.

    python benchmarks/precision.py [--seeds 0 1 2] [--data-dir DIR [--recipe auto] [--epochs E]] [--threads 1]

The bundled digits, and MNIST as well where its folder is named, by a recipe of your choice, for as many epochs as it
says unless told otherwise. Writes docs/precision.md.
Nothing is chosen here, so validation rows serve as well as test rows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

import aae
from aae.config import Config, replace
from aae.evaluation import data_of, known_classes, rows_of

MEASURES = (
    ("c2st", "two-sample test"),
    ("inside", "inside the prior"),
    ("empty_cells", "empty cells"),
    ("mse", "reconstruction error"),
    ("knn_accuracy", "neighbour accuracy"),
)
PRECISIONS = ("fp32", "bf16")
IN_USE = (("codes", "codes"), ("rows", "reconstructed rows"))
"""What a run that was trained in fp32 says when it is loaded in bf16; see `in_use`."""
ROWS = 1000


def measured(config: Config, seed: int, precision: str, threads: int) -> dict[str, float]:
    changes = {"seed": seed, "precision": precision, "threads": threads}
    with tempfile.TemporaryDirectory() as folder:
        run = aae.train(replace(config, changes), Path(folder) / "run")
        found = run.evaluate("validation")
        found |= in_use(run) if precision == "fp32" else {}
    print(config.recipe, precision, seed, {key: round(found[key], 4) for key, _ in MEASURES}, flush=True)
    kept = [key for key, _ in MEASURES] + [key for key, _ in IN_USE if key in found]
    return {**{key: found[key] for key in kept}, "epochs": len(run.history)}


def in_use(run: aae.Run) -> dict[str, float]:
    """Root mean square of what bf16 changes in codes and reconstructed rows, in their deviations."""
    half = aae.Run.load(run.path, precision="bf16")
    held = rows_of(data_of(run), "validation")
    x, y = held.x[:ROWS], known_classes(run, held)
    y = None if y is None else y[:ROWS]
    pairs = {"codes": (run.encode(x), half.encode(x)), "rows": (run.reconstruct(x, y), half.reconstruct(x, y))}
    return {key: float(((a - b) ** 2).mean() ** 0.5 / a.std()) for key, (a, b) in pairs.items()}


def spread(values: list[float], digits: int = 4) -> str:
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def section(config: Config, seeds: list[int], threads: int) -> str:
    found = {p: [measured(config, seed, p, threads) for seed in seeds] for p in PRECISIONS}
    on = "" if config.data.source in config.recipe else f" on {config.data.source}"
    lines = [
        f"## `{config.recipe}`{on}, {found['fp32'][0]['epochs']:.0f} epochs, {len(seeds)} seeds",
        "",
        "| measure | fp32 | bf16 | difference, in deviations of fp32 |",
        "| --- | --- | --- | --- |",
    ]
    for key, name in MEASURES:
        a, b = ([one[key] for one in found[p]] for p in PRECISIONS)
        deviation = statistics.stdev(a)
        apart = (statistics.mean(b) - statistics.mean(a)) / deviation if deviation else 0.0
        lines.append(f"| {name} | {spread(a)} | {spread(b)} | {apart:+.1f} |")
    lines += [
        "",
        'Loaded in bf16 (`Run.load(..., precision="bf16")`), the fp32 runs give other values by (root mean square,',
    ]
    said = [f"{word} {spread([100 * one[key] for one in found['fp32']], 2)} %" for key, word in IN_USE]
    lines.append(f"in deviations of the values): {', '.join(said)}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", default="auto", help="of the MNIST runs")
    parser.add_argument("--epochs", type=int, default=0, help="of the MNIST runs; 0: as the recipe says")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    digits = aae.recipes.digits_2d_uniform()
    command = "python benchmarks/precision.py --threads " + str(given.threads)
    configs = [digits]
    if given.data_dir:
        changes = {"data.source": "mnist", "data.directory": given.data_dir}
        changes |= {"epochs": given.epochs} if given.epochs else {}
        configs.append(replace(aae.recipes.recipe(given.recipe), changes))
        command += f" --data-dir DIR --recipe {given.recipe}" + f" --epochs {given.epochs}" * bool(given.epochs)
    parts = [
        "# Quality in bfloat16",
        "Weights, codes, losses and what an optimizer adds up are float32 in both; only the wide products differ. "
        "Mean ± standard deviation over the seeds, measured on validation rows. A difference within a few "
        "deviations of fp32 itself is luck.",
        "`--precision` of `aae train` chooses; `auto`, the default, takes bfloat16 where the machine has it natively. "
        "A trained run works in float32 unless it is asked for less, for many rows at once: `aae encode --precision "
        "bf16` (also `sample`, `decode`, `reconstruct`, `restyle`, `impute`, `predict`) or "
        '`aae.Run.load(path, precision="bf16")`. Codes are float32 in any case. How much '
        "faster that is: [benchmarks](../benchmarks/README.md).",
        f"Made by `{command}` (torch {torch.__version__}, seeds {', '.join(map(str, given.seeds))}).",
        *(section(config, given.seeds, given.threads) for config in configs),
    ]
    Path("docs/precision.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
