"""Features of pictures that sample quality is measured in: a small frozen network, pinned by its hash.

The network was trained on the 60,000 training digits of MNIST by `benchmarks/feature_net.py`, to tell the ten classes
apart; its weights are part of the package. Distances between features are distances between what makes digits differ,
so they mean most for digits and drawings like them. Numbers made with it compare with one another only: never with
the Inception scores of the literature, nor across data sets.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from torch import Tensor, nn

from aae.errors import DataError, StorageError
from aae.metrics.checks import Floats, floats

WEIGHTS = Path(__file__).with_name("digit_features.safetensors")
SHA256 = "0631f99122513274d253f5205d316de7dd7e37fc787e90fa99b247f0e589a366"
"""Of the file of weights: other weights would give other numbers under the same names."""
SIDE, WIDTH = 28, 64
BLOCK = 512


class DigitNet(nn.Module):
    """Three convolutions and a layer of 64 units, whose activations are the features; ten logits for training.

    Takes pictures [n, 1, 28, 28] in 0 to 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * 9, WIDTH), nn.ReLU()),
        )
        self.logits = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)  # [n, 64]


def picture_features(pictures: npt.ArrayLike) -> Floats:
    """The features [n, 64] of pictures [n, h, w] or [n, channels, h, w] with values in 0 to 1.

    Channels are averaged, and sides other than 28 resized to it (bilinear, antialiased), so colour and detail beyond
    28 x 28 pixels go unseen. Values are taken as they are, without clipping.

    Raises DataError for other shapes, values that are not finite or far from 0 to 1, and StorageError if the file of
    weights is not the one that this version was released with.
    """
    array = floats(pictures, "pictures")
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise DataError(f"pictures must have the shape [n, h, w] or [n, channels, h, w], got {list(array.shape)}")
    low, high = array.min(), array.max()
    if low < -0.5 or high > 1.5:
        raise DataError(
            f"pictures must be scaled to 0 to 1, got values from {low:g} to {high:g}; divide by their range"
        )
    x = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    x = x[:, None] if x.ndim == 3 else x.mean(1, keepdim=True)  # [n, 1, h, w]
    net = _frozen()
    with torch.no_grad():
        found = [net(_resized(block)) for block in x.split(BLOCK)]
    return torch.cat(found).double().numpy()


def _resized(x: Tensor) -> Tensor:
    if x.shape[2:] == (SIDE, SIDE):
        return x
    return nn.functional.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)


@lru_cache(maxsize=1)
def _frozen() -> DigitNet:
    try:
        content = WEIGHTS.read_bytes()
    except OSError as error:
        raise StorageError(f"{WEIGHTS}: cannot be read ({error.strerror}); install the package again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise StorageError(
            f"{WEIGHTS}: its SHA-256 is {found[:12]}..., expected {SHA256[:12]}...; install the package again"
        )
    with torch.random.fork_rng(devices=[]):  # whoever asks for features keeps the randomness that was theirs
        net = DigitNet()
    net.load_state_dict(safetensors.torch.load(content))
    return net.eval().requires_grad_(False)
