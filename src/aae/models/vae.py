"""The variational autoencoder (Kingma & Welling 2014): the baseline that the paper argues against."""

from __future__ import annotations

import math

from torch import Tensor

from aae import objectives
from aae.config import Config, DataSpec
from aae.models import parts
from aae.networks import Decoder, Encoder
from aae.phases import Batch, Losses, Model, Phase
from aae.posteriors import Gaussian


class VAE(Model):
    """One phase: the reconstruction error plus the divergence of the posterior from a Gaussian prior.

    With the error summed over features the two add up to the negative evidence lower bound, in nats per row; with a
    mean over features the divergence is weighted by one over their number, so the balance is the same.
    """

    stochastic = True

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        error: parts.ReconstructionLoss,
        prior_std: float = 1.0,
        weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.error = encoder, decoder, error
        self.posterior = Gaussian()
        self.prior_std = prior_std
        self.phases = (Phase("reconstruction", ("encoder", "decoder"), self.bound, weights or {}),)

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> VAE:
        encoder = parts.encoder(config, spec, 2 * config.model.latent)
        weights = {
            "reconstruction": config.reconstruction.weight,
            "kl": 1 / math.prod(spec.shape) if config.reconstruction.reduction == "mean" else 1.0,
        }
        error = parts.reconstruction_error(config)
        return cls(encoder, parts.decoder(config, spec), error, config.prior.scale, weights)

    def bound(self, batch: Batch) -> Losses:
        mean, log_variance = self.posterior.parameters_of(self.encoder, batch.x)
        z = self.posterior.draw(mean, log_variance, batch)  # [batch, latent]
        divergence = objectives.kl_to_gaussian(mean, log_variance, self.prior_std)
        return {"reconstruction": self.error(self.decoder, z, batch), "kl": divergence}

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior.centre(self.encoder, x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return self.posterior.sample(self.encoder, batch)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))
