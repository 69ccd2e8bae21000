"""Holding codes to a prior without a discriminator: beta-VAE, VAE with any dense prior, WAE-MMD; what WAE-GAN is."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny
from test_phases import SPEC, batch_of, made, optimizers_of
from torch import nn

import aae
from aae import objectives, priors, recipes
from aae.config import Config, Prior, check, replace, resolve
from aae.config.rules import DENSE
from aae.data import Dataset
from aae.errors import ConfigError
from aae.game import Game
from aae.models import build
from aae.models.vae import dense
from aae.phases import Batch, Model, evaluate, step

CPU = torch.device("cpu")
WAE = {"model__kind": "wae-mmd", "prior__kind": "gaussian", "prior__scale": 1.0}


def losses_of(model: Model, seed: int = 0) -> dict[str, float]:
    return {name: loss.item() for name, loss in evaluate(model.phases[0], batch_of(seed=seed)).items()}


# VAE


def test_sampled_and_closed_divergence_agree_in_the_mean() -> None:
    """N(0, 1.5^2 I) given by its covariance has no closed form here; the two agree within five standard errors."""
    closed = made(tiny(model__kind="vae", prior__kind="gaussian", prior__scale=1.5))
    sampled = made(
        tiny(
            model__kind="vae", prior__kind="gaussian", prior__covariance=(2.25, 0.0, 0.0, 2.25), divergence__samples=20
        )
    )
    found = np.array([losses_of(sampled, seed)["kl"] for seed in range(60)])
    exact = np.array([losses_of(closed, seed)["kl"] for seed in range(60)])
    gap = found - exact  # of the same rows
    assert abs(gap.mean()) < 5 * gap.std() / 60**0.5
    assert gap.std() > 0


def test_the_sampled_divergence_is_log_q_minus_log_p() -> None:
    mean, log_variance = torch.randn(7, 3), torch.randn(7, 3)
    z = torch.randn(7, 3)
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    log_p = torch.randn(7)
    expected = (q.log_prob(z).sum(1) - log_p).mean()
    torch.testing.assert_close(objectives.kl_by_samples(z, mean, log_variance, log_p), expected)


def test_more_samples_spread_less() -> None:
    changes = {"model__kind": "vae", "prior__kind": "mixture"}
    spread = [
        np.std([losses_of(made(tiny(**changes, divergence__samples=n)), seed)["kl"] for seed in range(30)])
        for n in (1, 30)
    ]
    assert spread[1] < 0.6 * spread[0]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_beta_weighs_the_divergence(reduction: str) -> None:
    changes = {"model__kind": "vae", "prior__kind": "gaussian", "reconstruction__reduction": reduction}
    one, four = made(tiny(**changes)), made(tiny(**changes, divergence__weight=4.0))
    losses = evaluate(one.phases[0], batch_of())
    assert losses_of(one) == losses_of(four)
    gain = four.phases[0].total(losses, 0.0) - one.phases[0].total(losses, 0.0)
    features = 12 if reduction == "mean" else 1
    torch.testing.assert_close(gain, 3 * losses["kl"] / features)


@pytest.mark.parametrize("kind", [k for k in priors.KINDS if k not in ("picture", "points", "product", "plugin")])
def test_which_priors_a_vae_takes(kind: str) -> None:
    """Those with a density everywhere, whose gradients are finite; the others are refused with what to do."""
    assert (kind in DENSE) == dense(priors.prior(kind))
    if kind not in DENSE:
        with pytest.raises(ConfigError, match=f"prior.kind = {kind} does not go with model.kind = vae.*wae-mmd"):
            check(replace(Config(), {"model.kind": "vae", "prior.kind": kind}))
        return
    model = made(tiny(model__kind="vae", prior__kind=kind))
    step(model, optimizers_of(tiny(), model), batch_of())
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_product_with_a_bounded_block_is_refused() -> None:
    config = tiny(model__kind="vae", prior__kind="product", prior__blocks=("a=gaussian:1", "b=laplace:1"))
    assert "kl" in losses_of(made(config))
    with pytest.raises(ConfigError, match="needs a prior with a density everywhere"):
        made(tiny(model__kind="vae", prior__kind="product", prior__blocks=("a=gaussian:1", "b=uniform:1")))


def test_points_are_a_prior_for_a_vae(tmp_path: Path) -> None:
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).normal(size=(50, 2)))
    prior = priors.with_content(Prior("points", file=str(tmp_path / "cloud.npy"), width=0.5))
    changes = {"model__kind": "vae", "prior__kind": "points", "prior__width": 0.5}
    model = made(tiny(**changes, prior__content=prior.content))
    step(model, optimizers_of(tiny(), model), batch_of())
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_recipe_with_a_dense_prior_keeps_it_as_a_vae() -> None:
    base = recipes.recipe("mnist-2d-mixture")
    assert resolve(base, replace(base, {"model.kind": "vae"})).prior == base.prior


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"divergence__weight": 2.0}, "model.kind = aae has no divergence"),
        ({"model__kind": "vae", "prior__kind": "gaussian", "divergence__samples": 5}, "has a closed form"),
        ({**WAE, "divergence__samples": 5}, "as many as there are rows"),
        ({**WAE, "adversarial__input_noise": 0.1}, "has no discriminator"),
        ({**WAE, "optimizer__discriminator__learning_rate": 0.1}, "has no discriminator"),
    ],
)
def test_what_would_be_ignored_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tiny(**changes)


def test_codes_of_a_vae_follow_a_mixture(digits: Dataset, tmp_path: Path) -> None:
    """On the digits the codes lie in the mixture's parts, where those of a Gaussian VAE leave most of them."""
    config = tiny(
        model__kind="vae",
        prior__kind="grid",
        prior__scale=4.0,
        prior__width=0.5,
        prior__components=2,
        epochs=20,
        batch_size=32,
        reconstruction__reduction="sum",
        divergence__samples=2,
        optimizer__reconstruction__learning_rate=3e-3,
    )
    run = aae.train(config, tmp_path / "run", data=digits)
    x = aae.data.original(digits.x[:300], digits.spec)
    inside = run.prior.contains(torch.from_numpy(run.encode(x, sample=True)))
    assert inside.double().mean() > 0.8


