"""How a row becomes a code: the three encoders of the paper, by what they draw and what they always give."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from aae import posteriors
from aae.config import Model as ModelConfig
from aae.networks import MLP, Encoder
from aae.phases import Batch
from aae.posteriors import LOG_VARIANCE, Deterministic, Gaussian, NoiseFed, Posterior

FEATURES, LATENT, NOISE, DRAWS = 6, 2, 4, 50_000
KINDS = ("deterministic", "gaussian", "noise")
ALL = pytest.mark.parametrize("kind", KINDS)


def made(kind: str) -> Posterior:
    return posteriors.build(ModelConfig(posterior=kind, posterior_noise=NOISE))  # type: ignore[arg-type]


def encoder_for(posterior: Posterior, hidden: tuple[int, ...] = (16,)) -> Encoder:
    torch.manual_seed(0)
    return Encoder(MLP((FEATURES + posterior.extra, *hidden, posterior.heads * LATENT)))


def batch(n: int = 8, seed: int = 0) -> Batch:
    rows = torch.randn(n, FEATURES, generator=torch.Generator().manual_seed(100))
    return Batch(rows, torch.Generator().manual_seed(seed))


def constant(*values: float) -> Encoder:
    """An encoder that gives every row the same output."""
    linear = nn.Linear(FEATURES, len(values))
    nn.init.zeros_(linear.weight)
    linear.bias.data = torch.tensor(values)
    return Encoder(linear)


def draws_of_one_row(posterior: Posterior, encoder: Encoder) -> tuple[Tensor, Tensor]:
    """Many draws of one row's code [n, latent], and the code it always gets [latent]."""
    row = batch(1).x
    same = Batch(row.expand(DRAWS, FEATURES), torch.Generator().manual_seed(1))
    return posterior.sample(encoder, same).detach(), posterior.centre(encoder, row).detach()[0]


@ALL
def test_codes_have_one_row_each(kind: str) -> None:
    posterior = made(kind)
    encoder, rows = encoder_for(posterior), batch()
    assert posterior.sample(encoder, rows).shape == (8, LATENT)
    assert posterior.centre(encoder, rows.x).shape == (8, LATENT)


@ALL
def test_the_centre_of_a_row_is_the_same_every_time_and_whatever_stands_beside_it(kind: str) -> None:
    posterior = made(kind)
    encoder, rows = encoder_for(posterior), batch().x
    centre = posterior.centre(encoder, rows)
    assert torch.equal(centre, posterior.centre(encoder, rows))
    torch.testing.assert_close(posterior.centre(encoder, rows[3:4]), centre[3:4], rtol=0, atol=1e-6)


