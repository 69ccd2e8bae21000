"""Are decoded samples like the data? Every number beside its floor, real rows, and beside controls bad on purpose.

A measure that a bad control passes says nothing when a model passes it; the controls show which those are.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning

from aae import metrics
from aae.errors import DataError

Array = npt.NDArray[Any]
Numbers = dict[str, float]

MOST_ROWS = 5000
"""Rows on a side."""
QUERIES = 500
"""Rows whose nearest training row is looked for, among all training rows."""
NEIGHBOURS = 5
MEMORISED, CENTROIDS = 100, 500
LEAST_ROWS = 20


def sample_quality(new: Array, held_out: Array, train: Array, *, seed: int = 0) -> dict[str, Any]:
    """Decoded samples against held-out real rows: `fid`, `kid` (images only), `precision`, `recall`, `density`,
    `coverage` and `memorisation`, each with its `_floor`, and all of them for the bad `controls`.

    Arrays of images with values in 0 to 1, [n, h, w] or [n, channels, h, w], are compared by the features of
    `metrics.features`; rows of numbers [n, d] are divided by the deviation of each column over training rows, and
    have no Frechet and no kernel distance, which mean little without features. Equally many rows are taken at random
    on each side, at most `MOST_ROWS`.

    Floors: training rows in place of samples; for memorisation one half of the held-out rows against the other.
    Controls: the same training rows under a 3 x 3 blur (images); k-means centroids of the training rows, drawn with
    replacement; 100 training rows, repeated. Raises DataError for fewer than 20 rows on a side.
    """
    n = min(len(new), len(held_out), len(train), MOST_ROWS)
    if n < LEAST_ROWS:
        raise DataError(f"sample quality needs {LEAST_ROWS} rows or more of each kind, got {n}; give more data")
    random = np.random.default_rng(seed)
    real, fresh, seen = (x[random.permutation(len(x))[:n]] for x in (held_out, new, train))
    score = Score(real, train)
    found: dict[str, Any] = {"samples": n, **score(fresh)}
    floor = score(seen) | {"memorisation": score.memorisation(real[1::2], real[::2])}
    found |= {f"{name}_floor": value for name, value in floor.items()}
    controls: dict[str, Array] = {}
    if score.images:
        controls["blurred data"] = uniform_filter(seen, (*[1] * (seen.ndim - 2), 3, 3))
    controls["k-means centroids"] = _centroids(train, n, random)
    few = min(MEMORISED, n // 4)
    controls[f"{few} memorised rows"] = seen[np.resize(np.arange(few), n)]
    return found | {"controls": {name: score(rows) for name, rows in controls.items()}, "features": score.features}


class Score:
    """All measures of rows against the same real ones."""

    def __init__(self, real: Array, train: Array) -> None:
        self.images = real.ndim > 2
        self.flat_train = train.reshape(len(train), -1)
        spread = self.flat_train.std(0)
        self.scale = np.where(spread > 0, spread, 1.0)
        self.real, self.held = self.seen(real), real
        self.features = "columns divided by their deviation"
        if self.images:
            from aae.metrics.features import SHA256, SIDE

            height, width = real.shape[-2:]
            changed = "" if (height, width) == (SIDE, SIDE) else f", resized from {height} x {width}"
            changed += ", colours averaged" if real.ndim == 4 and real.shape[1] > 1 else ""
            self.features = f"64 features of the digit network {SHA256[:8]}{changed}"

    def seen(self, x: Array) -> Array:
        """What distances are measured between."""
        if not self.images:
            return np.asarray(x / self.scale)
        from aae.metrics.features import picture_features

        return picture_features(x)

    def __call__(self, rows: Array) -> Numbers:
        features, found = self.seen(rows), {}
        if self.images:
            found["fid"] = metrics.frechet_distance(self.real, features)
            found["kid"] = metrics.kernel_distance(self.real, features)
        overlap = metrics.prdc(self.real, features, k=NEIGHBOURS)
        found |= {"precision": overlap.precision, "recall": overlap.recall}
        found |= {"density": overlap.density, "coverage": overlap.coverage}
        return found | {"memorisation": self.memorisation(rows, self.held)}

    def memorisation(self, rows: Array, held_out: Array) -> float:
        """In the rows' own units, pixels for images: a copy is a copy there."""
        new, held = (x[:QUERIES].reshape(min(len(x), QUERIES), -1) for x in (rows, held_out))
        unit = 1.0 if self.images else self.scale
        return metrics.memorisation_ratio(new / unit, self.flat_train / unit, held / unit)


def _centroids(train: Array, n: int, random: np.random.Generator) -> Array:
    """n rows drawn from the centres of k-means clusters of at most 10,000 training rows."""
    flat = train.reshape(len(train), -1)
    flat = flat[random.permutation(len(flat))[:10_000]]
    number = min(CENTROIDS, max(1, len(flat) // 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: still centroids
        means = MiniBatchKMeans(number, batch_size=2048, n_init=1, max_iter=20, random_state=0).fit(flat)
    return means.cluster_centers_[random.integers(number, size=n)].reshape(n, *train.shape[1:])
