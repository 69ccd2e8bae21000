"""Priors from anything that draws: any torch distribution, any function."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from aae.errors import ConfigError
from aae.priors.base import MASS, SEED, Array, Prior, counted, density_level, draws, in_chunks
from aae.priors.clouds import Neighbours

REFERENCE = 10_000
"""Draws that stand for a prior of which nothing else is known."""

OF_TYPES = re.compile(r"dtype|scalar type|\b(Half|BFloat16|Float|Double)\b")
"""What torch says where numbers of two types meet."""

Draw = Callable[[int, torch.Generator], "Tensor | Array"]


class Drawn(Prior):
    """Whatever a function draws: `draw(n, generator)` gives [n, latent], finite, and the same for the same generator.

    Nothing else is known of it, so moments and the region that holds it are estimated from 10,000 draws.
    """

    def __init__(self, draw: Draw, name: str = "a function") -> None:
        if not _takes_two(draw):
            raise ConfigError(f"expected a function draw(n, generator) that returns codes [n, latent], got {draw!r}")
        self.draw, self.name = draw, name
        self.latent = 0  # until it is known
        self.latent = self._rows(2, torch.Generator().manual_seed(SEED)).shape[1]

    def _rows(self, n: int, generator: torch.Generator) -> Tensor:
        given = self.draw(n, generator)
        try:
            found = torch.as_tensor(given).detach()
        except (TypeError, ValueError, RuntimeError):
            raise self._wrong(n, f"a {type(given).__name__}") from None
        width = self.latent or (found.shape[1] if found.ndim == 2 else 0)
        if not width or found.shape != (n, width) or found.is_complex():
            raise self._wrong(n, f"shape {list(found.shape)} of {str(found.dtype).removeprefix('torch.')}")
        # Not in every draw on a GPU: a look at the numbers would hold up the step, and a loss of NaN is noticed anyway.
        if (found.device.type == "cpu" or not self.latent) and not torch.isfinite(found).all():
            raise self._wrong(n, "numbers that are not finite")
        return found.to(generator.device, torch.float32)

    def _wrong(self, n: int, got: str) -> ConfigError:
        return ConfigError(
            f"{self.name} must return {n} finite rows [{n}, {self.latent or 'latent'}] when it is called with n = {n} "
            f"and a torch.Generator; got {got}"
        )

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        return self._rows(n, self._generator(generator))

    @cached_property
    def reference(self) -> Tensor:
        return draws(self, REFERENCE)

    @cached_property
    def near(self) -> Neighbours:
        return Neighbours(self.reference.numpy(), 0.0)

    @property
    def mean(self) -> Tensor:
        return self.reference.mean(0)

    @property
    def std(self) -> Tensor:
        return self.reference.std(0)

    @cached_property
    def inside_mass(self) -> float:  # type: ignore[override]
        fresh = self.sample(REFERENCE, generator=torch.Generator().manual_seed(SEED + 1)).double()
        return self.contains(fresh).double().mean().item()

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies as near to one of 10,000 draws as 99 % of these do to one another: bool [n]."""
        return self.near.contains(z)

    def field(self, z: Tensor) -> Tensor:
        return self.near.field(z)

    def bounds(self) -> Tensor:
        return self.near.bounds()

    def describe(self) -> str:
        return f"what {self.name} draws in {counted(self.latent, 'dimension')}"


