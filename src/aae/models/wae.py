"""The Wasserstein autoencoder with a kernel in place of a discriminator (Tolstikhin et al. 2018): WAE-MMD.

WAE-GAN, the other form of that paper, has no file of its own: with the squared error as cost it is the adversarial
autoencoder (their section 3), `model.kind = aae` with `adversarial.phases = joint` and a constant weight.
"""

from __future__ import annotations

from torch import Tensor

from aae import objectives, posteriors, priors
from aae.config import Config, DataSpec
from aae.models import parts
from aae.networks import Decoder, Encoder
from aae.phases import Batch, Losses, Model, Phase


class WAE(Model):
    """One phase: the reconstruction error plus a weight times the kernel distance of codes from samples of the prior.

    The distance is `objectives.kernel_distance` between the codes of the batch and as many fresh samples, so any prior
    that can be sampled will do. The published C = 2 d sigma^2 of the kernel takes for sigma^2 the prior's mean variance
    over the axes. The weight is `divergence.weight`, times one over the number of features where the error is a mean
    over them, so that the balance is that of a sum.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        posterior: posteriors.Posterior,
        prior: priors.Prior,
        error: parts.ReconstructionLoss,
        weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.posterior, self.prior, self.error = posterior, prior, error
        self.stochastic = posterior.stochastic
        self.width = 2 * prior.latent * prior.spread**2
        self.phases = (Phase("reconstruction", ("encoder", "decoder"), self.losses, weights or {}),)

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> WAE:
        model, posterior = config.model, posteriors.build(config.model)
        return cls(
            parts.encoder(config, spec, posterior.heads * model.latent, posterior.extra),
            parts.decoder(config, spec),
            posterior,
            priors.build(config.prior, model.latent),
            parts.reconstruction_error(config),
            {"reconstruction": config.reconstruction.weight, "mmd": parts.divergence_weight(config, spec)},
        )

    def losses(self, batch: Batch) -> Losses:
        z = self.sample_codes(batch)
        losses = {"reconstruction": self.error(self.decoder, z, batch)}
        codes = batch.gathered(z)
        if len(codes) > 1:  # of a single held-out row there is no distance to tell
            samples = self.prior.sample(len(codes), generator=batch.generator)
            losses["mmd"] = objectives.kernel_distance(codes, samples, self.width)
        return losses

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior.centre(self.encoder, x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return batch.once("codes", ("encoder",), lambda: self.posterior.sample(self.encoder, batch))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))
