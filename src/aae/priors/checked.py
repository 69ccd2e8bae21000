"""What every prior asks of what it is given, in one place: codes, a number of draws, and classes.

`Prior` puts these checks before the methods of its subclasses, so that none of them needs its own.
"""

from __future__ import annotations

import functools
import inspect
import math
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
    """A method of a prior that sees to it that it gets codes, its first argument: float [n, latent]."""
    name = next(iter(list(inspect.signature(method).parameters)[1:]), "")

    @functools.wraps(method)
    def checked(self: Any, *given: Any, **named: Any) -> Any:
        if given:
            given = (_codes(given[0], self.latent), *given[1:])
        elif name in named:
            named[name] = _codes(named[name], self.latent)
        return method(self, *given, **named)  # Python says what is wrong with any others

    return checked


def of_draws(sample: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`sample`, that sees to its count and its classes, and gets all else as it was given.

    Of what a training step gives only the types are asked.
    """
    parameters = list(inspect.signature(sample).parameters.values())[1:]
    positional = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    by_name = any(one.name == "y" and one.kind is one.KEYWORD_ONLY for one in parameters)
    place = positional.index("y") if "y" in positional else 1
    """Where the classes stand among what is given without a name."""

    @functools.wraps(sample)
    def checked(self: Any, *given: Any, **named: Any) -> Tensor:
        if by_name and len(positional) == 1 and len(given) > 1:
            named["y"], given = given[1], (given[0], *given[2:])
        if given:
            given = (_counted(given[0]), *given[1:])
        elif "n" in named:
            named["n"] = _counted(named["n"])
        if "y" in named:
            named["y"] = _classed(named["y"])
        elif not by_name and len(given) > place and not isinstance(given[place], torch.Generator):
            given = (*given[:place], _classed(given[place]), *given[place + 1 :])
        return sample(self, *given, **named)

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


def real(value: Any) -> float:
    """A number; NaN for what is none, so that any comparison refuses it."""
    try:
        return math.nan if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan


def _codes(z: Any, latent: int) -> Tensor:
    found = z if isinstance(z, Tensor) else _native(numbers(z, "codes"), np.float64)
    if found.ndim != 2 or found.shape[1] != latent:
        raise DataError(f"codes of this prior must be [n, {latent}], got shape {list(found.shape)}")
    if found.is_complex():
        raise DataError("codes must be real numbers, got complex ones")
    return found if found.is_floating_point() else found.double()


def _native(array: np.ndarray, kind: type[np.generic]) -> Tensor:
    """A copy; as `kind` where torch may lack the type: another byte order, long double, unsigned; and a half one."""
    plain = array.dtype.isnative and array.dtype.type in (np.float32, np.float64, np.int64, np.bool_)
    return torch.from_numpy(np.array(array, dtype=array.dtype if plain else kind))


def _counted(n: Any) -> int:
    return n if n.__class__ is int and n >= 0 else _count(n)


def _count(n: Any) -> int:
    try:
        count = operator.index(n)
    except TypeError:
        raise ConfigError(f"n, the number of draws, must be a whole number, got {n!r}") from None
    if count < 0:
        raise ConfigError(f"n, the number of draws, must be 0 or more, got {count}")
    return count


def _classed(y: Any) -> Tensor | None:
    return y if y is None or (isinstance(y, Tensor) and y.dtype == torch.int64) else _classes(y)


def _classes(y: Any) -> Tensor:
    if not isinstance(y, Tensor):
        array = numbers(y, "y", ConfigError)
        y = _native(array, np.int64 if array.dtype.kind in "iu" else np.float64)
    found = y
    whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if not whole and found.numel():  # an empty list has no type of its own
        raise ConfigError(f"y must hold the classes as whole numbers, got {str(found.dtype).removeprefix('torch.')}")
    return found.long()
