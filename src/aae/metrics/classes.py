"""Classes and clusters that a model gives, against the labels; rows labelled -1 are passed over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import rows

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def error_rate(probabilities: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Share of the rows whose most probable class, of [n, classes], is not their label [n]: 0 to 1."""
    q, labels = _labelled(probabilities, y)
    return float((q.argmax(1) != labels).mean())


def log_odds(logits: npt.ArrayLike) -> Floats:
    """log(p / (1 - p)) of each class, float64 [n, classes], from logits: it rises with p where p itself rounds to 1."""
    from scipy.special import logsumexp

    given = rows(logits, "logits")
    if given.shape[1] < 2:
        raise DataError("log odds need logits of two classes or more, got one; a single class is certain")
    others = np.stack([logsumexp(np.delete(given, k, axis=1), axis=1) for k in range(given.shape[1])], axis=1)
    return given - others


def by_head(scores: npt.ArrayLike, y: npt.ArrayLike) -> Whole:
    """The label of each cluster by the paper's rule (section 6): that of the one row that belongs to it most.

    For cluster i, the row with the highest probability of i gives its label to the whole cluster. Fit it on validation
    rows. `scores` [n, clusters] are probabilities or what rises with them: give `log_odds`, since probabilities of
    many rows may round to the same 1, of which the first would be taken. Returns [clusters].
    """
    q, labels = _labelled(scores, y, "scores")
    return labels[q.argmax(0)]


def by_majority(probabilities: npt.ArrayLike, y: npt.ArrayLike) -> Whole:
    """The label of each cluster by vote: the commonest among the rows it is most probable for. Returns [clusters].

    A cluster that no row falls into is given the commonest label of all.
    """
    q, labels = _labelled(probabilities, y)
    assigned, everywhere = q.argmax(1), np.bincount(labels).argmax()
    votes = (labels[assigned == k] for k in range(q.shape[1]))
    return np.array([np.bincount(vote).argmax() if len(vote) else everywhere for vote in votes], dtype=np.int64)


def cluster_error(probabilities: npt.ArrayLike, y: npt.ArrayLike, label_of: npt.ArrayLike) -> float:
    """Share of the rows whose cluster's label, `label_of` [clusters], is not their own."""
    q, labels = _labelled(probabilities, y)
    given = np.asarray(label_of, dtype=np.int64)
    if given.shape != (q.shape[1],):
        raise DataError(f"label_of must name a label for each of {q.shape[1]} clusters, got shape {list(given.shape)}")
    return float((given[q.argmax(1)] != labels).mean())


def hungarian_accuracy(probabilities: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Share of the rows that are right under the best one-to-one match of clusters and labels, on the rows themselves.

    The "ACC" of the clustering literature. With more clusters than labels the clusters left over count as wrong, so it
    does not suit over-clustering, which the paper's rule allows.
    """
    from scipy.optimize import linear_sum_assignment

    q, labels = _labelled(probabilities, y)
    table = np.zeros((q.shape[1], labels.max() + 1), np.int64)
    np.add.at(table, (q.argmax(1), labels), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(labels))


def agreement(probabilities: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
    """Normalised mutual information (arithmetic mean) and adjusted Rand index of clusters and labels; 1 at best."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    q, labels = _labelled(probabilities, y)
    assigned = q.argmax(1)
    return float(normalized_mutual_info_score(labels, assigned)), float(adjusted_rand_score(labels, assigned))


def _labelled(probabilities: npt.ArrayLike, y: npt.ArrayLike, name: str = "probabilities") -> tuple[Floats, Whole]:
    q, labels = rows(probabilities, name), np.asarray(y)
    if labels.shape != (len(q),):
        raise DataError(f"y must hold one label for each of {len(q)} rows, got shape {list(labels.shape)}")
    labels = labels.astype(np.int64)
    known = labels >= 0
    if not known.any():
        raise DataError("y labels none of the rows (all are negative), so there is nothing to compare with")
    return q[known], labels[known]


def least_distance(points: npt.ArrayLike) -> float:
    """The smallest distance between two of the points [n, d], such as cluster heads; n is 2 or more."""
    from scipy.spatial.distance import pdist

    return float(pdist(np.asarray(points, dtype=np.float64)).min())
