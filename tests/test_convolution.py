"""Convolutional encoders and decoders: any size of image, nothing lost at the edges, and a model that trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

import aae
from aae.config import DataSpec
from aae.convolution import ConvolutionalDecoder, ConvolutionalEncoder, sizes
from aae.data import Dataset
from aae.errors import ConfigError
from aae.models import build

CONV = tiny(model__network="conv", model__channels=(4, 8))
side = st.integers(1, 128)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), side, side, st.integers(1, 5), st.integers(0, 3))
def test_any_size_goes_in_and_comes_out(channels: int, height: int, width: int, stages: int, extra: int) -> None:
    shape, kept = (channels, height, width), tuple(range(2, 2 + stages))
    pixels = channels * height * width
    encoder = ConvolutionalEncoder(shape, kept, (5,), 3, extra)
    decoder = ConvolutionalDecoder(3, (5,), kept[::-1], shape)
    assert encoder(torch.rand(2, pixels + extra)).shape == (2, 3)
    assert decoder(torch.rand(2, 3)).shape == (2, pixels)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 21), (1, 7, 1)])
def test_every_pixel_is_seen_and_every_pixel_is_drawn(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    x = torch.rand(1, int(np.prod(shape)), requires_grad=True)
    encoder = ConvolutionalEncoder(shape, (8, 8), (16,), 4)
    (slope,) = torch.autograd.grad(encoder(x).sum(), x)
    assert (slope != 0).all()
    z = torch.randn(64, 4)
    assert (ConvolutionalDecoder(4, (16,), (8, 8), shape)(z).std(0) > 0).all()


def test_extra_values_behind_the_pixels_reach_the_code() -> None:
    torch.manual_seed(0)
    encoder = ConvolutionalEncoder((1, 8, 8), (4,), (16,), 2, extra=3)
    x = torch.rand(1, 67)
    other = x.clone()
    other[:, 66] += 1
    assert not torch.equal(encoder(x), encoder(other))


def test_sizes_round_up() -> None:
    assert sizes(28, 13, 3) == [(28, 13), (14, 7), (7, 4), (4, 2)]


def test_a_convolutional_model_trains_and_comes_back_from_its_directory(tmp_path: Path, digits: Dataset) -> None:
    run = aae.train(CONV, tmp_path / "run", data=digits)
    assert run.history[-1]["reconstruction_train"] < run.history[0]["reconstruction_train"]
    x = digits.x[:5].reshape(-1, 8, 8).numpy()
    assert np.array_equal(aae.Run.load(tmp_path / "run").encode(x), run.encode(x))


def test_vectors_are_refused_under_conv_and_dense_under_auto() -> None:
    spec = DataSpec("toy", (12,), "float32", scaling="range")
    with pytest.raises(ConfigError, match=r"model\.network = conv needs images"):
        build(CONV, spec)
    assert not any(isinstance(module, torch.nn.Conv2d) for module in build(tiny(model__network="auto"), spec).modules())


def test_bfloat16_is_close_to_float32() -> None:
    torch.manual_seed(0)
    encoder = ConvolutionalEncoder((1, 16, 16), (16, 16), (100,), 2)
    x = torch.rand(16, 256)
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(x)
    assert half.dtype == torch.float32  # a code is never rounded to bfloat16
    torch.testing.assert_close(half, encoder(x), atol=0.02, rtol=0.02)
