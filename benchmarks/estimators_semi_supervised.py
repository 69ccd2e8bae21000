"""Fifty labels of the bundled digits: AAEClassifier beside scikit-learn's semi-supervised classifiers.

    python benchmarks/estimators_semi_supervised.py --seeds 10

Each seed draws its own split (70 % training rows, of which 5 of each class keep their label; 30 % test rows) and its
own first weights. All methods are given the same rows, pixels scaled to 0 to 1, and the same labels; AAEClassifier is
given them once as images and once as plain rows, of which it does not know that they are images. Its settings are its
defaults; these, and the neighbours of LabelSpreading, were chosen on seeds from 100 on. Numbers are kept as they come,
and a second start goes on from them. Writes its table into docs/estimators.md.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC
from tables import kept, put, spread, table

from aae import AAEClassifier

EACH = 5


def methods(seed: int) -> dict[str, object]:
    return {
        "AAEClassifier, images": AAEClassifier(random_state=seed),
        "AAEClassifier, plain rows": AAEClassifier(random_state=seed),
        "LabelSpreading, 7 neighbours": LabelSpreading(kernel="knn", n_neighbors=7),
        "SelfTrainingClassifier(SVC)": SelfTrainingClassifier(SVC(C=10, probability=True, random_state=seed)),
        "MLPClassifier, labelled rows only": MLPClassifier((256, 256), max_iter=500, random_state=seed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    digits = load_digits()
    x, y = digits.images / 16, digits.target
    numbers = kept("semi-supervised")

    def accuracy(name: str, seed: int) -> float:
        train, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)
        draw = np.random.default_rng(seed)
        known = np.concatenate([draw.permutation(train[y[train] == k])[:EACH] for k in range(10)])
        labels = np.full(len(y), -1)
        labels[known] = y[known]
        rows = known if "labelled rows only" in name else train
        given_x = x if "images" in name else x.reshape(len(x), -1)
        method: Any = methods(seed)[name]
        method.fit(given_x[rows], labels[rows])
        return method.score(given_x[test], y[test])

    cells = {}
    for name in methods(0):
        found = [
            numbers.once(name, seed, measure=lambda n=name, s=seed: (accuracy(n, s),)) for seed in range(given.seeds)
        ]
        cells[name] = (spread([right for right, *_ in found]),)
    put("semi-supervised", table((f"{given.seeds} seeds", "test accuracy"), cells))


if __name__ == "__main__":
    main()
