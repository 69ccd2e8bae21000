"""Sample quality: published values, closed forms, double loops, and controls that are bad on purpose."""

import hashlib

import numpy as np
import pytest
import torch
from scipy import linalg, ndimage

from aae import metrics, quality
from aae.errors import DataError, StorageError
from aae.metrics import features


@pytest.fixture
def rng():
    return np.random.default_rng(9)


# --- distances between features ---------------------------------------------------------------------------------


def test_the_frechet_distance_is_the_textbook_one(rng):
    a, b = rng.normal(size=(200, 4)), rng.normal(size=(150, 4)) @ rng.normal(size=(4, 4)) + 1
    c, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(c @ other).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(c + other - 2 * root)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected)


def test_the_frechet_distance_of_gaussians_in_closed_form(rng):
    """Along one axis it is (m - m')^2 + (s - s')^2."""
    a, b = rng.normal(size=(40_000, 1)), 3 * rng.normal(size=(40_000, 1)) + 2
    assert metrics.frechet_distance(a, b) == pytest.approx(4 + 4, rel=0.03)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(np.zeros((5, 2)), np.ones((5, 2))) == pytest.approx(2)


def test_the_kernel_distance_is_what_two_loops_give(rng):
    a, b = rng.normal(size=(15, 3)), rng.normal(size=(12, 3)) + 1

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    within = [np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (a, b)]
    expected = sum(within) - 2 * np.mean([kernel(x, y) for x in a for y in b])
    assert metrics.kernel_distance(a, b) == pytest.approx(expected)


@pytest.mark.slow
def test_equal_gaussians_score_what_was_published(rng):
    """The README of the prdc package: 10,000 rows in 1,000 dimensions, k = 5."""
    found = metrics.prdc(rng.normal(size=(10_000, 1000)), rng.normal(size=(10_000, 1000)), k=5)
    assert found.precision == pytest.approx(0.48, abs=0.03)
    assert found.recall == pytest.approx(0.47, abs=0.03)
    assert found.density == pytest.approx(1.06, abs=0.06)
    assert found.coverage == pytest.approx(0.97, abs=0.01)


@pytest.mark.parametrize("d", [2, 20])
def test_equal_distributions_cover_and_surround_one_another_as_proven(rng, d):
    """Naeem et al. 2020, section 3.3: expected density 1, and coverage 1 - 2^-k for many rows, in any dimension."""
    found = metrics.prdc(rng.normal(size=(2000, d)), rng.normal(size=(2000, d)), k=5)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.015)
    assert found.density == pytest.approx(1, abs=0.1)
    assert found.precision == pytest.approx(found.recall, abs=0.03)


def test_overlap_is_what_loops_over_rows_give(rng, monkeypatch):
    monkeypatch.setattr(metrics.samples, "BLOCK", 7)
    real, new, k = rng.normal(size=(25, 2)), rng.normal(size=(20, 2)) * 1.5, 3
    radius = [[sorted(np.linalg.norm(s - x, axis=1))[k] for x in s] for s in (real, new)]
    inside = [[np.linalg.norm(x - y) <= r for y in new] for x, r in zip(real, radius[0], strict=True)]
    recalled = [any(np.linalg.norm(x - y) <= r for y, r in zip(new, radius[1], strict=True)) for x in real]
    found = metrics.prdc(real, new, k=k)
    assert found.precision == pytest.approx(np.mean(np.any(inside, axis=0)))
    assert found.recall == pytest.approx(np.mean(recalled))
    assert found.density == pytest.approx(np.sum(inside) / (k * len(new)))
    assert found.coverage == pytest.approx(np.mean(np.any(inside, axis=1)))


def test_memorisation_is_none_for_new_rows_and_complete_for_copies(rng):
    train, held, new = (rng.normal(size=(n, 3)) for n in (2000, 400, 400))
    assert metrics.memorisation_ratio(new, train, held) == pytest.approx(1, abs=0.15)
    assert metrics.memorisation_ratio(train[:50], train, held) == 0
    assert metrics.memorisation_ratio(new + 10, train, held) > 20


# --- the frozen network -----------------------------------------------------------------------------------------


