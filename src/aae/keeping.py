"""Which weights a run ends with, and when it ends: a running average, the best epoch, patience.

What is best is said by `aae.diagnosis.score`: prior match and reconstruction together, on held-out rows. It is a column
of the history, so which epoch was best, and for how long none was better, follows from the history alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from aae.phases import Model

AVERAGED = ("encoder.", "decoder.")
"""Networks that are averaged: the decoder too, because it reads what this encoder writes."""


class Average:
    """A running average of the weights of encoder and decoder.

    After each step w <- d w + (1 - d) weights, with d = min(decay, (1 + t) / (10 + t)) after t steps, so that the first
    weights, which are random, are soon forgotten. The players of an adversarial game circle around their goal, and
    the average of a circle lies inside it (Yazici et al. 2019, "The Unusual Effectiveness of Averaging in GAN
    Training"). Training itself goes on with the weights as they are.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.decay, self.model = decay, model
        self.weights = {name: tensor.clone() for name, tensor in self.live().items()}

    def live(self) -> dict[str, Tensor]:
        """The weights that are being trained, and running statistics, by their names in the model."""
        return {name: tensor for name, tensor in self.model.state_dict().items() if name.startswith(AVERAGED)}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in self.live().items():
            self.weights[name].lerp_(tensor, 1 - decay)

    @contextmanager
    def used(self) -> Iterator[None]:
        """The model with the averaged weights; afterwards it has its own again, bit for bit."""
        own = {name: tensor.clone() for name, tensor in self.live().items()}
        self._put(self.weights)
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, tensor in self.live().items():
            tensor.copy_(weights[name])


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """Index of the row with the highest score, the first of equal ones; 0 for an empty history.

    Of rows that score the same, as all do that score 0 before the codes begin to match, the one with the highest R2.
    An epoch that was not measured has no score, and is never the best of some that were.
    """

    def rank(i: int) -> tuple[float, float]:
        r2 = history[i].get("r2", -math.inf)
        return history[i].get("score", -math.inf), r2 if math.isfinite(r2) else -math.inf

    return max(range(len(history)), key=rank, default=0)


def out_of_patience(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether the last `patience` epochs were no better than one before them; 0: never."""
    return patience > 0 and len(history) - 1 - best_epoch(history) >= patience
