"""What a run will cost, before it is begun: parameters, memory, and time for an epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import torch

from aae.capture import stepper
from aae.config import Config
from aae.data import Dataset
from aae.game import Game
from aae.hardware import (
    device_of,
    float32_products,
    give_back_freed_memory,
    keep_freed_memory,
    memory_taken,
    precision_name,
    precision_of,
    using_threads,
)
from aae.pace import sized
from aae.plugins import begun

SECONDS, STEPS = 3.0, 50
"""Steps are tried for about this long, and at most this many of them."""


@dataclass(frozen=True)
class Plan:
    """parameters: by network. Bytes of what stays in memory all the time, the running average with the weights, of the
    data among it, and of what one step takes beside that (None where the system does not tell). seconds: of an epoch's
    steps, by the median of a few; measuring: of what is measured on held-out rows after each epoch."""

    parameters: dict[str, int]
    weights: int
    gradients: int
    optimizers: int
    data: int
    step: int | None
    steps_per_epoch: int
    epochs: int
    seconds: float
    measuring: float
    device: str
    precision: str

    @property
    def total(self) -> int:
        """Bytes that the run needs on the device, without what the programs themselves take."""
        return self.weights + self.gradients + self.optimizers + self.data + (self.step or 0)

    def lines(self) -> list[str]:
        """For people, a subject a line."""
        networks = ", ".join(f"{name} {count:,}" for name, count in self.parameters.items())
        beside = "" if self.step is None else f", {size(self.step)} for a step"
        epoch = self.seconds + self.measuring
        return [
            f"parameters: {sum(self.parameters.values()):,} ({networks})",
            f"memory: {size(self.total)} ({size(self.weights)} weights, {size(self.gradients)} gradients, "
            f"{size(self.optimizers)} optimizers, {size(self.data)} data{beside})",
            f"time: about {duration(epoch)} for an epoch of {self.steps_per_epoch:,} steps "
            f"({duration(self.measuring)} of it to measure held-out rows), {duration(epoch * self.epochs)} for "
            f"{self.epochs} epochs, on {self.device} in {self.precision}, as busy as the machine is now",
        ]


def plan(config: Config, data: Dataset, processes: int = 1) -> Plan:
    """Build the model, take a few steps with it, and throw it away; nothing is written.

    processes: how many will train together, and share the states of the optimizers where they are sharded. The time is
    that of this one alone.

    Raises ConfigError like `training.train`.
    """
    config = begun(sized(config, data))
    device = device_of(config.device)
    precision = precision_of(config.precision, device)
    with using_threads(config.threads), float32_products(config.precision, device):
        keep_freed_memory()
        game = Game.new(config, data, device)
        resident = game.feed.resident
        seconds, taken = _tried(game, precision)
        measuring = _measuring(game, precision)
    weights = sum(p.nbytes for p in game.model.parameters())
    optimizers = sum(
        value.nbytes
        for optimizer in game.optimizers.values()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    )
    mine = optimizers // (processes if config.shard_optimizers else 1)
    stays_in_its_file = data.file is not None and resident is data.x
    averaged = 0 if game.average is None else sum(value.nbytes for value in game.average.weights.values())
    return Plan(
        parameters={name: _count(module) for name, module in game.model.named_children() if _count(module)},
        weights=weights + averaged,
        gradients=weights,
        optimizers=mine,
        data=0 if stays_in_its_file else resident.nbytes,
        step=None if taken is None or taken <= weights + optimizers else taken - weights - optimizers,
        steps_per_epoch=game.steps_per_epoch,
        epochs=config.epochs,
        seconds=seconds * game.steps_per_epoch,
        measuring=measuring,
        device=str(device),
        precision=precision_name(config.precision, device),
    )


def _tried(game: Game, precision: torch.dtype) -> tuple[float, int | None]:
    """Seconds of a step, and the bytes that steps have taken, gradients and optimizers among them, where that is told.

    What a step frees is kept for the next one, by PyTorch on a GPU and by `keep_freed_memory` on a processor. Where
    steps are recorded, the state that the recording is held against is counted, too: it stays reserved.
    """
    cuda = game.device.type == "cuda"

    def taken() -> int | None:
        if cuda:
            return torch.cuda.memory_reserved(game.device)
        return memory_taken() if game.device.type == "cpu" else None

    if cuda:
        torch.cuda.empty_cache()
    else:
        give_back_freed_memory()
    before = taken()
    order, times, begun = game.feed.order(0), list[float](), time.perf_counter()
    take = stepper(game, precision)
    size = game.config.batch_size
    for i in range(max(1, min(STEPS, game.steps_per_epoch))):
        start = time.perf_counter()
        take(order[i * size : (i + 1) * size])
        if cuda:
            torch.cuda.synchronize(game.device)
        times.append(time.perf_counter() - start)
        if time.perf_counter() - begun > SECONDS:
            break
    after = taken()
    return median(times[len(times) // 4 :]), None if before is None or after is None else after - before


def _measuring(game: Game, precision: torch.dtype) -> float:
    """Seconds of what follows an epoch; the first time makes what all later ones use."""
    game.measure(1, precision)
    start = time.perf_counter()
    game.measure(1, precision)
    return time.perf_counter() - start


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def size(number: int) -> str:
    """Bytes for people: 1.2 MB."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if number >= 10**power:
            return f"{number / 10**power:.1f} {unit}"
    return f"{number} bytes"


def duration(seconds: float) -> str:
    """A time for people: 12 s, 3.5 minutes, 2.1 hours."""
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
