"""A prior of your own: two half moons. Any function that draws will do.

aae train --plugin examples/plugins/own_prior.py --prior.kind plugin
"""

import math

import torch

from aae.config import Prior as Settings
from aae.priors import Prior, from_callable


def prior(settings: Settings, latent: int) -> Prior:
    """Two half circles of radius `prior.scale` that hold each other, blurred by `prior.width`."""
    width = settings.width or 0.08 * settings.scale

    def two_moons(n: int, generator: torch.Generator) -> torch.Tensor:
        angle = math.pi * torch.rand(n, generator=generator, device=generator.device)
        side = torch.randint(0, 2, (n,), generator=generator, device=generator.device) * 2 - 1  # upper or lower moon
        moon = torch.stack([angle.cos() + 0.5 * side, angle.sin() - 0.25], 1) * torch.stack([side.abs(), side], 1)
        noise = torch.randn(n, 2, generator=generator, device=generator.device)
        return settings.scale * moon + width * noise

    return from_callable(two_moons)
