"""How fast training is on this machine: our step beside a plain loop, a peer, and the matrix products alone."""

from aae.bench.cases import CASES, Case
from aae.bench.measure import Measured, measure
from aae.bench.table import machine, table

__all__ = ["CASES", "Case", "Measured", "machine", "measure", "table"]
