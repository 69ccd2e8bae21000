"""What a latent space should look like: any shape that can be sampled.

    from aae import priors

    ring = priors.prior("ring")
    star = priors.from_picture("star.png")
    mine = priors.from_points(array)          # from_callable(draw), from_distribution(torch.distributions...)

    z = ring.sample(1000, generator=torch.Generator().manual_seed(0))

A prior gives samples, its density where there is one, whether a code lies inside, a grid of codes for the manifold, an
outline to draw, and a map to the unit cube where one is known. All tensors are [n, latent]; lengths are in code units.
"""

from aae.priors.around import Around, around
from aae.priors.asked import (
    admit,
    from_callable,
    from_distribution,
    from_picture,
    from_points,
    named,
    prior,
)
from aae.priors.base import Prior, quantile_grid
from aae.priors.boxes import Laplace, StudentT, Uniform
from aae.priors.clouds import Points
from aae.priors.curves import Curve, spiral, swiss_roll
from aae.priors.gaussians import Gaussian, Mixture, lattice, petals
from aae.priors.given import Distribution, Drawn
from aae.priors.kinds import KINDS, build, with_content
from aae.priors.parts import OneHot, Product
from aae.priors.pixels import Pixels, checkerboard
from aae.priors.round import Shell, Torus

__all__ = [
    "KINDS",
    "Around",
    "Curve",
    "Distribution",
    "Drawn",
    "Gaussian",
    "Laplace",
    "Mixture",
    "OneHot",
    "Pixels",
    "Points",
    "Prior",
    "Product",
    "Shell",
    "StudentT",
    "Torus",
    "Uniform",
    "admit",
    "around",
    "build",
    "checkerboard",
    "from_callable",
    "from_distribution",
    "from_picture",
    "from_points",
    "lattice",
    "named",
    "petals",
    "prior",
    "quantile_grid",
    "spiral",
    "swiss_roll",
    "with_content",
]
