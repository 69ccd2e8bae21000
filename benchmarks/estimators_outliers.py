"""Outliers in scikit-learn's bundled sets: AAEOutlierDetector beside IsolationForest, LocalOutlierFactor and PCA.

    python benchmarks/estimators_outliers.py --seeds 3

Every class of every set is the inlier once: a detector is fitted to 60 % of its rows and then scores its others and
those of all other classes. Area under the ROC curve (1: every outlier above every inlier). Methods are given the
same rows, each column standardized by the training rows. Seeds shuffle rows and start networks. Settings are the
defaults; those of AAEOutlierDetector were chosen on seed 100. Writes its table into docs/estimators.md.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from tables import put, table

from aae import AAEOutlierDetector

SETS = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}


def pca(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Distance from the plane that holds 90 % of the variance."""
    plane = PCA(0.9).fit(train)
    return np.square(plane.inverse_transform(plane.transform(test)) - test).sum(axis=1)


METHODS = {
    "AAEOutlierDetector": lambda a, b, seed: -AAEOutlierDetector(random_state=seed).fit(a).score_samples(b),
    "IsolationForest": lambda a, b, seed: -IsolationForest(random_state=seed).fit(a).score_samples(b),
    "LocalOutlierFactor": lambda a, b, seed: -LocalOutlierFactor(novelty=True).fit(a).score_samples(b),
    "PCA, error of reconstruction": lambda a, b, seed: pca(a, b),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in METHODS}
    seconds = dict.fromkeys(METHODS, 0.0)
    for which, load in SETS.items():
        x, y = load(return_X_y=True)
        for seed in range(given.first, given.first + given.seeds):
            areas: dict[str, list[float]] = {name: [] for name in METHODS}
            for inlier in np.unique(y):
                rows = np.random.default_rng([seed, int(inlier)]).permutation(np.flatnonzero(y == inlier))
                kept = int(0.6 * len(rows))
                test = np.concatenate([rows[kept:], np.flatnonzero(y != inlier)])
                scaler = StandardScaler().fit(x[rows[:kept]])
                a, b, odd = scaler.transform(x[rows[:kept]]), scaler.transform(x[test]), y[test] != inlier
                for name, score in METHODS.items():
                    began = time.perf_counter()
                    areas[name].append(roc_auc_score(odd, score(a, b, seed)))
                    seconds[name] += time.perf_counter() - began
            for name, values in areas.items():
                found[name].setdefault(which, []).append(float(np.mean(values)))
                print(which, seed, name, f"{np.mean(values):.4f}", flush=True)
    cells = {
        name: (*(f"{np.mean(v):.3f} ± {np.std(v):.3f}" for v in sets.values()), mean_of(sets))
        for name, sets in found.items()
    }
    put("outliers", table((f"{given.seeds} seeds", *SETS, "mean"), cells))


def mean_of(sets: dict[str, list[float]]) -> str:
    each = np.mean(list(sets.values()), axis=0)  # [seeds]
    return f"{each.mean():.3f} ± {each.std():.3f}"


if __name__ == "__main__":
    main()
