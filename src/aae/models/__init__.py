"""The models, one paper section to a file; `build` makes the one that the settings describe."""

from __future__ import annotations

from collections.abc import Callable

from aae.config import Config, DataSpec
from aae.models import adversary, clustering, plugin
from aae.models.aae import AAE
from aae.models.autoencoder import Autoencoder
from aae.models.dimension_reduction import DimensionReduction
from aae.models.own import own_networks
from aae.models.semi_supervised import SemiSupervised
from aae.models.supervised import Supervised
from aae.models.vae import VAE
from aae.models.wae import WAE
from aae.phases import Model

__all__ = [
    "AAE",
    "VAE",
    "WAE",
    "Autoencoder",
    "DimensionReduction",
    "SemiSupervised",
    "Supervised",
    "build",
    "own_networks",
]


def build(config: Config, spec: DataSpec) -> Model:
    """A new model for data of this kind; first weights come from torch's global generator, which the caller seeds."""
    kinds: dict[str, Callable[[Config, DataSpec], Model]] = {
        "aae": AAE.build,
        "supervised": Supervised.build,
        "semi-supervised": SemiSupervised.build,
        "clustering": clustering.build,
        "dimension-reduction": DimensionReduction.build,
        "autoencoder": Autoencoder.build,
        "vae": VAE.build,
        "wae-mmd": WAE.build,
        "plugin": plugin.build,
    }
    return adversary.arrange(kinds[config.model.kind](config, spec), config.adversarial)
