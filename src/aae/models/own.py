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

    A run directory holds weights and settings, never code: load or resume such a run within the same `with`. The
    settings of the networks that are replaced (`model.encoder` and the like) have no effect in the meantime.
    """
    given = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
    token = _chosen.set({name: make for name, make in given.items() if make is not None})
    try:
        yield
    finally:
        _chosen.reset(token)


def own(name: str, wide_in: int, wide_out: int) -> nn.Module | None:
    """The network of this name that `own_networks` asks for, or None; ConfigError where its output is not as wide."""
    make = _chosen.get().get(name)
    if make is None:
        return None
    network = make(wide_in, wide_out)
    training = network.training
    with torch.no_grad():
        shape = list(network.eval()(torch.zeros(2, wide_in)).shape)
    network.train(training)
    if shape != [2, wide_out]:
        raise ConfigError(f"the {name} of your own gives {shape} for rows [2, {wide_in}]; expected [2, {wide_out}]")
    return network
