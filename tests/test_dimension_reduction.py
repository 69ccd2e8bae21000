"""Dimension reduction: codes that are a cluster's head plus a style, how heads keep apart, and what is measured."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny
from test_phases import batch_of, made

import aae
from aae.cli import main
from aae.config import Heads
from aae.data import Dataset
from aae.errors import ConfigError, DataError
from aae.explorer import export
from aae.explorer.scene import Scene
from aae.game import Game
from aae.metrics import least_distance
from aae.models.dimension_reduction import first_heads
from aae.objectives import head_separation
from aae.plots import latent_scatter
from aae.priors import Around, Gaussian, Mixture, Uniform, around
from aae.report import write

REDUCTION = {"model__kind": "dimension-reduction", "prior__kind": "gaussian", "prior__scale": 1.0}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> aae.Run:
    """Digits in the plane, with ten labels a class."""
    config = tiny(
        **REDUCTION,
        epochs=25,
        batch_size=64,
        data__labelled=100,
        reconstruction__reduction="sum",
        heads__distance=6.0,
        corruption__noise=0.3,
        optimizer__generator__learning_rate=1e-3,
        optimizer__discriminator__learning_rate=1e-3,
        model__encoder=(128, 128),
        model__decoder=(128, 128),
    )
    return aae.train(config, tmp_path_factory.mktemp("reduced") / "run")


def test_heads_pay_what_they_are_short_of_the_distance() -> None:
    """Against a double loop; far heads pay nothing and are not moved."""
    heads = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [50.0, 50.0]], requires_grad=True)
    short = sum(max(0.0, 3 - torch.dist(a, b).item()) for a, b in itertools.combinations(heads.detach(), 2))
    cost = head_separation(heads, 3.0)
    cost.backward()
    assert cost.item() == pytest.approx(short)
    assert heads.grad is not None
    assert torch.equal(heads.grad[3], torch.zeros(2))
    torch.testing.assert_close(heads.grad[1], torch.tensor([-1.0, 0.0]) - torch.tensor([1.0, -2.0]) / 5**0.5)


@pytest.mark.parametrize(("classes", "latent"), [(10, 2), (30, 2), (10, 1), (10, 10)])
def test_heads_start_as_far_apart_as_asked_for(classes: int, latent: int) -> None:
    heads = first_heads(classes, latent, Heads(distance=7.0))
    assert least_distance(heads) >= 7 - 1e-3
    assert heads.abs().max() < 7 * classes


def test_heads_that_coincide_have_a_finite_gradient() -> None:
    heads = torch.zeros(3, 2, requires_grad=True)
    head_separation(heads, 1.0).backward()
    assert heads.grad is not None
    assert torch.isfinite(heads.grad).all()


def test_a_code_is_the_weighted_heads_plus_the_style() -> None:
    model, batch = made(tiny(**REDUCTION)), batch_of()
    with torch.no_grad():
        model.heads.weight.copy_(torch.tensor([[0.0, 9.0], [9.0, 0.0], [-9.0, -9.0]]))
        y, z = model.class_probabilities(batch.x), model.held_to_prior(batch)
        expected = torch.stack([sum(y[i, k] * model.heads.weight[k] for k in range(3)) + z[i] for i in range(32)])
        torch.testing.assert_close(model.encode(batch.x), expected)
        assert next(model.decoder.parameters()).shape[1] == 2  # the decoder is given the code and nothing else
        rough = batch_of()
        with torch.autocast("cpu", torch.bfloat16):
            (y, z), codes = model.blocks(rough), model.sample_codes(rough)
        torch.testing.assert_close(codes, y @ model.heads.weight + z, rtol=0, atol=1e-5)


def test_without_labels_the_last_phase_is_left_out(digits: Dataset) -> None:
    with_labels, without = (
        Game.new(tiny(**REDUCTION, **changes), digits, CPU) for changes in ({}, {"model__clusters": 10})
    )
    with_labels.model.phases, with_labels.model.learns_labels = with_labels.model.phases[:-1], False
    for game in (with_labels, without):
        for i in range(4):
            game.take_step(game.feed.order(0)[i * 32 : (i + 1) * 32], torch.float32)
    assert all(map(torch.equal, with_labels.model.state_dict().values(), without.model.state_dict().values()))


def test_without_a_weight_heads_are_left_to_reconstruction() -> None:
    model = made(tiny(**REDUCTION, heads__weight=0.0))
    assert set(model.phases[0].losses(batch_of())) == {"reconstruction"}
    with pytest.raises(ConfigError, match=r"heads\.distance.*heads\.weight is 0"):
        tiny(**REDUCTION, heads__weight=0.0, heads__distance=3.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"heads__distance": 3.0}, "no cluster heads"),
        ({**REDUCTION, "model__clusters": 5, "data__labelled": 100}, "no use for a few labels"),
        ({**REDUCTION, "model__clusters": 5, "labelled_batch_size": 10}, "no classification phase with model.clusters"),
    ],
)
def test_what_would_be_ignored_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tiny(**changes)


# The shape that codes have


CENTRES = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 9.0]])


def test_a_gaussian_around_heads_is_the_mixture_of_them() -> None:
    mixture, plain = around(Gaussian(2, 0.5), CENTRES), Around(Gaussian(2, 0.5), CENTRES, "")
    assert isinstance(mixture, Mixture)
    z = torch.from_numpy(np.random.default_rng(0).normal(3, 5, (200, 2)))
    torch.testing.assert_close(mixture.log_prob(z), plain.log_prob(z))
    torch.testing.assert_close(mixture.mean, plain.mean)
    torch.testing.assert_close(mixture.std, plain.std)
    assert torch.equal(mixture.class_of(z), plain.class_of(z))


def test_any_shape_around_heads() -> None:
    prior = around(Uniform(2, 1.0), CENTRES)
    generator = torch.Generator().manual_seed(0)
    z = prior.sample(6000, generator=generator)
    assert prior.contains(z).all()
    torch.testing.assert_close(z.double().mean(0), prior.mean, atol=0.2, rtol=0)
    torch.testing.assert_close(z.double().std(0), prior.std, atol=0.1, rtol=0)
    y = torch.arange(3).repeat(50)
    of_class = prior.sample(150, y, generator)
    assert torch.equal(prior.class_of(of_class), y)
    assert ((of_class - torch.from_numpy(CENTRES).float()[y]).abs() <= 1).all()
    assert not prior.contains(torch.tensor([[4.0, 4.0]])).any()
    assert len(prior.outline()) == 3
    assert "around each of 3 heads" in prior.describe()


# A run


def test_it_finds_the_classes_and_keeps_them_apart(reduced: aae.Run, digits: Dataset) -> None:
    found = reduced.evaluate(data=digits_of(reduced))
    assert found["error"] < 0.2  # ten classes, a hundred labels
    assert reduced.heads is not None
    assert reduced.heads.shape == (10, 2)
    assert found["head_distance"] == pytest.approx(least_distance(reduced.heads))
    assert found["head_distance"] > 5.5  # of 6
    assert found["knn_accuracy"] > 0.7
    assert json.loads((reduced.path / "metrics.json").read_text())["error"] == found["error"]


def digits_of(run: aae.Run) -> Dataset:
    return aae.data.load(run.config.data)


def test_it_is_the_style_that_is_held_to_the_prior(reduced: aae.Run) -> None:
    data = digits_of(reduced)
    x = aae.data.original(data.x[:200], data.spec)
    assert reduced.heads is not None
    style = reduced.encode(x) - reduced.predict_proba(x) @ reduced.heads
    np.testing.assert_allclose(reduced.held_to_prior(x), style, atol=1e-4)
    assert reduced.matched_prior.spread == 1.0
    assert reduced.prior.spread > 3
    row = reduced.history[-1]
    assert row["style_code_spread"] == pytest.approx(style.std() / 1.0, rel=0.5)


def test_samples_of_a_class_lie_around_its_head(reduced: aae.Run) -> None:
    assert reduced.heads is not None
    assert reduced.classes_to_sample == 10
    codes = reduced.sample_prior(200, y="3")
    assert np.abs(codes.mean(0) - reduced.heads[3]).max() < 0.5
    rows = reduced.sample(50, y=3)
    assert (reduced.predict(rows) == 3).mean() > 0.6
    assert reduced.sample(5).shape == reduced.sample(5, y=[0, 1, 2, 3, 4]).shape
    with pytest.raises(DataError, match="asks for class 12"):
        reduced.sample(3, y=12)
    with pytest.raises(ConfigError, match="takes no class"):
        reduced.decode(codes, y=3)


def test_the_report_marks_the_heads(reduced: aae.Run) -> None:
    page = write(reduced, compare=False, data=digits_of(reduced)).read_text()
    assert "Stars are the cluster heads" in page
    assert "Dimension-reducing adversarial autoencoder" in page
    assert {"latent.png", "clusters.png", "manifold.png"} <= {p.name for p in (reduced.path / "figures").iterdir()}


def test_the_explorer_shows_and_exports_it(reduced: aae.Run, tmp_path: Path) -> None:
    data = digits_of(reduced)
    export(reduced, tmp_path / "page.html", data)
    scene = Scene(reduced, data, most=50)
    scene.refresh()
    assert scene.meta()["found"] == [str(k) for k in range(10)]
    assert "around each of 10 heads" in scene.meta()["prior"]["text"]
    before = reduced.prior
    moved = {k: v + 1 if k == "heads.weight" else v for k, v in reduced.model.state_dict().items()}
    own = {k: v.clone() for k, v in reduced.model.state_dict().items()}
    reduced.take_weights(moved)
    torch.testing.assert_close(reduced.prior.mean, before.mean + 1)
    reduced.take_weights(own)


def test_a_star_for_each_head() -> None:
    codes = np.random.default_rng(0).normal(size=(30, 2))
    figure = latent_scatter(codes, codes, heads=CENTRES, head_names=["a", "b", "c"])
    axes = figure.axes[0]
    (stars,) = (c for c in axes.collections if c.get_gid() == "heads")
    np.testing.assert_array_equal(np.asarray(stars.get_offsets()), CENTRES)
    assert {t.get_text() for t in axes.texts} >= {"a", "b", "c"}
    low, high = axes.get_xlim()
    assert low < 0
    assert high > 8


def test_by_command_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    small = [word for net in ("encoder", "decoder", "discriminator") for word in (f"--model.{net}", "32")]
    options = ["--model.kind", "dimension-reduction", "--model.clusters", "4", "--epochs", "1", "--no-compare"]
    assert main(["train", "--out", str(run), *options, *small]) == 0
    assert main(["sample", str(run), "--out", str(tmp_path / "s.npz"), "--y", "2", "-n", "5"]) == 0
    assert main(["evaluate", str(run)]) == 0
    assert "Nearest heads" in capsys.readouterr().out
