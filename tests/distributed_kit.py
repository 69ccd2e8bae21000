"""Two processes on this machine, as torchrun would start them: `together` runs a script of theirs to its end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun tells each of `size` processes."""
    said = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size}
    said |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    path = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
    return {**os.environ, "PYTHONPATH": path, **{name: str(value) for name, value in said.items()}}


def start(arguments: Sequence[str], size: int = 2) -> list[subprocess.Popen[str]]:
    """`python ARGUMENTS` in each of `size` processes."""
    port, pipe = free_port(), subprocess.PIPE
    return [
        subprocess.Popen(
            [sys.executable, *arguments], env=environment(rank, size, port), stdout=pipe, stderr=pipe, text=True
        )
        for rank in range(size)
    ]


def finish(running: Sequence[subprocess.Popen[str]], seconds: float = 900) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each process; those that have not ended by then are killed."""
    try:
        found = [process.communicate(timeout=seconds) for process in running]
    finally:
        for process in running:
            process.kill()
    return [(process.returncode, out, err) for process, (out, err) in zip(running, found, strict=True)]


def together(arguments: Sequence[str], size: int = 2) -> list[tuple[int, str, str]]:
    return finish(start(arguments, size))