@ALL
def test_draws_follow_the_generator_of_the_step(kind: str) -> None:
    posterior = made(kind)
    encoder = encoder_for(posterior)
    first, again, other = (posterior.sample(encoder, batch(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) is not posterior.stochastic
    rows = batch()
    assert torch.equal(posterior.sample(encoder, rows), posterior.sample(encoder, rows)) is not posterior.stochastic


@ALL
def test_only_what_says_that_it_is_random_differs_from_its_centre(kind: str) -> None:
    posterior = made(kind)
    encoder, rows = encoder_for(posterior), batch()
    assert torch.equal(posterior.sample(encoder, rows), posterior.centre(encoder, rows.x)) is not posterior.stochastic
    assert posterior.stochastic is (kind != "deterministic")


@ALL
def test_gradients_reach_every_weight_of_the_encoder(kind: str) -> None:
    """Through the draw too: this is how the game moves the encoder."""
    posterior = made(kind)
    encoder, rows = encoder_for(posterior), batch(64)
    posterior.sample(encoder, rows).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    last = [p for p in encoder.parameters() if p.ndim == 2][-1]
    assert last.grad is not None
    assert (last.grad.abs().sum(1) > 0).all(), "each output of the encoder matters, the log-variances too"


def test_the_deterministic_code_is_the_encoders_output() -> None:
    encoder, rows = encoder_for(Deterministic()), batch()
    assert torch.equal(Deterministic().sample(encoder, rows), encoder(rows.x))


def test_gaussian_draws_have_the_mean_and_deviation_that_the_encoder_gives() -> None:
    mean, log_variance = torch.tensor([0.7, -3.0]), torch.tensor([-2.0, 1.5])
    std = torch.exp(0.5 * log_variance)
    z, centre = draws_of_one_row(Gaussian(), constant(*mean, *log_variance))
    torch.testing.assert_close(centre, mean)
    assert ((z.mean(0) - mean).abs() < 5 * std / math.sqrt(DRAWS)).all()
    assert ((z.std(0) / std - 1).abs() < 5 / math.sqrt(2 * DRAWS)).all()
    whitened = (z - mean) / std
    assert abs((whitened[:, 0] * whitened[:, 1]).mean().item()) < 5 / math.sqrt(DRAWS), "the axes are independent"
    assert abs((whitened**4).mean().item() - 3) < 0.1, "and Gaussian"


@pytest.mark.parametrize("wild", [-1e9, -13.0, 7.0, 1e9])
def test_the_log_variance_stays_within_its_bounds(wild: float) -> None:
    encoder, rows = constant(1.0, 2.0, wild, wild), batch()
    mean, log_variance = Gaussian().parameters_of(encoder, rows.x)
    assert mean[0].tolist() == [1.0, 2.0]
    assert set(log_variance.flatten().tolist()) == {LOG_VARIANCE[0] if wild < 0 else LOG_VARIANCE[1]}
    assert torch.isfinite(Gaussian().sample(encoder, rows)).all()


def test_within_its_bounds_the_log_variance_is_the_encoders() -> None:
    encoder = constant(0.0, 0.0, LOG_VARIANCE[0] + 0.1, LOG_VARIANCE[1] - 0.1)
    _, log_variance = Gaussian().parameters_of(encoder, batch(1).x)
    torch.testing.assert_close(log_variance[0], torch.tensor(LOG_VARIANCE) + torch.tensor([0.1, -0.1]))


def test_the_noise_fed_posterior_is_what_the_encoder_makes_of_standard_noise() -> None:
    """A linear encoder shows the noise itself: mean 0 and the covariance W W^T about the centre, which has noise 0."""
    posterior = NoiseFed(NOISE)
    torch.manual_seed(0)
    linear = nn.Linear(FEATURES + NOISE, LATENT)
    z, centre = draws_of_one_row(posterior, Encoder(linear))
    by_hand = linear(torch.cat([batch(1).x, torch.zeros(1, NOISE)], 1))[0].detach()
    torch.testing.assert_close(centre, by_hand)
    fed = linear.weight[:, FEATURES:].detach()
    covariance = fed @ fed.T
    assert ((z.mean(0) - centre).abs() < 5 * covariance.diagonal().sqrt() / math.sqrt(DRAWS)).all()
    torch.testing.assert_close(torch.cov(z.T), covariance, rtol=0.03, atol=0.003)


def test_a_noise_fed_posterior_can_have_two_peaks() -> None:
    """What no Gaussian can do, and the reason to have it: the sign of the noise decides between two codes."""

    class Fork(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * torch.sign(x[:, FEATURES : FEATURES + LATENT]) + 0.1 * x[:, FEATURES : FEATURES + LATENT]

    z, _ = draws_of_one_row(NoiseFed(NOISE), Encoder(Fork()))
    assert (z.abs() > 1.9).all()
    assert (z > 0).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_the_settings_choose_the_posterior() -> None:
    assert isinstance(made("deterministic"), Deterministic)
    assert isinstance(made("gaussian"), Gaussian)
    fed = made("noise")
    assert isinstance(fed, NoiseFed)
    assert fed.extra == NOISE
    assert [made(kind).heads for kind in KINDS] == [1, 2, 1]
    assert [made(kind).extra for kind in KINDS] == [0, 0, NOISE]
