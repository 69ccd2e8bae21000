"""The estimators: scikit-learn's contract, what goes between processes and files, and what they learn."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import convolve1d
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import aae
from aae.anomaly import residual_of_images
from aae.config import Prior
from aae.errors import ConfigError, RunError
from aae.export.graphs import residual_of_images as residual_in_graphs

LATENT = (aae.AAE, aae.Autoencoder, aae.VAE)
ALL = (*LATENT, aae.AAEClassifier, aae.AAECluster, aae.AAEOutlierDetector)
QUICK = {"epochs": 5, "random_state": 0}
ENOUGH = {aae.AAEClassifier: 15, aae.AAECluster: 60}
"""Epochs in which those that have to be right in scikit-learn's checks get there."""


def labels(x: np.ndarray) -> np.ndarray:
    """Two classes by the first column."""
    return (x[:, 0] > np.median(x[:, 0])).astype(int)


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """120 rows on a plane in 6 dimensions, in different units."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(120, 2)) @ rng.normal(size=(2, 6))) * 10.0 ** np.arange(-2, 4) + 3


@pytest.fixture(scope="module")
def fitted(table: np.ndarray) -> aae.AAE:
    return aae.AAE(epochs=20, random_state=0).fit(table)


# scikit-learn's contract


def contract(estimator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    results = check_estimator(estimator, on_fail=None)
    wrong = {r["check_name"]: str(r["exception"]) for r in results if r["status"] != "passed"}
    assert not wrong
    assert len(results) > 40


@pytest.mark.parametrize("cls", [*LATENT, aae.AAEOutlierDetector])
def test_every_check_of_scikit_learn_passes(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    contract(cls(epochs=5), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("cls", ENOUGH)
def test_every_check_passes_for_those_that_have_to_be_right_in_them(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    contract(cls(epochs=ENOUGH[cls]), monkeypatch)


QUICK_CHECKS = (
    "check_estimators_pickle",
    "check_methods_subset_invariance",
    "check_methods_sample_order_invariance",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_dict_unchanged",
    "check_classifiers_one_label",
    "check_estimators_nan_inf",
    "check_transformer_general",
)


@pytest.mark.parametrize("cls", ENOUGH)
def test_the_checks_that_ask_for_no_accuracy_pass_quickly(cls: Any) -> None:
    estimator, done = cls(epochs=1), set()
    for wrapped, check in estimator_checks_generator(estimator):
        name = getattr(check, "func", check).__name__
        if name in QUICK_CHECKS:
            check(wrapped)
            done.add(name)
    assert len(done) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("cls", ALL)
def test_every_check_of_scikit_learn_passes_with_the_defaults(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    contract(cls(), monkeypatch)


def test_it_works_in_pipelines_searches_and_cross_validation(table: np.ndarray) -> None:
    y = labels(table)
    pipeline = make_pipeline(aae.AAE(**QUICK), LogisticRegression())
    search = GridSearchCV(pipeline, {"aae__n_components": [1, 3]}, cv=2, n_jobs=2, error_score="raise").fit(table, y)
    assert search.best_params_["aae__n_components"] in (1, 3)
    scores = cross_val_score(clone(aae.VAE(**QUICK)), table, cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_data_frames_give_names_and_take_them(table: np.ndarray) -> None:
    frame = pd.DataFrame(table, columns=list("abcdef"))
    model = aae.AAE(3, **QUICK).set_output(transform="pandas").fit(frame)
    codes = model.transform(frame)
    assert list(codes.columns) == list(model.get_feature_names_out()) == ["aae0", "aae1", "aae2"]
    assert list(model.feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[list("fedcba")])
    polars = pytest.importorskip("polars")
    assert isinstance(model.set_output(transform="polars").transform(frame), polars.DataFrame)


def test_a_code_is_the_same_whatever_rows_stand_beside_it(fitted: aae.AAE, table: np.ndarray) -> None:
    whole, scores = fitted.transform(table), fitted.score_samples(table)
    for some in (slice(3, 4), slice(17, 60), np.arange(119, 0, -7)):
        np.testing.assert_array_equal(fitted.transform(table[some]), whole[some])
        np.testing.assert_array_equal(fitted.score_samples(table[some]), scores[some])


# What it learns


@pytest.mark.parametrize("cls", LATENT)
def test_a_plane_is_found_again(cls: Any, table: np.ndarray) -> None:
    """Two numbers are enough for these rows, so most of the variance (1 for each feature) is reconstructed."""
    model = cls(random_state=0).fit(table)
    assert -0.35 < model.score(table) < 0
    assert model.score(table) == pytest.approx(model.score_samples(table).mean())
    assert len(model.history_) == model.n_iter_
    assert model.inverse_transform(model.transform(table)) == pytest.approx(model.reconstruct(table))


@pytest.mark.parametrize("cls", [aae.AAE, aae.VAE])
def test_samples_look_like_the_rows(cls: Any, table: np.ndarray) -> None:
    model = cls(random_state=0).fit(table)
    new = model.sample(500, random_state=1)
    assert new.shape == (500, 6)
    np.testing.assert_array_equal(new, model.sample(500, random_state=1))
    assert not np.array_equal(new, model.sample(500, random_state=2))
    spread = table.std(0)
    assert np.abs((new.mean(0) - table.mean(0)) / spread).max() < 0.5
    with pytest.raises(ValueError, match="fitted without classes"):
        model.sample(5, y=1)


@pytest.mark.parametrize(
    ("prior", "bound"),
    [("uniform", 2.0), (Prior("uniform", 5.0), 5.0), ({"kind": "uniform", "scale": 5.0}, 5.0)],
)
def test_the_prior_may_be_a_name_or_its_settings(prior: Any, bound: float, table: np.ndarray) -> None:
    run = aae.AAE(prior=prior, **QUICK).fit(table).run_
    assert np.abs(run.sample_prior(1000)).max() == pytest.approx(bound, rel=0.02)


def test_images_are_taken_and_given_back_as_images() -> None:
    images = load_digits().images[:200]
    model = aae.AAE(**QUICK).fit(images)
    assert model.n_features_in_ == 64
    assert model.run_.spec.shape == (8, 8)
    assert model.reconstruct(images).shape == images.shape
    np.testing.assert_array_equal(model.transform(images), model.transform(images.reshape(200, 64)))


# Going on


def test_warm_start_goes_on_and_a_fresh_fit_does_not(table: np.ndarray) -> None:
    model = aae.AAE(epochs=30, warm_start=True, random_state=0).fit(table)
    first = model.score(table)
    model.fit(table)
    assert model.n_iter_ == 60
    assert [row["epoch"] for row in model.history_] == list(range(1, 61))
    assert model.score(table) > first
    model.set_params(n_components=3)
    with pytest.raises(ValueError, match=r"changed since the last fit \(n_components\)"):
        model.fit(table)
    assert model.set_params(warm_start=False).fit(table).n_iter_ == 30


def test_partial_fit_learns_a_pass_at_a_time(table: np.ndarray) -> None:
    model = aae.AAE(random_state=0)
    for part in np.array_split(table, 4):
        model.partial_fit(part)
    first, scale = model.score(table), model.run_.spec.scale
    for _ in range(20):
        model.partial_fit(table)
    assert model.run_.spec.scale == scale
    assert model.n_iter_ == 24
    assert model.score(table) > first + 0.3


# Between processes and files


def test_a_pickle_holds_weights_and_works_in_another_process(table: np.ndarray, tmp_path: Path) -> None:
    models = [cls(**QUICK).fit(table, labels(table)) for cls in ALL]
    (tmp_path / "models.pickle").write_bytes(pickle.dumps(models))
    np.save(tmp_path / "x.npy", table)
    code = (
        "import pickle, numpy as np; models = pickle.load(open('models.pickle', 'rb')); x = np.load('x.npy');"
        "np.save('scores.npy', [model.score_samples(x) for model in models])"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path, timeout=120)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), [model.score_samples(table) for model in models])


@pytest.mark.parametrize("cls", ALL)
def test_a_copy_goes_on_as_the_original_would(cls: Any, table: np.ndarray) -> None:
    y = labels(table)
    model = cls(**QUICK).fit(table, y)
    again = pickle.loads(pickle.dumps(model)).partial_fit(table, y)
    np.testing.assert_array_equal(again.score_samples(table), model.partial_fit(table, y).score_samples(table))


@pytest.mark.parametrize("cls", ALL)
def test_save_makes_a_run_directory_and_load_reads_it(cls: Any, table: np.ndarray, tmp_path: Path) -> None:
    frame = pd.DataFrame(table, columns=list("abcdef"))
    model = cls(**QUICK, hidden=(16, 8), settings={"reconstruction.weight": 2.0}).fit(frame, labels(table))
    model.save(tmp_path / "run")
    again = cls.load(tmp_path / "run")
    assert again.get_params() == model.get_params()
    assert again.history_ == model.history_
    assert list(again.feature_names_in_) == list("abcdef")
    np.testing.assert_array_equal(again.score_samples(frame), model.score_samples(frame))
    assert aae.Run.load(tmp_path / "run").config == model.run_.config
    with pytest.raises(RunError, match="holds a run already"):
        model.save(tmp_path / "run")
    other = next(c for c in ALL if c is not cls)
    with pytest.raises(RunError, match=f"holds an estimator of class {cls.__name__}"):
        other.load(tmp_path / "run")


def test_what_no_file_can_hold_is_refused_by_name(table: np.ndarray, tmp_path: Path) -> None:
    model = aae.AAE(epochs=1, random_state=np.random.RandomState(0)).fit(table)
    with pytest.raises(ConfigError, match="random_state"):
        model.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_in_memory_says_how_to_get_a_directory(fitted: aae.AAE) -> None:
    with pytest.raises(RunError, match=r"run\.save"):
        _ = fitted.run_.path
    with pytest.raises(ValueError, match="passed in Python"):
        fitted.run_.report()


def _numpy_state() -> bytes:
    return np.random.get_state()[1].tobytes()  # noqa: NPY002 - the global generator is what must stay as it is


def test_fitting_leaves_no_files_and_no_global_state_behind(
    table: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(3)
    before, state, threads = torch.get_rng_state(), _numpy_state(), torch.get_num_threads()
    aae.AAE(**QUICK).fit(table)
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(before, torch.get_rng_state())
    assert state == _numpy_state()
    assert threads == torch.get_num_threads()


# Small and odd data


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(size=(30, 2)),
        np.repeat([[1.0, 2.0]], 30, axis=0),
        np.c_[np.arange(30), np.full(30, 7)],
        np.random.default_rng(0).integers(0, 2, size=(2, 3)),
        np.random.default_rng(0).normal(size=(40, 1)) * 1e-30,
        np.random.default_rng(0).normal(size=(40, 3)) * 1e25,
    ],
    ids=["two columns", "duplicates", "constant column", "two rows", "denormal", "huge"],
)
def test_small_data_gives_finite_results(cls: Any, x: np.ndarray) -> None:
    model = cls(**QUICK, **({"n_clusters": 2} if cls is aae.AAECluster else {})).fit(x, np.arange(len(x)) % 2)
    assert np.isfinite(model.score_samples(x)).all()
    assert np.isfinite(model.reconstruct(x)).all()


def test_settings_that_cannot_be_are_refused_by_name(table: np.ndarray) -> None:
    for parameters, words in (
        ({"n_components": 0}, "n_components must be a whole number of 1 or more"),
        ({"hidden": "wide"}, "hidden must be 'auto' or the widths"),
        ({"hidden": (8, 0)}, "hidden must be"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"prior": "banana"}, "prior must be one of"),
        ({"prior": 3}, "prior must be a name"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0"),
        ({"validation_fraction": 0.9}, "validation_fraction must lie in"),
        ({"device": "quantum"}, "device = quantum cannot be used"),
        ({"settings": {"epochs": 3}}, "has a parameter of its own: epochs"),
        ({"settings": {"adversarial.wait": 3}}, "is no setting"),
        ({"random_state": "seed"}, "seed"),
        (
            {"prior": "swiss-roll", "n_components": 3},
            r"prior = swiss-roll is a shape in the plane; set n_components to 2",
        ),
        ({"prior": "torus", "n_components": 3}, "n_components must be even"),
    ):
        with pytest.raises(ValueError, match=words):
            aae.AAE(**parameters).fit(table)


# Classes and clusters


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three groups of 50 rows, well apart in 4 dimensions."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 50)
    return rng.normal(size=(3, 4))[y] * 4 + rng.normal(size=(150, 4)), y


def test_three_labels_of_each_class_are_enough(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = blobs
    names = np.array(["ant", "bee", "cat"], dtype=object)[y]
    some = np.full(150, -1, dtype=object)
    for k in range(3):
        some[np.flatnonzero(y == k)[:3]] = names[y == k][0]
    model = aae.AAEClassifier(epochs=60, random_state=0).fit(x, some)
    assert model.classes_.tolist() == ["ant", "bee", "cat"]
    assert model.score(x, names) > 0.95
    assert model.predict_proba(x).sum(1) == pytest.approx(1)
    bees = model.sample(200, y="bee", random_state=0)
    assert (model.predict(bees) == "bee").mean() > 0.6
    style = model.transform(x[:5])
    assert model.inverse_transform(style, "cat").shape == (5, 4)
    with pytest.raises(ValueError, match="there is no class 'dog'"):
        model.sample(2, y="dog")


def test_partial_fit_knows_the_classes_that_have_yet_to_come(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = blobs
    model = aae.AAEClassifier(random_state=0).partial_fit(x[:90], y[:90], classes=[0, 1, 2])
    for _ in range(20):
        model.partial_fit(x[::-1], y[::-1])
    assert model.score(x, y) > 0.9
    with pytest.raises(ValueError, match="row 0 is 7"):
        model.partial_fit(x[:3], [7, 0, 0])


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.full(150, -1), "0 labelled classes"),
        (np.r_[np.full(149, -1), 2], "1 labelled class;"),
        (np.linspace(0, 1, 150), "Unknown label type"),
        (np.zeros(149), "inconsistent numbers of samples"),
        (np.r_[np.nan, np.zeros(149)], "NaN"),
    ],
)
def test_labels_that_cannot_be_learnt_from_are_refused(
    y: np.ndarray, words: str, blobs: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(ValueError, match=words):
        aae.AAEClassifier(epochs=1).fit(blobs[0], y)


def test_clusters_are_found_and_numbered_by_size(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = blobs[0][:130], blobs[1][:130]  # the last group has 30 rows
    model = aae.AAECluster(3, epochs=40, random_state=0)
    found = model.fit_predict(x)
    assert adjusted_rand_score(y, found) > 0.9
    assert (np.diff(np.bincount(found)) <= 0).all()
    np.testing.assert_array_equal(found, model.predict(x))
    assert model.cluster_centers_.shape == (3, 4)
    means = np.stack([x[found == k].mean(0) for k in range(3)])
    distances = np.linalg.norm(model.cluster_centers_[:, None] - means, axis=2)
    assert distances.argmin(1).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="clusters are 0 to 2"):
        model.sample(1, y=3)


# Outliers


def test_odd_rows_are_found_and_the_feature_to_blame(table: np.ndarray) -> None:
    detector = aae.AAEOutlierDetector(random_state=0).fit(table)
    odd = table[:20].copy()
    odd[:, 3] += 8 * table[:, 3].std()
    assert (detector.predict(odd) == -1).all()
    assert (detector.explain(odd).argmax(1) == 3).mean() > 0.9
    assert roc_auc_score(np.repeat([0, 1], [120, 20]), detector.anomaly_score(np.r_[table, odd])) > 0.98
    np.testing.assert_array_equal(detector.score_samples(odd), -detector.anomaly_score(odd))
    assert detector.evidence(odd).shape == (20, 4)


def test_the_distance_is_that_from_the_mean_training_row_counted_in_held_out_rows(table: np.ndarray) -> None:
    detector = aae.AAEOutlierDetector(**QUICK).fit(table)
    splits = detector.run_.directory.splits
    train, held = table[splits["train"]], table[splits["validation"]]
    of = [np.log(np.square((rows - train.mean(0)) / train.std(0)).mean(1)) for rows in (table, held)]
    expected = (of[0] - np.median(of[1])) / of[1].std()
    np.testing.assert_allclose(detector.evidence(table)[:, 3], expected, rtol=1e-4, atol=1e-4)


def test_false_alarms_are_as_frequent_as_asked_for() -> None:
    """Fresh rows of the same kind: the expected rate is at most 10 %, known from 100 held-out rows to about 3 %."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(3, 6))
    rows = rng.normal(size=(2500, 3)) @ mix + 0.1 * rng.normal(size=(2500, 6))
    detector = aae.AAEOutlierDetector(false_alarm_rate=0.1, epochs=20, random_state=0).fit(rows[:500])
    assert detector.false_alarm_rate_ <= 0.1
    assert (detector.predict(rows[500:]) == -1).mean() == pytest.approx(0.1, abs=0.09)


