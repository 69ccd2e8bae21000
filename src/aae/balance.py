"""The weight of the generator loss beside reconstruction, set by what the two gradients are found to be."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aae.arithmetic import gradients_for
from aae.objectives import wide
from aae.phases import Batch


class Balance(nn.Module):
    """The factor on the generator loss that makes it pull at the codes as hard as is wanted.

    factor = |gradient of reconstruction at the codes| / |gradient of the generator loss at the codes|, each a running
    mean over measurements, which are taken in the steps that are `due`; a wanted ratio of 1 is an equal pull. After the
    adaptive weight of Esser et al. 2021 ("Taming Transformers", section 3.1), which measures at the last layer of a
    decoder that both losses share; what ours share is the code.

    The running means are buffers: they are saved with the weights, and a resumed run goes on with the same factor.
    """

    EVERY, DECAY, MOST = 10, 0.9, 1e4

    steps: Tensor
    """Steps so far, counted where training happens: the host need not look."""
    norms: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("norms", torch.zeros(2))  # reconstruction, generator

    def observe(self, reconstruction: Tensor, generator: Tensor, codes: Tensor, batch: Batch) -> None:
        """Take a measurement if one is due. The losses have yet to be differentiated, by `codes` too.

        Several processes measure over the rows of all.
        """
        if self.due(int(self.steps) if batch.step is None else batch.step):
            with gradients_for([]):  # no weight's gradient is wanted here
                pulls = [torch.autograd.grad(loss, codes, retain_graph=True)[0] for loss in (reconstruction, generator)]
            now = torch.stack([wide(pull).norm() for pull in pulls])
            if batch.share is not None:
                now = batch.share.group.total((batch.share.weight * now).square()).sqrt()
            mean = self.DECAY * self.norms + (1 - self.DECAY) * now
            self.norms.copy_(torch.where(self.steps == 0, now, mean))
        self.steps += 1

    @classmethod
    def due(cls, step: int) -> bool:
        """Whether a measurement is taken in the step of this number."""
        return step % cls.EVERY == 0

    @property
    def factor(self) -> Tensor:
        """0-dim; 1 before the first measurement."""
        known = self.norms[1] > 0
        return torch.where(known, self.norms[0] / self.norms[1].clamp_min(1e-30), 1.0).clamp_max(self.MOST)
