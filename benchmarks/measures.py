"""Measure the measures: what each one says of faults that were made on purpose. Fills the tables of docs/metrics.md.

    python benchmarks/measures.py --data-dir DIR

Codes: samples of the uniform prior on (-2, 2)^2 with one fault each. Samples: real and spoilt digits of MNIST. One
thread, fixed seeds; a few minutes.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from scipy.stats import binom

import aae
from aae import metrics, priors
from aae.config import Prior
from aae.data.mnist import read_mnist
from aae.evidence import Yardstick
from aae.page import MEASURES, p_text
from aae.quality import MOST_ROWS, Score, sample_quality

Array = np.ndarray
ROWS, TRIALS, SMALL = 5000, 1000, 100
CODES = ("c2st", "inside", "empty_cells", "crowding", "misplaced", "max_ks", "sliced_wasserstein", "energy", "mmd")
SAMPLES = ("fid", "kid", "precision", "recall", "density", "coverage", "memorisation")
NAMED = {measure.key: measure for measure in MEASURES}


def faults(z: Array, random: np.random.Generator) -> dict[str, Array]:
    """Codes of the prior, [n, 2], and the same with one fault each."""
    n = len(z)
    corner = np.all(z > 1, axis=1)  # a sixteenth of the square
    spot = z.copy()
    spot[: n // 20] = 0.5 + 0.02 * random.normal(size=(n // 20, 2))
    stray = z.copy()
    stray[: n // 50] += 4
    lattice = (np.floor((z + 2) / 4 * 60) + 0.5) / 60 * 4 - 2
    turned = z @ np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    return {
        "none: the prior itself": z,
        "a corner of 1/16 is never reached": z[~corner],
        "1 code in 20 on one spot": spot,
        "1 code in 50 strays by 4": stray,
        "shrunk to 0.95 of the size": 0.95 * z,
        "pulled to the centre: a Gaussian of the same deviation": random.normal(size=(n, 2)) * 2 / np.sqrt(3),
        "turned by 45 degrees": turned,
        "on a lattice of 60 x 60 points": lattice,
        "both axes equal": np.repeat(z[:, :1], 2, axis=1),
    }


def table(head: str, columns: Mapping[str, str], rows: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"| {head} | " + " | ".join(columns.values()) + " |", "| --- |" + " --- |" * len(columns)]
    for name, found in rows.items():
        cells = (NAMED[key].text(found[key]) if key in found else "" for key in columns)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of_codes() -> tuple[str, str]:
    prior = priors.build(Prior("uniform", 2.0), 2)
    z = prior.sample(ROWS, generator=torch.Generator().manual_seed(1)).double().numpy()
    found = {
        name: Yardstick(prior, len(codes)).full(codes) for name, codes in faults(z, np.random.default_rng(0)).items()
    }
    sizes = table("fault", {key: NAMED[key].name for key in CODES}, found)
    tested = [key for key in CODES if f"{key}_p" in next(iter(found.values()))]
    lines = ["| fault | " + " | ".join(NAMED[key].name for key in tested) + " |", "| --- |" + " --- |" * len(tested)]
    lines += [f"| {n} | " + " | ".join(p_text(f[f"{key}_p"]) for key in tested) + " |" for n, f in found.items()]
    return sizes, "\n".join(lines)


def calibration() -> str:
    """How often each test rejects two samples of one prior at the level of 5 %."""

    def folds(a: Array, b: Array, i: int) -> float:
        found = metrics.c2st(a, b, seed=i)
        return float(binom.sf(round(found.accuracy * 2 * len(a)) - 1, 2 * len(a), 0.5))

    tests: dict[str, tuple[int, Callable[[Array, Array, int], float]]] = {
        "Kernel discrepancy, 99 permutations": (
            TRIALS,
            lambda a, b, i: metrics.mmd(a, b, permutations=99, seed=i).p_value,
        ),
        "Energy coefficient, 99 permutations": (
            TRIALS,
            lambda a, b, i: metrics.energy(a, b, permutations=99, seed=i).p_value,
        ),
        "Largest axis distance, against the exact prior": (TRIALS, lambda a, b, i: metrics.ks_of_uniform(a)[1]),
        "Two-sample test, by halves (what we report)": (
            TRIALS // 4,
            lambda a, b, i: metrics.c2st(a, b, folds=2, seed=i).p_value,
        ),
        "Two-sample test, if the answers of all folds were independent": (TRIALS // 4, folds),
    }
    lines = ["| test | rejected | trials |", "| --- | --- | --- |"]
    for name, (trials, test) in tests.items():
        random = np.random.default_rng(0)
        rejected = [test(*random.random((2, SMALL, 2)), i) <= 0.05 for i in range(trials)]
        lines.append(f"| {name} | {np.mean(rejected):.1%} | {trials:,} |")
    return "\n".join(lines)


def of_samples(directory: str) -> tuple[str, str]:
    images, labels, held_out = read_mnist(directory)
    x, random = images.astype(np.float32) / 255, np.random.default_rng(0)
    order = random.permutation(len(x) - held_out)
    train, rest = x[order[:50_000]], order[50_000:]
    test = x[-held_out:][random.permutation(held_out)]
    real = x[rest][:MOST_ROWS]
    found = sample_quality(real, test, train)
    judge = Score(test[np.random.default_rng(0).permutation(len(test))[: found["samples"]]], train)
    kept = x[rest][labels[rest] != 8][:MOST_ROWS]
    rows = {
        "real digits that nobody has seen": found,
        "floor: training rows": {key: found[f"{key}_floor"] for key in SAMPLES},
        "real digits without the class 8": judge(kept),
        "real digits under noise of deviation 0.1": judge(real + 0.1 * random.normal(size=real.shape)),
        "real digits under a 3 x 3 blur": judge(uniform_filter(real, (1, 3, 3))),
        **{f"control: {name}": numbers for name, numbers in found["controls"].items()},
    }
    return table("rows", {key: NAMED[key].name for key in SAMPLES}, rows), f"{found['samples']:,}"


def measured(directory: str) -> dict[str, str]:
    """What stands between the comments of the page, by name."""
    sizes, tests = of_codes()
    samples, n = of_samples(directory)
    made = f"Measured on {platform.machine()}, torch {torch.__version__}, aae {aae.__version__}, one seed."
    return {
        "made": made,
        "codes": sizes,
        "p-values": tests,
        "calibration": calibration(),
        "samples": f"{samples}\n\n{n} rows on each side.",
    }


def filled(text: str, parts: Mapping[str, str]) -> str:
    """The page with each part between its two comments."""
    for name, part in parts.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not (start and end):
            raise SystemExit(f"docs/metrics.md lacks the comments <!-- {name} --> and <!-- /{name} -->")
        text = f"{before}{start}\n{part}\n\n{end}{after}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    target = Path(__file__).parents[1] / "docs" / "metrics.md"
    parts = measured(given.data_dir)
    target.write_text(filled(target.read_text(encoding="utf-8"), parts), encoding="utf-8")
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
