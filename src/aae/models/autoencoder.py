"""The plain autoencoder: reconstruction and nothing else (the baseline that leaves the latent space to itself)."""

from __future__ import annotations

from torch import Tensor

from aae.config import Config, DataSpec
from aae.models import parts
from aae.networks import Decoder, Encoder
from aae.phases import Batch, Losses, Model, Phase


class Autoencoder(Model):
    """x -> z = encoder(x) -> decoder(z), trained on the reconstruction error alone."""

    def __init__(
        self, encoder: Encoder, decoder: Decoder, error: parts.ReconstructionLoss, weight: float = 1.0
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.error = encoder, decoder, error
        self.phases = (
            Phase("reconstruction", ("encoder", "decoder"), self.reconstruction_losses, {"reconstruction": weight}),
        )

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> Autoencoder:
        encoder = parts.encoder(config, spec, config.model.latent)
        return cls(
            encoder, parts.decoder(config, spec), parts.reconstruction_error(config), config.reconstruction.weight
        )

    def reconstruction_losses(self, batch: Batch) -> Losses:
        return {"reconstruction": self.error(self.decoder, self.encoder(batch.x), batch)}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return self.encode(batch.x)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))
