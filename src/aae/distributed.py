"""Processes that train one run together: the averages they take, what they agree on, and how they end.

Every process holds every network, and takes its share of the rows of each step. A step then averages the gradients of
a phase before the phase's optimizer moves (`Group.average`), so all of them take the very step that one process would
take with all the rows. Nothing wraps a model: see docs/scaling.md for why.

    with processes() as group:          # None where torchrun started one process, or none did
        run = training.train(config, out, group=group)
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aae.errors import ConfigError, DataError, ProcessLost, StoppedElsewhere, TrainingError
from aae.hardware import device_of
from aae.normalization import BatchNorm
from aae.ranks import Place, place
from aae.watch import Watch, claim, end

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

LONGEST = timedelta(days=7)
"""How long a process waits for the others: any time, since `aae.watch` notices when one of them is gone."""
LOOK_EVERY, MOST_STEPS = 0.25, 1000
"""About how many seconds, and at most how many steps, pass between two questions whether somebody was asked to stop."""

_opened = 0


@dataclass(frozen=True)
class Share:
    """The rows of a step that this process takes: from `first` up to `last` of all `rows`."""

    group: Group
    first: int
    last: int
    rows: int
    y: Tensor | None = field(default=None, repr=False)
    """Class of every row of the step, not only of the share; None without labels."""

    @property
    def weight(self) -> float:
        """Of a mean over the share, in the mean over all rows of the step."""
        return (self.last - self.first) / self.rows

    def gathered(self, values: Tensor) -> Tensor:
        """`values` of the share's rows, with those of all other processes in their places: [rows, ...].

        Gradients flow back to the share's own rows, divided by its weight: a loss that every process computes from
        the values of all rows has, averaged by these weights, the gradient that one process would give it.
        """
        whole = values.new_zeros(self.rows, *values.shape[1:])
        whole[self.first : self.last] = values.detach()
        whole = self.group.total(whole)
        scaled = (values - values.detach()) / self.weight  # zeros with a gradient
        return whole.index_add(0, torch.arange(self.first, self.last, device=values.device), scaled)

    def mine(self, values: Tensor) -> Tensor:
        """The rows of the share, of values for all rows of the step."""
        return values[self.first : self.last]


class Group:
    """This process among the others. Make it with `processes`."""

    def __init__(self, where: Place, store: Store) -> None:
        self.rank, self.size, self.where = where.rank, where.size, where
        self.path = ""
        """The run directory, which the first process writes."""
        self._store = store
        self._due, self._since = 1, time.monotonic()
        self._steps = 1
        self._watch = Watch(store, self.rank, self.size)

    @classmethod
    def open(cls, where: Place) -> Group:
        """Join the other processes; waits until all of them are there."""
        global _opened
        if not dist.is_available():
            raise ConfigError("this build of PyTorch cannot train in several processes; leave torchrun out")
        from torch.distributed.distributed_c10d import PrefixStore  # which is not there in every build of PyTorch
        from torch.distributed.rendezvous import rendezvous

        gpus = torch.cuda.is_available() and dist.is_nccl_available()
        store, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=10)))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpus else "gloo", store=store, rank=rank, world_size=size, timeout=LONGEST
        )
        _opened += 1
        group = cls(where, PrefixStore(f"aae/{_opened}", store))
        group._watch.start()
        return group

    @property
    def first(self) -> bool:
        """Whether this is the process that writes the run and prints."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """This process's own device: the GPU of its number on its machine, or the processor. ConfigError otherwise."""
        if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
            return device_of("cpu")
        if name not in ("auto", "cuda"):
            raise ConfigError(
                f"device = {name} is one device, and each of the {self.size} processes takes its own; "
                "set device to auto, cuda or cpu"
            )
        found, here = torch.cuda.device_count(), self.where.local_size
        if here > found:
            raise ConfigError(
                f"{here} processes on this machine, and {found} GPUs; start torchrun with --nproc-per-node {found}, "
                "or set device to cpu"
            )
        torch.cuda.set_device(self.where.local_rank)
        return device_of(f"cuda:{self.where.local_rank}")

    def share(self, rows: int, y: Tensor | None = None) -> Share:
        """Which of the rows of a step are this process's: as equal parts as can be, in the order of the processes."""
        first, last = (rows * turn // self.size for turn in (self.rank, self.rank + 1))
        return Share(self, first, last, rows, y)

    def average(self, parameters: Sequence[Tensor], losses: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
        """Gradients and losses, which are means over shares, become means over all rows of the step.

        One sum over the processes of one flat tensor: each process's gradients and losses times the `weight` of its
        share. The gradients are then views of that tensor, equal on all processes to the last bit.
        """
        moving = [(p, p.grad) for p in parameters if p.grad is not None]
        values = torch.stack([loss.detach() for loss in losses.values()])
        flat = torch.cat([*(gradient.reshape(-1) for _, gradient in moving), values.to(parameters[0].dtype)])
        self._sum(flat.mul_(weight))
        parts = flat.split([*(p.numel() for p, _ in moving), len(values)])
        for (p, _), part in zip(moving, parts, strict=False):
            p.grad = part.view_as(p)
        return dict(zip(losses, parts[-1].to(values.dtype).unbind(), strict=True))

    def total(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes, without gradients."""
        return self._sum(values.detach().clone())

    def largest(self, values: Tensor) -> Tensor:
        """The largest of each of the `values` over the processes."""
        values = values.clone()
        self._collective(lambda: dist.all_reduce(values, dist.ReduceOp.MAX))
        return values

    def joined(self, values: Tensor) -> Tensor:
        """The `values` [n] of all processes, one after the other, as each has as many: [processes * n]."""
        whole = values.new_empty(self.size * len(values))
        self._collective(lambda: dist.all_gather(list(whole.chunk(self.size)), values))
        return whole

    def _sum(self, values: Tensor) -> Tensor:
        self._collective(lambda: dist.all_reduce(values))
        return values

    def admit(self, model: nn.Module, rows: int) -> None:
        """Begin with a model: the first process's weights in all of them. `rows` are those of a step.

        ConfigError for a step of fewer rows than there are processes, for batch normalisation, whose statistics would
        be those of one process's rows, and for parameters of several types, whose gradients do not go into one tensor.
        """
        if rows < self.size:
            raise ConfigError(
                f"a step has {rows} rows, and there are {self.size} processes to share them; raise batch_size, which "
                "is that of all processes together, or start fewer"
            )
        for name, module in model.named_modules():
            if isinstance(module, (BatchNorm, _BatchNorm)):
                raise ConfigError(
                    f"{name} normalises over the rows of a step, of which each of the {self.size} processes sees "
                    "a part; train in one process, or leave model.normalization out"
                )
        types = sorted({str(p.dtype).removeprefix("torch.") for p in model.parameters()})
        if len(types) > 1:
            raise ConfigError(
                f"the networks have parameters of {' and '.join(types)}, and {self.size} processes exchange gradients "
                "of one type; use float32 throughout, or train in one process"
            )
        self.spread(model.state_dict())

    def spread(self, tensors: Mapping[str, Tensor]) -> None:
        """Write the first process's values into the tensors of all others."""
        for tensor in tensors.values():
            self._broadcast(tensor)

    def _broadcast(self, tensor: Tensor) -> None:
        self._collective(lambda: dist.broadcast(tensor, 0))

    def same(self, make: Callable[[], Any]) -> Any:
        """What `make()` gives in the first process, in all of them; it has to go through JSON."""
        return json.loads(self.sent(json.dumps(make()).encode() if self.first else b""))

    def sent(self, data: bytes) -> bytes:
        """The first process's `data`, in all of them."""
        size = torch.tensor([len(data)])
        self._broadcast(size)
        held = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        if not self.first:
            held = torch.empty(int(size), dtype=torch.uint8)
        if int(size):
            self._broadcast(held)
        return held.numpy().tobytes()

    def in_turn(self, make: Callable[[], Any]) -> Any:
        """`make()` in every process, in the first one before the others, which find what it has downloaded."""
        made = make() if self.first else None
        self.wait()
        return made if self.first else make()

    def wait(self) -> None:
        """Until all processes are here."""
        self._collective(lambda: dist.all_reduce(torch.zeros(1)))

    def asked(self, number: int, due: bool) -> tuple[int, bool]:
        """What is to be done at this step: the same in all processes.

        The number of the signal by which one of them was asked to stop, or 0; and whether it is time to save, which is
        `due` in the first one. They ask each other only every so many steps, as the first one's clock says, since each
        question costs a round; in between nothing is to be done.
        """
        self._due -= 1
        if self._due:
            return 0, False
        now = time.monotonic()
        each = max(now - self._since, 1e-6) / self._steps
        steps = min(max(int(LOOK_EVERY / each), 1), 2 * self._steps, MOST_STEPS)
        asked = self.largest(torch.tensor([number, steps if self.first else 0, int(due and self.first)]))
        self._since = now
        self._due = self._steps = int(asked[1])
        return int(asked[0]), bool(asked[2])

    def same_data(self, fingerprint: str) -> None:
        """DataError unless every process has read the same data."""
        self._store.set(f"data/{self.rank}", fingerprint)
        self.wait()
        found = [value.decode() for value in self._store.multi_get([f"data/{rank}" for rank in range(self.size)])]
        for rank, other in enumerate(found):
            if other != found[0]:
                raise DataError(
                    f"process {rank} has read other data than process 0: fingerprint {other[:12]} against "
                    f"{found[0][:12]}; give every machine the same files"
                )

    def check_equal(self, model: nn.Module) -> None:
        """TrainingError unless every network is the same in all processes, bit for bit."""
        names = [name for name, _ in model.named_children()]
        sums = torch.tensor([_checksum(child) for child in model.children()], dtype=torch.int64)
        high, low = self.largest(sums), -self.largest(-sums)
        apart = [name for name, a, b in zip(names, low.tolist(), high.tolist(), strict=True) if a != b]
        if apart:
            raise TrainingError(
                f"the processes do not have the same {', '.join(apart)} any more; the last checkpoint is kept. Are the "
                "machines of different kinds? Start all processes on one kind, with one version of PyTorch."
            )

    def _collective(self, work: Callable[[], object]) -> None:
        try:
            work()
        except RuntimeError as error:
            raise self._why(error) from None

    def _why(self, error: RuntimeError) -> StoppedElsewhere | ProcessLost:
        """What a failed exchange means: another process stopped and has said why, or it is gone."""
        with contextlib.suppress(RuntimeError):
            for rank in range(self.size):
                if rank != self.rank and self._store.check([f"left/{rank}"]):
                    return StoppedElsewhere(rank, int(self._store.get(f"left/{rank}")))
        reason = str(error).strip().partition("\n")[0].partition(". ")[0]  # gloo goes on with advice on other things
        return ProcessLost(self._watch.silent(), self.size, self.path, reason)

    def close(self) -> None:
        """Part from the others, when all are done. In this order, without which gloo ends a process with SIGABRT."""
        self.wait()
        self._watch.stop()
        gc.collect()
        dist.destroy_process_group()
        gc.collect()

    def leave(self, error: BaseException, tell: Callable[[BaseException], int] | None) -> None:
        """End after `error`. With `tell`, which says what went wrong and gives the exit code, the process ends here.

        One of the processes tells, and the others wait until it has: the first one to end makes torchrun end them all.
        """
        code = getattr(error, "exit_code", 130 if isinstance(error, KeyboardInterrupt) else 1)
        if tell is not None and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):  # torchrun sends one as soon as the first process ends
                signal.signal(number, signal.SIG_IGN)
        lost = isinstance(error, (StoppedElsewhere, ProcessLost))
        self._watch.stop()
        with contextlib.suppress(RuntimeError):
            self._store.set(f"left/{self.rank}", str(code))
        if tell is None:
            if not lost:
                gc.collect()
                dist.destroy_process_group()
            return
        if not isinstance(error, StoppedElsewhere) and claim(self._store, self.rank):
            code = tell(error)
            with contextlib.suppress(RuntimeError):
                self._store.set("said", "1")
                if self.first and not lost and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
                    others = [f"left/{rank}" for rank in range(1, self.size)]
                    self._store.wait(others, timedelta(seconds=10))  # the store that they ask ends with this process
        else:
            with contextlib.suppress(RuntimeError):
                self._store.wait(["said"], timedelta(seconds=10))
        end(code)


@contextlib.contextmanager
def processes(tell: Callable[[BaseException], int] | None = None) -> Iterator[Group | None]:
    """The processes that torchrun started, for the time of the block; None for a process on its own.

    When the block ends, all wait for each other and part. When it fails: see `Group.leave`.
    """
    where = place()
    if where is None:
        yield None
        return
    group = Group.open(where)
    try:
        yield group
        group.close()
    except BaseException as error:
        group.leave(error, tell)
        raise


def _checksum(module: nn.Module) -> int:
    """A number that differs where any bit of any weight does, but for chance."""
    total = 0
    for tensor in module.state_dict().values():
        bits = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).long()
        places = torch.arange(1, len(bits) + 1)
        total = (total * 31 + int((bits * (places % 65_521)).sum())) % 2**62
    return total
