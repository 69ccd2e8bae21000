"""Which process this is, of how many, as torchrun says in the environment; without PyTorch, for the command's sake."""

from __future__ import annotations

import os
from dataclasses import dataclass

from aae.errors import ConfigError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """One of several processes. rank: its number among all `size`; local_rank: among `local_size` of its machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int


def place() -> Place | None:
    """This process among those that torchrun started together; None for a process on its own.

    ConfigError where the environment says half of it.
    """
    found = {name: os.environ.get(name) for name in VARIABLES}
    if found["WORLD_SIZE"] in (None, "1"):
        return None
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE = {found['WORLD_SIZE']} says that there are several processes, and {', '.join(missing)} is "
            "not set; start them with torchrun, or unset WORLD_SIZE"
        )
    try:
        rank, size, local_rank, local_size = (int(found[name] or "") for name in VARIABLES[:4])
    except ValueError:
        said = ", ".join(f"{name} = {found[name]}" for name in VARIABLES[:4])
        raise ConfigError(f"expected whole numbers, got {said}; start the processes with torchrun") from None
    return Place(rank, size, local_rank, local_size)
