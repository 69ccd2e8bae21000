"""Signs of life: how a process that trains with others notices that one of them is gone, and ends itself."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from aae.errors import ProcessLost

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

BEAT, MISSED = 1.0, 20
"""Seconds between two signs of life of a process, and how many of them are missed before it counts as lost."""


def claim(store: Store, rank: int) -> bool:
    """Whether this process is the one that tells; also where nobody can be asked any more."""
    try:
        return store.compare_set("teller", "", str(rank)).decode() == str(rank)
    except RuntimeError:
        return True


def end(code: int) -> None:
    """Leave at once. The threads of the group wait for processes that may be gone, and nothing is left to be saved."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class Watch(threading.Thread):
    """Notices when another process is gone, even where an exchange with it would wait forever.

    Each process counts up a number of its own in the store that torchrun keeps, once a second. Missed counts are
    counted, not seconds: processes that are all suspended for a while, and go on, have missed none.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        super().__init__(name="aae-watch", daemon=True)
        clone = getattr(store, "clone", None)
        self._store = clone() if clone is not None else store  # a connection of its own, where PyTorch offers one
        self._rank, self._size = rank, size
        self._missed = dict.fromkeys((r for r in range(size) if r != rank), 0)
        self._seen: list[bytes] = []
        self._beats = self._left = 0
        self._done = threading.Event()

    def start(self) -> None:
        self._beat()
        dist.all_reduce(torch.zeros(1))  # from here on everybody's number is there
        super().start()

    def run(self) -> None:
        while not self._done.wait(BEAT):
            self._look()
            if self._left and not self._done.wait(3 * BEAT):  # the main thread has had its time to notice
                with contextlib.suppress(RuntimeError):
                    self._store.set(f"left/{self._rank}", str(self._left))
                end(self._left)
            gone = [rank for rank, missed in self._missed.items() if missed >= MISSED]
            if gone and not self._done.is_set():
                if claim(self._store, self._rank):
                    sys.__stderr__ and sys.__stderr__.write(f"aae: {ProcessLost(gone, self._size, '', '')}\n")
                end(ProcessLost.exit_code)

    def _beat(self) -> None:
        self._beats += 1
        self._store.set(f"beat/{self._rank}", str(self._beats))

    def _look(self) -> None:
        try:
            self._beat()
            now = self._store.multi_get([f"beat/{rank}" for rank in range(self._size)])
            for rank in self._missed:
                if self._store.check([f"left/{rank}"]):
                    self._left = int(self._store.get(f"left/{rank}"))
        except RuntimeError:  # the store is gone, and with it the process or the machine that kept it
            now = self._seen
        for rank in self._missed:
            still = bool(self._seen) and bool(now) and now[rank] == self._seen[rank]
            self._missed[rank] = self._missed[rank] + 1 if still or not now else 0
        self._seen = now

    def silent(self) -> list[int]:
        """Processes that give no sign of life any more, after a moment in which they could have."""
        time.sleep(3.5 * BEAT)
        return [rank for rank, missed in self._missed.items() if missed >= 2]

    def stop(self) -> None:
        self._done.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(2 * BEAT)
