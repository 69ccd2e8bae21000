"""Rows spoilt on purpose, so that an encoder learns what lasts (Vincent et al. 2008, "Denoising Autoencoders")."""

from __future__ import annotations

import torch
from torch import Tensor

from aae.config import Corruption
from aae.phases import Batch


def spoilt(x: Tensor, chosen: Corruption, batch: Batch) -> Tensor:
    """`x` [batch, features] under dropout, then noise; `x` itself, and nothing drawn, where neither is asked for.

    A value is dropped with probability `dropout`, and those left are divided by 1 - dropout; noise has deviation
    `noise`, in scaled units.
    """
    if chosen.dropout > 0:
        u = batch.draw(lambda n, _: torch.rand(n, *x.shape[1:], generator=batch.generator, device=x.device))
        x = x * (u >= chosen.dropout) / (1 - chosen.dropout)
    return x + chosen.noise * batch.normal(*x.shape) if chosen.noise > 0 else x
