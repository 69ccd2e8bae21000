"""The variational autoencoder (Kingma & Welling 2014) and the beta-VAE: the baseline that the paper argues against."""

from __future__ import annotations

import torch
from torch import Tensor

from aae import objectives, priors
from aae.config import Config, DataSpec
from aae.errors import ConfigError
from aae.models import parts
from aae.networks import Decoder, Encoder
from aae.phases import Batch, Losses, Model, Phase
from aae.posteriors import Gaussian


class VAE(Model):
    """One phase: the reconstruction error plus a weight times the divergence of the posterior from the prior.

    With `divergence.weight` 1 and the error summed over features the two add up to the negative evidence lower bound,
    in nats per row; with a mean over features the divergence is weighted by one over their number as well, so the
    balance is the same. Another weight is the beta of the beta-VAE (Higgins et al. 2017, "beta-VAE: Learning Basic
    Visual Concepts with a Constrained Variational Framework").

    The divergence from an isotropic Gaussian has a closed form. That from any other prior with a density everywhere
    is the mean of log q(z|x) - log p(z) over `samples` draws of each row's code, the first of which is decoded.
    """

    stochastic = True

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        error: parts.ReconstructionLoss,
        prior: priors.Prior,
        weights: dict[str, float] | None = None,
        samples: int = 1,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.error = encoder, decoder, error
        self.posterior, self.prior, self.samples = Gaussian(), prior, samples
        self.phases = (Phase("reconstruction", ("encoder", "decoder"), self.bound, weights or {}),)

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> VAE:
        prior = priors.build(config.prior, config.model.latent)
        if not dense(prior):
            raise ConfigError(
                f"model.kind = vae needs a prior with a density everywhere, and {prior.describe()} has none where no "
                "sample falls: a Gaussian posterior would lie infinitely far from it; choose another prior.kind, or "
                "set model.kind to aae or wae-mmd"
            )
        encoder = parts.encoder(config, spec, 2 * config.model.latent)
        weights = {"reconstruction": config.reconstruction.weight, "kl": parts.divergence_weight(config, spec)}
        error = parts.reconstruction_error(config)
        return cls(encoder, parts.decoder(config, spec), error, prior, weights, config.divergence.samples)

    def bound(self, batch: Batch) -> Losses:
        mean, log_variance = self.posterior.parameters_of(self.encoder, batch.x)
        z = self.posterior.draw(mean, log_variance, batch)  # [batch, latent]
        divergence = self.divergence(mean, log_variance, z, batch)
        return {"reconstruction": self.error(self.decoder, z, batch), "kl": divergence}

    def divergence(self, mean: Tensor, log_variance: Tensor, z: Tensor, batch: Batch) -> Tensor:
        """Of N(mean, exp(log_variance)) from the prior, mean over rows, nats; `z` is one draw of each row's code."""
        if isinstance(self.prior, priors.Gaussian) and self.prior.isotropic:
            return objectives.kl_to_gaussian(mean, log_variance, self.prior.spread)
        more = (self.posterior.draw(mean, log_variance, batch) for _ in range(self.samples - 1))
        found = []
        with torch.autocast(z.device.type, enabled=False):
            for draw in (z, *more):
                log_p = self.prior.log_prob(objectives.wide(draw))
                found.append(objectives.kl_by_samples(draw, mean, log_variance, log_p))
        return torch.stack(found).mean()

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior.centre(self.encoder, x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return self.posterior.sample(self.encoder, batch)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))


def dense(prior: priors.Prior) -> bool:
    """Whether the prior has a density above 0 everywhere, tried at points out to several of its deviations."""
    if not prior.has_density:
        return False
    noise = torch.randn(1000, prior.latent, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return bool(torch.isfinite(prior.log_prob(prior.mean + 2 * prior.std * noise)).all())
