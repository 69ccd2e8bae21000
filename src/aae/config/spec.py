"""What was learnt about the data: `DataSpec`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from aae.columns import Column, Places
from aae.errors import require


@dataclass(frozen=True)
class DataSpec:
    """What the data is and how it was scaled; travels with the run and undoes the scaling on the way out.

    A scaled value is `(original - offset) / scale`. `offset` and `scale` hold one number for all features, or one
    for each feature of a vector. `minimum` and `maximum` bound what a decoded value may be in original units;
    None leaves it free.
    """

    name: str
    """The named data set, or the file's name."""
    shape: tuple[int, ...]
    """Shape of one row: (d,) for a vector, (h, w) for a grey image, (c, h, w) for a colour image."""
    dtype: str
    """NumPy name of the original type, such as uint8."""
    offset: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    minimum: float | None = None
    maximum: float | None = None
    channels_last: bool = False
    """Whether the original images ended with their channels: (h, w, c)."""
    channel_axis: bool = False
    """Whether the original grey images had an axis of length 1 for their one channel."""
    scaling: Literal["range", "standardize", "none"] = "none"
    classes: tuple[str, ...] | None = None
    """Names of the classes that labels 0, 1, ... stand for; None without labels."""
    columns: tuple[Column, ...] = ()
    """The columns of a table; `shape` is their number, and `features` what networks see of them: see aae.columns."""
    names: tuple[str, ...] = ()
    """Names of the values of a row, such as genes, where the file has them; of a table see `columns`."""
    conditions: DataSpec | None = None
    """What is known of the conditions that a decoder is told beside a code, a table of their own; None without."""

    def __post_init__(self) -> None:
        require(1 <= len(self.shape) <= 3 and min(self.shape) >= 1, f"shape of a row cannot be {self.shape}")
        for name in ("offset", "scale"):
            values = getattr(self, name)
            require(
                len(values) in (1, self.features),
                f"{name} needs 1 or {self.features} numbers, got {len(values)}",
            )
            require(all(map(math.isfinite, values)), f"{name} must be finite")
        require(len(self.names) in (0, self.features), f"{len(self.names)} names for {self.features} values of a row")
        require(min(self.scale) > 0, f"scale must be above 0, got {min(self.scale)}")

    @property
    def features(self) -> int:
        """Number of values in one row, as networks see it."""
        return Places.of(self.columns).features if self.columns else math.prod(self.shape)

    @property
    def original_shape(self) -> tuple[int, ...]:
        """Shape of one row as it came, such as (28, 28, 1) or (32, 32, 3)."""
        channels = (1,) if self.channel_axis else self.shape[:-2] if self.is_image else ()
        size = self.shape[-2:] if self.is_image else self.shape
        return size + channels if self.channels_last else channels + size

    @property
    def is_image(self) -> bool:
        return len(self.shape) > 1

    @property
    def bounded(self) -> bool:
        """Whether all scaled values lie in [0, 1] and one sigmoid can reach them."""
        return self.scaling == "range" and not self.columns
