"""One digit of MNIST as the inlier: AAEOutlierDetector beside detectors of scikit-learn and PyOD, by GPND's protocol.

    python benchmarks/outliers_mnist.py --seeds 1 --data-dir DIRECTORY

All 70,000 images are dealt into five folds, each class evenly. A seed is the number of the fold that tests; the next
one validates, and the images of one digit in the other three train a detector (about 4,200 rows). Each digit is the
inlier once. As in Pidhorskyi et al. (2018), the threshold is the one of best F1 on the validation fold, for each share
of outliers anew, and F1 is that of inliers on the test fold, whose outliers are the images of all nine other digits.
Where they fill up inliers by repeating them until the share is right, rows count with a weight here, which is the same
without rounding. The area under the ROC curve does not depend on the share, and needs no threshold.

Pixels are divided by 255; AAEOutlierDetector is told that they are images. Settings are the defaults; those of
AAEOutlierDetector for images were chosen on fold 2, by networks trained on folds 3 and 4, so on no row that tests with
--seeds 1 or 2. Fold 0 had been measured once before the last of those choices. Numbers are kept as they come,
and a second start goes on from them. Writes its table into docs/estimators.md.
Needs `pip install pyod` (extra `benchmarks`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from estimators_outliers import of_pyod, pca
from pyod.models.alad import ALAD
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.vae import VAE
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import LocalOutlierFactor
from tables import kept, put, spread, table

from aae import AAEOutlierDetector
from aae.config import Data
from aae.data import read

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
PUBLISHED = ("0.983", "0.971", "0.961", "0.950", "0.939")
"""F1 of GPND by these shares, as its authors give it (table 2)."""
Scores = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def ours(train: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    return AAEOutlierDetector(random_state=seed).fit(square(train)).anomaly_score(square(rows))


def square(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 28, 28)


METHODS: dict[str, Scores] = {
    "AAEOutlierDetector": ours,
    "IsolationForest": lambda a, b, seed: -IsolationForest(random_state=seed).fit(a).score_samples(b),
    "LocalOutlierFactor": lambda a, b, seed: -LocalOutlierFactor(novelty=True).fit(a).score_samples(b),
    "PCA, error of reconstruction": lambda a, b, seed: pca(a, b),
    "PyOD AutoEncoder": lambda a, b, seed: of_pyod(AutoEncoder(random_state=seed, verbose=0), a, b, seed),
    "PyOD VAE": lambda a, b, seed: of_pyod(VAE(random_state=seed, verbose=0), a, b, seed),
    "PyOD ALAD": lambda a, b, seed: of_pyod(ALAD(), a, b, seed),
}
"""Each is given training rows and other rows [n, 784], and says how odd the others are: higher is odder."""


def folds(y: np.ndarray) -> list[np.ndarray]:
    """The rows of each of five folds."""
    return [rows for _, rows in StratifiedKFold(5, shuffle=True, random_state=0).split(y, y)]


def f1(scores: np.ndarray, odd: np.ndarray, share: float, limits: np.ndarray) -> np.ndarray:
    """F1 of the inliers at each limit, above which a row is called odd, with outliers weighted to `share` of all."""
    within, without = np.sort(scores[~odd]), np.sort(scores[odd])
    right = np.searchsorted(within, limits, side="right") / len(within) * (1 - share)
    wrong = np.searchsorted(without, limits, side="right") / len(without) * share
    return 2 * right / (right + wrong + 1 - share)


def measures(name: str, digit: int, seed: int, x: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    """The area under the ROC curve, and F1 at each share, on the test fold."""
    dealt = folds(y)
    test, validation = dealt[seed % 5], dealt[(seed + 1) % 5]
    train = np.concatenate([dealt[(seed + i) % 5] for i in (2, 3, 4)])
    rows = np.concatenate([validation, test])
    scores = METHODS[name](x[train[y[train] == digit]], x[rows], seed)
    chosen, tested = scores[: len(validation)], scores[len(validation) :]
    odd_chosen, odd_tested = y[validation] != digit, y[test] != digit
    limits = np.unique(chosen)
    best = [limits[f1(chosen, odd_chosen, share, limits).argmax()] for share in SHARES]
    found = [float(f1(tested, odd_tested, share, limit)) for share, limit in zip(SHARES, best, strict=True)]
    return (float(roc_auc_score(odd_tested, tested)), *found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="where the files of MNIST are; else as for aae train")
    parser.add_argument("--seeds", type=int, default=1, choices=range(1, 6), help="folds to test on")
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)), help="the inliers")
    parser.add_argument("--without", nargs="*", default=[], metavar="WORD", help="words in the names to leave out")
    given = parser.parse_args()
    chosen = [name for name in METHODS if not any(word in name for word in given.without)]
    torch.set_num_threads(1)
    raw = read("mnist", Data(directory=given.data_dir))
    x, y = raw.x.reshape(-1, 784).astype(np.float32) / 255, raw.y
    numbers = kept("outliers-mnist")
    found: dict[str, list[tuple[float, ...]]] = {}  # by seed, then digit
    for seed in range(given.seeds):
        for name in chosen:
            for digit in given.digits:
                measure = lambda n=name, d=digit, s=seed: measures(n, d, s, x, y)  # noqa: E731
                found.setdefault(name, []).append(numbers.once(name, digit, seed, measure=measure))
    cells = {}
    for name, values in found.items():
        each = np.reshape(values, (given.seeds, len(given.digits), -1))
        over_digits = each.mean(axis=1).T  # [measures, seeds]
        cells[name] = tuple(spread(of) if given.seeds > 1 else f"{of[0]:.3f}" for of in over_digits)
    cells["GPND, as published"] = ("", *PUBLISHED)
    heads = (
        f"folds tested: {given.seeds}, digits: {len(given.digits)}",
        "AUROC",
        *(f"F1, {share:.0%}" for share in SHARES),
    )
    put("outliers-mnist", table(heads, cells))


if __name__ == "__main__":
    main()
