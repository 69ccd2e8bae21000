"""The state of a training run: everything that changes from step to step, how it is saved, and how it moves on.

A run is decided by its configuration and its position: weights come from the seed before anything else is drawn, the
shuffle of an epoch from the seed and the epoch, noise and prior samples from one generator whose state is saved. So a
run that was interrupted, or killed, ends with the same weights as one that never was.
"""

from __future__ import annotations

import contextlib
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
from aae.data import Dataset
from aae.diagnosis import score
from aae.distributed import Group
from aae.errors import ConfigError, TrainingError
from aae.feed import Feed
from aae.held_out import HeldOut
from aae.keeping import Average, best_epoch, out_of_patience
from aae.memory import MemoryRun
from aae.models import build
from aae.models.own import replaced
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
    feed: Feed
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
        _check_normalization(config)
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
        feed, norms = Feed(config, data, device, generator, group), health.weight_norms(model)
        average = Average(model, config.average) if config.average > 0 else None
        return cls(config, data, device, model, optimizers, generator, feed, norms=norms, average=average, group=group)

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

    @property
    def progress(self) -> float:
        """The share of the steps that is done."""
        return self.step / self.steps

    def batch(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Rows by index, scaled on the device, not spoilt."""
        return self.feed.batch(rows, generator, self.progress)

    def labelled_rows(self) -> Tensor | None:
        """The labelled rows of this step; None for a model that does not learn from labels."""
        return self.feed.labelled_rows(self.step) if self.model.learns_labels else None

    def take_step(self, rows: Tensor, precision: torch.dtype) -> None:
        """One step on these rows: learning rates, phases, sums."""
        self.set_rates()
        self.run(self.feed.training_batch(rows, self.labelled_rows(), self.progress, self.step), precision)
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
        factor = schedule(config.schedule, self.progress, drops)
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

    @cached_property
    def held_out(self) -> HeldOut:
        """What rows that do not train are measured with."""
        return HeldOut(self.config, self.data, self.model, self.device, self.batch, self.feed.scaled)

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


def _check_normalization(config: Config) -> None:
    """ConfigError for batch normalisation that no network has, since `own_networks` has put in another encoder."""
    if config.model.normalization == "batch" and config.model.kind != "plugin" and replaced("encoder"):
        raise ConfigError(
            "model.normalization = batch normalises the layers of the built-in encoder, and own_networks has an "
            "encoder of your own in its place; leave it out, or put such layers into yours"
        )


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
