"""What was measured, as Markdown."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from aae import __version__
from aae.bench.cases import EXACT, OURS, PEER, PLAIN, PRODUCTS, PRODUCTS_EXACT
from aae.bench.measure import Measured
from aae.hardware import precision_name


def machine(device: torch.device) -> str:
    """Processor or GPU, threads, and versions, in a line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    kind = precision_name("auto", device)
    return (
        f"{name}, {torch.get_num_threads()} threads of {os.cpu_count()} processors, {platform.system()}, "
        f"torch {torch.__version__}, aae {__version__}; `precision = auto` is {kind} here"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def table(measured: list[Measured]) -> str:
    """A row a contender: milliseconds per step, rows per second, and how it stands to ours."""
    lines = ["| case | | ms per step | rows per second | ours is |", "| --- | --- | --- | --- | --- |"]
    for one in measured:
        for name in one.times:
            speed = f"{one.case.batch / one.typical(name) * 1e3:,.0f}"
            lines.append(f"| {one.case.name} | {name} | {one.typical(name):.1f} | {speed} | {_stands(one, name)} |")
        lines += [f"| {one.case.name} | {name} | {why} | | |" for name, why in one.missing.items()]
    return "\n".join(lines)


def _stands(one: Measured, name: str) -> str:
    if name == OURS:
        return ""
    if name == EXACT:
        return f"{one.ratio(name, OURS):.2f} x as fast; in fp32 {one.ratio(PLAIN, name):.2f} x the plain loop"
    if name == PRODUCTS:
        return f"at {1 / one.ratio(OURS, name):.0%} of this rate"
    if name == PRODUCTS_EXACT:
        return f"in fp32 at {1 / one.ratio(EXACT, name):.0%} of this rate"
    assert name in (PLAIN, PEER)
    return f"{one.ratio(name, OURS):.2f} x as fast"
