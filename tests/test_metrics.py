"""Metrics against oracles: closed forms, brute force, Monte Carlo, and SciPy's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, kstest, norm

from aae import metrics
from aae.errors import DataError


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def gaussians(rng, n, distance, d=2):
    a, b = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    b[:, 0] += distance
    return a, b


# --- classifier two-sample test ---------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [1.0, 2.0, 3.0])
def test_c2st_comes_close_to_the_best_possible_accuracy(rng, distance):
    """Two unit Gaussians at distance d are told apart at best with the accuracy Phi(d / 2)."""
    found = metrics.c2st(*gaussians(rng, 1000, distance))
    best = norm.cdf(distance / 2)
    assert best - 0.06 < found.accuracy < best + 3 * np.sqrt(best * (1 - best) / 2000)
    assert found.p_value < 1e-6


def test_c2st_of_equal_distributions_is_one_half_and_of_separate_ones_one(rng):
    a, b = gaussians(rng, 500, 0)
    same = metrics.c2st(a, b)
    assert abs(same.accuracy - 0.5) < 0.06
    assert same.p_value > 0.01
    apart = metrics.c2st(a, b + 20)
    assert apart.accuracy > 0.995
    assert apart.p_value < 1e-100


def test_c2st_thins_the_larger_side_at_random_and_repeats_itself(rng):
    a, b = gaussians(rng, 900, 1)
    a = a[np.argsort(a[:, 0])]  # the first rows alone would be a different distribution
    found = metrics.c2st(a, b[:300], seed=3)
    assert found == metrics.c2st(a, b[:300], seed=3)
    assert found != metrics.c2st(a, b[:300], seed=4)
    assert found.n == 300
    assert abs(found.accuracy - norm.cdf(0.5)) < 0.08
    assert metrics.c2st(a, rng.normal(size=(300, 2))).accuracy < 0.58


def test_c2st_gives_the_binomial_tail(rng):
    found = metrics.c2st(*gaussians(rng, 60, 0.3))
    assert found.accuracy == round(found.accuracy * 120) / 120
    assert found.judged == 60  # of 120 rows, those that the classifier was not trained on
    assert found.p_value == pytest.approx(binom.pmf(np.arange(found.right, 61), 60, 0.5).sum())


# --- cells ------------------------------------------------------------------------------------------------------

CODES = st.integers(1, 4).flatmap(
    lambda d: arrays(np.float64, st.tuples(st.integers(1, 12), st.just(d)), elements=st.floats(-0.5, 1.5))
)


@settings(max_examples=60, deadline=None)
@given(CODES, st.integers(1, 5))
def test_cells_equal_a_double_loop(unit, bins):
    d = unit.shape[1]
    pairs = [(0,)] if d == 1 else [(i, j) for i in range(d) for j in range(i + 1, d)]
    expected = np.zeros((len(pairs), *(bins,) * min(d, 2)), int)
    for row in unit:
        if all(0 <= value <= 1 for value in row):
            for pair, axes in enumerate(pairs):
                expected[(pair, *(min(int(row[axis] * bins), bins - 1) for axis in axes))] += 1
    found = metrics.cells(unit, bins)
    np.testing.assert_array_equal(found, expected if d > 2 else expected[0])
    assert metrics.empty_share(unit, bins) == pytest.approx((expected == 0).mean())


def test_ends_of_the_unit_interval_are_inside():
    np.testing.assert_array_equal(metrics.cells([[0.0], [1.0], [-1e-9], [1 + 1e-9]], 3), [1, 0, 1])


@pytest.mark.parametrize("d", [1, 2, 4])
def test_the_floor_is_what_exact_samples_leave_empty(rng, d):
    shares = [metrics.empty_share(rng.random((60, d)), 8) for _ in range(400)]
    error = np.std(shares) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - metrics.empty_share_floor(60, 8, d)) < 4 * error + 1e-9
    assert error < 0.003


def test_the_floor_in_closed_form():
    assert metrics.empty_share_floor(0, 5, 2) == 1
    assert metrics.empty_share_floor(3, 1, 2) == 0
    assert metrics.empty_share_floor(10_000, 20, 2) == pytest.approx((399 / 400) ** 10_000)
    assert metrics.empty_share_floor(7, 5, 1) == pytest.approx(0.8**7)


def test_inside_share():
    assert metrics.inside_share([True, True, False, True]) == 0.75


def test_max_ks_is_the_largest_of_scipys(rng):
    unit = np.column_stack([rng.random(200), rng.random(200) ** 2, rng.normal(0.5, 0.5, 200)])
    each = [kstest(column, "uniform").statistic for column in unit.T]
    assert metrics.max_ks(unit) == pytest.approx(max(each))
    for column, expected in zip(unit.T, each, strict=True):
        assert metrics.max_ks(column[:, None]) == pytest.approx(expected)
    assert metrics.max_ks([[5.0]] * 3) == 1


# --- reconstruction ---------------------------------------------------------------------------------------------


def test_pixel_mse_is_a_mean_over_rows_and_pixels(rng):
    x, y = rng.random((3, 2, 4)), rng.random((3, 2, 4))
    total = sum((x[i, j, k] - y[i, j, k]) ** 2 for i in range(3) for j in range(2) for k in range(4))
    assert metrics.pixel_mse(x, y) == pytest.approx(total / 24)
    assert metrics.pixel_mse(np.uint8([[0]]), np.uint8([[255]])) == 255**2


def test_r2_is_one_for_perfect_zero_for_the_mean_and_negative_for_worse(rng):
    x = rng.random((50, 2, 3))
    mean = x.mean(axis=0)
    flat = np.broadcast_to(mean, x.shape)
    assert metrics.r2_against_mean(x, x, mean) == 1
    assert metrics.r2_against_mean(x, flat, mean) == 0
    assert metrics.r2_against_mean(x, (x + flat) / 2, mean) == pytest.approx(0.75)
    assert metrics.r2_against_mean(x, flat + 1, mean) < 0


# --- neighbours -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 5])
def test_knn_accuracy_equals_brute_force_without_unlabelled_rows(rng, k):
    train, test = rng.normal(size=(80, 3)), rng.normal(size=(40, 3))
    y, y_test = rng.integers(-1, 3, 80), rng.integers(-1, 3, 40)
    hits = []
    for row, label in zip(test, y_test, strict=True):
        if label >= 0:
            distance = np.where(y >= 0, np.linalg.norm(train - row, axis=1), np.inf)
            hits.append(np.bincount(y[np.argsort(distance)[:k]]).argmax() == label)
    assert 0 < len(hits) < 40
    assert metrics.knn_accuracy(train, y, test, y_test, k) == pytest.approx(np.mean(hits))


def test_knn_accuracy_of_separate_clusters_is_one(rng):
    y = np.arange(60) % 3
    codes = y[:, None] * 10.0 + rng.normal(size=(60, 2))
    assert metrics.knn_accuracy(codes[:45], y[:45], codes[45:], y[45:]) == 1


# --- errors -----------------------------------------------------------------------------------------------------

GOOD = np.random.default_rng(0).random((60, 2))
HOLED = np.where(np.arange(60)[:, None] == 4, np.nan, GOOD)
LABELS = np.arange(60) % 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.c2st(GOOD, GOOD[:49]), "b has 49 rows, at least 50"),
        (lambda: metrics.c2st(GOOD, GOOD[:, :1]), "a has 2 dimensions, b 1"),
        (lambda: metrics.c2st(GOOD, HOLED), r"b holds NaN or infinity \(first in row 4\)"),
        (lambda: metrics.c2st(GOOD, GOOD, folds=1), "folds must lie in 2 to 50, got 1"),
        (lambda: metrics.cells(GOOD[0], 3), r"unit must have the shape \[rows, dimensions\], got \[2\]"),
        (lambda: metrics.cells(GOOD, 0), "bins must be 1 or more"),
        (lambda: metrics.empty_share(np.zeros((0, 2)), 3), "unit is empty"),
        (lambda: metrics.empty_share(GOOD * np.inf, 3), "NaN or infinity"),
        (lambda: metrics.empty_share_floor(-1, 3, 2), "n must be 0 or more"),
        (lambda: metrics.inside_share([0, 1]), "mask must be booleans"),
        (lambda: metrics.inside_share(np.array([], bool)), r"shape \[0\]"),
        (lambda: metrics.max_ks(HOLED), "unit holds NaN"),
        (lambda: metrics.max_ks([["a"]]), "unit must be an array of numbers"),
        (lambda: metrics.pixel_mse(GOOD, GOOD[:, :1]), r"x has the shape \[60, 2\], y \[60, 1\]"),
        (lambda: metrics.pixel_mse(HOLED, GOOD), "x holds NaN"),
        (lambda: metrics.r2_against_mean(GOOD, GOOD, GOOD), r"mean_row has the shape \[60, 2\], a row of x \[2\]"),
        (lambda: metrics.r2_against_mean(GOOD * 0, GOOD, [0, 0]), "no variance to explain"),
        (lambda: metrics.knn_accuracy(GOOD, LABELS, GOOD, LABELS[1:]), "60 rows in test_codes, but 59"),
        (lambda: metrics.knn_accuracy(GOOD, LABELS / 2, GOOD, LABELS), "train_labels must be integers"),
        (lambda: metrics.knn_accuracy(GOOD, LABELS, GOOD[:, :1], LABELS), "train_codes have 2 dimensions"),
        (lambda: metrics.knn_accuracy(GOOD, LABELS, GOOD, LABELS * 0 - 1), "none of the test rows has a label"),
        (lambda: metrics.knn_accuracy(GOOD, LABELS, GOOD, LABELS, 61), "k is 61, but 60 training rows"),
        (lambda: metrics.knn_accuracy(GOOD, LABELS * 0 - 1, GOOD, LABELS), "but 0 training rows have a label"),
    ],
)
def test_a_wrong_array_is_named_with_what_is_wrong(call, words):
    with pytest.raises(DataError, match=words):
        call()
