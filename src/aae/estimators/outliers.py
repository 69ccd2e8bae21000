"""AAEOutlierDetector: how unlike the rows of `fit` a row is, by four kinds of evidence, calibrated on other rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from aae.anomaly import EVIDENCE, Usual, residuals, usual
from aae.config import Prior
from aae.data import Dataset, original
from aae.errors import ConfigError
from aae.estimators.base import Estimator
from aae.estimators.inputs import checked
from aae.estimators.settings import adversarial, number, prior_of

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class AAEOutlierDetector(OutlierMixin, Estimator):
    """Outliers by an adversarial autoencoder: lower scores are odder, as everywhere in scikit-learn.

    Four kinds of evidence, each in standard deviations above its median over the rows that calibrate it:

    - residual: log of the mean squared error of reconstruction (features in the units that the networks learn in); of
      images less half the log of their contrast, see `aae.anomaly.residual_of_images`;
    - density: log of the squared Mahalanobis distance of the code from the codes of the training rows;
    - discriminator: how surely the discriminator says that the code is not from the prior (minus its logit);
    - distance: log of the mean squared distance of the row from the mean of the training rows.

    The anomaly score is log(exp(residual - 1) + exp(density - 1) + exp(discriminator - 4) + exp(distance)): a soft
    maximum, since a row may be odd in one way only. What has to be learnt counts less than the plain distance, and the
    discriminator least, for it is trained near the prior and guesses far from it. For images it is the residual that
    counts: log(exp(residual) + exp(density - 3) + exp(discriminator - 6) + exp(distance - 3)).

    Parameters
    ----------
    n_components : dimensions of a code; "auto" is 1.5 times the root of the number of features, and below it.
    contamination : "auto" calls odd what scores below all but `false_alarm_rate` of the held-out rows. A number, above
        0 and at most 0.5, is the share of the *training* rows to call odd, for training data with outliers in it.
    false_alarm_rate : the rate at which rows like those of `fit` are called odd, with contamination "auto".
    validation_fraction : share of the rows held out from training, to calibrate on. Below 25 rows none are, and the
        detector is calibrated on rows it has seen, which gives more false alarms than asked for.
    prior, hidden, epochs, batch_size, learning_rate, settings, warm_start, random_state, device, verbose : as in `AAE`.

    Attributes
    ----------
    offset_ : the score below which a row is called odd. false_alarm_rate_ : the rate that held-out rows so few can
    promise, (rows at or below the offset) / (held-out rows + 1). run_, history_, n_iter_, n_features_in_,
    feature_names_in_ : as in `AAE`.
    """

    _kind = "aae"
    _fewest_to_hold_out = 25  # calibrating on rows that were trained on is worse than on five that were not

    n_components: Any = "auto"
    _: KW_ONLY
    contamination: Any = "auto"
    false_alarm_rate: float = 0.05
    prior: Any = "gaussian"
    validation_fraction: float = 0.2

    offset_: float = field(init=False)
    false_alarm_rate_: float = field(init=False)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on most rows of X and calibrate on the others; y is not used. Errors as in `AAE.fit`."""
        self._check_rates()
        x = checked(self, X, reset=True, fewest=2)
        return self._train(x)._calibrate(x)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One pass over the rows of X, and a calibration on these rows."""
        self._check_rates()
        first = not hasattr(self, "run_")
        x = checked(self, X, reset=first, fewest=2 if first else 1)
        return self._train(x, passes=1)._calibrate(x)

    def anomaly_score(self, X: Any) -> Array:
        """How odd each row is, float64 [n]: higher is odder (the sign of PyOD's decision function)."""
        run, x = self._ready(X)
        return self.usual_.score(run, x)

    def score_samples(self, X: Any) -> Array:
        """Minus the anomaly score, float64 [n]: lower is odder."""
        check_is_fitted(self)
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> Array:
        """`score_samples` minus `offset_`, float64 [n]: below 0 is called odd."""
        check_is_fitted(self)
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Array:
        """1 for a row like those of `fit`, -1 for an odd one, int64 [n]."""
        check_is_fitted(self)
        return np.where(self.decision_function(X) < 0, -1, 1)

    def evidence(self, X: Any) -> Array:
        """The four kinds of evidence behind each score, float64 [n, 4], in the order of `EVIDENCE`.

        In standard deviations above the median of the rows that the detector was calibrated on.
        """
        run, x = self._ready(X)
        return self.usual_.evidence(run, x)

    def explain(self, X: Any) -> Array:
        """The blame of each feature, or pixel, for a row's residual: float64 in the shape of the rows of `fit`.

        The squared error of reconstruction over the usual one of that feature: 1 is usual, 0 is reconstructed exactly.
        The other kinds of evidence are about the code, or the row, as a whole, and are shared out to no feature.
        """
        run, x = self._ready(X)
        blame = np.square(residuals(run, x)) / self.usual_error_  # [n, features], channels first
        places = original(np.arange(run.spec.features)[None], run.spec)[0].astype(np.int64)  # what stands where
        return blame[:, places]

    def _check_rates(self) -> None:
        share, rate = self.contamination, self.false_alarm_rate
        if not (isinstance(share, str) and share == "auto") and not 0 < (number(share) or 0) <= 0.5:
            raise ConfigError(f"contamination must be 'auto', or above 0 and at most 0.5, got {share!r}")
        if not 0 < (number(rate) or 0) < 1:
            raise ConfigError(f"false_alarm_rate must lie between 0 and 1, got {rate!r}")

    def _resolved(self, features: int) -> dict[str, Any]:
        parameters = super()._resolved(features)
        if isinstance(self.n_components, str) and self.n_components == "auto":
            parameters["n_components"] = max(1, min(features - 1, round(1.5 * math.sqrt(features))))
        return parameters

    def _prior(self) -> Prior:
        return prior_of(self.prior, Prior("gaussian", 1.0))

    def _times(self, data: Dataset) -> float:
        """Of images 900 steps, or 200 and one for four rows: longer, and networks reconstruct the unseen, too."""
        rows = len(data.splits.train)
        usual = 200 + rows
        return max(200 + rows / 4, min(usual, 900)) / usual if data.spec.is_image else 1.0

    def _more(self, data: Dataset) -> Mapping[str, Any]:
        if not data.spec.is_image:
            return adversarial()
        return adversarial(0.001, 0.01)  # a strong pull costs images the detail that tells them apart

    @property
    def usual_(self) -> Usual:
        """What was learnt beside the networks, as `aae.export` takes it."""
        check_is_fitted(self)
        rows = (self.code_centre_, self.code_axes_, self.row_centre_)
        return Usual(
            EVIDENCE, *rows, self.evidence_centre_, self.evidence_spread_, -self.offset_, self.false_alarm_rate_
        )

    def _calibrate(self, x: Array) -> Self:
        """Learn what is usual from the training rows (codes, the mean row) and the held-out ones (the rest)."""
        run, splits = self.run_, self.run_.directory.splits
        held = x[splits["validation"]] if len(splits["validation"]) else x
        found = usual(run, x[splits["train"]], held, self.false_alarm_rate)
        if self.contamination != "auto":
            odd = float(np.percentile(-found.score(run, x), 100 * self.contamination))
            found = dataclasses.replace(found, threshold=-odd, false_alarm_rate=float(self.contamination))
        self.code_centre_, self.code_axes_, self.row_centre_ = found.code_centre, found.code_axes, found.row_centre
        self.evidence_centre_, self.evidence_spread_ = found.centre, found.spread
        self.offset_, self.false_alarm_rate_ = -found.threshold, found.false_alarm_rate
        error = np.square(residuals(run, held)).mean(axis=0)
        self.usual_error_ = np.maximum(error, max(1e-3 * error.mean(), 1e-12))
        return self