class Distribution(Prior):
    """Any `torch.distributions.Distribution` over codes: an event or a batch of shape [latent], or a single number."""

    inside_mass = MASS

    def __init__(self, distribution: torch.distributions.Distribution) -> None:
        if not isinstance(distribution, torch.distributions.Distribution):
            raise ConfigError(f"expected a distribution of torch.distributions, got {distribution!r}")
        shape = (*distribution.batch_shape, *distribution.event_shape)
        if len(shape) > 1:
            raise ConfigError(f"expected a distribution over codes [latent], got batch and event shape {list(shape)}")
        self.distribution, self.latent = distribution, shape[0] if shape else 1

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        # Distributions know no generator: the global one is seeded by the generator's next number and put back.
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            z = self.distribution.sample(torch.Size([n]))
        return z.reshape(n, self.latent).to(generator.device, torch.float32)

    def log_prob(self, z: Tensor) -> Tensor:
        """The distribution's own log-density, -inf outside its support.

        A prior is fixed: gradients reach z, and never parameters of the distribution, or a loss would move the shape
        to the codes. Where it has parameters that require a gradient, there are first derivatives only.
        """
        if not (torch.is_grad_enabled() and z.requires_grad):
            with torch.no_grad():
                return self._in_chunks(z)
        learnt = self._log_prob(self._one.detach().reshape(1, self.latent).to(z)).requires_grad
        return _Fixed.apply(z, self._in_chunks) if learnt else self._in_chunks(z)

    def _in_chunks(self, z: Tensor) -> Tensor:
        return in_chunks(self._log_prob, z, self.latent)

    def _log_prob(self, z: Tensor) -> Tensor:
        shaped = z if self.distribution.batch_shape or self.distribution.event_shape else z[:, 0]
        inside: Any = True
        with contextlib.suppress(NotImplementedError):  # a distribution that does not know its support
            inside = torch.as_tensor(self.distribution.support.check(shaped))  # type: ignore[union-attr]
            if inside.ndim > 1:
                inside = inside.all(1)
        try:
            filled = shaped if inside is True else torch.where(_like(inside, shaped), shaped, self._some(shaped))
            value = self._of_its_type(filled)
        except (NotImplementedError, AttributeError):
            raise ConfigError(f"{self.describe()} has no density") from None
        value = value.sum(1) if value.ndim > 1 else value
        return value if inside is True else value.masked_fill(~inside, -math.inf)

    def _of_its_type(self, z: Tensor) -> Tensor:
        """Its log-density; a distribution by matrices, such as one of low rank, takes numbers of its own type alone."""
        try:
            return self.distribution.log_prob(z)
        except RuntimeError as error:
            if z.dtype == self._one.dtype or not OF_TYPES.search(str(error)):
                raise
            return self.distribution.log_prob(z.to(self._one.dtype)).to(z.dtype)

    @cached_property
    def _one(self) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(SEED)
            return self.distribution.sample()

    def _some(self, z: Tensor) -> Tensor:
        return self._one.to(z).expand_as(z)

    @property
    def support(self) -> Tensor:
        """The ends of each axis that the distribution's own support has, float64 [2, latent]; else infinite."""
        try:
            within: Any = self.distribution.support
        except NotImplementedError:  # a distribution that does not know its support
            return super().support
        ends = [torch.as_tensor(end).detach().double().expand(self.latent) for end in _ends(within)]
        return torch.stack(ends)

    @cached_property
    def reference(self) -> Tensor:
        return draws(self, 10 * REFERENCE)

    @property
    def mean(self) -> Tensor:
        return self._moment("mean", lambda: self.reference.mean(0))

    @property
    def std(self) -> Tensor:
        return self._moment("stddev", lambda: self.reference.std(0))

    def _moment(self, name: str, estimate: Callable[[], Tensor]) -> Tensor:
        try:
            found = torch.as_tensor(getattr(self.distribution, name)).detach().double().reshape(self.latent)
        except NotImplementedError:
            return estimate()
        return found if torch.isfinite(found).all() else estimate()

    @cached_property
    def level(self) -> float:
        return density_level(self)

    def field(self, z: Tensor) -> Tensor:
        return self.log_prob(z) - self.level

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the region of highest density that holds 99 %: bool [n]."""
        return self.log_prob(z) >= self.level

    @cached_property
    def _bounds(self) -> Tensor:
        inside = self.reference[self.contains(self.reference)]
        return torch.stack([inside.amin(0), inside.amax(0)])

    def bounds(self) -> Tensor:
        return self._bounds

    def describe(self) -> str:
        return f"{type(self.distribution).__name__} of torch.distributions in {counted(self.latent, 'dimension')}"


class _Fixed(torch.autograd.Function):
    """`function(z)` with its gradient to z, and none to any other tensor that it uses."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.enable_grad():
            ctx.z = z.detach().requires_grad_()
            ctx.value = function(ctx.z)
        return ctx.value.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        return torch.autograd.grad(ctx.value, ctx.z, gradient, retain_graph=True, allow_unused=True)[0], None


def _takes_two(draw: Any) -> bool:
    """Whether it can be called as draw(n, generator), as far as it says what it takes."""
    try:
        taken = inspect.signature(draw)
    except ValueError:  # one that is not written in Python does not say
        return True
    except TypeError:  # nothing that can be called
        return False
    try:
        taken.bind(2, None)
    except TypeError:
        return False
    return True


def _ends(within: Any) -> tuple[Any, Any]:
    """The lower and upper bound of a constraint of `torch.distributions`."""
    constraints = torch.distributions.constraints
    while isinstance(within, constraints.independent):
        within = within.base_constraint
    if within in (constraints.simplex, constraints.boolean, constraints.one_hot):
        return 0.0, 1.0
    return getattr(within, "lower_bound", -math.inf), getattr(within, "upper_bound", math.inf)


def _like(inside: Tensor, z: Tensor) -> Tensor:
    return inside if z.ndim == 1 else inside[:, None].expand_as(z)
