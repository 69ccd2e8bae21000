"""A step as one CUDA graph: recorded once, then replayed, so that the host launches one thing instead of hundreds.

Where some steps do more than others, as those that measure gradients do, each kind has a recording of its own.

A recorded step reads its rows, and how much of training is done, from tensors that stay in place, and learning rates
that are tensors too; prior samples and noise come from the run's generator, which the graph moves on as the step
itself would. Before a recording is trusted it is held to the plain step: both take the same step from the same state.
Where they differ, or a model cannot be recorded, training goes on with the plain step and says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from aae.balance import Balance
from aae.game import Game

Body = Callable[[], None]
State = tuple[dict[str, Tensor], list[Tensor]]
"""Every tensor that a step changes, and the numbers of the generators."""
WARM_UP = 3
"""Plain steps before recording: optimizers make their state, and libraries choose their kernels, in the first ones."""
TOLERANCE = 1e-4
"""How far weights after a replayed step may be from those after a plain one, relative to the largest of a tensor."""


def stepper(game: Game, precision: torch.dtype) -> Callable[[Tensor], None]:
    """The function that takes a step on some rows: recorded on a CUDA GPU where that can be, else the plain one."""
    recordable = game.device.type == "cuda" and game.feed.resident.device == game.device
    alone = game.group is None  # an exchange between processes is no part of a graph
    if recordable and game.config.cuda_graphs and alone:
        return Recorded(game, precision, CudaGraphs(game.device))
    return lambda rows: game.take_step(rows, precision)


class Recorded:
    """Steps of a game that become replays of one recording after `WARM_UP` plain ones.

    record: makes a replay out of the body of a step; it is given the generator that the body draws from, too.
    """

    def __init__(self, game: Game, precision: torch.dtype, record: Callable[[Body, torch.Generator], Body]) -> None:
        self.game, self.precision, self.record = game, precision, record
        self.rows = torch.zeros(game.config.batch_size, dtype=torch.int64, device=game.feed.resident.device)
        self.progress = torch.zeros((), device=game.device)
        labelled = game.labelled_rows()
        self.labelled = None if labelled is None else labelled.clone()
        self.replays: dict[bool, Body] = {}
        """One for steps that measure gradients, one for those that do not."""
        self.taken = 0
        self.plain = False

    def __call__(self, rows: Tensor) -> None:
        if self.plain:
            return self.game.take_step(rows, self.precision)
        self.rows.copy_(rows)
        labelled = self.game.labelled_rows()
        if self.labelled is not None and labelled is not None:
            self.labelled.copy_(labelled)
        self.progress.fill_(self.game.progress)
        self.game.set_rates()
        if self.taken < WARM_UP:
            self._aside(self._body)
        elif replay := self.replays.get(self._kind):
            replay()
        else:
            self._begin()
        self.taken += 1
        self.game.count()

    def _body(self) -> None:
        batch = self.game.feed.training_batch(self.rows, self.labelled, self.progress, self.game.step)
        self.game.run(batch, self.precision)

    @property
    def _kind(self) -> bool:
        return self.game.config.adversarial.balance == "gradients" and Balance.due(self.game.step)

    def _begin(self) -> None:
        """Take this step plainly, record it, take it again from the same state by the recording, and compare."""
        before = self._state()
        self._aside(self._body)
        expected = self._state()
        try:
            replay = self.record(self._body, self.game.generator)
            self._restore(before)
            replay()
            if not self._agrees(expected):
                raise RuntimeError("a replayed step differs from a plain one")
            self.replays[self._kind] = replay
        except RuntimeError as error:
            self.plain, self.replays = True, {}
            self._restore(expected)
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(f"training without CUDA graphs, which is slower: {reason}", stacklevel=2)

    def _aside(self, body: Body) -> None:
        """Run on a stream of its own, as PyTorch asks of steps that come before a recording."""
        if self.game.device.type != "cuda":
            return body()
        stream = torch.cuda.Stream(self.game.device)
        stream.wait_stream(torch.cuda.current_stream(self.game.device))
        with torch.cuda.stream(stream):
            body()
        torch.cuda.current_stream(self.game.device).wait_stream(stream)

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that a step changes, as it stands in memory."""
        game = self.game
        found = {**game.model.state_dict(keep_vars=True)}
        found |= {f"sums.{name}": value for name, value in game.sums.items()}
        for phase, optimizer in game.optimizers.items():
            for i, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
                state: dict[str, Any] = optimizer.state.get(parameter, {})
                found |= {f"{phase}.{i}.{k}": v for k, v in state.items() if isinstance(v, Tensor)}
        return found

    def _state(self) -> State:
        generators = [generator.get_state() for generator in generators_of(self.game)]
        return {k: v.detach().clone() for k, v in self._tensors().items()}, generators

    @torch.no_grad()
    def _restore(self, state: State) -> None:
        for name, value in self._tensors().items():
            value.copy_(state[0][name])
        for generator, numbers in zip(generators_of(self.game), state[1], strict=True):
            generator.set_state(numbers)

    def _agrees(self, expected: State) -> bool:
        def near(a: Tensor, b: Tensor) -> bool:
            scale = b.detach().abs().max().double().clamp_min(1e-6)
            return bool((a.detach() - b).abs().max().double() <= TOLERANCE * scale)

        return all(near(value, expected[0][name]) for name, value in self._tensors().items() if value.numel())


def generators_of(game: Game) -> list[torch.Generator]:
    """Those that a step draws from: the run's own, and the device's, which layers such as dropout use."""
    if game.device.type != "cuda":
        return [game.generator, torch.default_generator]
    return [game.generator, torch.cuda.default_generators[game.device.index]]


class CudaGraphs:
    """Recordings of one game: on one stream, in one pool of memory, since they never run at the same time."""

    failed: ClassVar[list[torch.cuda.CUDAGraph]] = []
    """Recordings that ended in the middle: what PyTorch still holds of one must not be freed."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream, self.pool = device, torch.cuda.Stream(device), torch.cuda.graph_pool_handle()

    def __call__(self, body: Body, generator: torch.Generator) -> Body:
        """A replay of the body, whatever other threads do meanwhile.

        RuntimeError, with the body's own reason, for one that cannot be recorded. Stream and generators are then as
        they were, so that plain steps go on; memory that the recording took is not given back.
        """
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        recording = torch.cuda.graph(graph, self.pool, self.stream, capture_error_mode="thread_local")
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            try:
                with recording:
                    body()
            except RuntimeError as error:
                self.failed.append(graph)
                # Generators wait for the recording's end: they go on from a fresh state.
                for each in (generator, torch.cuda.default_generators[self.device.index]):
                    each.graphsafe_set_state(each.clone_state())
                raise RuntimeError(str(error.__context__ or error)) from error  # the end only says that it failed
        return graph.replay
