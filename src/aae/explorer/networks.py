"""A trained network as a list of layers that front/networks.js runs, so that a page can decode without a server.

What has been written down is run again in Python and held against the network before it is believed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aae.convolution import ConvolutionalDecoder, ConvolutionalEncoder, sizes
from aae.errors import ConfigError
from aae.networks import MLP
from aae.normalization import BatchNorm

Array = np.ndarray
Layer = dict[str, Any]
"""`kind` and what it needs; `weight` and `bias` name arrays."""
LARGEST_HALF = 6e4
"""Above this a weight does not fit into 16 bits."""
CLOSE = 1e-4
"""Largest difference from the network, relative to the largest value, for a list of layers to be the same."""


@dataclass(frozen=True)
class Written:
    """A network as layers for the page, and the arrays that the layers name."""

    layers: list[Layer]
    arrays: dict[str, Array]


def write(
    name: str, body: nn.Module, network: Callable[[Tensor], Tensor], wide: int, *, sigmoid: bool, skip: int = 0
) -> Written:
    """Write down `body`, with a last sigmoid or without.

    name: starts the names of the arrays. network: what the layers must come to, rows [n, wide] -> [n, out]; of a body
    that gives more than `out` numbers those from `skip` on are meant. Raises ConfigError for a body of
    another kind than MLP and the convolutional ones, and where the layers do not come to `network`.
    """
    layers: list[Layer] = []
    arrays: dict[str, Array] = {}
    for k, (layer, own) in enumerate(_layers(body, wide)):
        layers.append(layer | {key: f"{name}{k}.{key}" for key in own})
        arrays |= {f"{name}{k}.{key}": t.detach().float().cpu().numpy() for key, t in own.items()}
    written = Written([*layers, {"kind": "sigmoid"}] if sigmoid else layers, arrays)
    device = next(body.parameters()).device
    rows = torch.rand(3, wide, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = network(rows.to(device)).float().cpu()
    found = run(written, rows)[:, skip : skip + wanted.shape[1]]
    if found.shape != wanted.shape or (found - wanted).abs().max() > CLOSE * max(1.0, float(wanted.abs().max())):
        raise ConfigError(f"a page cannot run this {name}; look at the model with `aae explore` instead")
    return written


def _layers(body: nn.Module, wide: int) -> list[tuple[Layer, dict[str, Tensor]]]:
    if isinstance(body, MLP):
        return _dense(body, wide)
    if isinstance(body, ConvolutionalEncoder):
        return _halving(body)
    if isinstance(body, ConvolutionalDecoder):
        return _doubling(body, wide)
    raise ConfigError(f"a page cannot run a network of kind {type(body).__name__}; use `aae explore` instead")


def _dense(body: MLP, wide: int) -> list[tuple[Layer, dict[str, Tensor]]]:
    linears = body.linear()
    found: list[tuple[Layer, dict[str, Tensor]]] = []
    wide_in = linears[0][0].shape[1]
    if wide_in > wide:  # zeros where noise would stand: what `encode` feeds
        found.append(({"kind": "pad", "to": wide_in}, {}))
    for weight, bias in linears:
        found += [({"kind": "linear"}, {"weight": weight, "bias": bias}), ({"kind": "relu"}, {})]
    return found[:-1]


def _halving(body: ConvolutionalEncoder) -> list[tuple[Layer, dict[str, Tensor]]]:
    found: list[tuple[Layer, dict[str, Tensor]]] = []
    places = sizes(*body.shape[1:], len(body.stages))
    for i, (stage, (before, after)) in enumerate(zip(body.stages, itertools.pairwise(places), strict=True)):
        own = _folded(stage, body.norms[i]) if body.norms else _weights(stage)
        found += [(_shapes("conv", stage, before, after), own), ({"kind": "relu"}, {})]
    last = body.stages[-1]
    assert isinstance(last, nn.Conv2d)
    return found + _dense(body.dense, last.out_channels * math.prod(places[-1]))


def _doubling(body: ConvolutionalDecoder, wide: int) -> list[tuple[Layer, dict[str, Tensor]]]:
    found = _dense(body.dense, wide)
    for stage, (before, after) in zip(body.stages, itertools.pairwise(body.sizes), strict=True):
        found += [({"kind": "relu"}, {}), (_shapes("conv_transpose", stage, before, after), _weights(stage))]
    return found


def _weights(stage: nn.Module) -> dict[str, Tensor]:
    assert isinstance(stage, nn.Conv2d | nn.ConvTranspose2d)
    assert stage.bias is not None
    return {"weight": stage.weight, "bias": stage.bias}


def _folded(stage: nn.Module, norm: nn.Module) -> dict[str, Tensor]:
    assert isinstance(stage, nn.Conv2d)
    assert isinstance(norm, BatchNorm)
    return dict(zip(("weight", "bias"), norm.folded(stage.weight), strict=True))


def _shapes(kind: str, stage: nn.Module, before: tuple[int, int], after: tuple[int, int]) -> Layer:
    assert isinstance(stage, nn.Conv2d | nn.ConvTranspose2d)
    return {
        "kind": kind,
        "input": [stage.in_channels, *before],
        "output": [stage.out_channels, *after],  # of a transposed one, what is left of it
        "kernel": list(stage.kernel_size),
        "stride": stage.stride[0],
        "padding": int(stage.padding[0]),
    }


def run(written: Written, rows: Tensor) -> Tensor:
    """What front/networks.js does, in PyTorch: rows [n, in] -> [n, out]."""
    x = rows
    for layer in written.layers:
        weight, bias = (
            torch.from_numpy(written.arrays[layer[k]]).float() if k in layer else x for k in ("weight", "bias")
        )
        kind = layer["kind"]
        if kind == "linear":
            x = F.linear(x, weight, bias)
        elif kind in ("conv", "conv_transpose"):
            apply = F.conv2d if kind == "conv" else F.conv_transpose2d
            image = apply(x.unflatten(1, layer["input"]), weight, bias, layer["stride"], layer["padding"])
            x = image[:, :, : layer["output"][1], : layer["output"][2]].flatten(1)
        elif kind == "pad":
            x = F.pad(x, (0, layer["to"] - x.shape[1]))
        else:
            x = x.relu() if kind == "relu" else x.sigmoid()
    return x


def halved(arrays: dict[str, Array]) -> dict[str, Array]:
    """Weights in 16 bits, as far as they fit."""
    return {k: v.astype(np.float16) if np.abs(v).max(initial=0) < LARGEST_HALF else v for k, v in arrays.items()}


def quantised(written: Written) -> Written:
    """The weights of linear layers in 8 bits, with one step size for each output; everything else in 16."""
    layers: list[Layer] = []
    arrays = halved(written.arrays)
    for layer in written.layers:
        if layer["kind"] == "linear":
            weight = written.arrays[layer["weight"]]
            steps = np.abs(weight).max(1) / 127 + 1e-12
            arrays[layer["weight"]] = (np.rint(weight / steps[:, None]) + 128).astype(np.uint8)
            name = layer["weight"].replace(".weight", ".steps")
            arrays[name], layer = steps.astype(np.float32), layer | {"steps": name}
        layers.append(layer)
    return Written(layers, arrays)