def test_the_features_are_those_of_the_released_weights():
    assert hashlib.sha256(features.WEIGHTS.read_bytes()).hexdigest() == features.SHA256
    assert features.WEIGHTS.stat().st_size < 300_000


def test_the_network_tells_digits_apart_from_the_bundled_ones(digits):
    """Digits of another data set, 8 x 8 and enlarged: their features carry the class."""
    x = digits.x.numpy().reshape(-1, 8, 8) / 16
    found = features.picture_features(x)
    assert found.shape == (len(x), 64)
    y = digits.y.numpy()
    assert metrics.knn_accuracy(found[:1000], y[:1000], found[1000:], y[1000:]) > 0.9


def test_features_take_channels_sizes_and_blocks_alike(rng, monkeypatch):
    x = ndimage.gaussian_filter(rng.random((20, 28, 28)), (0, 3, 3))  # smooth, so that enlarging loses nothing
    expected = features.picture_features(x)
    assert features.picture_features(np.stack([x, x, x], 1)) == pytest.approx(expected, abs=1e-4)
    monkeypatch.setattr(features, "BLOCK", 7)
    assert features.picture_features(x[:, None]) == pytest.approx(expected, abs=1e-4)
    large = np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)
    assert np.abs(features.picture_features(large) - expected).mean() < 0.1 * np.abs(expected).mean()


def test_features_leave_the_randomness_of_others_alone(rng):
    features._frozen.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    features.picture_features(rng.random((2, 28, 28)))
    assert torch.equal(torch.rand(3), expected)


def test_other_weights_are_refused(tmp_path, monkeypatch):
    content = bytearray(features.WEIGHTS.read_bytes())
    content[-1] ^= 1
    (tmp_path / "other").write_bytes(content)
    for name, words in (("other", "expected 0631"), ("missing", "cannot be read")):
        features._frozen.cache_clear()
        monkeypatch.setattr(features, "WEIGHTS", tmp_path / name)
        with pytest.raises(StorageError, match=words):
            features.picture_features(np.zeros((1, 28, 28)))
    features._frozen.cache_clear()


# --- floors and controls ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(digits):
    """Held-out digits in place of samples: what a perfect model would score."""
    x = digits.x.numpy().reshape(-1, 8, 8)[np.random.default_rng(0).permutation(len(digits.x))] / 16
    return quality.sample_quality(x[:450], x[450:900], x[900:])


def test_real_rows_score_as_their_floor(judged):
    assert judged["fid"] < 2 * judged["fid_floor"]
    for name in ("precision", "recall", "coverage"):
        assert judged[name] == pytest.approx(judged[f"{name}_floor"], abs=0.06)
    assert judged["memorisation"] == pytest.approx(judged["memorisation_floor"], rel=0.2)
    assert judged["samples"] == 450
    assert judged["features"].endswith("resized from 8 x 8")


def test_each_bad_control_is_seen_by_some_measure_and_missed_by_another(judged):
    blurred, means, copies = judged["controls"].values()
    assert list(judged["controls"]) == ["blurred data", "k-means centroids", "100 memorised rows"]
    assert blurred["fid"] > 5 * judged["fid_floor"]
    assert copies["memorisation"] == 0
    assert copies["coverage"] < judged["coverage_floor"] - 0.2
    assert copies["precision"] > 0.9  # which copies do not spoil
    assert means["density"] > judged["density_floor"]
    assert means["memorisation"] < 0.8


def test_tables_are_measured_without_features(vectors):
    found = quality.sample_quality(vectors[:60], vectors[60:120], vectors[120:])
    assert {"precision", "coverage", "memorisation"} <= found.keys()
    assert not {"fid", "kid"} & found.keys()
    assert list(found["controls"]) == ["k-means centroids", "15 memorised rows"]
    scaled = quality.sample_quality(*(x * 10.0 for x in (vectors[:60], vectors[60:120], vectors[120:])))
    assert scaled["memorisation"] == pytest.approx(found["memorisation"], rel=1e-4)


# --- structure and neighbourhoods -------------------------------------------------------------------------------


