"""The bundled digits without labels: AAECluster beside k-means and Gaussian mixtures, on pixels and on codes.

    python benchmarks/estimators_clustering.py --seeds 3

All 1,797 rows, pixels scaled to 0 to 1, ten clusters. Accuracy is that of the best one-to-one match of clusters to
classes (Hungarian method); NMI and ARI as scikit-learn computes them. Seeds start the methods; no label is used before
the measuring. Settings are the defaults. Writes its table into docs/estimators.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, confusion_matrix, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture
from tables import put, spread, table

from aae import AAECluster, Autoencoder

Labels = Callable[[np.ndarray, int], np.ndarray]


def on_codes(x: np.ndarray, seed: int) -> np.ndarray:
    codes = Autoencoder(10, random_state=seed).fit(x).transform(x)
    return KMeans(10, n_init=10, random_state=seed).fit_predict(codes)


METHODS: dict[str, Labels] = {
    "AAECluster": lambda x, seed: AAECluster(10, random_state=seed).fit_predict(x),
    'AAECluster, init="random"': lambda x, seed: AAECluster(10, init="random", random_state=seed).fit_predict(x),
    "k-means on an autoencoder's 10-D codes": on_codes,
    "k-means": lambda x, seed: KMeans(10, n_init=10, random_state=seed).fit_predict(x),
    "Gaussian mixture, diagonal": lambda x, seed: GaussianMixture(
        10, covariance_type="diag", reg_covar=1e-3, random_state=seed
    ).fit_predict(x),
}


def accuracy(y: np.ndarray, labels: np.ndarray) -> float:
    counts = confusion_matrix(y, labels)
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / len(y))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    digits = load_digits()
    x, y = digits.data / 16, digits.target
    found: dict[str, list[tuple[float, float, float]]] = {}
    for name, fit in METHODS.items():
        for seed in range(given.seeds):
            labels = fit(x, seed)
            numbers = (accuracy(y, labels), normalized_mutual_info_score(y, labels), adjusted_rand_score(y, labels))
            found.setdefault(name, []).append(numbers)
            print(seed, name, *(f"{value:.4f}" for value in numbers), flush=True)
    cells = {name: tuple(spread(column) for column in zip(*values, strict=True)) for name, values in found.items()}
    put("clustering", table((f"{given.seeds} seeds", "accuracy", "NMI", "ARI"), cells))


if __name__ == "__main__":
    main()
