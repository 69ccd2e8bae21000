"""How odd a row is, by what a trained run says of it: four kinds of evidence, calibrated on rows it has not seen.

- residual: log of the mean squared error of reconstruction, over the known features in the units that the networks
  learn in (of a table: means, and probabilities of truth and of each category); of images see `residual_of_images`;
- density: log of the squared Mahalanobis distance of the code from the codes of the training rows;
- discriminator: how surely the discriminator says that the code is not from the prior (minus its logit);
- distance: log of the mean squared distance of the row from the mean of the training rows, over the same features.

Each is counted in standard deviations above its median over the rows that calibrate it. The score is
log(exp(residual - 1) + exp(density - 1) + exp(discriminator - 4) + exp(distance)): a soft maximum, since a row may be
odd in one way only. The plain distance knows nothing of how columns go together, but it is what few rows tell most
surely, so what has to be learnt counts a little less. The discriminator counts least, for it is trained near the prior
and guesses far from it. Of images the distance says how much is drawn rather than what, and the code forgets what it
has not seen, so there the residual counts in full and the others 3, 6 and 3 deviations less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aae.config import DataSpec
from aae.data import Scaling
from aae.data import rows as as_rows
from aae.errors import ConfigError
from aae.inference import Run

Array = NDArray[Any]

EVIDENCE = ("residual", "density", "discriminator", "distance")
"""The kinds of evidence, in the order of the columns of evidence."""
DISCOUNT = {"residual": 1.0, "density": 1.0, "discriminator": 4.0, "distance": 0.0}
"""What is taken off each kind, in standard deviations, before the soft maximum."""
DISCOUNT_OF_IMAGES = {"residual": 0.0, "density": 3.0, "discriminator": 6.0, "distance": 3.0}
"""The same for images."""
FINE = 16
"""Sides of an image, in pixels, from which neighbouring pixels show the same."""
FLAT = 1e-3
"""Added to the variance of an image, in the units that the networks learn in: one that shows nothing is no riddle."""
SMALLEST_SPREAD = 1e-3
"""Evidence that hardly varies over the rows it is calibrated on (all rows alike) is not blown up beyond this."""
MOST_ROWS = 20_000
"""As many rows as these say well enough what is usual."""
LEAST = 1e-12
"""Added before a logarithm is taken."""


def residuals(run: Run, x: Array) -> Array:
    """Decoded minus original values in the networks' own units, float64 [n, features], channels first."""
    flat = run.flat(x)
    return (run.flat(run.reconstruct(x)) - flat) / np.asarray(run.spec.scale, np.float64)


def errors(run: Run, x: Any) -> Array:
    """The mean squared error of each row's reconstruction over its known features, float64 [n]."""
    if not run.spec.columns:
        return np.square(residuals(run, x)).mean(axis=1)
    values, weights = features(run, x)
    return _mean_square(run.reconstructed_features(x)[:, : values.shape[1]] - values, weights)


def features(run: Run, x: Any) -> tuple[Array, Array | None]:
    """Rows as the networks see them, float64 [n, features], and what of them is known (1 or 0; None: all of it).

    Without the flags of what is missing, which are not reconstructed.
    """
    scaling = Scaling(run.spec)
    if not run.spec.columns:
        return (run.flat(x) - np.asarray(run.spec.offset, np.float64)) / np.asarray(run.spec.scale, np.float64), None
    rows = as_rows(x, run.spec)
    seen = scaling.apply(rows).numpy().astype(np.float64)
    wide = seen.shape[1] - len([c for c in run.spec.columns if c.missing])
    known = scaling.known(rows)
    return seen[:, :wide], None if known is None else known.numpy().astype(np.float64)[:, :wide]


def middle(run: Run, x: Any) -> Array:
    """The mean of rows as the networks see them, over what is known of each feature, float64 [features]."""
    values, weights = features(run, x)
    return values.mean(axis=0) if weights is None else (values * weights).sum(0) / weights.sum(0).clip(1)


def residual_of_images(error: Array, values: Array, shape: Sequence[int]) -> Array:
    """log of the mean square of the error, spread over neighbouring pixels, less half the log of the contrast, [n].

    error, values: [n, features] in the units that the networks learn in, channels first; shape: that of an image. An
    error that its neighbours take back, such as an edge half a pixel aside, says little, so each pixel has half of its
    own error and a quarter of that on either side, along both axes (below `FINE` pixels a side a pixel says enough to
    be taken as it is). The contrast is the variance of an image's values:
    where more is drawn, more goes wrong, in images of the same kind too, though less than in proportion.
    """
    planes = error.reshape(len(error), *shape)
    if min(shape[-2:]) >= FINE:
        rest = [(0, 0)] * (planes.ndim - 2)
        padded = np.pad(planes, [*rest, (1, 1), (0, 0)])
        planes = (padded[..., :-2, :] + 2 * planes + padded[..., 2:, :]) / 4
        padded = np.pad(planes, [*rest, (0, 0), (1, 1)])
        planes = (padded[..., :-2] + 2 * planes + padded[..., 2:]) / 4
    spread = np.square(planes.reshape(len(error), -1)).mean(axis=1)
    return np.log(spread + LEAST) - np.log(values.var(axis=1) + FLAT) / 2


