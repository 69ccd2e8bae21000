"""Round priors: ball, ring, sphere, and von Mises angles on a torus."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from aae.errors import ConfigError
from aae.priors.base import Array, Prior, circle, counted

ON_SURFACE = 0.05
"""How far from a surface without thickness, as a share of its radius, a code still counts as on it."""


class Shell(Prior):
    """Uniform between two radii: a ball (inner 0), a ring or shell, or the surface of a sphere (inner = outer).

    In the plane a class is a sector of the ring, anticlockwise from the first axis; `classes` says how many.
    """

    def __init__(self, latent: int, inner: float, outer: float, classes: int | None = None) -> None:
        if latent < 2 and inner > 0:
            raise ConfigError(f"a ring or a sphere needs 2 dimensions or more, got {latent}")
        if classes is not None and latent != 2:
            raise ConfigError(f"only a ring in the plane has sectors for classes, got {latent} dimensions")
        self.latent, self.inner, self.outer = latent, inner, outer
        self.classes = classes

    @property
    def thin(self) -> bool:
        """Whether it is a surface, without any thickness."""
        return self.inner == self.outer

    @property
    def mean(self) -> Tensor:
        return torch.zeros(self.latent, dtype=torch.float64)

    @property
    def std(self) -> Tensor:
        """Of one axis: the root of the mean squared radius over the dimensions."""
        d = self.latent
        square = 1 / d if self.thin else self._without(d + 2) / self._without(d) / (d + 2)
        return torch.full((d,), self.outer * math.sqrt(square), dtype=torch.float64)

    def _without(self, power: int) -> float:
        """1 - (inner / outer)^power: of the radii themselves, many dimensions make powers that no float holds."""
        return -math.expm1(power * math.log(self.inner / self.outer)) if self.inner > 0 else 1.0

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        generator = self._generator(generator)
        if self.classes is None:
            self._refuse_classes(y)
        if self.latent == 2:
            turn = 2 * math.pi * self._position(n, y, generator)
            way = torch.stack([turn.cos(), turn.sin()], 1).float()
        else:
            way = torch.randn(n, self.latent, generator=generator, device=generator.device)
            way = way / way.norm(dim=1, keepdim=True)
        if self.thin:
            return self.outer * way
        u = torch.rand(n, 1, generator=generator, device=generator.device)
        share = self._without(self.latent)
        radius = self.outer * ((1 - share) + u * share) ** (1 / self.latent)
        return radius.clamp(self.inner, self.outer) * way

    def log_prob(self, z: Tensor) -> Tensor:
        if self.thin:
            return super().log_prob(z)
        d = self.latent
        volume = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1) + d * math.log(self.outer)
        volume += math.log(self._without(d))
        radius = z.norm(dim=1)
        inside = (radius >= self.inner) & (radius <= self.outer)
        return torch.full_like(radius, -volume).masked_fill(~inside, -math.inf)

    @property
    def has_density(self) -> bool:
        return not self.thin

    def _no_density(self) -> str:
        where = counted(self.latent, "dimension")
        return f"a surface has no volume in {where}; use prior.kind = ring, which has a thickness"

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies between the radii, or within 5 % of the radius of a surface: bool [n]."""
        radius, slack = z.norm(dim=1), (ON_SURFACE if self.thin else 1e-6) * self.outer
        return (radius >= self.inner - slack) & (radius <= self.outer + slack)

    def unit(self, z: Tensor) -> Tensor:
        """The angles and, unless it is a surface, the share of the volume within each code's radius."""
        radius = z.norm(dim=1, keepdim=True)
        columns = list(_directions(z))
        if not self.thin:
            share = self._without(self.latent)
            columns.append(((radius[:, 0] / self.outer) ** self.latent - (1 - share)) / share)
        return torch.stack(columns, 1)

    def class_of(self, z: Tensor) -> Tensor:
        if self.classes is None:
            return super().class_of(z)
        return (_directions(z)[0] * self.classes).long().clamp(max=self.classes - 1)

    def bounds(self) -> Tensor:
        high = torch.full((self.latent,), self.outer * (1 + ON_SURFACE * self.thin), dtype=torch.float64)
        return torch.stack([-high, high])

    def outline(self) -> list[Array]:
        """One circle, or two for a ring in the plane; in more dimensions the shadow of a ring is a disc."""
        if self.latent == 1:
            return [self.outer * np.array([-1.0, 1.0])]
        ring = self.latent == 2 and 0 < self.inner < self.outer
        return [circle(self.outer), circle(self.inner)] if ring else [circle(self.outer)]

    def describe(self) -> str:
        where = f"in {counted(self.latent, 'dimension')}"
        if self.thin:
            return f"uniform on the sphere of radius {self.outer:g} {where}"
        if self.inner == 0:
            return f"uniform in the ball of radius {self.outer:g} {where}"
        sectors = f" with {counted(self.classes, 'sector')}" if self.classes else ""
        return f"uniform on the ring from radius {self.inner:g} to {self.outer:g} {where}{sectors}"


