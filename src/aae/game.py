"""The state of a training run: everything that changes from step to step, how it is saved, and how it moves on.

A run is decided by its configuration and its position: weights come from the seed before anything else is drawn, the
shuffle of an epoch from the seed and the epoch, noise and prior samples from one generator whose state is saved. So a
run that was interrupted, or killed, ends with the same weights as one that never was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aae import __version__, health
from aae.checkpoint import Checkpoint, RunDirectory
from aae.config import Config, with_classification
from aae.corruption import spoilt
from aae.data import Dataset, Scaling
from aae.data.streaming import block_order, pieces
from aae.diagnosis import score
from aae.distributed import Group
from aae.errors import ConfigError, TrainingError
from aae.held_out import HeldOut
from aae.keeping import Average, best_epoch, out_of_patience
from aae.memory import MemoryRun
from aae.models import build
from aae.pace import make_optimizer, schedule
from aae.phases import Batch, Model, Phase, parameters_of, step
from aae.sharding import Sharded, States, give_states, states_of

FRAMES, FRAME_ROWS = 60, 1500
"""Most pictures in the animation of the latent space, and most codes in each."""

Row = dict[str, Any]


@dataclass
class Game:
    """Everything that changes while training, on one device."""

    config: Config
    data: Dataset
    device: torch.device
    model: Model
    optimizers: dict[str, torch.optim.Optimizer]
    generator: torch.Generator
    scaling: Scaling
    measured: int | Collection[int] | None = None
    """How many of the last epochs, or which ones, are measured (prior match, health, validation error); None: all."""
    step: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    """Losses by "phase.loss", added up since the start of the epoch, float64, on the device."""
    history: list[Row] = field(default_factory=list)
    frames: dict[int, Tensor] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)
    """Norm of each network's parameters when the epoch began."""
    average: Average | None = None
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the best epoch so far, if those are to be kept."""
    epoch_seconds: float = 0.0
    """Time spent in the steps of this epoch so far, over all processes that worked on it."""
    changes: list[Row] = field(default_factory=list)
    """Learning rates changed while training, oldest first: `step` from which it holds, `phase`, `learning_rate`."""
    group: Group | None = None
    """The processes that train together; None: this one alone. All of them stand at the same place of the same game."""

    @classmethod
    def new(cls, config: Config, data: Dataset, device: torch.device, group: Group | None = None) -> Game:
        if config.data.hide and not data.spec.columns:
            raise ConfigError(f"data.hide = {config.data.hide} would be ignored: {data.spec.name} is not a table")
        _check_batches(config, data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)  # before the weights exist, and on the CPU whatever the device
            model = build(config, data.spec)
        model.to(device)
        if group is not None:
            group.admit(model, config.batch_size)
        recorded = config.cuda_graphs and device.type == "cuda" and group is None

        def optimizer_of(phase: Phase) -> torch.optim.Optimizer:
            parameters = parameters_of(model, phase)
            if not parameters:
                raise ConfigError(
                    f"the {phase.name} phase has nothing to train: no parameter of {', '.join(phase.updates)} requires "
                    "a gradient; leave some of them to be trained"
                )
            if group is not None and config.shard_optimizers:
                return Sharded(group, parameters, lambda parts: make_optimizer(config.optimizer.of(phase.name), parts))
            return make_optimizer(config.optimizer.of(phase.name), parameters, recorded)

        optimizers = {phase.name: optimizer_of(phase) for phase in model.phases}
        generator = torch.Generator(device).manual_seed(config.seed)
        scaling, norms = Scaling(data.spec, device), health.weight_norms(model)
        average = Average(model, config.average) if config.average > 0 else None
        return cls(
            config, data, device, model, optimizers, generator, scaling, norms=norms, average=average, group=group
        )

    @classmethod
    def restored(
        cls, config: Config, data: Dataset, device: torch.device, checkpoint: Checkpoint, group: Group | None = None
    ) -> Game:
        game = cls.new(config, data, device, group)
        game.load(checkpoint)
        return game

    @property
    def steps_per_epoch(self) -> int:
        return len(self.data.splits.train) // self.config.batch_size

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.config.epochs

    @property
    def finished(self) -> bool:
        between_epochs = self.step % self.steps_per_epoch == 0
        return self.step >= self.steps or (between_epochs and out_of_patience(self.history, self.config.patience))

    def weights(self) -> dict[str, Tensor]:
        """The weights to use: averaged where an average is kept, those of the best epoch once the run has ended."""
        if self.finished and self.best:
            return self.best
        return self.model.state_dict() | (self.average.weights if self.average else {})

    def momenta(self) -> dict[str, States]:
        """What each phase's optimizer has added up; of sharded ones in the first process, and all have to ask."""
        return {phase: states_of(optimizer) for phase, optimizer in self.optimizers.items()}

    def save(self, directory: RunDirectory | MemoryRun, momenta: dict[str, States] | None = None) -> None:
        """Write a checkpoint; momenta: what `momenta` gives, where that has been asked for already."""
        self.check_finite()
        training = {f"sums.{name}": value for name, value in self.sums.items()}
        training |= {f"norms.{name}": torch.tensor(norm, dtype=torch.float64) for name, norm in self.norms.items()}
        if not self.finished:  # what only goes on with the run
            training |= {f"best.{name}": tensor for name, tensor in self.best.items()}
            training |= {
                f"live.{name}": tensor for name, tensor in (self.average.live() if self.average else {}).items()
            }
        training["generator"] = self.generator.get_state()
        for phase, states in (self.momenta() if momenta is None else momenta).items():
            for index, values in states.items():
                training |= {f"optimizer.{phase}.{index}.{k}": v for k, v in values.items()}
        state = {
            "aae": __version__,
            "step": self.step,
            "steps": self.steps,
            "finished": self.finished,
            "epoch_seconds": self.epoch_seconds,
            "changes": self.changes,
        }
        frames = {f"epoch.{epoch}": codes for epoch, codes in self.frames.items()}
        tensors = {"weights": self.weights(), "training": training, "frames": frames}
        on_cpu = {k: {n: t.detach().cpu().contiguous() for n, t in v.items()} for k, v in tensors.items()}
        directory.save(self.step, on_cpu, state, self.history)

    def load(self, checkpoint: Checkpoint) -> None:
        """Stand where the checkpoint was made."""
        self.take_over(checkpoint)
        training = checkpoint.tensors["training"]
        kept = {kind: {k.removeprefix(kind): v.to(self.device) for k, v in training.items() if k.startswith(kind)}
                for kind in ("best.", "live.")}  # fmt: skip
        self.best = kept["best."]
        if self.average is not None:
            weights = checkpoint.tensors["weights"]
            self.average.weights = {name: weights[name].to(self.device, copy=True) for name in self.average.weights}
            self.model.load_state_dict(kept["live."], strict=False)
        self.generator.set_state(training["generator"])
        self.sums = {k.removeprefix("sums."): v.to(self.device) for k, v in training.items() if k.startswith("sums.")}
        self.frames = {int(k.removeprefix("epoch.")): v for k, v in checkpoint.tensors["frames"].items()}
        self.step = checkpoint.state["step"]
        self.epoch_seconds = checkpoint.state["epoch_seconds"]
        self.norms = {k.removeprefix("norms."): v.item() for k, v in training.items() if k.startswith("norms.")}
        self.history = list(checkpoint.history)
        self.changes = list(checkpoint.state.get("changes", []))

    def take_over(self, checkpoint: Checkpoint) -> None:
        """Begin with the checkpoint's weights and optimizers; step, history and random numbers stay this game's."""
        training = checkpoint.tensors["training"]
        self.model.load_state_dict(checkpoint.tensors["weights"])
        for phase, optimizer in self.optimizers.items():
            states: States = {}
            for key, value in training.items():
                if key.startswith(f"optimizer.{phase}."):
                    index, name = key.removeprefix(f"optimizer.{phase}.").split(".")
                    states.setdefault(int(index), {})[name] = value
            give_states(optimizer, states)
        self.norms = health.weight_norms(self.model)
        if self.average is not None:
            self.average = Average(self.model, self.average.decay)

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

    def batch(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Rows by index, scaled on the device."""
        labels = None if self.labels is None else self.labels[rows.to(self.labels.device)].to(self.device)
        given, hide = self.given(rows), self.config.data.hide
        x, known, progress = self.scaling.apply(given), self.scaling.known(given), self.step / self.steps
        told = None if self.conditions is None else self.conditions[rows.to(self.conditions.device)]
        if hide == 0:
            return Batch(x, generator, labels, progress, known=known, condition=told)
        hidden = self.scaling.hidden(given, hide, generator)
        return Batch(hidden, generator, labels, progress, target=x, known=known, condition=told)

    def training_batch(self, rows: Tensor, labelled: Tensor | None) -> Batch:
        """The batch of a step: rows under the corruption asked for, beside labelled rows if the model learns labels."""
        if self.data.stored is not None and self.resident is self.data.x:  # read from the file, a step at a time
            self.data.stored.expect(rows.cpu().numpy())
        batch = self.shared(rows)
        self.corrupt(batch)
        if labelled is not None:
            # fewer labelled rows than processes: each takes them all, and all compute the same
            few = self.group is not None and len(labelled) < self.group.size
            batch.labelled = self.batch(labelled, self.generator) if few else self.shared(labelled)
            self.corrupt(batch.labelled)
        return batch

    def shared(self, rows: Tensor) -> Batch:
        """This process's share of the rows of a step; all of them where there is one process."""
        if self.group is None:
            return self.batch(rows, self.generator)
        y = None if self.labels is None else self.labels[rows.to(self.labels.device)].to(self.device)
        share = self.group.share(len(rows), y)
        if self.config.data.hide == 0:
            return dataclasses.replace(self.batch(share.mine(rows), self.generator), share=share)
        whole = self.batch(rows, self.generator)  # what is hidden is drawn for every row of the step
        parts = {name: getattr(whole, name) for name in ("x", "y", "target", "known", "condition")}
        parts = {name: None if values is None else share.mine(values) for name, values in parts.items()}
        return dataclasses.replace(whole, **parts, share=share)

    def corrupt(self, batch: Batch) -> None:
        """Show the encoder the rows spoilt as the settings ask, and keep the clean ones to be reconstructed."""
        x = spoilt(batch.x, self.config.corruption, batch)
        if x is not batch.x:
            batch.target = batch.x if batch.target is None else batch.target
            batch.x = x

    def labelled_rows(self) -> Tensor | None:
        """The labelled rows of this step: all of them if they fit, else the next ones of a shuffle of them all.

        None for a model that does not learn from labels.

        The shuffle is a function of the seed and of how often the labelled rows have been gone through, so each of
        them trains equally often and a resumed run goes on with the same ones.
        """
        if not self.model.learns_labels:
            return None
        rows, size = self.data.labelled, self.config.labelled_batch_size
        if len(rows) <= size:
            return torch.from_numpy(rows)
        turn, at = divmod(self.step, len(rows) // size)
        shuffle = np.random.Generator(np.random.PCG64([self.config.seed, turn, 1]))
        return torch.from_numpy(shuffle.permutation(rows)[at * size : (at + 1) * size])

    def take_step(self, rows: Tensor, precision: torch.dtype) -> None:
        """One step on these rows: learning rates, phases, sums."""
        self.set_rates()
        self.run(self.training_batch(rows, self.labelled_rows()), precision)
        self.count()

    def count(self) -> None:
        """A step has been taken: what follows from the weights that it left."""
        self.step += 1
        if self.average is not None:
            self.average.update(self.step)

    def set_rates(self) -> None:
        """Give the optimizers the learning rates of this step; in place where a rate is a tensor."""
        config = self.config
        drops = tuple(epoch / config.epochs for epoch in config.schedule_epochs)
        factor = schedule(config.schedule, self.step / self.steps, drops)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                rate = self.learning_rate(name) * factor
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def run(self, batch: Batch, precision: torch.dtype) -> None:
        """The phases on a batch, and their losses to the sums."""
        for phase, losses in step(self.model, self.optimizers, batch, precision).items():
            for name, loss in losses.items():
                key = f"{phase}.{name}"
                if key in self.sums:
                    self.sums[key] += loss
                else:
                    self.sums[key] = loss.double()

    def learning_rate(self, phase: str) -> float:
        """The rate of a phase before the schedule: as last changed, else as configured."""
        changed = [change["learning_rate"] for change in self.changes if change["phase"] == phase]
        return changed[-1] if changed else self.config.optimizer.of(phase).learning_rate

    def change_rate(self, phase: str, rate: float) -> None:
        """From the next step on `phase` learns at `rate`, before the schedule.

        The change becomes part of the state, so a run that is resumed goes on with it. Save at once: then no kill can
        fall between a change that training has felt and its record. ConfigError for an unknown phase or a bad rate.
        """
        if phase not in self.optimizers:
            raise ConfigError(f"this model has no phase '{phase}'; its phases are {', '.join(self.optimizers)}")
        if not (math.isfinite(rate) and 0 < rate <= 1e3):
            raise ConfigError(f"a learning rate must be above 0 and at most 1000, got {rate:g}")
        self.changes.append({"step": self.step, "phase": phase, "learning_rate": float(rate)})

    def check_finite(self) -> None:
        """TrainingError naming the phase and the loss if one is no longer finite."""
        for key, value in self.sums.items():
            if not torch.isfinite(value):
                phase, name = key.split(".")
                raise TrainingError(
                    f"the loss '{name}' of the {phase} phase is no longer finite at step {self.step} "
                    f"(epoch {(self.step - 1) // self.steps_per_epoch + 1}). The last good checkpoint is kept. "
                    f"Lower optimizer.{phase}.learning_rate, or that of the phase before it, or look for extreme "
                    "values in the data."
                )

    def mean_losses(self) -> dict[str, float]:
        """Mean of every loss over the steps of this epoch so far."""
        done = (self.step - 1) % self.steps_per_epoch + 1
        return {key.split(".")[1]: value.item() / done for key, value in self.sums.items()}

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
    def held_out(self) -> HeldOut:
        """What rows that do not train are measured with."""
        return HeldOut(self.config, self.data, self.model, self.device, self.batch, self.scaled)

    @torch.no_grad()
    def keep_frame(self, epoch: int) -> None:
        """Keep the codes of the first training rows for the animation, if this epoch is one of its frames."""
        epochs = self.config.epochs
        if epoch in np.linspace(0, epochs, min(epochs + 1, FRAMES)).round():
            generator = torch.Generator(self.device).manual_seed(self.config.seed)
            rows = torch.from_numpy(self.data.splits.train[:FRAME_ROWS])
            codes = self.model.sample_codes(self.batch(rows, generator))
            self.frames[epoch] = codes.float().cpu()

    def is_measured(self, epoch: int) -> bool:
        """Whether more than the losses is measured after this epoch."""
        if self.measured is None or self.config.select == "best" or self.config.patience > 0:
            return True
        if isinstance(self.measured, int):
            return self.config.epochs - epoch < self.measured
        return epoch in self.measured

    def end_epoch(self, precision: torch.dtype) -> Row:
        """Close the epoch: its row of the history, a frame, and sums that start again.

        Of several processes the first one measures, with the weights that all have, and the others wait for its row.
        """
        epoch = self.step // self.steps_per_epoch
        if self.group is None:
            row = self.measure(epoch, precision)
        else:
            self.group.check_equal(self.model)
            row = self.group.same(lambda: self.measure(epoch, precision))
        self.norms = health.weight_norms(self.model)
        self.history.append(row)
        if self.config.select == "best" and best_epoch(self.history) == len(self.history) - 1:
            chosen = self.model.state_dict() | (self.average.weights if self.average else {})
            self.best = {name: tensor.detach().clone() for name, tensor in chosen.items()}
        for value in self.sums.values():
            value.zero_()  # in place: a recorded step adds to these very tensors
        self.epoch_seconds = 0.0
        return row

    def measure(self, epoch: int, precision: torch.dtype) -> Row:
        """The row of the history for an epoch that has just ended; its frame for the animation is kept."""
        rows = self.steps_per_epoch * self.config.batch_size
        row: Row = {
            "epoch": epoch,
            "step": self.step,
            "seconds": self.epoch_seconds,
            "samples_per_second": rows / max(self.epoch_seconds, 1e-9),
        }
        row |= {f"{name}_train": value for name, value in self.mean_losses().items()}
        self.model.eval()  # whatever a network counts while training, held-out rows leave alone
        with self.average.used() if self.average else contextlib.nullcontext():
            row |= self.held_out.losses(epoch, precision)
            if self.is_measured(epoch):
                row |= self.held_out.error()
                row |= self.held_out.prior_match(epoch)
                row |= self.held_out.health(epoch, precision)
            self.keep_frame(epoch)
        self.model.train()
        if self.is_measured(epoch):
            row |= health.growth(self.model, self.norms)
            row["score"] = score(row)
        return row


def _check_batches(config: Config, data: Dataset) -> None:
    """ConfigError for steps of one row where a model compares the rows of a step with each other."""
    if config.model.normalization == "batch":
        why = "model.normalization = batch"
    elif config.model.kind == "wae-mmd":
        why = "model.kind = wae-mmd"
    else:
        return
    sizes = {"batch_size": config.batch_size}
    if with_classification(config):
        sizes["labelled_batch_size"] = min(config.labelled_batch_size, len(data.labelled))
    for name, size in sizes.items():
        if size < 2:
            raise ConfigError(f"{why} needs {name} of 2 rows or more, got {size}; set it, or leave that out")
