"""Give your latent space any shape: adversarial autoencoders, from your data to evidence.

    import aae

    run = aae.train(aae.recipes.digits_2d_uniform())
    codes = run.encode(X)
    rows = run.decode(codes)
    new = run.sample(64)
    run.report()

Importing the package computes nothing and does not import torch; names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aae import anomaly, config, data, export, metrics, objectives, plots, priors, recipes
    from aae.config import Config, DataSpec
    from aae.estimators import AAE, VAE, AAEClassifier, AAECluster, AAEOutlierDetector, Autoencoder
    from aae.inference import Run
    from aae.training import resume, train

__version__ = "0.1.0"
__all__ = [
    "AAE",
    "VAE",
    "AAEClassifier",
    "AAECluster",
    "AAEOutlierDetector",
    "Autoencoder",
    "Config",
    "DataSpec",
    "Run",
    "anomaly",
    "config",
    "data",
    "export",
    "metrics",
    "objectives",
    "plots",
    "priors",
    "recipes",
    "resume",
    "train",
]

_HOMES = {
    "AAE": "aae.estimators",
    "AAEClassifier": "aae.estimators",
    "AAECluster": "aae.estimators",
    "AAEOutlierDetector": "aae.estimators",
    "Autoencoder": "aae.estimators",
    "VAE": "aae.estimators",
    "Config": "aae.config",
    "DataSpec": "aae.config",
    "Run": "aae.inference",
    "resume": "aae.training",
    "train": "aae.training",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"aae.{name}")
    raise AttributeError(f"module 'aae' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
