"""Objectives and stabilisers against formulas written out, and each of them through training, saving and resuming."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae import objectives
from aae.config import Adversarial, Config, replace
from aae.data import Dataset
from aae.errors import ConfigError
from aae.game import Game
from aae.models import adversary, build
from aae.phases import Batch
from aae.training import Steer

STEP = 12
STABILISERS = {
    "label smoothing": {"adversarial.label_smoothing": 0.1},
    "spectral norm": {"adversarial.spectral_norm": True},
    "WGAN-GP": {
        "adversarial.objective": "wasserstein",
        "adversarial.gradient_penalty": 1.0,
        "adversarial.penalty": "one",
        "adversarial.discriminator_steps": 3,
    },
    "hinge": {"adversarial.objective": "hinge"},
    "least squares": {"adversarial.objective": "least-squares"},
    "balanced": {"adversarial.phases": "joint", "adversarial.balance": "gradients", "adversarial.weight": 1.0},
}


def config_of(name: str) -> Config:
    return replace(tiny(), STABILISERS[name])


def stop_at(step: int) -> Steer:
    def steer(game: Game, stop: object) -> bool:
        if game.step == step:
            stop.signal = 2  # type: ignore[attr-defined]
        return False

    return steer


@pytest.mark.parametrize("name", STABILISERS)
def test_a_stopped_run_ends_with_the_same_bytes(name: str, tmp_path: Path, digits: Dataset) -> None:
    """Buffers of spectral normalisation and of the balance too: all that training depends on is saved."""
    config = config_of(name)
    whole = aae.train(config, tmp_path / "whole", data=digits)
    with pytest.raises(aae.errors.Interrupted):
        aae.train(config, tmp_path / "parts", data=digits, steer=stop_at(STEP))
    parts = aae.resume(tmp_path / "parts", data=digits)
    weights = [(run.path / "weights.safetensors").read_bytes() for run in (whole, parts)]
    assert weights[0] == weights[1]
    plain = aae.train(tiny(), tmp_path / "plain", data=digits)
    shared = {k for k in plain.model.state_dict() if k.startswith("encoder")}
    assert any(not torch.equal(plain.model.state_dict()[k], whole.model.state_dict()[k]) for k in shared)


def logits(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    real, fake = torch.randn(2, 500, generator=torch.Generator().manual_seed(seed)).double().unbind()
    return real + 0.4, fake


def test_objectives_equal_their_formulas() -> None:
    real, fake = logits()
    r, f = real.numpy(), fake.numpy()
    p, q = 1 / (1 + np.exp(-r)), 1 / (1 + np.exp(-f))
    smoothed = -0.5 * (0.9 * np.log(p) + 0.1 * np.log(1 - p)).mean() - 0.5 * np.log(1 - q).mean()
    assert objectives.softened(real, fake, 0.1).item() == pytest.approx(smoothed)
    assert objectives.softened(real, fake, 0.0).item() == pytest.approx(objectives.told_apart(real, fake).item())
    squares = 0.25 * (((r - 1) ** 2).mean() + ((f + 1) ** 2).mean())
    assert objectives.squares(real, fake).item() == pytest.approx(squares)
    hinge = 0.5 * (np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean())
    assert objectives.hinge(real, fake).item() == pytest.approx(hinge)
    assert objectives.wasserstein(real, fake).item() == pytest.approx(0.5 * (f.mean() - r.mean()))
    assert objectives.as_square(fake).item() == pytest.approx(0.5 * ((f - 1) ** 2).mean())
    assert objectives.as_high(fake).item() == pytest.approx(-f.mean())


@pytest.mark.parametrize(
    ("objective", "blind"), [("cross-entropy", math.log(2)), ("least-squares", 0.5), ("hinge", 1.0), ("wasserstein", 0)]
)
def test_a_discriminator_that_cannot_tell_pays_what_is_documented(objective: str, blind: float) -> None:
    game = replace(Adversarial(), {"objective": objective})
    real = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    losses = adversary.discriminator_losses(lambda z: z.sum(1) * 0, real, real, game)
    assert losses["discriminator"].item() == pytest.approx(blind)


@pytest.mark.parametrize("objective", ["cross-entropy", "least-squares", "hinge", "wasserstein"])
def test_a_generator_gains_by_answers_that_say_prior(objective: str) -> None:
    game = replace(Adversarial(), {"objective": objective})
    low, high = (
        adversary.generator_losses(lambda z, at=at: z[:, 0] * 0 + at, torch.zeros(5, 2), game)["generator"].item()
        for at in (-0.5, 0.5)
    )
    assert high < low


def test_wasserstein_penalty_holds_a_linear_critic_to_slope_one() -> None:
    game = Adversarial(objective="wasserstein", gradient_penalty=10.0, penalty="one")
    real, fake = torch.randn(2, 64, 3, generator=torch.Generator().manual_seed(0)).unbind()
    for slope in (0.25, 1.0, 2.0):
        direction = slope * torch.tensor([0.6, 0.0, 0.8])
        losses = adversary.discriminator_losses(lambda z, w=direction: z @ w, real, fake, game)
        assert losses["gradient_penalty"].item() == pytest.approx((slope - 1) ** 2, abs=1e-5)


def test_spectral_norm_bounds_every_layer(tmp_path: Path, digits: Dataset) -> None:
    """The largest singular value of each layer is 1, to within what one power iteration a step gives."""
    game = Game.new(replace(config_of("spectral norm"), {"epochs": 5}), digits, torch.device("cpu"))
    for epoch in range(4):
        order = game.feed.order(epoch)
        for i in range(game.steps_per_epoch):
            game.take_step(order[i * 128 : (i + 1) * 128], torch.float32)
    game.model.eval()
    layers = [m for m in game.model.get_submodule("discriminator").modules() if isinstance(m, torch.nn.Linear)]
    assert len(layers) == 2
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.detach(), 2).item() == pytest.approx(1, abs=0.05)


def test_more_steps_of_the_discriminator_are_more_of_its_phases(digits: Dataset) -> None:
    model = build(replace(tiny(), {"adversarial.discriminator_steps": 3}), digits.spec)
    assert [p.name for p in model.phases] == ["reconstruction", *["discriminator"] * 3, "generator"]


def test_balance_gives_the_wanted_pull(digits: Dataset) -> None:
    """Right after a measurement the weighted generator's gradient at the codes is `weight` times reconstruction's."""
    changes = STABILISERS["balanced"] | {"adversarial.weight": 3.0, "adversarial.final_weight": 3.0}
    changes |= {"reconstruction.weight": 7.0}
    model = build(replace(tiny(), changes), digits.spec)
    x = torch.rand(32, 64, generator=torch.Generator().manual_seed(0))
    batch = Batch(x, torch.Generator().manual_seed(0))
    phase = model.phases[0]
    losses = phase.losses(batch)
    codes = model.sample_codes(batch)
    pulls = {
        name: torch.autograd.grad(phase.factor(name, 0.5) * loss, codes, retain_graph=True)[0].norm().item()
        for name, loss in losses.items()
    }
    assert pulls["generator"] == pytest.approx(3 * pulls["reconstruction"], rel=1e-4)


def test_balance_is_measured_while_training_alone(digits: Dataset) -> None:
    game = Game.new(config_of("balanced"), digits, torch.device("cpu"))
    before = {k: v.clone() for k, v in game.model.state_dict().items()}
    game.model.eval()
    game.held_out.losses(1, torch.float32)
    game.held_out.health(1, torch.float32)
    assert all(torch.equal(v, before[k]) for k, v in game.model.state_dict().items())
    game.model.train()
    game.take_step(game.feed.order(0)[:128], torch.float32)
    assert game.model.state_dict()["balance.norms"].gt(0).all()
    assert game.model.state_dict()["balance.steps"] == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adversarial.balance": "gradients"}, "adversarial.phases = joint"),
        ({"adversarial.penalty": "one"}, "gradient_penalty is 0"),
        ({"adversarial.objective": "hinge", "adversarial.label_smoothing": 0.1}, "cross-entropy"),
        ({"adversarial.label_smoothing": 0.7}, "below 0.5"),
        ({"adversarial.discriminator_steps": 0}, "1 or more"),
        ({"adversarial.objective": "wasserstein"}, "bounded slope"),
    ],
)
def test_settings_that_would_be_ignored_or_cannot_work_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        aae.config.check(replace(tiny(), changes))
