"""Priors along a curve in the plane: the swiss roll and the spiral."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from aae.errors import ConfigError
from aae.priors.base import Array, Prior, counted
from aae.priors.gaussians import Mixture

POINTS = 8192
"""Points at equal distances along a curve, between which samples lie on straight lines."""
INNERMOST = 0.08
"""Radius at which an arm begins, as a share of the outer one."""


class Curve(Prior):
    """Uniform along curves in the plane (by length), blurred by a round Gaussian of deviation `width`.

    arms: curves, each [m, 2] at equal distances from its first to its last point; all of one length. A class is a part
    of the whole length: a segment of one arm, or one of several arms.

    The density is that of a mixture of Gaussians no more than half a `width` apart along the curves, which differs from
    the integral by less than rounding does.
    """

    latent = 2

    def __init__(self, arms: list[Array], width: float, classes: int, name: str) -> None:
        self.arms = torch.from_numpy(np.stack(arms))  # [arms, m, 2]
        self.width, self.classes, self.name = width, classes, name
        length = float(np.linalg.norm(np.diff(arms[0], axis=0), axis=1).sum())
        each = math.ceil(2 * length / width / classes) * classes  # so that a node belongs to one class
        if each * len(arms) > 20_000:
            raise ConfigError(f"width {width:g} is too thin for a curve {length * len(arms):.3g} long; make it wider")
        line = (torch.arange(each * len(arms), dtype=torch.float64) + 0.5) / (each * len(arms))
        labels = (line * classes).long().numpy()
        self.nodes = Mixture(self.at(line).numpy(), width**2 * np.eye(2), labels=labels, name=name)
        self.inside_mass = self.nodes.inside_mass

    def at(self, position: Tensor) -> Tensor:
        """The points at these shares, in [0, 1), of the whole length: [n] -> [n, 2]."""
        arms, m = self.arms.shape[:2]
        along = position * arms
        arm = along.long().clamp(max=arms - 1)
        step = (along - arm) * (m - 1)
        left = step.long().clamp(0, m - 2)
        points = self._there("arms", position.device)
        return torch.lerp(points[arm, left], points[arm, left + 1], (step - left)[:, None])

    @property
    def mean(self) -> Tensor:
        return self.nodes.mean

    @property
    def std(self) -> Tensor:
        return self.nodes.std

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        generator = self._generator(generator)
        u = self._position(n, y, generator)
        noise = torch.randn(n, 2, generator=generator, device=generator.device)
        return self.at(u).float() + self.width * noise

    def log_prob(self, z: Tensor) -> Tensor:
        return self.nodes.log_prob(z)

    def unit(self, z: Tensor) -> Tensor:
        return self.nodes.unit(z)

    def field(self, z: Tensor) -> Tensor:
        return self.nodes.field(z)

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the region of highest density that holds 99 %: bool [n]."""
        return self.nodes.contains(z)

    def class_of(self, z: Tensor) -> Tensor:
        return self.nodes.class_of(z)

    def bounds(self) -> Tensor:
        return self.nodes.bounds()

    def describe(self) -> str:
        return self.name


def swiss_roll(radius: float, turns: float, width: float, classes: int) -> Curve:
    """One arm whose radius grows in proportion to its angle, from the centre to `radius` (section 2.3 of the paper)."""
    name = f"swiss roll of {counted(turns, 'turn')} and radius {radius:g}"
    return Curve([_arm(radius, turns, 0.0)], width, classes, name)


def spiral(radius: float, turns: float, width: float, arms: int) -> Curve:
    """So many arms, evenly turned about the centre; each is a class."""
    name = f"spiral of {counted(arms, 'arm')}, {counted(turns, 'turn')} and radius {radius:g}"
    return Curve([_arm(radius, turns, 2 * math.pi * i / arms) for i in range(arms)], width, arms, name)


def _arm(radius: float, turns: float, start: float) -> Array:
    """An Archimedean spiral, [POINTS, 2] at equal distances."""
    fine = np.linspace(INNERMOST, 1, 8 * POINTS)
    angle = start + 2 * np.pi * turns * fine
    points = radius * fine[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    length = np.concatenate([[0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()])
    places = np.linspace(0, length[-1], POINTS)
    return np.stack([np.interp(places, length, points[:, i]) for i in range(2)], 1)
