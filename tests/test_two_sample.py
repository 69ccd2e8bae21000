"""Distances between samples and their permutation tests: double loops, closed forms, SciPy, and calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import energy_distance, ks_2samp, wasserstein_distance

from aae import metrics
from aae.errors import DataError


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def by_loops(kernel, a, b):
    """E k(x, x') + E k(y, y') - 2 E k(x, y) over pairs of different rows."""
    within = [np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (a, b)]
    return sum(within) - 2 * np.mean([kernel(x, y) for x in a for y in b])


def test_mmd_is_what_two_loops_give(rng):
    a, b = rng.normal(size=(12, 3)), rng.normal(size=(12, 3)) + 0.5
    both = np.concatenate([a, b])
    pairs = [np.sum((both[i] - both[j]) ** 2) for i in range(24) for j in range(i)]
    median = np.median(pairs)

    def kernel(x, y):
        return np.mean([np.exp(-np.sum((x - y) ** 2) / (2 * w * w * median)) for w in (0.5, 1, 2)])

    assert metrics.mmd(a, b).distance == pytest.approx(by_loops(kernel, a, b))


def test_energy_is_what_two_loops_give(rng):
    a, b = rng.normal(size=(12, 3)), rng.normal(size=(12, 3)) + 0.5
    squared = by_loops(lambda x, y: -np.linalg.norm(x - y), a, b)
    between = np.mean([np.linalg.norm(x - y) for x in a for y in b])
    assert metrics.energy(a, b).distance == pytest.approx(squared / (2 * between))


def test_energy_is_scipys_but_for_pairs_of_a_row_with_itself(rng):
    n = 60
    a, b = rng.normal(size=(n, 1)), rng.normal(size=(n, 1)) + 1
    between = np.abs(a - b.T).mean()
    within = (np.abs(a - a.T).sum() + np.abs(b - b.T).sum()) * (1 / (n * (n - 1)) - 1 / n**2)
    expected = (energy_distance(a[:, 0], b[:, 0]) ** 2 - within) / (2 * between)
    assert metrics.energy(a, b).distance == pytest.approx(expected)


def test_two_points_are_as_far_apart_as_can_be():
    a, b = np.zeros((30, 2)), np.ones((30, 2))
    assert metrics.energy(a, b).distance == pytest.approx(1)
    assert metrics.energy(a, b).p_value == pytest.approx(1 / 201)
    same = metrics.energy(a, a)
    assert (same.distance, same.p_value) == (0, 1)
    assert (metrics.mmd(a, a).distance, metrics.mmd(a, a).p_value) == (0, 1)


@pytest.mark.parametrize("test", [metrics.mmd, metrics.energy])
def test_a_kernel_test_finds_what_differs_and_repeats_itself(rng, test):
    a, b = rng.normal(size=(300, 2)), rng.normal(size=(400, 2))
    found = test(a, b, seed=1)
    assert found == test(a, b, seed=1)
    assert found.n == 300
    assert found.p_value > 0.01
    assert abs(found.distance) < 0.02
    moved = test(a, b + np.array([0.4, 0.0]))
    assert moved.p_value == pytest.approx(1 / 201)
    assert moved.distance > 5 * abs(found.distance)
    assert test(a, b * 1.5).p_value < 0.01  # equal means
    assert test(a, b, most_rows=50).n == 50


@pytest.mark.parametrize("test", [metrics.mmd, metrics.energy])
def test_an_unbiased_distance_is_zero_on_average(rng, test):
    found = [test(rng.normal(size=(30, 2)), rng.normal(size=(30, 2)), permutations=0).distance for _ in range(300)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)
    assert min(found) < 0


def rejections(test, trials, n=60, alpha=0.05):
    """How often a test rejects two samples of one prior at the level alpha."""
    rng = np.random.default_rng(11)
    draws = (rng.uniform(-2, 2, size=(2, n, 2)) for _ in range(trials))
    return np.mean([test(a, b, i) <= alpha for i, (a, b) in enumerate(draws)])


def kernel_p(test):
    return lambda a, b, seed: test(a, b, permutations=99, seed=seed).p_value


@pytest.mark.parametrize("test", [metrics.mmd, metrics.energy])
def test_prior_against_prior_is_rejected_as_often_as_the_level_says(test):
    assert abs(rejections(kernel_p(test), 300) - 0.05) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "n"),
    [
        (kernel_p(metrics.mmd), 60),
        (kernel_p(metrics.energy), 60),
        (lambda a, b, seed: metrics.ks_by_axis(a, b)[1], 1000),
        (lambda a, b, seed: metrics.ks_of_uniform((a + 2) / 4)[1], 100),
    ],
    ids=["mmd", "energy", "ks of two samples", "ks of the prior"],
)
def test_calibration_5_plus_minus_2_percent(test, n):
    assert abs(rejections(test, 1500, n) - 0.05) <= 0.02


@pytest.mark.slow
def test_calibration_of_the_classifier_5_plus_minus_2_percent():
    """By halves; counting the answers of all folds as independent would reject about 13 % of the time."""
    assert abs(rejections(lambda a, b, seed: metrics.c2st(a, b, folds=2, seed=seed).p_value, 800, 100) - 0.05) <= 0.02


def test_sliced_wasserstein_of_one_axis_is_scipys(rng):
    a, b = rng.normal(size=(80, 1)), rng.exponential(size=(80, 1))
    assert metrics.sliced_wasserstein(a, b) == pytest.approx(wasserstein_distance(a[:, 0], b[:, 0]))


@pytest.mark.parametrize(("d", "factor"), [(2, 2 / np.pi), (3, 0.5)])
def test_sliced_wasserstein_of_a_shift_is_its_mean_projection(rng, d, factor):
    """A shift by v moves each projection by |v . direction|, whose mean over directions is known."""
    a = rng.normal(size=(50, d))
    found = metrics.sliced_wasserstein(a, a + np.eye(d)[0] * 3, directions=4000)
    assert found == pytest.approx(3 * factor, rel=0.03)
    assert metrics.sliced_wasserstein(a, a) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.floats(0.1, 10), st.integers(0, 10))
def test_sliced_wasserstein_scales_with_the_units_and_is_symmetric(d, scale, seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(30, d)), random.normal(size=(30, d)) + 1
    found = metrics.sliced_wasserstein(a, b)
    assert metrics.sliced_wasserstein(scale * a, scale * b) == pytest.approx(scale * found)
    assert metrics.sliced_wasserstein(b, a) == pytest.approx(found)
    assert metrics.sliced_wasserstein(a + 7, b + 7) == pytest.approx(found)


def test_ks_by_axis_is_scipys_with_bonferroni(rng):
    a, b = rng.normal(size=(200, 3)), rng.normal(size=(150, 3)) + np.array([0, 0.3, 0])
    distances, p = metrics.ks_by_axis(a, b)
    each = [ks_2samp(x, y, method="asymp") for x, y in zip(a.T, b.T, strict=True)]
    assert distances == pytest.approx([one.statistic for one in each])
    assert p == pytest.approx(min(1, 3 * min(one.pvalue for one in each)))


GOOD = np.random.default_rng(0).random((60, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.mmd(GOOD, GOOD[:, :1]), "a has 2 dimensions, b 1"),
        (lambda: metrics.energy(GOOD, GOOD[:1]), "b has 1 rows, at least 2"),
        (lambda: metrics.energy(GOOD, GOOD * np.nan), "b holds NaN"),
        (lambda: metrics.mmd(GOOD, GOOD, permutations=-1), "permutations must be 0 or more"),
        (lambda: metrics.mmd(GOOD, GOOD, most_rows=1), "most_rows must be 2 or more"),
        (lambda: metrics.sliced_wasserstein(GOOD, GOOD, directions=0), "directions must be 1 or more"),
        (lambda: metrics.ks_by_axis(GOOD, GOOD[0]), "b must have the shape"),
    ],
)
def test_a_wrong_array_is_named_with_what_is_wrong(call, words):
    with pytest.raises(DataError, match=words):
        call()
