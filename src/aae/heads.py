"""What a decoder gives for each column of a table, and what it costs: a likelihood for each type.

number, integer, time: a mean in scaled units, compared as `reconstruction.loss` says (with `gaussian` under a deviation
learnt for each column). boolean: a logit. category: one logit for each category.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from aae.columns import Column, Places

LOG_STD = (-4.0, 4.0)
"""Bounds on the logarithm of a column's deviation: that of a constant column would fall forever."""


class Heads:
    """The columns of a table as the outputs of a decoder."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns, self.places = tuple(columns), Places.of(columns)
        first = self.places.first
        self.numbers = [first[i] for i in self.places.numbers]
        self.booleans = [first[i] for i in self.places.booleans]
        self.groups = {i: slice(first[i], first[i] + self.columns[i].width) for i in self.places.categories}

        self._indices: dict[tuple[tuple[int, ...], str], Tensor] = {}

    def _index(self, places: Sequence[int], device: torch.device) -> Tensor:
        """Numbers of columns on a device, brought there once: a recorded step takes nothing from the host."""
        key = tuple(places), str(device)
        if key not in self._indices:
            with torch.inference_mode(False):
                self._indices[key] = torch.tensor(key[0], device=device)
        return self._indices[key]

    def mean(self, output: Tensor) -> Tensor:
        """Decoded features [batch, features]: means, probabilities of truth and of each category; flags are 0."""
        output = output if output.dtype == torch.float64 else output.float()
        parts = []
        for i, column in enumerate(self.columns):
            part = output[:, self.places.first[i] : self.places.first[i] + column.width]
            kind = column.kind
            parts.append(part.softmax(1) if kind == "category" else part.sigmoid() if kind == "boolean" else part)
        parts.append(torch.zeros_like(output[:, self.places.flags :]))
        return torch.cat(parts, 1)

    def costs(self, output: Tensor, target: Tensor, loss: str, log_std: Tensor | None) -> Tensor:
        """What each column of each row costs, [batch, columns].

        number: (output - target)^2 (`mse`), |output - target| (`l1`), or -log N(target; output, exp(log_std)^2) in nats
        (`gaussian`, log_std [numbers]). boolean, category: cross-entropy in nats.
        """
        output = output if output.dtype == torch.float64 else output.float()
        found = output.new_empty(len(output), len(self.columns))

        def at(places: Sequence[int]) -> Tensor:
            return self._index(places, output.device)

        if self.numbers:
            error = output[:, at(self.numbers)] - target[:, at(self.numbers)]
            if log_std is not None:
                s = log_std.clamp(*LOG_STD)
                cost = 0.5 * (error * torch.exp(-s)).square() + s + 0.5 * math.log(2 * math.pi)
            else:
                cost = error.abs() if loss == "l1" else error.square()
            found[:, at(self.places.numbers)] = cost
        if self.booleans:
            logits, truth = output[:, at(self.booleans)], target[:, at(self.booleans)]
            found[:, at(self.places.booleans)] = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        for i, group in self.groups.items():
            found[:, i] = -(target[:, group] * output[:, group].log_softmax(1)).sum(1)
        return found

    def known(self, known: Tensor | None) -> Tensor | None:
        """Of each feature -> of each column, [batch, columns]."""
        return None if known is None else known[:, self._index(self.places.first, known.device)]
