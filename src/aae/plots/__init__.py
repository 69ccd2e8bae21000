"""Pictures of a latent space and of what is decoded from it: NumPy arrays in, a matplotlib `Figure` out.

No function touches pyplot or any other global state, so figures can be drawn from threads and are freed like any
other object. `save` and `to_png_bytes` turn a figure into a file.
"""

from aae.plots.animation import animation
from aae.plots.classes import cluster_heads, style_by_class
from aae.plots.curves import curves
from aae.plots.grids import manifold, reconstructions, sample_picture, samples
from aae.plots.health import health
from aae.plots.holes import hole_map
from aae.plots.latent import Panel, comparison, latent_scatter
from aae.plots.losses import losses
from aae.plots.pareto import pareto
from aae.plots.prior import prior_picture
from aae.plots.spread import spread_curves
from aae.plots.style import PALETTE, UNLABELLED, class_colours, save, to_png_bytes
from aae.plots.tables import columns, correlations

__all__ = [
    "PALETTE",
    "UNLABELLED",
    "Panel",
    "animation",
    "class_colours",
    "cluster_heads",
    "columns",
    "comparison",
    "correlations",
    "curves",
    "health",
    "hole_map",
    "latent_scatter",
    "losses",
    "manifold",
    "pareto",
    "prior_picture",
    "reconstructions",
    "sample_picture",
    "samples",
    "save",
    "spread_curves",
    "style_by_class",
    "to_png_bytes",
]
