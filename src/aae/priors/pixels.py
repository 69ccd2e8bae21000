"""A density on the pixels of a picture, and the checkerboard, which is one."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aae.errors import DataError, require
from aae.priors.base import Array, Prior
from aae.priors.checked import real


class Pixels(Prior):
    """A density in the plane that is constant on each pixel of `ink` [h, w], numbers of 0 or more; row 0 is the top.

    The longer side of the picture reaches from -half_width to half_width, and its centre is 0. Pixels are square.
    """

    latent = 2

    def __init__(self, ink: ArrayLike, half_width: float, name: str = "picture") -> None:
        require(0 < real(half_width) < math.inf, f"{name}: half_width must be above 0 and finite, got {half_width!r}")
        array = np.asarray(ink, dtype=np.float64)
        if array.ndim != 2 or 0 in array.shape or not np.isfinite(array).all() or (array < 0).any():
            raise DataError(f"{name}: the density must be numbers of 0 or more, [height, width]; got {array.shape}")
        if array.sum() == 0:
            raise DataError(f"{name}: the picture is blank; there is nothing to draw samples from")
        self.name, self.half_width, self.ink = name, real(half_width), array
        self.height, self.width = array.shape
        self.side = 2 * self.half_width / max(array.shape)
        """Side of a pixel (code units)."""
        # [x, y] with y upwards, as codes are, and columns one after another: the order of the quantiles.
        self.share = torch.from_numpy((array[::-1].T / array.sum()).copy())
        self.below = torch.cat([torch.zeros(1, dtype=torch.float64), self.share.flatten().cumsum(0)])
        self.corner = torch.tensor([self.width, self.height], dtype=torch.float64) * (-self.side / 2)
        self._last = int(self.share.flatten().nonzero()[-1])

    @property
    def mean(self) -> Tensor:
        return torch.stack([share @ centres for share, centres in self._axes()])

    @property
    def std(self) -> Tensor:
        """The spread between pixels and the one within them."""
        second = torch.stack([share @ centres.square() for share, centres in self._axes()])
        return (second + self.side**2 / 12 - self.mean.square()).sqrt()

    def _axes(self) -> list[tuple[Tensor, Tensor]]:
        """For each axis the share and the centre of each column or row of pixels."""
        found = []
        for axis, size in enumerate((self.width, self.height)):
            centres = self.corner[axis] + self.side * (torch.arange(size, dtype=torch.float64) + 0.5)
            found.append((self.share.sum(1 - axis), centres))
        return found

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        device = generator.device
        u = torch.rand(n, generator=generator, device=device, dtype=torch.float64)
        chosen = torch.searchsorted(self._there("below", device), u, right=True) - 1
        # A sum that ends just below 1 must not lead to the pixels without ink after it.
        chosen = chosen.clamp(max=self._last)
        place = torch.stack([chosen // self.height, chosen % self.height], 1)
        within = torch.rand(n, 2, generator=generator, device=device, dtype=torch.float64)
        # In float32 what lies next to an edge may round to the other side, so stay a few steps of float32 inside.
        edge = 2**-22 * max(self.width, self.height)
        within = edge + (1 - 2 * edge) * within
        return (self._there("corner", device) + self.side * (place + within)).float()

    def _pixel(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Column and row (from below) of each code's pixel, [n] each, and whether it lies in the picture."""
        place = ((z.double() - self.corner.to(z.device)) / self.side).floor()
        size = torch.tensor([self.width, self.height], device=z.device)
        within = ((place >= 0) & (place < size)).all(1)  # False for NaN
        place = torch.where(within[:, None], place, torch.zeros_like(place)).long()
        return place[:, 0], place[:, 1], within

    def log_prob(self, z: Tensor) -> Tensor:
        column, row, within = self._pixel(z)
        density = self.share.to(z.device)[column, row] / self.side**2
        return density.log().masked_fill(~within, -math.inf).to(z.dtype)

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies on a pixel with ink: bool [n]."""
        column, row, within = self._pixel(z)
        return within & (self.share.to(z.device)[column, row] > 0)

    def unit(self, z: Tensor) -> Tensor:
        """The quantile of the first coordinate, and of the second within its column; -1 in a column without ink."""
        place = (z.double() - self.corner.to(z.device)) / self.side
        share = self.share.to(z.device)
        across = share.sum(1)
        column = place[:, 0].floor().clamp(0, self.width - 1).long()
        row = place[:, 1].floor().clamp(0, self.height - 1).long()
        first = (across.cumsum(0) - across)[column] + (place[:, 0] - column) * across[column]
        first = torch.where(place[:, 0] < 0, -1.0, torch.where(place[:, 0] > self.width, 2.0, first))
        below = share.cumsum(1) - share
        second = (below[column, row] + (place[:, 1] - row) * share[column, row]) / across[column]
        second = torch.where((across[column] == 0) | (place[:, 1] < 0), -1.0, second)
        second = torch.where((across[column] > 0) & (place[:, 1] > self.height), 2.0, second)
        return torch.stack([first, second], 1).to(z.dtype)

    def bounds(self) -> Tensor:
        corners = []
        for share, centres in self._axes():
            inked = centres[share > 0]
            corners.append(torch.stack([inked[0], inked[-1]]) + self.side / 2 * torch.tensor([-1.0, 1.0]))
        return torch.stack(corners, 1)

    def describe(self) -> str:
        return f"density of {self.name} ({self.width} x {self.height} pixels), longer side {2 * self.half_width:g}"

    def picture(self) -> Array:
        """The density of each pixel, [h, w], row 0 at the top."""
        return self.ink / self.ink.sum() / self.side**2


def checkerboard(squares: int, half_width: float) -> Pixels:
    """Uniform on every second square of a board of squares x squares over (-half_width, half_width)^2."""
    row, column = np.indices((squares, squares))
    dark = (row + column + squares) % 2 == 1  # the corner at the bottom left is dark, as on a chessboard
    return Pixels(dark, half_width, f"checkerboard of {squares} x {squares} squares")