def test_contamination_is_a_share_of_the_training_rows(table: np.ndarray) -> None:
    detector = aae.AAEOutlierDetector(contamination=0.1, **QUICK)
    assert (detector.fit_predict(table) == -1).sum() == 12
    for parameters, words in (
        ({"contamination": 0.7}, "contamination must be"),
        ({"contamination": "some"}, "contamination must be"),
        ({"false_alarm_rate": 0}, "false_alarm_rate must lie"),
    ):
        with pytest.raises(ValueError, match=words):
            aae.AAEOutlierDetector(**parameters).fit(table)


def test_numbers_of_numpy_are_numbers(table: np.ndarray) -> None:
    tenth = np.float32(0.1)
    aae.AAEOutlierDetector(contamination=tenth, validation_fraction=tenth, learning_rate=tenth, **QUICK).fit(table)
    aae.VAE(prior_scale=np.float32(2), **QUICK).fit(table)
    with pytest.raises(ValueError, match="prior_scale must be a number above 0, got 'wide'"):
        aae.VAE(prior_scale="wide").fit(table)
    with pytest.raises(ValueError, match="settings must be a dict"):
        aae.AAE(settings=["prior.scale"]).fit(table)


def test_labels_that_cannot_be_sorted_are_refused_by_row(table: np.ndarray) -> None:
    for odd, words in ((None, r"label of row 3 is None; -1 stands"), (2, r"row 3 is 2, and that of row 0 'a'")):
        y = np.array(["a", "b"] * (len(table) // 2), object)
        y[3] = odd
        with pytest.raises(ValueError, match=words):
            aae.AAEClassifier(**QUICK).fit(table, y)


def test_one_cluster_for_all_rows(table: np.ndarray) -> None:
    model = aae.AAECluster(n_clusters=2, **QUICK).fit(table)
    np.testing.assert_array_equal(model.sample(3, y=1, random_state=0), model.sample(3, y=[1, 1, 1], random_state=0))
    styles = model.transform(table[:4])
    np.testing.assert_array_equal(model.inverse_transform(styles, y=0), model.inverse_transform(styles, y=[0] * 4))


def test_images_of_a_doubtful_shape_are_taken_with_their_layout() -> None:
    images = np.random.default_rng(0).random((30, 3, 5, 3))
    with pytest.raises(ValueError, match=r"--data\.layout channels-first"):
        aae.AAE(**QUICK).fit(images)
    model = aae.AAE(**QUICK, settings={"data.layout": "channels-last"}).fit(images)
    assert model.run_.spec.shape == (3, 3, 5)
    assert model.reconstruct(images).shape == images.shape
    with pytest.raises(ValueError, match="table"):
        aae.AAE(**QUICK, settings={"data.layout": "table"}).fit(images)


def test_blame_of_pixels_has_the_shape_of_the_images() -> None:
    images = np.moveaxis(np.random.default_rng(0).random((60, 3, 5, 4)), 1, -1)  # channels last
    detector = aae.AAEOutlierDetector(**QUICK).fit(images)
    odd = images[:1].copy()
    odd[0, 2, 1, 0] += 50
    blame = detector.explain(odd)
    assert blame.shape == odd.shape
    assert np.unravel_index(blame.argmax(), blame.shape) == (0, 2, 1, 0)


def test_images_of_another_digit_are_odd() -> None:
    digits = load_digits()
    ours = np.flatnonzero(digits.target == 8)
    rows = np.concatenate([ours[120:], np.flatnonzero(digits.target != 8)])
    detector = aae.AAEOutlierDetector(random_state=0).fit(digits.images[ours[:120]])
    odd = digits.target[rows] != 8
    assert roc_auc_score(odd, detector.anomaly_score(digits.images[rows])) > 0.95


@pytest.mark.parametrize("shape", [(18, 16), (3, 16, 20)])
def test_the_residual_of_an_image_is_spread_and_held_against_its_contrast(
    shape: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(0)
    error, values = rng.normal(size=(2, 5, math.prod(shape)))
    spread = error.reshape(5, *shape)
    for axis in (-2, -1):
        spread = convolve1d(spread, [0.25, 0.5, 0.25], axis=axis, mode="constant")
    expected = np.log(np.square(spread).reshape(5, -1).mean(1)) - np.log(values.std(1))
    found = residual_of_images(error, values, shape)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    there = residual_in_graphs(torch.from_numpy(error), torch.from_numpy(values), shape)
    np.testing.assert_allclose(there.numpy(), found, rtol=1e-12)
    alone = residual_of_images(error[:1], values[:1], shape)
    np.testing.assert_array_equal(alone, found[:1])


def test_a_class_is_held_still_under_what_the_rows_can_stand() -> None:
    x = np.random.default_rng(0).random((40, 8, 8)).astype(np.float32)
    y = np.arange(40) % 2
    one = {"epochs": 1, "hidden": (8,), "random_state": 0}
    images = aae.AAEClassifier(**one).fit(x, y).run_.config.consistency
    assert (images.kind, images.shift) == ("moved", 1.0)
    rows = aae.AAEClassifier(**one).fit(x.reshape(40, -1), y).run_
    assert rows.config.consistency.kind == "adversarial"
    scaled = (x.reshape(40, -1) - np.array(rows.spec.offset)) / np.array(rows.spec.scale)
    assert rows.config.consistency.radius == pytest.approx(0.25 * np.sqrt(scaled.var(0).sum()), rel=1e-4)
    off = aae.AAEClassifier(**one, settings={"consistency.kind": "none"}).fit(x, y).run_.config
    assert off.consistency.kind == "none"
    assert aae.AAECluster(2, **one).fit(x).run_.config.consistency.kind == "none"


def test_of_the_settings_of_data_only_the_scaling_is_a_matter_of_fit(table: np.ndarray) -> None:
    ranged = aae.AAE(epochs=1, settings={"data.scaling": "range"}).fit(table)
    assert ranged.run_.spec.scaling == "range"
    with pytest.raises(ConfigError, match=r"data\.hide.*how files are read"):
        aae.AAE(settings={"data.hide": 0.2}).fit(table)


@pytest.mark.parametrize(("shape", "network"), [((8, 8), "mlp"), ((32, 8), "conv"), ((3, 8, 8), "conv"), ((4,), "mlp")])
def test_images_large_or_in_colour_are_convolved(shape: tuple[int, ...], network: str) -> None:
    x = np.random.default_rng(0).random((20, *shape))
    own = aae.AAE(epochs=1, hidden=(8,), random_state=0).fit(x)
    assert own.run_.config.model.network == network
    assert own.reconstruct(x).shape == x.shape
