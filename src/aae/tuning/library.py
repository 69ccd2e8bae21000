"""Optuna, which is an extra: loaded when a search begins, or what to install."""

from __future__ import annotations

import warnings
from typing import Any

from aae.errors import ConfigError


def optuna() -> Any:
    """The module, its log silenced. ConfigError where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries that it loads
            import optuna as library
    except ImportError:
        raise ConfigError(
            "a search for settings needs Optuna, which is not installed; pip install 'adversarial-autoencoder[tune]'"
        ) from None
    library.logging.set_verbosity(library.logging.ERROR)
    return library
