"""Measure the measures: what each one says of faults that were made on purpose. Writes docs/metrics.md.

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


def page(directory: str) -> str:
    sizes, tests = of_codes()
    samples, n = of_samples(directory)
    return f"""# What the numbers mean, and when they lie

`aae evaluate RUN` measures held-out rows; `aae evaluate RUN --full` also measures decoded samples, beside controls that are bad
on purpose; `--json` prints all of it. The same functions take arrays: `from aae import metrics`.

Every number stands beside its **floor**: what a second sample of the prior scores in place of the codes, or real rows in
place of decoded samples. No model does better than that, except by chance. Read the size of a difference first and its p-value
second: with thousands of rows every real model differs from its prior "significantly".

The tables below are made by `python benchmarks/measures.py --data-dir DIR` ({platform.machine()}, torch
{torch.__version__}, aae {aae.__version__}), with one seed.

## Do the codes follow the prior?

{ROWS:,} codes of the uniform prior on a square, with one fault each:

{sizes}

p-values of the same (the permutation tests look at 1,000 rows, and 200 permutations cannot give less than 0.005):

{tests}

| measure | what it is | floor | when it lies |
| --- | --- | --- | --- |
| Two-sample test (`c2st`) | accuracy of boosted trees, freshly trained to tell codes from prior samples, each row judged by trees that never saw it | 0.5, by chance a little above or below | trees cut along the axes: they are slow to see a fine lattice, and with few rows they see little |
| Inside the prior (`inside`) | share of codes in the support, or in the region that holds 99 % of an unbounded prior | 1, or 0.99 | says nothing of what happens inside |
| Empty cells (`empty_cells`) | share of the prior, cut into cells of equal probability, that no code reaches: its holes | (1 - 1/cells)^n | the cells are coarse: smaller holes pass, and a cell counts as reached with one code in it |
| Fullest cell (`crowding`) | codes in the fullest cell by its fair share | above 1, the more the fewer codes there are | one spot says nothing of the rest |
| Misplaced codes (`misplaced`) | share of codes that would have to move to another cell: total variation over the cells | about sqrt(cells / (2 pi n)) | never 0 with finitely many codes; compare equal numbers of rows |
| Largest axis distance (`max_ks`) | Kolmogorov-Smirnov distance of the worst axis | about 0.87 / sqrt(n) | looks at one axis at a time: blind for "both axes equal" |
| Sliced Wasserstein (`sliced_wasserstein`) | how far codes would have to move, averaged over directions, by the prior's deviation | falls as 1 / sqrt(n) | ruled by the bulk: small holes and crowds are cheap to move |
| Energy coefficient (`energy`) | 0 for equal distributions, 1 for two separate points; unbiased | 0, by chance below it | ruled by where the mass is: nearly blind for fine structure |
| Kernel discrepancy (`mmd`) | squared maximum mean discrepancy, three Gaussian kernels about the median distance; unbiased | 0, by chance below it | sees structure of the size of its kernels, no finer |

Cells: a prior with a map to the unit cube is cut there, 20 x 20 cells from 2,000 codes on and 10 x 10 below that. Any other is cut
by halving 100,000 of its samples again and again; the box around the samples of a cell bounds it, so the middle of a ring belongs
to none. With more than two dimensions each pair of axes is cut (28 of them at most), holes and misplaced codes are averaged over
the pairs, and the fullest cell of all is named. The figure `holes.png` of the report draws the cells over the codes and over what is
decoded there.

`history.csv` has the cheap ones after each epoch (`inside`, `empty_cells`, `crowding`, `misplaced`, `max_ks`, `sliced_wasserstein`,
`energy`), for at most 2,000 validation rows (test rows where there are no validation rows). They draw nothing from the generator of
the training, so they change no weight.

### Are the p-values true?

Two samples of one prior, {SMALL} rows each, and how often a test rejects them at the level of 5 %. It should be 5 % of the time:

{calibration()}

The last row is why the p-value of the two-sample test comes from one half of the rows, judged by a classifier trained on the other.

## Do codes keep what matters?

- Reconstruction error (`mse`) and explained variation (`r2`): 0 for `r2` is the mean row, shown every time. Below about 0.2 the encoder
  tells next to nothing. A low error says nothing of the prior.
- Structural similarity (`ssim`): of images, in windows of 7 x 7. Even black around a digit counts as similar: compare models on the
  same data only.
- Neighbour accuracy (`knn_accuracy`): classes vote; needs labels, and rewards a code that separates classes whatever else it does.
- Trustworthiness and continuity: whether the 12 nearest codes are the 12 nearest rows, and the other way round; about 0.5 for random
  codes. At most 2,000 rows are looked at (`neighbourhood_rows`), because every row is ranked against every other; distances between
  rows are Euclidean, which for photographs is not likeness.

## Are decoded samples like the data?

{n} rows on each side, against test digits of MNIST:

{samples}

No one number will do. Blur raises precision and density. A hundred digits, copied over and over, have a lower Frechet distance than
blurred ones, and only recall, coverage and the memorisation ratio notice. A missing class is small in all of them: look at the
samples, too.

| measure | what it is | floor | when it lies |
| --- | --- | --- | --- |
| Frechet distance (`fid`) | distance of means and covariances of features | real rows; above 0, and higher the fewer rows there are | forgives copies; compare equal numbers of rows only |
| Kernel distance (`kid`) | squared discrepancy of features with a cubic kernel, unbiased | 0, by chance below it | forgives copies |
| Precision, recall | share of samples near real rows, and of real rows near samples, by 5th-neighbour distances | real rows | outliers make precision large; blur raises it |
| Density, coverage | the same with balls around real rows only | density 1, coverage 1 - 1/32 | blur raises density; coverage forgives what lies between |
| Memorisation ratio (`memorisation`) | median distance of samples to the nearest training row, by that of held-out real rows | 1; 0 for copies | well above 1 means unlike the data, not original; looks at {500} samples |

Features come from a small convolutional network, trained on the training digits of MNIST (`benchmarks/feature_net.py`) and shipped
with its hash, which is checked when it is loaded. Other sizes are resized to 28 x 28, and colours are averaged: for photographs the
numbers then say little, and `features` in `metrics.json` states what was done. They are **not comparable to Inception scores** in papers,
nor across data sets. Tables have no Frechet and no kernel distance; the other measures look at columns divided by their deviation.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    target = Path(__file__).parents[1] / "docs" / "metrics.md"
    target.write_text(page(given.data_dir), encoding="utf-8")
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
