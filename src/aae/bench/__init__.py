"""How fast training and encoding are on this machine: ours beside a plain loop, a peer, and the products alone."""

from collections.abc import Callable

from aae.bench.cases import Case, conv, mlp
from aae.bench.encoding import encode
from aae.bench.measure import Measured, measure
from aae.bench.table import machine, table

CASES: dict[str, Callable[[], Case]] = {
    "dense-128": lambda: mlp(128),
    "dense-512": lambda: mlp(512),
    "conv-128": conv,
    "encode": encode,
}

__all__ = ["CASES", "Case", "Measured", "machine", "measure", "table"]
