"""A class that stays the same under changes that do not matter: a phase of its own for models with a class head.

The paper shapes the class head by the adversarial game and by a few labels. Neither says which rows belong together,
so two writings of one digit may end in different classes. Here each row is also shown a second time, changed, and its
class is to stay: Miyato et al. 2018 ("Virtual Adversarial Training") change it in the direction that changes the class
most, Sohn et al. 2020 ("FixMatch") by small movements of the picture. One class for all rows would stay as well; the
mutual information of rows and classes keeps training from that (Hu et al. 2017, "Information Maximizing Self-Augmented
Training").
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from aae.arithmetic import gradients_for
from aae.config import Config, Consistency, DataSpec
from aae.corruption import spoilt
from aae.distributed import Share
from aae.errors import ConfigError
from aae.networks import Encoder
from aae.normalization import gathering
from aae.objectives import mutual_information_loss, wide
from aae.phases import Batch, Losses, Phase

PROBE = 1.0
"""Length of the step by which the most changing direction is looked for, in scaled units."""
KNOTS = 5
"""Of the net by which a picture is bent, along each axis: seven pixels apart on a digit of MNIST, so that a stroke
bends and does not break."""


def phase(encoder: Encoder, classes: int, config: Config, spec: DataSpec) -> tuple[Phase, ...]:
    """The phase that the settings ask for, or none. ConfigError where pictures are to be moved and there are none."""
    chosen = config.consistency
    if chosen.kind == "none":
        return ()
    if chosen.kind in ("moved", "both") and not spec.is_image:
        raise ConfigError(
            f"consistency.kind = {chosen.kind} moves pictures, and {spec.name} has rows of shape {spec.shape}; "
            "set consistency.kind to adversarial, or data.layout to images"
        )

    def logits(x: Tensor) -> Tensor:
        with gathering(()):  # running statistics are those of the rows themselves
            return wide(encoder(x)[:, :classes])

    moves, worst = chosen.kind in ("moved", "both"), chosen.kind in ("adversarial", "both")

    def losses(batch: Batch) -> Losses:
        x = batch.x if batch.target is None else batch.target
        shown = []
        if moves:
            turned = moved(x.view(-1, *spec.shape), chosen, batch.generator, batch.share).flatten(1)
            shown.append(spoilt(turned, config.corruption, batch))  # as the encoder sees rows in every other phase
        if chosen.information > 0:
            # in one pass, so that batch normalisation takes a row and the row moved by the same measure
            here, *there = logits(torch.cat([x, *shown])).split(len(x))
        else:
            with torch.no_grad():
                here = logits(x)
            there = [logits(rows) for rows in shown]
        target = here.detach().softmax(1)
        if worst:
            there.append(logits(x + most_changing(logits, x, target, chosen.radius, batch)))
        sure = target.amax(1) >= chosen.confidence
        apart = [F.kl_div(each.log_softmax(1), target, reduction="none").sum(1) for each in there]
        found = {"consistency": sum(((each * sure).mean() for each in apart), x.new_zeros(()))}
        if chosen.information > 0:
            found["missing_information"] = mutual_information_loss(batch.gathered(here.softmax(1)), chosen.balance)
        return found

    weights = {"consistency": chosen.weight, "missing_information": chosen.information}
    return (Phase("consistency", ("encoder",), losses, weights),)


def moved(images: Tensor, chosen: Consistency, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Each picture bent, slanted, stretched, turned, zoomed, shifted: [batch, h, w] or [batch, c, h, w].

    Each has amounts of its own, uniform up to `rotation` degrees, `shift` pixels, `zoom` times the size and `shear`
    pixels for each pixel from the middle, either way; of `stretch` it is the logarithm. `bend` moves the knots of a net
    of 5 x 5 by up to so many pixels along each axis, and what lies between them by cubic interpolation: the elastic
    distortion of Simard et al. 2003, section 2, who smooth a displacement for each pixel, which is slower. Values
    between pixels are bilinear; what comes in from outside is the nearest pixel of the border. share: which pictures of
    a step these are, where several processes share them; the amounts are drawn for all.
    """
    n, (height, width) = len(images), images.shape[-2:]
    amounts = 6 if chosen.shear or chosen.stretch else 4
    drawn = torch.rand(amounts, n if share is None else share.rows, generator=generator, device=images.device)
    drawn = drawn if share is None else share.mine(drawn.t()).t()
    turn, across, down, size, *skew = (2 * drawn - 1).unbind()
    angle, scale = turn * math.radians(chosen.rotation), 1 + size * chosen.zoom
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    dx, dy = across * chosen.shift * 2 / width, down * chosen.shift * 2 / height
    slant, wider = (chosen.shear * skew[0], (1 + chosen.stretch) ** skew[1]) if skew else (0.0, 1.0)
    # Where each pixel comes from: turn @ [[wider, slant], [0, 1 / wider]]. In units of the picture's half sizes, so
    # what mixes the axes of a picture that is not square needs the ratio of its sides.
    a, b = cosine * wider, cosine * slant - sine / wider
    c, d = sine * wider, sine * slant + cosine / wider
    rows = torch.stack([a, b * height / width, dx, c * width / height, d, dy], dim=1)
    planes = images if images.dim() == 4 else images[:, None]
    with torch.autocast(images.device.type, enabled=False):  # places of pixels need more than eight bits
        grid = F.affine_grid(rows.view(n, 2, 3), list(planes.shape), align_corners=False)
        if chosen.bend:
            grid = grid + chosen.bend * _bends(n, height, width, generator, share)
        return F.grid_sample(planes, grid, padding_mode="border", align_corners=False).view_as(images)


def _bends(n: int, height: int, width: int, generator: torch.Generator, share: Share | None) -> Tensor:
    """Displacements of every pixel, [n, h, w, 2] in half sizes, of a net whose knots move by up to a pixel each way.

    Between knots a cubic may go half as far again.
    """
    everyone = torch.rand(
        n if share is None else share.rows, 2, KNOTS, KNOTS, generator=generator, device=generator.device
    )
    knots = 2 * (everyone if share is None else share.mine(everyone)) - 1
    field = F.interpolate(knots, (height, width), mode="bicubic", align_corners=True)
    across, down = field.unbind(1)  # no tensor of two factors, which a step recorded on a GPU could not copy there
    return torch.stack([across * (2 / width), down * (2 / height)], dim=-1)


def most_changing(logits: Callable[[Tensor], Tensor], x: Tensor, target: Tensor, radius: float, batch: Batch) -> Tensor:
    """The change of each row, `radius` long in scaled units, that changes its class most: [batch, features].

    One step of the power method from a random direction (Miyato et al. 2018, section 3.3). `target`: the class
    probabilities of the unchanged rows.
    """
    probe = (PROBE * F.normalize(batch.normal(*x.shape), dim=1)).requires_grad_()
    with torch.enable_grad(), gradients_for(()):
        divergence = F.kl_div(logits(x + probe).log_softmax(1), target, reduction="sum")
        (slope,) = torch.autograd.grad(divergence, probe)
    return radius * F.normalize(slope, dim=1)
