"""From rows to batches: which rows a step takes, and what the networks are shown of them, on one device.

The shuffle of an epoch is a function of the seed and the epoch, that of the labelled rows of the seed and the step, so
a run that is resumed takes the rows that one in one go would have taken.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from aae.config import Config
from aae.corruption import spoilt
from aae.data import Dataset, Scaling
from aae.data.streaming import block_order, pieces
from aae.distributed import Group
from aae.phases import Batch, Progress


@dataclass
class Feed:
    """The rows of a run, as its steps take them.

    generator: of all that is drawn for a step. group: the processes that share its rows; None: this one alone.

    Rows are asked for by their numbers in the data, [batch] int64 on any device. progress: the share of training that
    is done, 0 to 1; for a step that is recorded a 0-dim tensor, which it sees change.
    """

    config: Config
    data: Dataset
    device: torch.device
    generator: torch.Generator
    group: Group | None = None
    _turn: tuple[int, Tensor] | None = field(default=None, repr=False)

    @cached_property
    def scaling(self) -> Scaling:
        """Between original units and what the networks see."""
        return Scaling(self.data.spec, self.device)

    def order(self, epoch: int) -> Tensor:
        """The training rows, shuffled for this epoch, [n] int64: a function of the seed and the epoch alone.

        Rows of a mapped file are shuffled in blocks: see `aae.data.streaming`.
        """
        shuffle = np.random.Generator(np.random.PCG64([self.config.seed, epoch]))
        rows = self.data.splits.train
        if self.data.file is None:
            chosen = shuffle.permutation(rows)
        else:
            chosen = block_order(rows, shuffle, self.data.x[:1].nbytes)
        return torch.from_numpy(chosen).to(self.resident.device)

    @cached_property
    def labels(self) -> Tensor | None:
        """The labels that training may see, [n] int64: -1 for a training row that `data.labelled` left out."""
        if self.data.y is None:
            return None
        hidden = np.setdiff1d(self.data.splits.train, self.data.labelled)
        return self.data.y.index_fill(0, torch.from_numpy(hidden), -1).to(self.resident.device)

    @cached_property
    def conditions(self) -> Tensor | None:
        """Every row's conditions as the decoder is told them, float32 [n, width], on the device."""
        spec = self.data.spec.conditions
        if self.data.conditions is None or spec is None:
            return None
        return Scaling(spec).apply(self.data.conditions).to(self.device)

    @cached_property
    def resident(self) -> Tensor:
        """The rows in their own type, on the device if they fit there: a step then moves nothing but row numbers."""
        if self.device.type != "cuda":
            return self.data.x
        free, _ = torch.cuda.mem_get_info(self.device)
        if self.data.x.nbytes >= free // 2:  # the other half is for the networks and what a step needs
            warnings.warn(
                f"the rows take {self.data.x.nbytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB of the GPU are free: each "
                "step brings its own, without CUDA graphs, which is slower",
                stacklevel=1,
            )
            return self.data.x
        held = torch.empty_like(self.data.x, device=self.device)
        for part in pieces(self.data.x.numpy(), file=self.data.file):
            held[part] = self.data.x[part].to(self.device)
        return held

    def given(self, rows: Tensor) -> Tensor:
        """Rows by index, in original units, on the device."""
        if self.resident is self.data.x:
            return self.data.take(rows).to(self.device)
        return self.resident[rows.to(self.device)]

    def scaled(self, rows: Tensor) -> Tensor:
        """Rows by index as the networks see them, on the device."""
        return self.scaling.apply(self.given(rows))

    def batch(self, rows: Tensor, generator: torch.Generator, progress: Progress) -> Batch:
        """Rows by index, scaled on the device."""
        labels = None if self.labels is None else self.labels[rows.to(self.labels.device)].to(self.device)
        given, hide = self.given(rows), self.config.data.hide
        x, known = self.scaling.apply(given), self.scaling.known(given)
        told = None if self.conditions is None else self.conditions[rows.to(self.conditions.device)]
        if hide == 0:
            return Batch(x, generator, labels, progress, known=known, condition=told)
        hidden = self.scaling.hidden(given, hide, generator)
        return Batch(hidden, generator, labels, progress, target=x, known=known, condition=told)

    def labelled_rows(self, step: int) -> Tensor:
        """The labelled rows of a step: all of them if they fit, else the next ones of a shuffle of them all.

        The shuffle is a function of the seed and of how often the labelled rows have been gone through, so each of
        them trains equally often and a resumed run goes on with the same ones.
        """
        rows, size = self.data.labelled, self.config.labelled_batch_size
        turn, at = divmod(step, len(rows) // size) if len(rows) > size else (0, 0)
        if self._turn is None or self._turn[0] != turn:  # made once, and not in each step of the turn
            if len(rows) > size:
                rows = np.random.Generator(np.random.PCG64([self.config.seed, turn, 1])).permutation(rows)
            self._turn = turn, torch.from_numpy(rows).to(self.resident.device)
        return self._turn[1][at * size : (at + 1) * size]

    def training_batch(self, rows: Tensor, labelled: Tensor | None, progress: Progress, step: int) -> Batch:
        """The batch of a step: rows under the corruption asked for, beside labelled rows if the model learns labels.

        step: its number.
        """
        if self.data.stored is not None and self.resident is self.data.x:  # read from the file, a step at a time
            self.data.stored.expect(rows.cpu().numpy())
        batch = self.shared(rows, progress)
        batch.step = step
        self.corrupt(batch)
        if labelled is not None:
            # fewer labelled rows than processes: each takes them all, and all compute the same
            few = self.group is not None and len(labelled) < self.group.size
            batch.labelled = self.batch(labelled, self.generator, progress) if few else self.shared(labelled, progress)
            self.corrupt(batch.labelled)
        return batch

    def shared(self, rows: Tensor, progress: Progress) -> Batch:
        """This process's share of the rows of a step; all of them where there is one process."""
        if self.group is None:
            return self.batch(rows, self.generator, progress)
        y = None if self.labels is None else self.labels[rows.to(self.labels.device)].to(self.device)
        share = self.group.share(len(rows), y)
        if self.config.data.hide == 0:
            return dataclasses.replace(self.batch(share.mine(rows), self.generator, progress), share=share)
        whole = self.batch(rows, self.generator, progress)  # what is hidden is drawn for every row of the step
        parts = {name: getattr(whole, name) for name in ("x", "y", "target", "known", "condition")}
        parts = {name: None if values is None else share.mine(values) for name, values in parts.items()}
        return dataclasses.replace(whole, **parts, share=share)

    def corrupt(self, batch: Batch) -> None:
        """Show the encoder the rows spoilt as the settings ask, and keep the clean ones to be reconstructed."""
        x = spoilt(batch.x, self.config.corruption, batch)
        if x is not batch.x:
            batch.target = batch.x if batch.target is None else batch.target
            batch.x = x
