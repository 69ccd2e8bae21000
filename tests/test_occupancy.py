"""Cells cut from a sample, and what counts in them say: by hand, by Monte Carlo, and for awkward priors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aae import metrics
from aae.errors import DataError


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 40), st.integers(40, 300), st.integers(0, 99))
def test_every_row_of_the_sample_lies_in_one_cell_of_equal_probability(d, number, n, seed):
    sample = np.random.default_rng(seed).normal(size=(n, d))
    cells = metrics.Partition.cut(sample, number)
    assert len(cells) == number
    counts = cells.counts(sample)
    assert counts.sum() == n
    assert counts / n == pytest.approx(cells.probability)
    assert np.abs(counts - n / number).max() <= 1 + np.log2(number)


def test_cells_of_a_square_are_found_by_their_boxes(rng):
    cells = metrics.Partition.cut(rng.random((20_000, 2)), 16)
    new = rng.random((500, 2))
    found = cells.locate(new)
    assert (found >= 0).mean() > 0.98
    for z, cell in zip(new, found, strict=True):
        if cell >= 0:
            assert (cells.low[cell] <= z).all()
            assert (z <= cells.high[cell]).all()
    assert (cells.locate(new + 2) == -1).all()


@pytest.mark.parametrize("number", [1, 7, 60])
def test_borders_enclose_what_is_located_in_a_cell_and_nothing_else(number, rng):
    turn, radius = 2 * np.pi * rng.random(4000), 1.5 + 0.5 * rng.random(4000)
    cells = metrics.Partition.cut(np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1), number)
    low, high = cells.borders()
    z = 5 * rng.random((5000, 2)) - 2.5
    within = ((z[:, None] > low) & (z[:, None] < high)).all(2)  # [points, cells]
    assert within.sum(1).max() == 1, "no two cells overlap"
    assert np.array_equal(np.where(within.any(1), within.argmax(1), -1), cells.locate(z))


def test_the_middle_of_a_ring_is_in_no_cell(rng):
    turn = rng.uniform(0, 2 * np.pi, 20_000)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    cells = metrics.Partition.cut(ring, 64)
    assert cells.locate(np.zeros((1, 2))) == [-1]
    assert (cells.locate(ring[:500] * 1.001) >= 0).mean() > 0.98


def test_holes_and_crowds_show_in_cells_cut_from_a_sample(rng):
    cells = metrics.Partition.cut(rng.normal(size=(20_000, 2)), 100)
    codes = rng.normal(size=(5000, 2))
    fair = cells.counts(codes)
    assert metrics.hole_share(fair, cells.probability) == 0
    assert metrics.misplaced(fair, 5000, cells.probability) < 0.1
    right = cells.counts(codes[codes[:, 0] > 0])
    n = int((codes[:, 0] > 0).sum())
    assert metrics.hole_share(right, cells.probability) == pytest.approx(0.5, abs=0.06)
    assert metrics.misplaced(right, n, cells.probability) == pytest.approx(0.5, abs=0.06)
    assert metrics.crowding(right, n, cells.probability) > 2


def test_rows_that_coincide_share_a_cell():
    one_hot = np.eye(3)[np.arange(300) % 3 * (np.arange(300) % 2)]  # classes of unequal probability
    cells = metrics.Partition.cut(one_hot, 10)
    assert len(cells) == 3
    assert sorted(cells.probability) == pytest.approx(sorted(one_hot.mean(0)))
    assert cells.counts(one_hot).sum() == 300
    assert metrics.misplaced(cells.counts(one_hot), 300, cells.probability) == pytest.approx(0)
    assert metrics.hole_share(cells.counts(one_hot[one_hot[:, 0] == 1]), cells.probability) > 0.3


def test_occupancy_by_hand():
    counts, p = np.array([3, 0, 1]), np.array([0.5, 0.25, 0.25])
    assert metrics.hole_share(counts, p) == 0.25
    assert metrics.hole_share(counts) == pytest.approx(1 / 3)
    assert metrics.crowding(counts, 4, p) == pytest.approx(1.5)
    assert metrics.crowding(counts, 8, p) == pytest.approx(0.75)
    assert metrics.misplaced(counts, 4, p) == pytest.approx(0.25)  # one of four codes has to move
    assert metrics.misplaced(counts, 8, p) == pytest.approx(0.5 * (0.125 + 0.25 + 0.125 + 0.5))
    assert metrics.misplaced([0, 0], 5) == 1


def test_exact_samples_misplace_about_what_the_docstring_says(rng):
    n, m = 5000, 100
    found = [metrics.misplaced(rng.multinomial(n, [1 / m] * m), n) for _ in range(50)]
    assert np.mean(found) == pytest.approx(np.sqrt(m / (2 * np.pi * n)), rel=0.05)


def test_planes_are_all_pairs_or_a_spread_of_them():
    assert metrics.planes(1) == [(0,)]
    assert metrics.planes(2) == [(0, 1)]
    assert len(metrics.planes(8)) == 28
    many = metrics.planes(60)
    assert len(set(many)) == 28
    assert (many[0], many[-1]) == ((0, 1), (58, 59))


GOOD = np.random.default_rng(0).random((60, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.Partition.cut(GOOD, 61), "number must lie in 1 to 60"),
        (lambda: metrics.Partition.cut(GOOD[0], 2), "sample must have the shape"),
        (lambda: metrics.Partition.cut(GOOD, 4).counts(GOOD[:, :1]), "codes have 1 dimensions, the cells 2"),
        (lambda: metrics.hole_share([0.5]), "counts must be whole numbers"),
        (lambda: metrics.hole_share([1, 1], [0.5, 0.6]), "probability must"),
        (lambda: metrics.hole_share([1, 1], [1.0]), "probability must"),
        (lambda: metrics.crowding([3, 4], 6), "n is 6, but the cells hold 7"),
        (lambda: metrics.misplaced([0, 0], 0), "n is 0"),
    ],
)
def test_a_wrong_array_is_named_with_what_is_wrong(call, words):
    with pytest.raises(DataError, match=words):
        call()
