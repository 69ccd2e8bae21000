"""What a CUDA graph would refuse, seen without a GPU: looks of the host at results, and tensors that it brings."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aae.data import Dataset
from aae.priors import Prior

LOOKS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh", "aten.equal", "cholesky_ex")
LOOKS += ("repeat_interleave.Tensor", "linalg_eigh", "linalg_svd")
"""Operations after which the host knows a value or a size, or that bring one from it."""
CPU_ONLY = ("one_hot(", "int(y.min())")
"""Lines that check their arguments on a processor alone."""


class HostWatch(TorchDispatchMode):
    """While it is entered, notes in `found` what a recording could not hold.

    known: tensors that stand in memory before it. Everything else that is read must have been made meanwhile.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.found: list[str] = []
        self.kept: list[Tensor] = []  # so that no address is used twice
        self.known: set[int] = set()
        self._take(known)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        read = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, Tensor)]
        chosen = "aten.index" in str(func) and any(x.dtype == torch.bool for x in read[1:])  # as many as are true
        looks = chosen or any(look in str(func) for look in LOOKS)
        if looks or any(x.numel() and _place(x) not in self.known for x in read):
            self._note(str(func))
        made = func(*args, **(kwargs or {}))
        self._take(x for x in tree_leaves(made) if isinstance(x, Tensor))
        return made

    def _take(self, tensors: Iterable[Tensor]) -> None:
        for x in tensors:
            self.kept.append(x)
            self.known.add(_place(x))

    def _note(self, operation: str) -> None:
        frames = [frame for frame in traceback.extract_stack() if "/aae/" in frame.filename]
        where = frames[-1] if frames else None
        if where is None or not any(line in (where.line or "") for line in CPU_ONLY):
            self.found.append(f"{operation} at {where.filename}:{where.lineno}" if where else operation)


def _place(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


def standing(thing: Any) -> list[Tensor]:
    """Every tensor that an object of this package or of PyTorch holds, however deep, with gradients.

    Of a prior only what it has brought to a device, and nothing of the data, whose rows a feed keeps where they are
    used: the rest lies with the host.
    """
    found: list[Tensor] = []
    seen: set[int] = set()
    todo: list[Any] = [thing]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            found += [one] if one.grad is None else [one, one.grad]
        elif isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, (list, tuple, set)):
            todo += one
        elif isinstance(one, Dataset):
            continue
        elif isinstance(one, Prior):
            todo += [v for k, v in vars(one).items() if k == "_copies" or not isinstance(v, Tensor)]
        elif type(one).__module__.partition(".")[0] in ("aae", "torch") and hasattr(one, "__dict__"):
            todo.append(vars(one))
    return found
