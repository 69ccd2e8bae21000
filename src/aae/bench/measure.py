"""Contenders in turn, round after round, so that whatever else the machine does befalls them all alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from aae.bench.cases import Case
from aae.bench.plain import Steps
from aae.capture import WARM_UP
from aae.hardware import keep_freed_memory

SECONDS = 0.7
"""About how long a contender runs in each round."""


@dataclass(frozen=True)
class Measured:
    """Milliseconds per step of each round, by contender; `missing`: why a contender could not run."""

    case: Case
    times: dict[str, list[float]]
    missing: dict[str, str]

    def typical(self, name: str) -> float:
        """Median milliseconds per step."""
        return median(self.times[name])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times faster `fast` is: the median over the rounds of one round's ratio."""
        return median(a / b for a, b in zip(self.times[slow], self.times[fast], strict=True))


def measure(case: Case, device: torch.device, rounds: int = 7, told: Callable[[str], None] | None = None) -> Measured:
    """Run every contender once in each of the rounds."""
    keep_freed_memory()
    ready: dict[str, Steps] = {}
    missing: dict[str, str] = {}
    for name, make in case.contenders.items():
        try:
            ready[name] = make(device)
        except ImportError as error:
            missing[name] = f"not installed ({error.name})"
    counts = {name: _count(steps, device) for name, steps in ready.items()}
    times: dict[str, list[float]] = {name: [] for name in ready}
    for number in range(rounds):
        if told is not None:
            told(f"{case.name}: round {number + 1} of {rounds}")
        for name, steps in ready.items():
            times[name].append(_timed(steps, counts[name], device) / counts[name] * 1e3)
    return Measured(case, times, missing)


def _timed(steps: Steps, n: int, device: torch.device) -> float:
    getattr(steps, "prepare", lambda _: None)(n)
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    wait()
    start = time.perf_counter()
    steps(n)
    wait()
    return time.perf_counter() - start


def _count(steps: Steps, device: torch.device) -> int:
    """How many steps fill a round, after as many to warm up as a recording of the step takes."""
    _timed(steps, 3 if device.type == "cpu" else 2 * WARM_UP, device)
    most = 90 if device.type == "cpu" else 5000
    return max(3, min(most, round(SECONDS / (_timed(steps, 3, device) / 3))))
