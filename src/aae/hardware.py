"""Which device, which arithmetic, how many threads: chosen well by default, refused clearly when impossible."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from aae.errors import ConfigError

PRECISIONS = ("auto", "fp32", "tf32", "bf16")
"""Arithmetic of the products that can be asked for; see `precision_of`."""


def device_of(name: str) -> torch.device:
    """The device that `name` asks for; `auto` takes a CUDA GPU if there is one, else the processor.

    Raises ConfigError for a device that is unknown or not in this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.empty(1, device=torch.device(name)).device  # with its number, as tensors on it have it
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ConfigError(f"device = {name} cannot be used here ({reason}); set --device auto or cpu") from None
    if device.type == "meta":
        raise ConfigError("device = meta holds no values; set --device auto or cpu")
    return device


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively, so that it is faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # torch offers no public question for this; a release that lacks these answers no.
        questions = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
        return any(ask() for ask in questions if ask is not None)
    return False


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """The type of the products inside the networks: `auto` is bfloat16 where the device has it natively.

    Under `tf32` it is float32, whose products `float32_products` then makes faster. ConfigError where there is none.
    """
    if name == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)):
        raise ConfigError(
            f"precision = tf32 needs a CUDA GPU of compute capability 8.0 or later, and this runs on {device}; "
            "set precision to auto or fp32"
        )
    if name == "auto":
        return torch.bfloat16 if has_bf16(device) else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def precision_name(name: str, device: torch.device) -> str:
    """What `precision_of` comes to on a device, in a word: bf16, tf32 or fp32."""
    if precision_of(name, device) == torch.bfloat16:
        return "bf16"
    return "tf32" if name == "tf32" else "fp32"


def arithmetic_of(asked: str | None, trained: str, device: torch.device) -> str:
    """The products of a trained model in use, in a word: bf16, tf32 or fp32.

    asked: one of `PRECISIONS`; None: float32, with TF32 products where it was `trained` so and the device has them,
    as those of compute capability 8.0 and later do.
    Raises ConfigError for another one, and for tf32 where there is none.
    """
    if asked is None:
        return "tf32" if trained == "tf32" and device.type == "cuda" and has_bf16(device) else "fp32"
    if asked not in PRECISIONS:
        raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {asked}")
    return precision_name(asked, device)


@contextlib.contextmanager
def float32_products(name: str, device: torch.device) -> Iterator[None]:
    """On a CUDA GPU: float32 products in TF32 under `precision = tf32`, else exact; then as they were before.

    PyTorch's own default is exact products and TF32 convolutions, which `fp32` should not mean. The switch is the
    process's: two threads that want different products at once take turns at each other's.
    """
    if device.type != "cuda":
        yield
        return
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = name == "tf32"
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


@contextlib.contextmanager
def using_threads(number: int) -> Iterator[None]:
    """Run with this many processor threads, then put the number back.

    0 is what OMP_NUM_THREADS says, else torch's own choice, but no more than a container may use: torch counts the
    processors of the whole machine.
    """
    before = torch.get_num_threads()
    allowed = before if "OMP_NUM_THREADS" in os.environ else processors_allowed() or before
    torch.set_num_threads(number or min(before, allowed))
    try:
        yield
    finally:
        torch.set_num_threads(before)


CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much processor time the processes of a container share."""
STATUS = Path("/proc/self/status")
"""Where Linux says what memory this process has."""


def processors_allowed() -> int | None:
    """How many processors' time a container of Linux has at most, rounded up; None without a limit (cgroup v2)."""
    try:
        most, period = CPU_MAX.read_text(encoding="ascii").split()
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max": no limit
        return None


def memory_taken() -> int | None:
    """Bytes of memory that are this process's own, files that it has mapped left out; None where nothing tells."""
    try:
        found = re.search(r"^RssAnon:\s+(\d+) kB", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else 1024 * int(found[1])


def give_back_freed_memory() -> None:
    """Give the system what was freed and kept, so that what is taken from now on is seen by `memory_taken`."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_freed_memory() -> None:
    """Ask the C library to keep the memory of freed tensors for the next ones instead of giving it back.

    A step frees and asks again for the same few megabytes; fetched from the system anew each time, page by page, they
    cost up to a fifth of it. Where the C library has no such switch, nothing happens.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3  # the numbers of glibc's malloc.h
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(m_mmap_threshold, 32 << 20)  # the most that glibc allows
        mallopt(m_trim_threshold, 512 << 20)
