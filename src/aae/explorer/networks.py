"""A trained network as a list of layers that front/networks.js runs, so that a page can decode without a server.

The layers are found by watching one row pass through the network, not by reading its code: whatever calls plain
layers one after another can be written down, and what has been written down is run again in Python and held against
the network before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aae.errors import ConfigError

Array = np.ndarray
Layer = dict[str, Any]
LARGEST_HALF = 6e4
"""Above this a weight does not fit into 16 bits."""
CLOSE = 1e-4
"""Largest difference from the network, relative to the largest value, for a list of layers to be the same."""
CONVOLUTIONS: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.Conv2d, "conv"),
    (nn.ConvTranspose2d, "conv_transpose"),
)
ACTIVATIONS: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.ReLU, "relu"),
    (nn.Sigmoid, "sigmoid"),
    (nn.Tanh, "tanh"),
)
NOTHING = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout)
"""Layers that leave a flat row as it is, once training is over."""


@dataclass(frozen=True)
class Written:
    """A network as layers for the page, and the arrays that the layers name."""

    layers: list[Layer]
    arrays: dict[str, Array]


def write(name: str, network: Callable[[Tensor], Tensor], module: nn.Module, row: Tensor, sigmoid: bool) -> Written:
    """Write down what `network` does to rows [1, wide] by way of the layers of `module`, and a last sigmoid.

    name: starts the names of the arrays. Raises ConfigError for a network that is not a plain chain of known layers.
    """
    seen: list[tuple[nn.Module, tuple[int, ...], tuple[int, ...]]] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((layer, tuple(inputs[0].shape[1:]), tuple(output.shape[1:])))

    leaves = [layer for layer in module.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    try:
        with torch.no_grad():
            wanted = network(row)
    finally:
        for hook in hooks:
            hook.remove()
    layers: list[Layer] = []
    arrays: dict[str, Array] = {}
    for k, (layer, before, after) in enumerate(seen):
        written, own = _layer(f"{name}{k}", layer, before, after)
        layers += [] if written is None else [written]
        arrays |= own
    layers += [{"kind": "sigmoid"}] if sigmoid else []
    _check(name, seen, row, wanted, sigmoid)
    return Written(layers, arrays)


def _layer(
    name: str, layer: nn.Module, before: tuple[int, ...], after: tuple[int, ...]
) -> tuple[Layer | None, dict[str, Array]]:
    if isinstance(layer, nn.Linear):
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
        return _with(name, {"kind": "linear"}, weight=layer.weight, bias=bias)
    for kind, word in CONVOLUTIONS:
        if isinstance(layer, kind):
            return _convolution(name, word, layer, before, after)
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return _with(name, {"kind": "affine"}, **_fixed_normalisation(layer))
    if isinstance(layer, nn.GroupNorm):
        shape = {"kind": "group_norm", "groups": layer.num_groups, "eps": layer.eps}
        return _with(name, shape, scale=layer.weight, shift=layer.bias)
    if isinstance(layer, nn.Upsample) and layer.mode == "nearest":
        return {"kind": "upsample", "input": list(before), "factor": after[1] // before[1]}, {}
    if isinstance(layer, nn.LeakyReLU):
        return {"kind": "leaky_relu", "slope": layer.negative_slope}, {}
    for kind, word in ACTIVATIONS:
        if isinstance(layer, kind):
            return {"kind": word}, {}
    if isinstance(layer, NOTHING):
        return None, {}
    raise ConfigError(
        f"a page cannot run a layer of kind {type(layer).__name__}; look at this model with `aae explore` instead"
    )


def _convolution(
    name: str, kind: str, layer: nn.Module, before: tuple[int, ...], after: tuple[int, ...]
) -> tuple[Layer, dict[str, Array]]:
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    plain = layer.groups == 1 and set(layer.dilation) == {1} and layer.padding_mode == "zeros"
    square = len(set(layer.stride)) == 1 and not isinstance(layer.padding, str) and len(set(layer.padding)) == 1
    if not (plain and square):
        raise ConfigError(
            "a page can run convolutions without groups or dilation, with zeros around; use `aae explore`"
        )
    written = {
        "kind": kind,
        "input": list(before),
        "output": list(after),
        "kernel": list(layer.kernel_size),
        "stride": layer.stride[0],
        "padding": int(layer.padding[0]),
    }
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    return _with(name, written, weight=layer.weight, bias=bias)


def _fixed_normalisation(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> dict[str, Tensor]:
    """What batch normalisation does when it no longer learns: scale and shift of each channel."""
    if layer.running_mean is None or layer.running_var is None:
        raise ConfigError("a page cannot run batch normalisation without running statistics; use `aae explore`")
    weight = torch.ones_like(layer.running_var) if layer.weight is None else layer.weight
    bias = torch.zeros_like(layer.running_var) if layer.bias is None else layer.bias
    scale = weight / torch.sqrt(layer.running_var + layer.eps)
    return {"scale": scale, "shift": bias - layer.running_mean * scale}


def _with(name: str, layer: Layer, **tensors: Tensor) -> tuple[Layer, dict[str, Array]]:
    arrays = {f"{name}.{key}": value.detach().float().cpu().numpy() for key, value in tensors.items()}
    return layer | {key: f"{name}.{key}" for key in tensors}, arrays


def _check(name: str, seen: list[Any], row: Tensor, wanted: Tensor, sigmoid: bool) -> None:
    """Run the layers one after another and compare: a sum of two branches, say, is no chain of layers."""
    x = row
    with torch.no_grad():
        for layer, before, _ in seen:
            missing = int(np.prod(before)) - x[0].numel()
            if missing < 0:
                break
            x = layer(nn.functional.pad(x.reshape(len(x), -1), (0, missing)).reshape(len(x), *before))
        x = x.reshape(len(x), -1).float()
        x = (x.sigmoid() if sigmoid else x)[:, : wanted.shape[1]]
    if x.shape != wanted.shape or (x - wanted).abs().max() > CLOSE * max(1.0, float(wanted.abs().max())):
        raise ConfigError(
            f"the {name} is not a plain chain of layers, so a page cannot run it; look at this model with `aae explore`"
        )


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
