"""What every prior asks of what it is given, in one place: codes, a number of draws, and classes.

`Prior` puts these checks before the methods of its subclasses, so that none of them needs its own.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aae.errors import AAEError, ConfigError, DataError

OF_CODES = ("contains", "log_prob", "field", "unit", "cdf", "icdf", "class_of")
"""The methods that take codes [n, latent]."""


def of_codes(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a prior that sees to it that it gets codes: float [n, latent]."""

    @functools.wraps(method)
    def checked(self: Any, *given: Any, **named: Any) -> Any:
        if len(given) + len(named) != 1:
            return method(self, *given, **named)  # Python says what is wrong
        (z,) = (*given, *named.values())
        return method(self, _codes(z, self.latent))

    return checked


def of_draws(sample: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`sample`, that sees to its count and its classes; of what a training step gives only the types are asked."""

    @functools.wraps(sample)
    def checked(self: Any, n: int, y: Any = None, generator: torch.Generator | None = None) -> Tensor:
        if n.__class__ is not int or n < 0:
            n = _count(n)
        if y is not None and not (isinstance(y, Tensor) and y.dtype == torch.int64):
            y = _classes(y)
        return sample(self, n, y, generator)

    return checked


def numbers(values: Any, name: str, error: type[AAEError] = DataError) -> np.ndarray:
    """An array, a tensor (wherever it is, and with gradients or not) or nested lists as an array of real numbers."""
    try:
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as reason:  # such as rows of different lengths
        raise error(f"{name} must be numbers in rows of one length: {str(reason).partition('.')[0]}") from None
    if array.dtype.kind not in "biuf":
        raise error(f"{name} must be real numbers, got {array.dtype}")
    return array


def _codes(z: Any, latent: int) -> Tensor:
    found = z if isinstance(z, Tensor) else torch.from_numpy(np.array(numbers(z, "codes")))
    if found.ndim != 2 or found.shape[1] != latent:
        raise DataError(f"codes of this prior must be [n, {latent}], got shape {list(found.shape)}")
    if found.is_complex():
        raise DataError("codes must be real numbers, got complex ones")
    return found if found.is_floating_point() else found.double()


def _count(n: Any) -> int:
    try:
        count = operator.index(n)
    except TypeError:
        raise ConfigError(f"n, the number of draws, must be a whole number, got {n!r}") from None
    if count < 0:
        raise ConfigError(f"n, the number of draws, must be 0 or more, got {count}")
    return count


def _classes(y: Any) -> Tensor:
    found = y if isinstance(y, Tensor) else torch.from_numpy(np.array(numbers(y, "y", ConfigError)))
    whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if not whole and found.numel():  # an empty list has no type of its own
        raise ConfigError(f"y must hold the classes as whole numbers, got {str(found.dtype).removeprefix('torch.')}")
    return found.long()
