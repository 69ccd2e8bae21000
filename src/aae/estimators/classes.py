"""AAEClassifier and AAECluster: a class and a style for every row, with a few labels or with none."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from aae.config import Consistency, Corruption, Optimizer, Prior
from aae.data import Dataset, Scaling
from aae.data.layout import numbers
from aae.errors import ConfigError, DataError
from aae.estimators.inputs import checked, checked_pair, class_codes
from aae.estimators.latent import Autoencoder, Codes
from aae.estimators.settings import blocks, prior_of, settings_of, whole
from aae.inference import Run

Array = NDArray[Any]

CHANGE = 0.25
"""Length of the change that a class is to stand, as a share of a row's usual distance from the mean row."""
SHIFT = 1 / 14
"""Most of its side by which an image is shifted; one pixel at the least."""
MOST_ROWS = 20_000
"""As many rows as these say well enough how far rows lie from the mean row."""


class Styled(Codes):
    """A class beside a style: what the classifier and the clusters share. `transform` gives the style."""

    def inverse_transform(self, X: Any, y: Any = None) -> Array:
        """Styles [n, n_components] to rows, each in its class `y` (one for all, or one for each), in original units.

        Without y each row is the mean over the classes' shares that are all alike: give y for a picture of a class.
        """
        check_is_fitted(self)
        styles = numbers(X, "codes")
        rows = styles.shape[0] if styles.ndim else 0
        if y is None:
            count = heads_of(self.run_)
            return self.run_.decode(styles, np.full((rows, count), 1 / count, np.float32))
        return self.run_.decode(styles, self._numbers(y, rows))

    def sample(self, n: int = 1, y: Any = None, random_state: Any = None) -> Array:
        """n new rows, float32, in original units: styles drawn from the prior, decoded in class `y`.

        y: one class for all rows, or one for each; None: every class is as likely as any other.
        """
        check_is_fitted(self)
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        return self.run_.sample(whole(n, "n"), seed=seed, y=None if y is None else self._numbers(y, n))

    def _numbers(self, y: Any, n: int) -> Array:
        """Classes as the user names them, one for all n rows or one for each, to what the decoder takes."""
        raise TypeError(f"{type(self).__name__} has no classes to name")

    def _resolved(self, features: int) -> dict[str, Any]:
        parameters = super()._resolved(features)
        if isinstance(parameters["n_components"], str) and parameters["n_components"] == "auto":
            parameters["n_components"] = max(1, min(10, features // 4))
        return parameters

    def _prior(self) -> Prior:
        return prior_of(self.get_params(deep=False)["prior"], Prior("gaussian", 1.0))

    def _more(self, data: Dataset) -> Mapping[str, Any]:
        return blocks()


@dataclass(eq=False, repr=False)
class AAEClassifier(ClassifierMixin, Styled):
    """Semi-supervised adversarial autoencoder (the paper, section 5): learns from a few labels and from all rows.

    In `fit(X, y)` a label of -1 stands for an unlabelled row, as everywhere in scikit-learn. (Labels -1 and 1 and
    nothing else are two classes.) Classes are taken to be about equally frequent, which the adversary enforces.

    Parameters
    ----------
    n_components : dimensions of the style, which is what `transform` gives; "auto": a quarter of the number of features
        within 1 to 10, so that the class has something left to say. The other parameters are those of `AAE`;
        `validation_fraction` is 0, so that no label is held out.

    The class is held still under small changes (`consistency`, docs/classes.md): rows in the direction that changes it
    most, by `CHANGE` of a row's usual distance from the mean row; images are turned, zoomed, and shifted by `SHIFT` of
    their side. Where the class depends on where things lie, leave it out: `settings={"consistency.kind": "none"}`.

    Attributes
    ----------
    classes_ : the classes, sorted. The others are those of `AAE`.
    """

    _kind = "semi-supervised"
    _longer = 2  # classes that rows spread from a few labels are still settling when a reconstruction no longer gains

    n_components: Any = "auto"
    _: KW_ONLY
    prior: Any = "gaussian"
    validation_fraction: float = 0.0

    classes_: Array = field(init=False)

    def _more(self, data: Dataset) -> Mapping[str, Any]:
        # Noise on the rows is what makes fifty labels go further: rows near a labelled one get its class.
        noise = {"corruption": Corruption(noise=0.3)}
        rate = Optimizer("adam", learning_rate=5e-3)
        if "consistency.kind" in settings_of(self.settings):
            return blocks(rate) | noise
        return blocks(rate, rate) | noise | {"consistency": _consistency(data)}

    def fit(self, X: Any, y: Any) -> Self:  # type: ignore[override]  # labels are what it learns from
        """Train on the rows of X and the labels y [n], -1 for an unlabelled row.

        ValueError as `AAE.fit` raises it, and for labels that are missing, not one for each row, or of one class only.
        """
        x, labels = checked_pair(self, X, y, reset=True, fewest=2)
        assert labels is not None
        self.classes_, codes = class_codes(labels)
        return self._train(x, codes, classes=self._names())

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:  # type: ignore[override]
        """One pass over the rows of X; the first call needs all `classes` that will ever come, or finds them in y."""
        first = not hasattr(self, "run_")
        x, labels = checked_pair(self, X, y, reset=first, fewest=2 if first else 1)
        assert labels is not None
        known, codes = class_codes(labels, classes if first else self.classes_)
        self.classes_ = known
        return self._train(x, codes, classes=self._names(), passes=1)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of `classes_`, float64 [n, classes]."""
        run, x = self._ready(X)
        shares = run.predict_proba(x).astype(np.float64)
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Array:
        """The most probable class of each row."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _names(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.classes_)

    def _numbers(self, y: Any, n: int) -> Array:
        known = self.classes_.tolist()
        for name in np.ravel(np.asarray(y)).tolist():
            if name not in known:
                raise DataError(f"there is no class {name!r}; there are {known}")
        return np.searchsorted(self.classes_, np.asarray(y))


@dataclass(eq=False, repr=False)
class AAECluster(ClusterMixin, Styled):
    """Clusters by an adversarial autoencoder (the paper, section 6): a cluster and a style for every row, no label.

    Parameters
    ----------
    n_clusters : the most clusters there can be. Clusters are numbered by size; some may stay empty, and come last.
    init : where the clusters start: "kmeans", on the codes of an autoencoder of the same size, which finds structure in
        small data too, or "random", the paper's way, in which the adversarial game alone finds them.
    n_components : dimensions of the style, as for `AAEClassifier`. The other parameters are those of `AAE`.

    Attributes
    ----------
    labels_ : the cluster of each row of `fit`. cluster_centers_ : each cluster decoded at the mean style of its rows
    (an empty one at the middle of the prior), in the shape of the rows of `fit`. The others are those of `AAE`.
    """

    _kind = "clustering"

    n_clusters: int = 8
    _: KW_ONLY
    init: str = "kmeans"
    n_components: Any = "auto"
    prior: Any = "gaussian"
    validation_fraction: float = 0.0

    labels_: Array = field(init=False)
    cluster_centers_: Array = field(init=False)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on the rows of X; y is not used. Errors as in `AAE.fit`, and for fewer rows than clusters."""
        x = checked(self, X, reset=True, fewest=2)
        clusters = whole(self.n_clusters, "n_clusters")
        if len(x) < clusters:
            raise DataError(f"n_clusters = {clusters} is more than the {len(x)} rows of X")
        if self.init not in ("kmeans", "random"):
            raise ConfigError(f"init must be 'kmeans' or 'random', got {self.init!r}")
        begun = self.warm_start and hasattr(self, "run_")
        start = self._begin(x, max(2, clusters)) if self.init == "kmeans" and not begun else None
        return self._train(x, start=start)._number(x)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One pass over the rows of X; the first call begins as `fit` does. `labels_` are those of these rows."""
        if not hasattr(self, "run_"):
            return self.fit(X)
        x = checked(self, X, reset=False)
        return self._train(x, passes=1)._number(x)

    def predict_proba(self, X: Any) -> Array:
        """The share of each cluster in each row, float64 [n, n_clusters]."""
        run, x = self._ready(X)
        return self._shares(run, x)

    def predict(self, X: Any) -> Array:
        """The cluster of each row, int64 [n]."""
        check_is_fitted(self)
        return self.predict_proba(X).argmax(axis=1)

    def _begin(self, x: Array, clusters: int) -> Run:
        """Networks that have learnt the partition of k-means on the codes of an autoencoder, as if it were labels."""
        shared = self.get_params(deep=False)
        first = AAEClassifier(**{name: shared[name] for name in AAEClassifier().get_params(deep=False)})
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        still = {"consistency.kind": "none"} | settings_of(self.settings)  # there is no unlabelled row to gain from it
        first.set_params(random_state=seed, warm_start=False, settings=still)
        first._longer = 1
        plain = Autoencoder(
            **{name: value for name, value in first.get_params(deep=False).items() if name != "prior"}
        ).set_params(n_components=min(10, max(2, math.prod(x.shape[1:]) // 2)), settings=None)
        codes = plain.fit(x).transform(x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
            found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(codes)
        names = [str(i) for i in range(clusters)]
        return first._train(x, found.astype(np.int64), classes=names).run_

    def _number(self, x: Array) -> Self:
        """Number the clusters by size, label the rows, decode the heads.

        A single cluster is the two of the smallest network, taken together.
        """
        heads = np.eye(heads_of(self.run_), dtype=np.float32)
        sizes = np.bincount(self.run_.predict(x), minlength=len(heads))
        order = np.argsort(-sizes, kind="stable")
        self.cluster_heads_ = heads[order] if self.n_clusters > 1 else heads.mean(axis=0, keepdims=True)
        self.labels_ = self._shares(self.run_, x).argmax(axis=1)
        styles = self.run_.encode(x)
        held = [styles[self.labels_ == k] for k in range(len(self.cluster_heads_))]
        centre = np.stack([rows.mean(axis=0) if len(rows) else middle(self.run_) for rows in held])
        self.cluster_centers_ = self.run_.decode(centre, self.cluster_heads_)
        return self

    def _shares(self, run: Run, x: Array) -> Array:
        shares = run.predict_proba(x).astype(np.float64) @ self.cluster_heads_.T
        return shares / shares.sum(axis=1, keepdims=True)

    def _numbers(self, y: Any, n: int) -> Array:
        chosen = np.asarray(y)
        most = len(self.cluster_heads_) - 1
        if chosen.dtype.kind not in "iu" or bool(((chosen < 0) | (chosen > most)).any()):
            raise DataError(f"clusters are 0 to {most}, got {y!r}")
        return self.cluster_heads_[np.full(n, chosen) if chosen.ndim == 0 else chosen]


def _consistency(data: Dataset) -> Consistency:
    """What the class of a row is to stand: movements of an image, the worst small step of any other row."""
    if data.spec.is_image:
        return Consistency("moved", shift=max(1.0, SHIFT * min(data.spec.shape[-2:])))
    rows = Scaling(data.spec).apply(data.take(data.splits.train[:MOST_ROWS])).numpy()
    distance = float(np.sqrt(rows.var(axis=0, dtype=np.float64).sum()))
    return Consistency("adversarial", radius=max(CHANGE * distance, 1e-3))


def heads_of(run: Run) -> int:
    """How many classes or clusters the decoder takes."""
    return run.config.model.clusters or len(run.spec.classes or ())


def middle(run: Run) -> Array:
    """The code at the middle of the prior: the mean of many draws, [latent]."""
    return run.sample_prior(4096).mean(axis=0)
