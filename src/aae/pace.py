"""How long a run is and how fast it learns: rows in a step, epochs, optimizers, and the way of their rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from aae.config import Config, Optimizer, replace
from aae.data import Dataset

STEPS, EPOCHS = 4000, (10, 400)
"""Steps of a run whose number of epochs is left open, and the fewest and most epochs that it may come to."""
MANY_ROWS = 10_000
"""Training rows from which a step whose size is left open takes 128 of them rather than 32."""


def batch_size(config: Config, data: Dataset) -> int:
    """Rows in one step: as configured, or by the number of training rows; all of them if there are fewer."""
    rows = len(data.splits.train)
    return min(config.batch_size or (128 if rows >= MANY_ROWS else 32), rows)


def sized(config: Config, data: Dataset) -> Config:
    """The settings with a size of batch, and a number of epochs, that fit the number of training rows."""
    size = batch_size(config, data)
    steps = max(len(data.splits.train) // max(size, 1), 1)
    least, most = EPOCHS
    epochs = config.epochs or min(max(-(-STEPS // steps), least), most)
    return replace(config, {"batch_size": size, "epochs": epochs})


def make_optimizer(
    config: Optimizer, parameters: list[torch.nn.Parameter], recorded: bool = False
) -> torch.optim.Optimizer:
    """The optimizer of one phase; fused, so that a step is one call for all parameters.

    recorded: with its learning rate as a tensor beside the parameters, so that a CUDA graph sees it change.
    """
    rate: float | Tensor = config.learning_rate
    if recorded:
        rate = torch.tensor(rate, device=parameters[0].device)
    if config.kind == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=config.momentum, nesterov=config.nesterov, fused=True)
    betas = (config.momentum, 0.999)
    return torch.optim.Adam(parameters, rate, betas=betas, fused=True, capturable=recorded)


def schedule(kind: str, progress: float, drops: Sequence[float] = ()) -> float:
    """Factor on the learning rates when this share of the steps is done: 1 at the start; linear and cosine go to 0.

    `steps` divides by ten from each of the shares in `drops` on.
    """
    if kind == "steps":
        return 10.0 ** -sum(progress >= drop for drop in drops)
    if kind == "linear":
        return 1 - progress
    return 0.5 * (1 + math.cos(math.pi * progress)) if kind == "cosine" else 1.0
