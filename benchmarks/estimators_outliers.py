"""Outliers in scikit-learn's bundled sets: AAEOutlierDetector beside detectors of scikit-learn and PyOD.

    python benchmarks/estimators_outliers.py --seeds 3

Every class of every set is the inlier once: a detector is fitted to 60 % of its rows and then scores its others and
those of all other classes. Area under the ROC curve (1: every outlier above every inlier). Methods are given the
same rows, each column standardized by the training rows. Seeds shuffle rows and start networks. Settings are the
defaults; those of AAEOutlierDetector were chosen on seeds 100 and 101. Needs `pip install pyod` (extra `benchmarks`).
Numbers are kept as they come, and a second start goes on from them. Writes its table into docs/estimators.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pyod.models.alad import ALAD
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.vae import VAE
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from tables import kept, put, seeds_asked_for, table

from aae import AAEOutlierDetector

SETS = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}


def pca(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Distance from the plane that holds 90 % of the variance."""
    plane = PCA(0.9).fit(train)
    return np.square(plane.inverse_transform(plane.transform(test)) - test).sum(axis=1)


def of_pyod(detector: Any, train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    torch.manual_seed(seed)  # ALAD takes no seed of its own
    return detector.fit(train).decision_function(test)


METHODS = {  # of PyOD: a batch of more rows than there are is none to it
    "AAEOutlierDetector": lambda a, b, seed: -AAEOutlierDetector(random_state=seed).fit(a).score_samples(b),
    "IsolationForest": lambda a, b, seed: -IsolationForest(random_state=seed).fit(a).score_samples(b),
    "LocalOutlierFactor": lambda a, b, seed: -LocalOutlierFactor(novelty=True).fit(a).score_samples(b),
    "PCA, error of reconstruction": lambda a, b, seed: pca(a, b),
    "PyOD AutoEncoder": lambda a, b, seed: of_pyod(
        AutoEncoder(batch_size=min(32, len(a)), random_state=seed, verbose=0), a, b, seed
    ),
    "PyOD VAE": lambda a, b, seed: of_pyod(VAE(batch_size=min(32, len(a)), random_state=seed, verbose=0), a, b, seed),
    "PyOD ALAD": lambda a, b, seed: of_pyod(ALAD(), a, b, seed),
}


def area(name: str, which: str, seed: int) -> float:
    """The area under the ROC curve, mean over the classes of a set as inliers."""
    x, y = SETS[which](return_X_y=True)
    found = []
    for inlier in np.unique(y):
        rows = np.random.default_rng([seed, int(inlier)]).permutation(np.flatnonzero(y == inlier))
        kept_rows = int(0.6 * len(rows))
        test = np.concatenate([rows[kept_rows:], np.flatnonzero(y != inlier)])
        scaler = StandardScaler().fit(x[rows[:kept_rows]])
        a, b = scaler.transform(x[rows[:kept_rows]]), scaler.transform(x[test])
        found.append(roc_auc_score(y[test] != inlier, METHODS[name](a, b, seed)))
    return float(np.mean(found))


def main() -> None:
    numbers, seeds = kept("outliers"), seeds_asked_for(__doc__)
    torch.set_num_threads(1)
    cells = {}
    for name in METHODS:
        sets = {
            which: [
                numbers.once(name, which, seed, measure=lambda n=name, w=which, s=seed: (area(n, w, s),))[0]
                for seed in seeds
            ]
            for which in SETS
        }
        cells[name] = (*(f"{np.mean(v):.3f} ± {np.std(v):.3f}" for v in sets.values()), mean_of(sets))
    put("outliers", table((f"{len(seeds)} seeds", *SETS, "mean"), cells))


def mean_of(sets: dict[str, list[float]]) -> str:
    each = np.mean(list(sets.values()), axis=0)  # [seeds]
    return f"{each.mean():.3f} ± {each.std():.3f}"


if __name__ == "__main__":
    main()
