"""Networks of your own in the place of those that the settings describe, for every model, loss and prior."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType

import torch
from torch import nn

from aae.errors import ConfigError

Make = Callable[[int, int], nn.Module]
"""(values in, values out) -> a module from [batch, in] to [batch, out]."""

TRIED = 4
"""Rows of zeros that a network is tried with before it trains."""

_chosen: ContextVar[Mapping[str, Make]] = ContextVar("own networks", default=MappingProxyType({}))


@contextlib.contextmanager
def own_networks(
    *, encoder: Make | None = None, decoder: Make | None = None, discriminator: Make | None = None
) -> Iterator[None]:
    """Meanwhile every model that is trained, resumed or loaded has these networks.

    Each is a function of the values that go in and come out; what it returns takes rows [batch, in] and gives [batch,
    out]. It is called where the built-in network would be made, after the seed, so that first weights are the seed's;
    images come in as flat rows, channels first. How many values there are follows from model, posterior and data: the
    classes stand before the style in an encoder's output, and behind the code in a decoder's input.

    On the command line, and where others are to open the run, a plugin gives the same three (docs/extending.md); these
    here come before a plugin's. A run directory holds weights and settings, never code: load or resume such a run
    within the same `with`. The settings of the networks that are replaced (`model.encoder` and the like) have no effect
    in the meantime; `model.normalization = batch`, which is of the encoder alone, is refused beside an encoder.
    """
    given = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
    token = _chosen.set({name: make for name, make in given.items() if make is not None})
    try:
        yield
    finally:
        _chosen.reset(token)


def replaced(name: str) -> bool:
    """Whether `own_networks` has a network of this name at the moment."""
    return name in _chosen.get()


def own(name: str, wide_in: int, wide_out: int) -> nn.Module | None:
    """The network of this name that `own_networks` asks for, or None; ConfigError where it does not fit."""
    make = _chosen.get().get(name)
    return None if make is None else fitting(make(wide_in, wide_out), f"the {name} of your own", wide_in, wide_out)


def fitting(made: object, what: str, wide_in: int, wide_out: int) -> nn.Module:
    """A module that was tried with a few rows of zeros, [batch, wide_in] -> [batch, wide_out]; else ConfigError."""
    if not isinstance(made, nn.Module):
        raise ConfigError(f"{what} must return a torch.nn.Module, got {type(made).__name__}")
    training = made.training
    try:
        with torch.no_grad():
            shape = list(made.eval()(torch.zeros(TRIED, wide_in)).shape)
    except Exception as error:
        raise ConfigError(f"{what} cannot take [{TRIED}, {wide_in}]: {type(error).__name__}: {error}") from error
    if shape != [TRIED, wide_out]:
        raise ConfigError(f"{what} turns [{TRIED}, {wide_in}] into {shape}; expected [{TRIED}, {wide_out}]")
    return made.train(training)
