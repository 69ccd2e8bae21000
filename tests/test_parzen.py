"""The Parzen window: scikit-learn's density, closed forms, and a plain sum over all pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity

from aae import metrics
from aae.errors import DataError
from aae.metrics import parzen


@pytest.fixture
def sets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return tuple(rng.uniform(size=(n, 6)) for n in (130, 70, 90))  # type: ignore[return-value]


@pytest.mark.parametrize("block", [7, 2000])
def test_the_density_is_that_of_scikit_learn(
    sets: tuple[np.ndarray, ...], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parzen, "BLOCK", block)
    samples, _, at = sets
    widths = (0.1, 0.2, 3.0)
    expected = [KernelDensity(bandwidth=w, rtol=0, leaf_size=1000).fit(samples).score_samples(at) for w in widths]
    assert metrics.parzen_log_density(samples, at, widths) == pytest.approx(np.array(expected), rel=1e-9)


def test_a_width_under_which_every_term_underflows(sets: tuple[np.ndarray, ...]) -> None:
    """Not held against scikit-learn, whose trees lose some rows here: -18 for a row whose nearest term is -577."""
    samples, _, at = sets
    squared = np.square(at[:, None] - samples[None]).sum(2)
    expected = logsumexp(-squared / (2 * 0.01**2), axis=1) - math.log(130) - 3 * math.log(2 * math.pi * 0.01**2)
    assert expected.min() < -1000
    assert metrics.parzen_log_density(samples, at, (0.01,))[0] == pytest.approx(expected, rel=1e-9)


def test_one_sample_is_one_gaussian() -> None:
    found = metrics.parzen_log_density([[0.0, 0.0]], [[0.3, 0.4]], (0.5,))
    assert found[0, 0] == pytest.approx(-0.5 * 0.25 / 0.25 - math.log(2 * math.pi * 0.25))


def test_the_width_is_the_best_of_many(sets: tuple[np.ndarray, ...]) -> None:
    samples, validation, test = sets
    found = metrics.parzen_likelihood(samples, validation, test)
    fine = np.geomspace(0.05, 1, 400)
    scores = metrics.parzen_log_density(samples, validation, fine.tolist()).mean(1)
    assert found.width == pytest.approx(fine[scores.argmax()], rel=0.02)
    density = metrics.parzen_log_density(samples, test, (found.width,))[0]
    assert found.mean == pytest.approx(density.mean())
    assert found.error == pytest.approx(density.std(ddof=1) / math.sqrt(90))
    assert (found.samples, found.n) == (130, 90)


def test_a_sample_in_float32_gives_the_same(sets: tuple[np.ndarray, ...]) -> None:
    samples, _, at = sets
    small = samples.astype(np.float32)
    expected = metrics.parzen_log_density(small.astype(np.float64), at, (0.2,))
    assert metrics.parzen_log_density(small, at, (0.2,)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("at", "widths", "message"),
    [
        (np.zeros((2, 5)), (0.1,), "6 columns"),
        (np.full((2, 6), np.nan), (0.1,), "NaN"),
        (np.zeros((2, 6)), (0.0,), "above 0"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    sets: tuple[np.ndarray, ...], at: np.ndarray, widths: tuple[float, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        metrics.parzen_log_density(sets[0], at, widths)


def test_a_grid_that_does_not_reach_the_best_width_is_refused(sets: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(DataError, match="both sides"):
        metrics.choose_width(sets[0], sets[1], (0.001, 0.002))