# WAE-MMD


def test_the_kernel_distance_is_its_double_loop() -> None:
    z, p = torch.randn(9, 3), torch.randn(9, 3) + 0.5

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        squared = (a - b).square().sum().item()
        return sum(6.0 * s / (6.0 * s + squared) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    own = sum(kernel(a[i], a[j]) for a in (z, p) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    between = sum(kernel(a, b) for a, b in itertools.product(z, p)) / 81
    assert objectives.kernel_distance(z, p, 6.0).item() == pytest.approx(own - 2 * between, rel=1e-4, abs=1e-5)


def test_the_kernel_distance_has_no_bias() -> None:
    """0 in the mean for codes drawn from the prior, within five standard errors, and far above that for others."""
    generator = torch.Generator().manual_seed(0)
    prior = priors.Gaussian(4, 1.0)
    draws = [
        objectives.kernel_distance(*(prior.sample(20, generator=generator) for _ in range(2)), 8.0).item()
        for _ in range(400)
    ]
    error = np.std(draws) / len(draws) ** 0.5
    assert abs(np.mean(draws)) < 5 * error
    assert min(draws) < 0
    far = objectives.kernel_distance(
        prior.sample(20, generator=generator) * 0.1, prior.sample(20, generator=generator), 8.0
    )
    assert far.item() > 20 * error


def test_the_kernel_is_as_wide_as_published() -> None:
    assert made(tiny(**{**WAE, "prior__scale": 3.0}, model__latent=5)).width == pytest.approx(2 * 5 * 9)


def test_lambda_weighs_the_distance() -> None:
    losses = evaluate(made(tiny(**WAE)).phases[0], batch_of())
    ten = made(tiny(**WAE, divergence__weight=10.0, reconstruction__reduction="sum"))
    torch.testing.assert_close(ten.phases[0].total(losses, 0.0), losses["reconstruction"] + 10 * losses["mmd"])


def test_one_row_has_no_distance(digits: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"wae-mmd needs batch_size of 2 rows or more, got 1"):
        Game.new(tiny(**WAE, batch_size=1), digits, CPU)
    assert set(evaluate(made(tiny(**WAE)).phases[0], batch_of(1))) == {"reconstruction"}


def test_codes_come_to_follow_any_prior(digits: Dataset, tmp_path: Path) -> None:
    config = tiny(
        model__kind="wae-mmd",
        prior__kind="ring",
        divergence__weight=200.0,
        epochs=20,
        batch_size=64,
        reconstruction__reduction="sum",
        optimizer__reconstruction__learning_rate=3e-3,
    )
    run = aae.train(config, tmp_path / "run", data=digits)
    first, last = run.history[0], run.history[-1]
    assert last["mmd_validation"] < 0.3 * first["mmd_validation"]
    found = run.evaluate(data=digits)
    assert found["r2"] > 0.2
    assert "c2st" in found


# WAE-GAN


def test_wae_gan_is_the_joint_aae() -> None:
    """Tolstikhin et al. 2018, algorithm 1, by hand: the same weights after twenty steps as model.kind = aae.

    Encoder and decoder minimise the squared error - lambda log D(z), the discriminator -log D(prior) - log(1 - D(z)).
    Theirs begins each step with the discriminator, ours ends it with that: the same sequence of updates. Our
    discriminator's loss is the mean of the two terms, so under plain SGD half their rate is ours.
    """
    weight, rate = 10.0, 0.002
    sgd = {f"optimizer__{phase}__kind": "sgd" for phase in ("reconstruction", "discriminator")}
    rates = {"optimizer__reconstruction__learning_rate": rate, "optimizer__discriminator__learning_rate": 2 * rate}
    still = {f"optimizer__{phase}__momentum": 0.0 for phase in ("reconstruction", "discriminator")}
    config = tiny(
        adversarial__phases="joint",
        adversarial__weight=weight,
        adversarial__final_weight=weight,
        prior__kind="gaussian",
        prior__scale=1.0,
        reconstruction__reduction="sum",
        model__output="linear",
        **sgd,
        **rates,
        **still,
    )
    torch.manual_seed(0)
    ours = build(config, SPEC)
    networks = {name: nn.Sequential(*(clone(m) for m in ours.get_submodule(name).body)) for name in PLAYERS}
    encoder, decoder, discriminator = networks.values()
    optimizers = optimizers_of(config, ours)
    noise, mine = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    for seed in range(20):
        x = torch.rand(32, 12, generator=torch.Generator().manual_seed(seed))
        step(ours, optimizers, Batch(x, mine))
        z = encoder(x)
        cost = (decoder(z) - x).square().sum(1).mean() - weight * nn.functional.logsigmoid(discriminator(z)).mean()
        descend(cost, [*encoder.parameters(), *decoder.parameters()], rate)
        p, z = torch.randn(32, 2, generator=noise), encoder(x).detach()
        told = -nn.functional.logsigmoid(discriminator(p)).mean() - nn.functional.logsigmoid(-discriminator(z)).mean()
        descend(told, list(discriminator.parameters()), rate)
    for name, by_hand in networks.items():
        for a, b in zip(ours.get_submodule(name).parameters(), by_hand.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


PLAYERS = ("encoder", "decoder", "discriminator")


def clone(module: nn.Module) -> nn.Module:
    if not isinstance(module, nn.Linear):
        return nn.ReLU()
    copy = nn.Linear(module.in_features, module.out_features)
    copy.load_state_dict(module.state_dict())
    return copy


def descend(loss: torch.Tensor, parameters: list[nn.Parameter], rate: float) -> None:
    with torch.no_grad():
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p -= rate * g


def test_the_recipe_of_wae_gan_is_an_aae_and_says_so() -> None:
    config: Config = recipes.recipe("mnist-8d-wae-gan")
    assert config.model.kind == "aae"
    assert config.adversarial.phases == "joint"
    assert config.adversarial.weight == config.adversarial.final_weight == 10.0
    assert "is the AAE" in recipes.describe()["mnist-8d-wae-gan"]
    kernel = recipes.recipe("mnist-8d-wae-mmd")
    same = ("epochs", "batch_size", "prior", "reconstruction", "schedule", "data")
    assert all(getattr(config, name) == getattr(kernel, name) for name in same)
