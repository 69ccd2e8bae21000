"""Gaps in tables: `aae impute` beside scikit-learn's imputers, on the tables that come with it.

    python benchmarks/estimators_imputation.py --seeds 3

A fifth of all values, drawn anew for each seed, is hidden from every method and filled in by it. The error is the root
of the mean squared difference from the hidden values, each column in standard deviations of its known ones: the mean of
each column gives about 1. Every method is given all rows, standardized by what is known of each column, and no hidden
value; `aae impute` trains on the rows it fills, as the others do.

`aae impute` is the recipe of tables with `SETTINGS`, chosen on seed 100 among six, on these tables. IterativeImputer
may go on for 50 rounds instead of 10, which helps it; else the others have their defaults. Numbers are kept as they
come, and a second start goes on from them. Writes its table into docs/data.md.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from tables import ROOT, kept, put, seeds_asked_for, spread, table

from aae.config import replace
from aae.data import MEMORY, dataset
from aae.recipes import recipe
from aae.training import train_in_memory

SETS = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
}
MISSING = 0.2
SETTINGS = {"data.hide": 0.2, "corruption.noise": 0.3}
"""On the command line: --data.hide 0.2 --corruption.noise 0.3."""


def by_aae(x: np.ndarray, seed: int) -> np.ndarray:
    config = replace(
        recipe("table-8d-gaussian"), SETTINGS | {"data.source": MEMORY, "data.layout": "table", "seed": seed}
    )
    run = train_in_memory(config, dataset(x, None, config.data, splits="all", name="table"), measured=0)
    return run.impute(x)


def by_rounds(x: np.ndarray, seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 50 rounds do not settle on every table
        return IterativeImputer(random_state=seed, max_iter=50).fit_transform(x)


METHODS = {
    "`aae impute`": by_aae,
    "IterativeImputer": by_rounds,
    "KNNImputer": lambda x, seed: KNNImputer().fit_transform(x),
    "mean": lambda x, seed: SimpleImputer().fit_transform(x),
}


def gappy(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The table in standard deviations of what is known, the same with gaps, and where they are."""
    hidden = np.random.default_rng(seed).random(x.shape) < MISSING
    known = np.where(hidden, np.nan, x)
    whole = (x - np.nanmean(known, axis=0)) / np.nanstd(known, axis=0)
    return whole, np.where(hidden, np.nan, whole), hidden


def error(name: str, which: str, seed: int) -> float:
    whole, known, hidden = gappy(SETS[which](return_X_y=True)[0], seed)
    filled = METHODS[name](known, seed)
    return float(np.sqrt(np.square(filled - whole)[hidden].mean()))


def main() -> None:
    numbers, seeds = kept("imputation"), seeds_asked_for(__doc__)
    torch.set_num_threads(1)
    cells = {}
    for name in METHODS:
        found = [
            [
                numbers.once(name, which, seed, measure=lambda n=name, w=which, s=seed: (error(n, w, s),))[0]
                for seed in seeds
            ]
            for which in SETS
        ]
        cells[name] = (*map(spread, found), spread(np.mean(found, axis=0)))  # the last: over sets, then seeds
    put("imputation", table((f"{len(seeds)} seeds", *SETS, "mean"), cells), ROOT / "docs" / "data.md")


if __name__ == "__main__":
    main()
