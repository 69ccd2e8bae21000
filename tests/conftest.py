"""Small data and settings that many tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import aae
from aae.config import Config, replace, resolve
from aae.data import Dataset, load


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tiny networks gain nothing from threads, and spinning threads slow everything beside them."""
    torch.set_num_threads(1)


def tiny(**changes: object) -> Config:
    """A run of a second: the bundled digits, small networks, two epochs; dotted names with __ for the dots."""
    widths = dict.fromkeys(("model.encoder", "model.decoder", "model.discriminator"), (32,))
    base = replace(Config(), {"epochs": 2, "batch_size": 128, "threads": 1, **widths})
    return resolve(base, replace(base, {name.replace("__", "."): value for name, value in changes.items()}))


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load(aae.Config().data)


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    """200 rows of a 12-column table in very different units."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, 3)) @ rng.normal(size=(3, 12)) * 10.0 ** np.arange(-3, 9)).astype(np.float32)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> aae.Run:
    """A finished tiny run."""
    return aae.train(tiny(), Path(tmp_path_factory.mktemp("runs")) / "tiny")
