"""The values of a table <-> the features that networks see; see `aae.columns` for where each stands."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aae.columns import Places
from aae.config import DataSpec

DAY = 86_400
"""Seconds in a day."""


class TableScaling:
    """Values [n, columns] in original units to features and back; what `Scaling` does for tables."""

    def __init__(self, spec: DataSpec, device: str | torch.device = "cpu") -> None:
        self.columns, self.places = spec.columns, Places.of(spec.columns)
        places = self.places

        def index(columns: Sequence[int]) -> Tensor:
            return torch.tensor(columns, dtype=torch.int64, device=device)

        first = torch.tensor(places.first, dtype=torch.int64, device=device)
        self.plain, self.categories = index(sorted((*places.numbers, *places.booleans))), index(places.categories)
        self.flagged, self.first = index(places.flagged), first
        exact = torch.tensor([spec.offset, spec.scale], dtype=torch.float64, device=device)
        self.offset, self.scale = exact[:, first[self.plain]]
        owner = torch.tensor([i for i, c in enumerate(self.columns) for _ in range(c.width)], device=device)
        self.owner = owner
        """The column of each feature, flags left out."""

    def apply(self, x: Tensor) -> Tensor:
        """Values [n, columns], NaN where missing -> float32 [n, features]; the arithmetic before that is float64."""
        x = x.to(torch.float64)
        out = x.new_zeros(x.shape[0], self.places.features, dtype=torch.float32)
        scaled = (x[:, self.plain] - self.offset) / self.scale
        out[:, self.first[self.plain]] = torch.nan_to_num(scaled, nan=0.0).to(torch.float32)
        if len(self.categories):
            numbers = x[:, self.categories]
            at = self.first[self.categories] + torch.nan_to_num(numbers).to(torch.int64)
            out.scatter_(1, at, (~torch.isnan(numbers)).to(torch.float32))
        if len(self.flagged):
            out[:, self.places.flags :] = torch.isnan(x[:, self.flagged]).to(torch.float32)
        return out

    def known(self, x: Tensor) -> Tensor | None:
        """Which features [n, features] stand for a value that is known: 1 or 0; a flag stands for none.

        None where no value of the data that was trained on is missing.
        """
        if not len(self.flagged):
            return None
        known = (~torch.isnan(x)).to(torch.float32)[:, self.owner]
        return torch.nn.functional.pad(known, (0, len(self.flagged)))

    def hide(self, x: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Values [n, columns] with a share of them, drawn at random, gone (NaN)."""
        return x.masked_fill(torch.rand(x.shape, generator=generator, device=x.device) < share, torch.nan)

    def invert(self, u: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Decoded features [n, features] -> values [n, columns], float64, none missing.

        Numbers are bounded by the least and largest value of the training rows, whole ones rounded. A category is the
        likeliest one, or with a `generator` one drawn from its probabilities; a truth value likewise.
        """
        out = u.new_zeros(u.shape[0], len(self.columns), dtype=torch.float64)
        out[:, self.plain] = u[:, self.first[self.plain]].to(torch.float64) * self.scale + self.offset
        for i, column in enumerate(self.columns):
            if column.kind == "category":
                share = u[:, self.places.first[i] : self.places.first[i] + column.width]
                out[:, i] = share.argmax(1) if generator is None else _drawn(share, generator)
            elif column.kind == "boolean":
                share = out[:, i]
                half = 0.5 if generator is None else _uniform(share, generator)
                out[:, i] = (share > half).to(torch.float64)
            else:
                step = DAY if column.dtype == "datetime64[D]" else 1 if column.kind == "integer" else None
                found = out[:, i] if step is None else (out[:, i] / step).round() * step
                out[:, i] = found.clamp(column.minimum, column.maximum)
        return out


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(len(like), generator=generator, dtype=torch.float64).to(like.device)


def _drawn(share: Tensor, generator: torch.Generator) -> Tensor:
    """One category for each row of probabilities [n, k], by inversion."""
    steps = share.to(torch.float64).clamp_min(0).cumsum(1)
    return (steps < (_uniform(share, generator) * steps[:, -1])[:, None]).sum(1).clamp_max(share.shape[1] - 1)


def scaled_bounds(spec: DataSpec) -> tuple[Tensor, Tensor]:
    """Least and largest scaled value of each column of numbers in the training rows, float64 [numbers] each."""
    places = Places.of(spec.columns)
    first = [places.first[i] for i in places.numbers]
    offset = torch.tensor([spec.offset[i] for i in first], dtype=torch.float64)
    scale = torch.tensor([spec.scale[i] for i in first], dtype=torch.float64)
    limits = [(spec.columns[i].minimum, spec.columns[i].maximum) for i in places.numbers]
    low, high = torch.tensor(limits, dtype=torch.float64).reshape(-1, 2).T
    return (low - offset) / scale, (high - offset) / scale


def drawn_between(mean: Tensor, std: Tensor, bounds: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
    """One draw from N(mean, std^2) given that it lies within the bounds, [n, numbers], by inversion.

    A mean far outside the bounds gives the nearer one.
    """
    low, high = ((bound - mean) / std for bound in bounds)
    a, b = torch.special.ndtr(low), torch.special.ndtr(high)
    share = a + (b - a) * torch.rand(a.shape, generator=generator, dtype=torch.float64)
    z = torch.special.ndtri(share.clamp(1e-12, 1 - 1e-12)).clamp(low, high)
    return (mean + std * z).to(mean.dtype)