def _mean_square(offset: Array, weights: Array | None) -> Array:
    """The mean of the squares of each row, over what is known."""
    squares = np.square(offset)
    return squares.mean(axis=1) if weights is None else (squares * weights).sum(1) / weights.sum(1).clip(1)


def kinds_of(run: Run) -> tuple[str, ...]:
    """The kinds of evidence that the run's model has: no residual for a decoder that has to be told something."""
    told = run.model.beside > 0 and not (run.model.classifies and run.spec.conditions is None)
    there = {"residual": not told, "discriminator": run.judges_codes}
    return tuple(name for name in EVIDENCE if there.get(name, True))


def whitening(codes: Array) -> tuple[Array, Array]:
    """Centre [latent] and whitening axes [latent, latent], an axis a row, of codes [n, latent]."""
    codes = codes.astype(np.float64)
    centre = codes.mean(axis=0)
    covariance = np.atleast_2d(np.cov(codes.T, bias=True)) + 1e-6 * np.eye(codes.shape[1])
    values, vectors = np.linalg.eigh(covariance)
    return centre, vectors.T / np.sqrt(np.maximum(values, 1e-6))[:, None]


def raw_evidence(run: Run, x: Any, kinds: Sequence[str], centre: Array, axes: Array, row_centre: Array) -> Array:
    """The evidence before it is calibrated, float64 [n, kinds].

    centre and axes are those of `whitening`, row_centre is that of `middle`.
    """
    codes = run.encode(x)
    found: dict[str, Array] = {}
    if "residual" in kinds:
        found["residual"] = _residual(run, x)
    # One axis of the whitened codes after the other: a matrix product would round by the number of rows.
    offset = codes.astype(np.float64) - centre
    found["density"] = np.log(sum(np.square((offset * axis).sum(axis=1)) for axis in axes) + LEAST)
    if "discriminator" in kinds:
        found["discriminator"] = -run.discriminate(codes)
    values, weights = features(run, x)
    found["distance"] = np.log(_mean_square(values - row_centre, weights) + LEAST)
    return np.stack([found[name] for name in kinds], axis=1)


def _residual(run: Run, x: Any) -> Array:
    if run.spec.is_image:
        return residual_of_images(residuals(run, x), features(run, x)[0], run.spec.shape)
    return np.log(errors(run, x) + LEAST)


def discounts(spec: DataSpec, kinds: Sequence[str]) -> Array:
    """What is taken off each of these kinds of evidence for rows like these, float64 [kinds]."""
    chosen = DISCOUNT_OF_IMAGES if spec.is_image else DISCOUNT
    return np.array([chosen[name] for name in kinds])


def combined(evidence: Array, discount: Array) -> Array:
    """The score: a soft maximum of calibrated evidence [n, kinds], less `discounts` [kinds] -> [n]."""
    return np.logaddexp.reduce(evidence - discount, axis=1)


def spread_of(raw: Array) -> tuple[Array, Array]:
    """Median and deviation of each kind of evidence over the rows that calibrate it."""
    return np.median(raw, axis=0), np.maximum(raw.std(axis=0), SMALLEST_SPREAD)


def limit(scores: Array, rate: float) -> tuple[float, float]:
    """The score above which a row is called odd, and the rate of false alarms that rows so few can promise.

    scores: of rows that the run has not seen. The promise is (rows at or above the limit) / (rows + 1): for a new row
    from the same distribution the chance to lie above the limit is no more than that (Vovk et al. 2005, conformal
    prediction).
    """
    above = max(1, math.floor(rate * (len(scores) + 1)))
    return float(np.sort(scores)[len(scores) - above]), above / (len(scores) + 1)


@dataclass(frozen=True, eq=False)
class Usual:
    """What is usual for a run: enough to give any row an anomaly score, and to call it odd or not.

    kinds: the evidence that counts. code_centre, code_axes: see `whitening`; row_centre: see `middle`. centre, spread:
    median and deviation of each kind of evidence. threshold: a score above it is odd. false_alarm_rate: of rows like
    those of the training.
    """

    kinds: tuple[str, ...]
    code_centre: Array
    code_axes: Array
    row_centre: Array
    centre: Array
    spread: Array
    threshold: float
    false_alarm_rate: float

    def evidence(self, run: Run, x: Any) -> Array:
        """Calibrated evidence, float64 [n, kinds]."""
        raw = raw_evidence(run, x, self.kinds, self.code_centre, self.code_axes, self.row_centre)
        return (raw - self.centre) / self.spread

    def score(self, run: Run, x: Any) -> Array:
        """How odd each row is, float64 [n]: higher is odder."""
        return combined(self.evidence(run, x), discounts(run.spec, self.kinds))


def usual(run: Run, train: Any, held: Any, rate: float = 0.05) -> Usual:
    """Learn what is usual from training rows (codes, the mean row) and from rows that were held out (the rest).

    rate: the share of rows like these that may be called odd. ConfigError for a rate that is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ConfigError(f"the false alarm rate must lie between 0 and 1, got {rate}")
    kinds = kinds_of(run)
    code_centre, code_axes = whitening(run.encode(train))
    row_centre = middle(run, train)
    raw = raw_evidence(run, held, kinds, code_centre, code_axes, row_centre)
    centre, spread = spread_of(raw)
    threshold, promised = limit(combined((raw - centre) / spread, discounts(run.spec, kinds)), rate)
    return Usual(kinds, code_centre, code_axes, row_centre, centre, spread, threshold, promised)