def _directions(z: Tensor) -> list[Tensor]:
    """The direction of each code as latent - 1 numbers that are uniform on [0, 1] for a uniform direction.

    The share of the sphere below the first coordinate, then the same for the coordinates left; at the end a turn.
    """
    from scipy.special import betainc  # here, so that training does not wait for SciPy

    columns = []
    for i in range(z.shape[1] - 2):
        rest = z[:, i:]
        cosine = (rest[:, 0] / rest.norm(dim=1).clamp(min=1e-30)).clamp(-1, 1)
        half = (rest.shape[1] - 1) / 2
        columns.append(torch.from_numpy(betainc(half, half, ((1 + cosine) / 2).double().cpu().numpy())).to(z))
    if z.shape[1] >= 2:
        columns.append((torch.atan2(z[:, -1], z[:, -2]) / (2 * math.pi)).remainder(1.0))
    else:
        columns.append((z[:, 0] > 0).to(z) / 2 + 0.25)
    return columns


class Torus(Prior):
    """Von Mises angles on a torus: each pair of coordinates is radius * (cos a, sin a), a ~ vonMises(0, concentration).

    The code has two coordinates for each angle, so that what is near on the circle is near in the code: angles
    themselves would be cut open at pi. Concentration 0 is uniform. Density of an angle: exp(k cos a) / (2 pi I0(k)).
    """

    TABLE = 8193

    def __init__(self, latent: int, radius: float, concentration: float) -> None:
        if latent % 2:
            raise ConfigError(f"a torus has two coordinates for each angle; model.latent must be even, got {latent}")
        self.latent, self.radius, self.concentration = latent, radius, concentration
        self.angles = torch.linspace(-math.pi, math.pi, self.TABLE, dtype=torch.float64)
        density = (concentration * (self.angles.cos() - 1)).exp()
        below = torch.cat([torch.zeros(1, dtype=torch.float64), (0.5 * (density[1:] + density[:-1])).cumsum(0)])
        self.below = below / below[-1]

    def moment(self, order: int) -> float:
        """E cos(order * a), by the trapezoidal rule, which is exact to rounding for a smooth periodic function."""
        density = (self.concentration * (self.angles[1:].cos() - 1)).exp()
        return ((order * self.angles[1:]).cos() @ density / density.sum()).item()

    @property
    def mean(self) -> Tensor:
        pair = torch.tensor([self.radius * self.moment(1), 0.0], dtype=torch.float64)
        return pair.repeat(self.latent // 2)

    @property
    def std(self) -> Tensor:
        across, second = self.moment(1), self.moment(2)
        pair = [math.sqrt((1 + second) / 2 - across**2), math.sqrt((1 - second) / 2)]
        return self.radius * torch.tensor(pair, dtype=torch.float64).repeat(self.latent // 2)

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        u = torch.rand(n, self.latent // 2, generator=generator, device=generator.device, dtype=torch.float64)
        below, angles = self._there("below", u.device), self._there("angles", u.device)
        right = torch.searchsorted(below, u).clamp(1, len(below) - 1)
        share = (u - below[right - 1]) / (below[right] - below[right - 1]).clamp(min=1e-300)
        turn = torch.lerp(angles[right - 1], angles[right], share)
        return self.radius * torch.stack([turn.cos(), turn.sin()], 2).flatten(1).float()

    def _no_density(self) -> str:
        return "a torus has no volume among the codes"

    def unit(self, z: Tensor) -> Tensor:
        """The quantile of each angle, [n, latent / 2]."""
        turn = torch.atan2(z[:, 1::2], z[:, ::2]).double().cpu().numpy()
        return torch.from_numpy(np.interp(turn, self.angles.numpy(), self.below.numpy())).to(z)

    def contains(self, z: Tensor) -> Tensor:
        """Whether every pair of coordinates lies within 5 % of the radius of its circle: bool [n]."""
        radius = z.unflatten(1, (-1, 2)).norm(dim=2)
        return ((radius - self.radius).abs() <= ON_SURFACE * self.radius).all(1)

    def centre(self) -> Tensor:
        return torch.tensor([self.radius, 0.0], dtype=torch.float64).repeat(self.latent // 2)

    def bounds(self) -> Tensor:
        high = torch.full((self.latent,), (1 + ON_SURFACE) * self.radius, dtype=torch.float64)
        return torch.stack([-high, high])

    def outline(self) -> list[Array]:
        return [circle(self.radius)]

    def describe(self) -> str:
        angles = "angle" if self.latent == 2 else "angles"
        return (
            f"{self.latent // 2} von Mises {angles} of concentration {self.concentration:g} on circles of radius "
            f"{self.radius:g}"
        )
