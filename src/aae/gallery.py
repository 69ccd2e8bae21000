"""A prior drawn: what `aae priors show` writes."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from aae import plots
from aae.priors import Prior

DRAWN, PIXELS, GRID = 4000, 240, 20
"""Samples, pixels of the density along a side, and codes of the grid along an axis."""


def picture(prior: Prior, seed: int = 0) -> Figure:
    """Samples of a prior by class, its density where it has one in the plane, its outline, and its grid of codes."""
    generator = torch.Generator().manual_seed(seed)
    y = None if prior.classes is None or prior.classes > 20 else torch.arange(DRAWN) % prior.classes
    samples = prior.sample(DRAWN, y, generator).numpy()
    density, extent = None, None
    if prior.has_density and prior.latent == 2:
        low, high = prior.bounds().numpy()
        across, up = (
            np.linspace(low[i], high[i], PIXELS, endpoint=False) + (high[i] - low[i]) / PIXELS / 2 for i in (0, 1)
        )
        places = torch.from_numpy(np.stack(np.meshgrid(across, up), -1).reshape(-1, 2))
        density = prior.log_prob(places).exp().numpy().reshape(PIXELS, PIXELS)
        extent = (low[0], high[0], low[1], high[1])
    return plots.prior_picture(
        samples,
        _lines(prior.describe()),
        None if y is None else y.numpy(),
        prior.outline(),
        prior.grid(GRID).reshape(-1, prior.latent).numpy(),
        density,
        extent,
    )


def _lines(text: str, limit: int = 60) -> str:
    """A title in lines of about `limit` characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= limit:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
