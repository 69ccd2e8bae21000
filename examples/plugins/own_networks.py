"""Networks of your own: an encoder and a decoder with gated residual blocks, and a discriminator with one.

aae train --plugin examples/plugins/own_networks.py --model.network plugin
"""

import torch
from torch import Tensor, nn

from aae.config import Config, DataSpec


class Gated(nn.Module):
    """x + tanh(Vx) * sigmoid(Wx), [batch, wide] -> [batch, wide]."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(wide, wide), nn.Linear(wide, wide)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.value(x)) * torch.sigmoid(self.gate(x))


def encoder(config: Config, spec: DataSpec, wide_in: int, wide_out: int) -> nn.Module:
    """[batch, wide_in] scaled values -> [batch, wide_out]: a code, or what else the posterior needs."""
    wide = config.model.encoder[0]
    return nn.Sequential(nn.Linear(wide_in, wide), Gated(wide), Gated(wide), nn.Linear(wide, wide_out))


def decoder(config: Config, spec: DataSpec, wide_in: int, wide_out: int) -> nn.Module:
    """[batch, wide_in] codes -> [batch, wide_out] values, before the sigmoid that data scaled to [0, 1] gets."""
    wide = config.model.decoder[0]
    return nn.Sequential(nn.Linear(wide_in, wide), Gated(wide), Gated(wide), nn.Linear(wide, wide_out))


def discriminator(config: Config, spec: DataSpec, wide_in: int, wide_out: int) -> nn.Module:
    """[batch, wide_in] codes, and what else it is told -> [batch, wide_out] logits; above 0 means from the prior."""
    wide = config.model.discriminator[0]
    return nn.Sequential(nn.Linear(wide_in, wide), Gated(wide), nn.Tanh(), nn.Linear(wide, wide_out))
