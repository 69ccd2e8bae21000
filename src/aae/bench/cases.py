"""What is measured: each case is a set of contenders that do the same work on the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from aae import recipes
from aae.bench import plain
from aae.bench.plain import Networks, Steps
from aae.bench.products import dense_products
from aae.capture import stepper
from aae.config import Config, DataSpec, replace
from aae.data import Dataset, Splits
from aae.game import Game
from aae.hardware import float32_products, precision_of

ROWS = 12_800
OURS, EXACT, PLAIN, PEER, PRODUCTS = "aae", "aae, fp32", "plain PyTorch loop", "Pythae", "its matrix products alone"
PRODUCTS_EXACT = "its matrix products alone, fp32"


@dataclass(frozen=True)
class Case:
    """name, the rows of a step, and its contenders: name -> function(device) -> function(number of steps)."""

    name: str
    batch: int
    contenders: dict[str, Callable[[torch.device], Steps]]


def rows(shape: tuple[int, ...], n: int = ROWS) -> Dataset:
    """n made-up images of bytes; what they show does not change how long a step takes."""
    spec = DataSpec("made up", shape, "uint8", scale=(255.0,), minimum=0, maximum=255, scaling="range")
    x = torch.randint(0, 256, (n, spec.features), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    none = np.empty(0, np.int64)
    return Dataset(spec, x, None, Splits(np.arange(n), none, none), "made up")


def ours(config: Config, data: Dataset, precision: str) -> Callable[[torch.device], Steps]:
    """The project's own step on this configuration."""

    def make(device: torch.device) -> Steps:
        game = Game.new(replace(config, {"precision": precision}), data, device)
        take = stepper(game, precision_of(precision, device))

        def steps(n: int) -> None:
            with float32_products(precision, device):
                for _ in range(n):
                    epoch, i = divmod(game.step, game.steps_per_epoch)
                    order = game.feed.order(epoch) if i == 0 or steps.order is None else steps.order  # type: ignore[attr-defined]
                    steps.order = order  # type: ignore[attr-defined]
                    take(order[i * config.batch_size : (i + 1) * config.batch_size])
            game.check_finite()

        steps.order = None  # type: ignore[attr-defined]
        return steps

    return make


def _case(name: str, config: Config, shape: tuple[int, ...], networks: Callable[[], Networks], peer: bool) -> Case:
    data, batch = rows(shape), config.batch_size
    contenders = {
        OURS: ours(config, data, "auto"),
        EXACT: ours(config, data, "fp32"),
        PLAIN: lambda device: plain.plain_loop(networks(), data.x, batch, device),
    }
    if peer:
        contenders[PEER] = lambda device: plain.pythae_loop(networks(), data.x, batch, device)
        contenders[PRODUCTS] = lambda device: dense_products(batch, device)
    return Case(name, batch, contenders)


def mlp(batch: int) -> Case:
    """The post's networks on rows of 784 bytes."""
    config = replace(recipes.mnist_2d_uniform_post(), {"batch_size": batch, "epochs": 1000})
    return _case(f"dense 784-1000-1000-2, batch {batch}", config, (28, 28), lambda: plain.dense(784), peer=True)


def conv(batch: int = 128) -> Case:
    """Convolutions on 3 x 32 x 32 images."""
    changes = {"model.network": "conv", "model.encoder": (256,), "model.decoder": (256,)}
    config = replace(recipes.mnist_2d_uniform_post(), {"batch_size": batch, "epochs": 1000} | changes)
    return _case(f"convolutional, 3 x 32 x 32, batch {batch}", config, (3, 32, 32), plain.convolutional, peer=False)
