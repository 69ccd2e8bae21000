"""Models with a class beside the code: what they learn from, what they give, and how it is measured."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae import metrics
from aae.classes import class_block, class_number
from aae.config import Config, Data, DataSpec
from aae.data import Dataset, load
from aae.errors import ConfigError, DataError
from aae.game import Game
from aae.models import build
from aae.phases import parameters_of

CPU = torch.device("cpu")
SEMI = {"model__kind": "semi-supervised", "prior__kind": "gaussian", "data__labelled": 100}


def steps(config: Config, data: Dataset, n: int) -> Game:
    game = Game.new(config, data, CPU)
    for i in range(n):
        game.take_step(torch.from_numpy(data.splits.train[i * 32 : (i + 1) * 32]), torch.float32)
    return game


def same(a: Game, b: Game) -> bool:
    return all(map(torch.equal, a.model.state_dict().values(), b.model.state_dict().values()))


@pytest.fixture(scope="module")
def few() -> Dataset:
    return load(Data(labelled=100))


@pytest.fixture(scope="module")
def semi(tmp_path_factory: pytest.TempPathFactory) -> aae.Run:
    """Thirty epochs of the digits with ten labels a class."""
    config = tiny(**SEMI, epochs=30, batch_size=64, reconstruction__reduction="sum", model__latent=5)
    return aae.train(config, tmp_path_factory.mktemp("semi") / "run")


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> aae.Run:
    config = tiny(model__kind="clustering", model__clusters=12, reconstruction__reduction="sum")
    return aae.train(config, tmp_path_factory.mktemp("clusters") / "run")


# What is learnt from


def test_only_the_labels_of_the_labelled_rows_reach_the_weights(few: Dataset) -> None:
    """Other labels everywhere else, test and validation rows too, leave the weights as they are."""
    assert few.y is not None
    spoilt = (few.y + 1) % 10
    spoilt[few.labelled] = few.y[few.labelled]
    games = [steps(tiny(**SEMI), data, 6) for data in (few, dataclasses.replace(few, y=spoilt))]
    assert same(*games)
    wrong = few.y.clone()
    wrong[few.labelled[0]] = (wrong[few.labelled[0]] + 1) % 10
    assert not same(games[0], steps(tiny(**SEMI), dataclasses.replace(few, y=wrong), 6))


def test_clustering_is_the_semi_supervised_model_without_its_last_phase(few: Dataset) -> None:
    semi, without = (steps(tiny(**SEMI), few, 0) for _ in range(2))
    without.model.phases, without.model.learns_labels = without.model.phases[:-1], False
    clustering = steps(tiny(model__kind="clustering", model__clusters=10, prior__kind="gaussian"), few, 0)
    assert same(semi, clustering)
    for game in (without, clustering):
        for i in range(5):
            game.take_step(torch.from_numpy(few.splits.train[i * 32 : (i + 1) * 32]), torch.float32)
    assert same(without, clustering)


def test_a_clustering_never_sees_a_label(digits: Dataset) -> None:
    config = tiny(model__kind="clustering", model__clusters=5)
    assert digits.y is not None
    other = dataclasses.replace(digits, y=(digits.y * 7 + 3) % 10)
    assert same(steps(config, digits, 4), steps(config, other, 4))


def test_every_step_has_labelled_rows_each_equally_often(few: Dataset) -> None:
    """An epoch is a pass over the data; the labelled rows go round and round beside it."""
    game = Game.new(tiny(**SEMI, labelled_batch_size=25), few, CPU)
    seen = []
    for _ in range(12):
        seen.append(game.labelled_rows().tolist())
        game.step += 1
    for turn in range(3):
        assert sorted(itertools.chain(*seen[4 * turn : 4 * turn + 4])) == few.labelled.tolist()
    assert seen[:4] != seen[4:8]
    every = Game.new(tiny(**SEMI), few, CPU)
    assert every.labelled_rows().tolist() == few.labelled.tolist()


def test_the_clean_row_is_reconstructed(digits: Dataset) -> None:
    game = Game.new(tiny(corruption__noise=0.3, corruption__dropout=0.5), digits, CPU)
    rows = torch.from_numpy(digits.splits.train)
    clean, batch = (
        game.batch(rows, game.generator),
        game.feed.training_batch(rows, game.labelled_rows(), game.progress, 0),
    )
    assert batch.target is not None
    assert torch.equal(batch.target, clean.x)
    # Dropout keeps half and doubles it: E[x'] = x. Noise adds 0.3^2 to the variance x^2 (1/0.5 - 1) that it leaves.
    assert (batch.x - clean.x).mean().item() == pytest.approx(0, abs=0.01)
    expected = (clean.x.square().mean() + 0.09).item()
    assert (batch.x - clean.x).square().mean().item() == pytest.approx(expected, rel=0.03)
    held = game.batch(torch.from_numpy(digits.splits.test), game.generator)
    assert held.target is None


def test_labels_are_asked_for_before_anything_is_trained(tmp_path: Path, digits: Dataset) -> None:
    assert digits.y is not None
    some = digits.y.clone()
    some[digits.splits.train[:3]] = -1
    with pytest.raises(DataError, match=r"3 of 1294 rows .* semi-supervised"):
        aae.train(tiny(model__kind="supervised"), tmp_path / "a", data=dataclasses.replace(digits, y=some))
    nothing = dataclasses.replace(digits, labelled=digits.labelled[:0])
    with pytest.raises(DataError, match="learns from labels"):
        aae.train(tiny(model__kind="semi-supervised"), tmp_path / "b", data=nothing)
    for kind in ("supervised", "semi-supervised"):
        with pytest.raises(ConfigError, match="needs labels"):
            build(tiny(model__kind=kind), DataSpec("toy", (12,), "float32"))
    with pytest.raises(ConfigError, match=r"set model\.clusters"):
        tiny(model__kind="clustering")


def test_the_discriminators_see_one_block_each(few: Dataset) -> None:
    model = Game.new(tiny(**SEMI), few, CPU).model
    widths = {name: next(model.get_submodule(name).parameters()).shape[1] for name in model.phases[1].updates}
    assert widths == {"style_discriminator": 2, "class_discriminator": 10}
    assert [phase.name for phase in model.phases] == ["reconstruction", "discriminator", "generator", "classification"]
    generator, classifier = (parameters_of(model, phase) for phase in model.phases[2:])
    assert list(map(id, generator)) == list(map(id, classifier))


# What a run gives


def test_it_learns_digits_from_ten_labels_a_class(semi: aae.Run, digits: Dataset) -> None:
    """Chance is 0.9; the 100 labelled rows alone give a nearest-neighbour classifier about 0.2."""
    found = semi.evaluate()
    assert found["error"] < 0.3
    assert semi.history[-1]["error_validation"] < semi.history[0]["error_validation"]
    assert "classification_validation" in semi.history[0]
    assert "classification_test" not in semi.history[0]
    assert np.array_equal(semi.directory.splits["labelled"], load(semi.config.data).labelled)


def test_classes_and_probabilities(semi: aae.Run, digits: Dataset) -> None:
    x = digits.x[:40].reshape(40, 8, 8).numpy()
    q = semi.predict_proba(x)
    assert q.shape == (40, 10)
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-5)
    assert np.array_equal(semi.predict(x), q.argmax(1))
    assert np.array_equal(semi.predict_proba(x[7:8])[0], q[7])
    assert semi.encode(x).shape == (40, 5)
    assert np.array_equal(semi.reconstruct(x), semi.decode(semi.encode(x), q))


def test_samples_of_a_class_by_number_and_by_name(semi: aae.Run) -> None:
    threes = semi.sample(30, seed=4, y=3)
    assert np.array_equal(threes, semi.sample(30, seed=4, y="3"))
    assert np.array_equal(threes, semi.sample(30, seed=4, y=[3] * 30))
    assert not np.array_equal(threes, semi.sample(30, seed=4, y=5))
    assert np.array_equal(threes, semi.decode(semi.sample_prior(30, seed=4), 3))
    assert not np.array_equal(semi.sample(30, seed=4), threes)  # any class, where none is asked for


def test_restyling_keeps_the_style_and_changes_the_class(semi: aae.Run, digits: Dataset) -> None:
    x = digits.x[:6].reshape(6, 8, 8).numpy()
    found = semi.restyle(x)
    assert found.shape == (6, 10, 8, 8)
    assert np.array_equal(found[2, 7], semi.decode(semi.encode(x[2:3]), 7)[0])


def test_what_a_model_cannot_do_is_said(semi: aae.Run, trained: aae.Run, clusters: aae.Run) -> None:
    z = np.zeros((2, 5))
    with pytest.raises(ConfigError, match="takes a class beside the code; give y"):
        semi.decode(z)
    with pytest.raises(DataError, match="row 1 asks for class 10"):
        semi.decode(z, [0, 10])
    with pytest.raises(DataError, match="row 0 asks for class eight"):
        semi.decode(z, "eight")
    with pytest.raises(ConfigError, match="takes no class"):
        trained.sample(2, y=1)
    with pytest.raises(ConfigError, match="takes no class"):
        trained.restyle(np.zeros((1, 8, 8)))
    with pytest.raises(ConfigError, match="does not classify"):
        trained.predict(np.zeros((1, 8, 8)))
    with pytest.raises(DataError, match="asks for class 3"):  # clusters have numbers, and no names
        clusters.sample(1, y="3")


def test_a_report_on_clusters_has_their_picture_and_numbers(clusters: aae.Run) -> None:
    path = clusters.report(compare=False)  # some of the twelve are empty after so short a training
    assert {"clusters.png", "styles.png", "latent.png"} <= {file.name for file in (path.parent / "figures").iterdir()}
    page = path.read_text()
    assert "Clustering adversarial autoencoder" in page
    found = clusters.evaluate()
    for name in ("error_head", "error_majority", "hungarian_accuracy", "nmi", "ari"):
        assert 0 <= found[name] <= 1
    assert 0 <= clusters.history[-1]["error_validation"] <= 1


@pytest.mark.slow
def test_a_report_beside_its_baselines(tmp_path: Path, digits: Dataset) -> None:
    config = tiny(
        model__kind="semi-supervised", epochs=1, corruption__noise=0.1, schedule="steps", schedule_epochs=(1,)
    )
    run = aae.train(config, tmp_path / "run", data=digits)
    run.report()
    assert (run.path / "figures" / "styles.png").exists()
    assert (run.path / "figures" / "comparison.png").exists()


# Classes as they are given


def test_classes_as_numbers_names_and_shares() -> None:
    names = ("a", "b", "c")
    assert np.array_equal(class_block(["c", "a"], 2, 3, names), np.eye(3)[[2, 0]])
    assert np.array_equal(class_block(1, 2, 3, None), np.eye(3)[[1, 1]])
    shares = np.array([[0.2, 0.3, 0.5]])
    assert np.array_equal(class_block(shares, 1, 3, names), shares.astype(np.float32))
    assert class_number("b", 3, names) == 1
    assert class_number("2", 3, names) == 2


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([0, 1, 2], "one for each of 2 rows"),
        ([[1.0, 0.0]], r"shape \[2, 3\]"),
        ([0.5, 1.0], "numbers or names"),
        ([-1, 0], "row 0 asks for class -1"),
        ([[np.nan] * 3] * 2, "finite"),
    ],
)
def test_classes_that_cannot_be(y: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        class_block(y, 2, 3, ("a", "b", "c"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no class d; there are a, b, c"):
        class_number("d", 3, ("a", "b", "c"))


# Measures


def test_cluster_rules_by_hand() -> None:
    """Two clusters of four and two rows: the surest row of the first is a 1, most of it is 0."""
    q = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
    y = np.array([1, 0, 0, 0, 1, 1, -1])
    assert metrics.by_head(q, y).tolist() == [1, 1]
    assert metrics.by_majority(q, y).tolist() == [0, 1]
    assert metrics.cluster_error(q, y, metrics.by_head(q, y)) == pytest.approx(3 / 6)
    assert metrics.cluster_error(q, y, metrics.by_majority(q, y)) == pytest.approx(1 / 6)
    assert metrics.error_rate(q, y) == pytest.approx(1 / 6)
    assert metrics.hungarian_accuracy(q, y) == pytest.approx(5 / 6)


def test_log_odds_tell_rows_apart_whose_probabilities_round_to_one() -> None:
    """The third row belongs to the first cluster most, though both probabilities are 1 in float32 and in float64."""
    logits = np.array([[0, 5], [60, 10], [90, 10]], np.float32)
    q = torch.from_numpy(logits).softmax(1)
    assert (q[1:, 0] == 1).all()
    assert metrics.by_head(q.numpy(), [0, 1, 2]).tolist() == [1, 0]
    assert metrics.by_head(metrics.log_odds(logits), [0, 1, 2]).tolist() == [2, 0]
    with pytest.raises(DataError, match="two classes or more"):
        metrics.log_odds(np.ones((3, 1)))
    odds = metrics.log_odds(np.log([[0.2, 0.3, 0.5]]))
    assert np.exp(odds)[0] == pytest.approx([0.2 / 0.8, 0.3 / 0.7, 0.5 / 0.5])


def test_hungarian_accuracy_is_the_best_of_all_matches() -> None:
    rng = np.random.default_rng(0)
    q, y = rng.random((60, 4)), rng.integers(0, 4, 60)
    best = max(np.mean(np.array(match)[q.argmax(1)] == y) for match in itertools.permutations(range(4)))
    assert metrics.hungarian_accuracy(q, y) == pytest.approx(best)


def test_measures_do_not_depend_on_the_order_of_the_clusters() -> None:
    rng = np.random.default_rng(1)
    q, y = rng.random((80, 6)), rng.integers(0, 3, 80)
    shuffled = q[:, rng.permutation(6)]
    for rule in (metrics.by_head, metrics.by_majority):
        errors = [metrics.cluster_error(each, y, rule(each, y)) for each in (q, shuffled)]
        assert errors[0] == errors[1]
    assert metrics.agreement(q, y) == pytest.approx(metrics.agreement(shuffled, y))
    assert metrics.agreement(np.eye(3)[y], y) == pytest.approx((1, 1))


def test_a_cluster_without_rows_takes_the_commonest_label() -> None:
    q = np.array([[0.6, 0.3, 0.1]] * 3)
    assert metrics.by_majority(q, [1, 1, 0]).tolist() == [1, 1, 1]
    with pytest.raises(DataError, match="labels none"):
        metrics.error_rate(q, [-1, -1, -1])
