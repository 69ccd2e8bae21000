"""What a model that is being trained shows on rows that do not train it, after each epoch.

Everything here draws noise from generators of its own, so training is the same whether or not it is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aae import health
from aae.config import Config
from aae.data import Dataset
from aae.phases import Batch, Model, evaluate
from aae.priors import build as build_prior

if TYPE_CHECKING:
    from aae.evidence import Yardstick

HELD_OUT_ROWS = 2000
"""Rows of the validation and test splits behind the loss curves; the splits are shuffled, so the first ones will do."""

Row = dict[str, Any]


@dataclass
class HeldOut:
    """The model of a game, and its data.

    batch: rows by index, with the generator of their noise; scaled: rows by index as the networks see them.
    """

    config: Config
    data: Dataset
    model: Model
    device: torch.device
    batch: Callable[[Tensor, torch.Generator], Batch]
    scaled: Callable[[Tensor], Tensor]
    yardstick: Yardstick | None = field(default=None, init=False)
    """What held-out codes are measured with; made after the first epoch."""

    @torch.no_grad()
    def losses(self, epoch: int, precision: torch.dtype) -> Row:
        """Each loss on the validation and the test rows, with noise of their own so that training never notices."""
        generator = torch.Generator(self.device).manual_seed((self.config.seed * 1_000_003 + epoch) % 2**63)
        found: Row = {}
        for split in ("validation", "test"):
            rows = torch.from_numpy(getattr(self.data.splits, split)[:HELD_OUT_ROWS])
            if len(rows) == 0:
                continue
            batch = self.batch(rows, generator)
            if split == "validation":  # whose labels are for measuring; those of the test rows wait for the end
                batch.labelled = dataclasses.replace(batch)
            for phase in self.model.phases:
                losses = evaluate(phase, batch, precision)
                found |= {f"{name}_{split}": loss.item() for name, loss in losses.items()}
        return found

    def health(self, epoch: int, precision: torch.dtype) -> Row:
        """Figures on validation rows, or on training rows where there are none, with noise of their own."""
        generator = torch.Generator(self.device).manual_seed((self.config.seed * 1_000_033 + epoch) % 2**63)
        splits = self.data.splits
        rows = splits.validation if len(splits.validation) >= health.FEWEST_ROWS else splits.train
        batch = self.batch(torch.from_numpy(rows[: health.ROWS]), generator)
        some = self.scaled(torch.from_numpy(splits.train[:HELD_OUT_ROWS]))
        relative = self.config.adversarial.objective == "wasserstein"
        return health.measure(self.model, batch, some.mean(0), precision, relative)

    @torch.no_grad()
    def prior_match(self, epoch: int) -> Row:
        """How well the codes of held-out rows follow the prior: validation rows, or test rows where there are none."""
        if self.config.model.kind == "autoencoder":
            return {}
        from aae.evidence import Yardstick, after_epoch  # here, so that the first step does not wait for SciPy

        splits = self.data.splits
        rows = torch.from_numpy((splits.validation if len(splits.validation) else splits.test)[:HELD_OUT_ROWS])
        if len(rows) == 0:
            return {}
        if self.yardstick is None:
            self.yardstick = Yardstick(build_prior(self.config.prior, self.config.model.latent), len(rows))
        generator = torch.Generator(self.device).manual_seed((self.config.seed * 1_000_003 + epoch) % 2**63)
        return after_epoch(self.yardstick, self.model.held_to_prior(self.batch(rows, generator)))

    @torch.no_grad()
    def error(self) -> Row:
        """Share of all validation rows put into a wrong class; clusters take their labels from the same rows.

        The curve to debug and to choose by. Nothing for a model without classes, or without labelled validation rows.
        """
        rows = torch.from_numpy(self.data.splits.validation)
        if not self.model.classifies or self.data.y is None or not (self.data.y[rows] >= 0).any():
            return {}
        from aae.metrics import classes  # here, so that other models train without waiting for scikit-learn

        generator = torch.Generator(self.device).manual_seed(self.config.seed)  # measuring never changes training
        found = [self.model.class_logits(self.batch(part, generator).x).float() for part in rows.split(1000)]
        q, y = torch.cat(found).cpu().numpy(), self.data.y[rows].numpy()
        if self.model.learns_labels:
            return {"error_validation": classes.error_rate(q, y)}  # the likeliest class has the highest logit
        return {"error_validation": classes.cluster_error(q, y, classes.by_head(classes.log_odds(q), y))}
