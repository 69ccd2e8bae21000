"""Rows and codes on their way through the networks of a trained model, and back.

Every row goes through the networks in blocks of a fixed size that are padded where rows are missing. A matrix product
sums in an order that depends on its shape, so without this a row's code would change in the last digits with the rows
that stand beside it. Products are float32 unless the run is loaded for others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from aae import data as data_module
from aae.classes import class_block, class_of_labels
from aae.conditions import condition_block
from aae.config import Config, DataSpec
from aae.data import Scaling, Table
from aae.data.frames import is_frame
from aae.data.layout import GIVEN, LARGEST, numbers
from aae.data.sources import Raw
from aae.data.spool import held
from aae.data.streaming import mapped, pieces
from aae.data.table_scaling import drawn_between, scaled_bounds
from aae.data.tables import values_of
from aae.errors import ConfigError, DataError
from aae.hardware import float32_products
from aae.heads import LOG_STD
from aae.phases import Model

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BLOCK = 256
"""Rows that go through a network together."""
TOGETHER = 16
"""Blocks whose results are brought from the device together."""
PIECE = 16 << 20
"""Bytes, in float32, of rows that are scaled or decoded together where all of them are many."""


@dataclass(frozen=True, eq=False)
class Passage:
    """The way in and out of a model's networks: checks, units, blocks, pieces of what is too much at once."""

    model: Model
    """The networks, on `device`."""
    config: Config
    spec: DataSpec
    """What was trained, on what."""
    device: torch.device
    where: str
    """The run, in words, for what is said of a wrong use."""
    products: str = "fp32"
    """Arithmetic of the products in the networks: fp32, tf32 or bf16."""

    @cached_property
    def scaling(self) -> Scaling:
        """Between original units and those of the networks."""
        return Scaling(self.spec, self.device)

    @property
    def classes_told(self) -> int:
        """How many classes the decoder is told, the first values beside a code; 0: none."""
        return self.model.beside - (self.spec.conditions.features if self.spec.conditions else 0)

    def over(self, network: Callable[[Tensor], Tensor], x: Any) -> np.ndarray:
        """network over rows in original units -> [n, wide_out]; of a mapped array a piece at a time."""
        given = self.mapped(x)
        if given is None:
            return self.blocks(network, self.scaled(x))
        whole = np.empty(0, np.float32)
        for part in pieces(given, PIECE * given.itemsize // 4, BLOCK):
            found = self.blocks(network, self.scaled(given[part], part.start))
            if not part.start:  # at once, since results kept one by one would lie between the pieces' freed memory
                whole = np.empty((len(given), *found.shape[1:]), found.dtype)
            whole[part] = found
        return whole

    @torch.no_grad()
    def blocks(self, network: Callable[[Tensor], Tensor], rows: Tensor) -> np.ndarray:
        """network over rows [n, wide_in] in padded blocks of one size -> [n, wide_out]."""
        if len(rows) == 0:
            return network(rows.new_zeros(BLOCK, rows.shape[1]))[:0].cpu().numpy()
        out: list[Tensor] = []
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.products == "bf16")
        with half, float32_products(self.products, self.device):
            for some in rows.split(TOGETHER * BLOCK):
                here: list[Tensor] = []
                for block in some.split(BLOCK):
                    padded = torch.nn.functional.pad(block, (0, 0, 0, BLOCK - len(block)))
                    here.append(network(padded)[: len(block)].float())
                out.append(torch.cat(here).cpu())  # not block by block: each copy waits for the device
        return torch.cat(out).numpy()

    def scaled(self, x: Any, first: int = 0) -> Tensor:
        """Rows as the networks see them. first: the number of the first of them, for what is said of a wrong one."""
        if isinstance(x, Table) and not self.spec.columns:
            raise DataError(f"this is a table; {self.where} was trained on rows of shape {self.spec.original_shape}")
        return self.scaling.apply(data_module.rows(x, self.spec, first).to(self.device))

    def mapped(self, x: Any) -> np.ndarray | None:
        """The rows, or of a table that lies in a file their values, if they are mapped; None: they are in memory."""
        if isinstance(x, Table) and x.store is not None and self.spec.columns:
            x = values_of(x, self.spec.columns, "the data")
        return x if isinstance(x, np.ndarray) and mapped(x) is not None else None

    def codes(self, z: ArrayLike | Tensor) -> Tensor:
        """Codes [n, latent], checked, on the device. DataError for another shape and values beyond float32."""
        array, latent = numbers(z, "codes"), self.config.model.latent
        if array.ndim != 2 or array.shape[1] != latent:
            raise DataError(f"codes must have shape [n, {latent}], got {list(array.shape)}")
        wrong = ~(np.abs(array) <= LARGEST) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                f"codes must be finite and within 1e30; row {row}, dimension {column} is {array[row, column]}"
            )
        return torch.from_numpy(array.astype(np.float32, order="C")).to(self.device)

    def labels(self, x: Any) -> np.ndarray | None:
        """The classes of the rows of a Table that has them, by number [n], if the decoder is told any.

        None as well where the model finds classes itself. DataError for a row without one and for an unknown one.
        """
        if not isinstance(x, Table) or not self.classes_told or self.model.classifies:
            return None
        raw = Raw.table(x, self.config.data, GIVEN, needs_label=False)
        return (
            None if raw.y is None else class_of_labels(raw.y, raw.classes, self.classes_told, self.spec.classes, GIVEN)
        )

    def conditions(self, x: Any, condition: Any) -> Any:
        """`condition`, or where there is none and the decoder is told any those of the rows: `x`, a table or frame."""
        told = self.spec.conditions is not None and condition is None
        return x if told and (is_frame(x) or isinstance(x, Table)) else condition

    def told(self, z: ArrayLike | Tensor, y: ArrayLike | None, condition: Any = None) -> Tensor:
        """`codes` with the block that the decoder takes beside them, [n, latent + classes + conditions].

        y may also be the whole block, [n, classes + conditions], with conditions as the networks see them.
        """
        codes = self.codes(z)
        told = self.spec.conditions
        if told is not None and condition is None and np.ndim(y if y is not None else 0) == 2:
            block = class_block(y if y is not None else 0, len(codes), self.model.beside, None)
            return torch.cat([codes, torch.from_numpy(block).to(codes.device)], dim=1)
        if condition is not None and told is None:
            raise ConfigError(f"the decoder of {self.where} is told no condition; leave it out")
        if y is not None:
            self.takes_classes()
        found = [codes]
        if self.classes_told:
            if y is None:
                raise ConfigError(
                    f"the decoder of {self.where} takes a class beside the code; give y, one class or many"
                )
            called = None if self.config.model.clusters else self.spec.classes  # clusters go by number
            block = class_block(y, len(codes), self.classes_told, called)
            found.append(torch.from_numpy(block).to(codes.device))
        if told is not None:
            if condition is None:
                names = ", ".join(column.name for column in told.columns)
                raise ConfigError(f"the decoder of {self.where} is told conditions ({names}); give condition=")
            found.append(condition_block(condition, len(codes), told).to(codes.device))
        return torch.cat(found, dim=1)

    def takes_classes(self, without: str = "leave y out") -> None:
        """ConfigError for a decoder that takes no class. without: what can be done all the same."""
        if self.classes_told:
            return
        if self.config.model.kind == "supervised":  # whose decoder is told conditions alone
            raise ConfigError(
                f"the data of {self.where} has no classes, so its decoder takes no class; {without}, or train on data "
                "with labels (--label of a table)"
            )
        raise ConfigError(
            f"{self.where} holds a model of kind {self.config.model.kind}, whose decoder takes no class; {without}, or "
            "train with --model.kind supervised"
        )

    def decoded(self, told: Tensor) -> np.ndarray:
        """Codes with what stands beside them to rows in original units, [n, *shape], a piece at a time."""
        rows = max(1, PIECE // (4 * self.spec.features) // BLOCK) * BLOCK
        starts = range(0, max(len(told), 1), rows)
        return held(data_module.original(self._rows(told[at : at + rows], at), self.spec) for at in starts)

    def drawn(self, told: Tensor, seed: int) -> np.ndarray:
        """Rows of a table, each value a draw from the likelihood of its column: float64 [n, columns]."""
        generator = torch.Generator().manual_seed(seed)
        rows = torch.from_numpy(self.blocks(self.model.decode, told))
        decoder: Any = self.model.get_submodule("decoder")
        if hasattr(decoder, "log_std"):
            numbers, std = decoder.heads.numbers, decoder.log_std.clamp(*LOG_STD).exp().cpu()
            rows[:, numbers] = drawn_between(rows[:, numbers], std, scaled_bounds(self.spec), generator)
        values = self.scaling.invert(rows.to(self.device), generator).cpu()
        return data_module.original(values, self.spec)

    def _rows(self, told: Tensor, first: int) -> Tensor:
        """Rows in original units, [n, features]. first: the number of the first of these codes."""
        scaled = torch.from_numpy(self.blocks(self.model.decode, told))
        rows = self.scaling.invert(scaled.to(self.device)).cpu()
        if not self.spec.columns and (beyond := ~torch.isfinite(rows).all(dim=1)).any():
            row = int(beyond.nonzero()[0])
            column = int(told[row].abs().argmax())
            raise DataError(
                f"row {first + row} of the codes decodes to values beyond 32-bit arithmetic; its largest number, "
                f"in dimension {column}, is {float(told[row, column]):g}, far outside of the prior"
            )
        return rows