def test_structural_similarity_window_by_window(rng):
    x, y = rng.random((2, 9, 8)), rng.random((2, 9, 8))
    found = []
    for a, b in zip(x, y, strict=True):
        for i in range(3):
            for j in range(2):
                p, q = a[i : i + 7, j : j + 7].ravel(), b[i : i + 7, j : j + 7].ravel()
                (vp, c), (_, vq) = np.cov(p, q)
                light = (2 * p.mean() * q.mean() + 1e-4) / (p.mean() ** 2 + q.mean() ** 2 + 1e-4)
                found.append(light * (2 * c + 9e-4) / (vp + vq + 9e-4))
    assert metrics.ssim(x, y) == pytest.approx(np.mean(found))
    assert metrics.ssim(x[:, None], y[:, None]) == pytest.approx(np.mean(found))
    assert metrics.ssim(255 * x, 255 * y, value_range=255) == pytest.approx(np.mean(found))


def test_structural_similarity_falls_with_blur(rng):
    x = ndimage.gaussian_filter(rng.random((3, 28, 28)), (0, 1, 1))
    blurred = [metrics.ssim(x, ndimage.gaussian_filter(x, (0, s, s))) for s in (0, 0.5, 1, 2)]
    assert blurred[0] == 1
    assert blurred == sorted(blurred, reverse=True)
    assert metrics.ssim(x[:, :5, :4], x[:, :5, :4]) == 1  # a smaller window


def penalty(a, b, k):
    """1 - 2 / (n k (2 n - 3 k - 1)) * sum over neighbours in b alone of (rank in a - k)."""
    n, total = len(a), 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        rank = {j: r + 1 for r, j in enumerate(sorted(others, key=lambda j: np.linalg.norm(a[i] - a[j])))}
        near = sorted(others, key=lambda j: np.linalg.norm(b[i] - b[j]))[:k]
        total += sum(max(0, rank[j] - k) for j in near)
    return 1 - 2 * total / (n * k * (2 * n - 3 * k - 1))


def test_trustworthiness_and_continuity_are_their_definitions(rng):
    x = rng.normal(size=(40, 2, 3))
    codes = x.reshape(40, 6)[:, :2] + 0.5 * rng.normal(size=(40, 2))
    found = metrics.neighbourhoods(x, codes, k=4)
    assert found.trustworthiness == pytest.approx(penalty(x.reshape(40, 6), codes, 4))
    assert found.continuity == pytest.approx(penalty(codes, x.reshape(40, 6), 4))
    assert metrics.neighbourhoods(codes, codes * 2, k=4).trustworthiness == 1
    assert metrics.neighbourhoods(x, codes, k=4, most_rows=20).n == 20


GOOD = np.random.default_rng(0).random((60, 2))
IMAGES = GOOD.reshape(3, 5, 8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.frechet_distance(GOOD, GOOD[:, :1]), "real rows have 2 dimensions, new ones 1"),
        (lambda: metrics.kernel_distance(GOOD, GOOD[:1]), "new has 1 rows, at least 2"),
        (lambda: metrics.prdc(GOOD, GOOD[:5], k=5), "new has 5 rows, at least 6"),
        (lambda: metrics.prdc(GOOD, GOOD, k=0), "k must be 1 or more"),
        (lambda: metrics.memorisation_ratio(GOOD, GOOD, GOOD), "remove the duplicates"),
        (lambda: metrics.ssim(GOOD, GOOD), "images must be"),
        (lambda: metrics.ssim(IMAGES, IMAGES[:, :4]), "expected the same"),
        (lambda: metrics.ssim(IMAGES, IMAGES, value_range=0), "value_range must be above 0"),
        (lambda: metrics.neighbourhoods(GOOD, GOOD[:-1]), "60 rows in x, but 59 codes"),
        (lambda: metrics.neighbourhoods(GOOD[:20], GOOD[:20]), "20 rows are too few for 12 neighbours"),
        (lambda: features.picture_features(GOOD), "pictures must have the shape"),
        (lambda: features.picture_features(IMAGES * 255), "scaled to 0 to 1"),
        (lambda: quality.sample_quality(GOOD, GOOD[:19], GOOD), "20 rows or more of each kind, got 19"),
    ],
)
def test_a_wrong_array_is_named_with_what_is_wrong(call, words):
    with pytest.raises(DataError, match=words):
        call()
