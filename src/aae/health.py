"""Figures on the health of a model in training, taken from held-out rows; `aae.diagnosis` turns them into words.

They are read off the model's own phases, so every model has them: each `Discriminator` is listened to while the phases
that train it are evaluated, and what it was shown are the prior samples and the codes of its block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.init import _calculate_fan_in_and_fan_out

from aae import objectives
from aae.networks import ClusterHeads, Decoder, Discriminator
from aae.objectives import wide
from aae.phases import Batch, Model, Phase, evaluate

ROWS = 1000
"""Most rows that the figures are taken from: an epoch should not wait for them."""
FEWEST_ROWS = 50
"""Fewer validation rows than this say too little; training rows stand in for them."""
GRADIENT_ROWS = 256
"""Rows behind the two gradients that are compared."""
SURE = math.log(999)
"""A logit beyond this is an answer given with more than 99.9 % certainty."""
DECIDED = 0.9
"""Probability from which a row counts as given to a category."""
NEAR_ONE_HOT = 0.2
"""Root mean square distance, per coordinate, within which rows are one-hot under the discriminator's input noise."""

Figures = dict[str, float]


def measure(
    model: Model, batch: Batch, mean_row: Tensor, precision: torch.dtype = torch.float32, relative: bool = False
) -> Figures:
    """The figures of `model` on the scaled rows of `batch`; mean_row [features] is the mean of training rows.

    relative: the discriminator's answers have no zero of their own, as a Wasserstein critic's, and change sides at
    their median.

    `data_spread`: root of the rows' mean squared distance, per feature, from the mean row. `r2`: 1 - squared error of
    decoded codes / squared error of the mean row. `gradient_ratio`: norm of the weighted generator terms' gradient on
    the encoder's parameters over that of the reconstruction terms'. For each discriminator, with its block's name in
    front where there are several, what `of_codes` gives, and

    - `accuracy_real`, `accuracy_fake`: share of prior samples, and of codes, that it places right;
    - `saturation`: share of both about which it is more than 99.9 % sure;
    - `logit_spread`: standard deviation of its logits over both.

    Nothing of the model is changed and no generator but the batch's own is used. A model without a discriminator has
    the first two figures alone.
    """
    training = model.training
    model.eval()  # whatever keeps running statistics leaves them alone
    try:
        figures = reconstruction(model, batch, mean_row, precision)
        discriminators = {name: part for name, part in model.named_children() if isinstance(part, Discriminator)}
        for name, said in _heard(model, discriminators, batch, precision, relative).items():
            block = name.removesuffix("discriminator")
            figures |= {f"{block}{key}": value for key, value in said.items()}
        if discriminators:
            figures["gradient_ratio"] = gradient_ratio(model, batch, precision)
        return figures
    finally:
        model.train(training)


def weight_norms(model: Model) -> Figures:
    """The Euclidean norm of the parameters of each network; cluster heads are places, and as far apart as asked for."""
    return {
        name: math.sqrt(sum(p.detach().double().square().sum().item() for p in part.parameters()))
        for name, part in model.named_children()
        if not isinstance(part, ClusterHeads)
    }


def growth(model: Model, before: Figures) -> Figures:
    """`NETWORK_growth`: how much the norm of each network's parameters grew, exactly 0 for a network that stood still.

    In units of what it was or, where that is more, of what it is after Glorot initialisation, which is what trained
    networks keep to: first weights that are very small may grow to that size.
    """
    figures = {}
    for name, norm in weight_norms(model).items():
        weights = (p for p in model.get_submodule(name).parameters() if p.ndim >= 2)
        usual = math.sqrt(sum(2 * p.numel() / sum(_calculate_fan_in_and_fan_out(p)) for p in weights))
        figures[f"{name}_growth"] = (norm - before[name]) / max(before[name], usual, 1e-12)
    return figures


@torch.no_grad()
def reconstruction(model: Model, batch: Batch, mean_row: Tensor, precision: torch.dtype = torch.float32) -> Figures:
    """`data_spread` and `r2` over the values that are known; see `measure`.

    R2 of rows without any spread is 0: there is nothing to explain.
    """
    target = batch.x if batch.target is None else batch.target
    around = objectives.mse(mean_row.expand_as(target), target, "mean", batch.known)
    if around == 0:
        return {"data_spread": 0.0, "r2": 0.0}
    error = objectives.mse(_decoded(model, batch, precision), target, "mean", batch.known)
    return {"data_spread": around.sqrt().item(), "r2": (1 - error / around).item()}


def _decoded(model: Model, batch: Batch, precision: torch.dtype) -> Tensor:
    """The batch as the phase of reconstruction decodes it, whatever its decoder is given beside a code."""
    decoders = {name: part for name, part in model.named_children() if isinstance(part, Decoder)}
    phase = next(phase for phase in model.phases if not decoders.keys().isdisjoint(phase.updates))
    with _listening(decoders) as heard:
        evaluate(phase, batch, precision)
    name, outputs = next((name, said) for name, (_, said) in heard.items() if said)
    return decoders[name].mean(outputs[0])


@torch.no_grad()
def _heard(
    model: Model, discriminators: dict[str, Discriminator], batch: Batch, precision: torch.dtype, relative: bool
) -> dict[str, Figures]:
    """What each discriminator was shown and said, as figures, while the phases that train it were evaluated."""
    found: dict[str, Figures] = {}
    for phase in model.phases:
        mine = {name: part for name, part in discriminators.items() if name in phase.updates and name not in found}
        if not mine:
            continue
        with _listening(mine) as heard:
            evaluate(phase, batch, precision)
        for name, (shown, said) in heard.items():
            # Prior samples come before codes, in one call or in two.
            z, logits = torch.cat(shown), wide(torch.cat(said)).flatten()
            centred = logits - logits.median() if relative else logits
            (real, fake), (says_real, says_fake) = z.chunk(2), centred.chunk(2)
            found[name] = of_codes(real, fake) | {
                "accuracy_real": (says_real > 0).double().mean().item(),
                "accuracy_fake": (says_fake < 0).double().mean().item(),
                "logit_spread": logits.double().std().item(),
                "saturation": (logits.abs() > SURE).double().mean().item(),
            }
    return found


@contextmanager
def _listening(networks: Mapping[str, nn.Module]) -> Iterator[dict[str, tuple[list[Tensor], list[Tensor]]]]:
    """Collects the first input and the output of each call of these networks."""
    heard: dict[str, tuple[list[Tensor], list[Tensor]]] = {name: ([], []) for name in networks}

    def listener(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def listen(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            heard[name][0].append(wide(inputs[0]).flatten(1))
            heard[name][1].append(output)

        return listen

    handles = [part.register_forward_hook(listener(name)) for name, part in networks.items()]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def of_codes(real: Tensor, fake: Tensor) -> Figures:
    """Codes `fake` held against prior samples `real`, both [n, latent]; lengths in the prior's deviations.

    - `code_mean`: distance of the codes' mean from the prior's, on the axis where it is largest.
    - `code_spread`: root of the codes' total variance over the prior's.
    - `code_rank`: effective rank of the codes' covariance over that of the prior's: exp of the entropy of the shares
      of variance along the principal axes (Roy & Vetterli 2007); 1 where the codes fill as many directions.
    - `told_apart`: accuracy of a fresh classifier; see `told_apart`, and for one-hot rows `categories_told_apart`.
    - `dead_categories`, for a prior of one-hot rows: share of categories that get less than a tenth of their rows.
    """
    if not torch.isfinite(fake).all():
        return dict.fromkeys(("code_mean", "code_spread", "code_rank"), math.inf) | {"told_apart": 1.0}
    real, fake = real.double(), fake.double()
    # An axis on which the prior is constant has no unit of its own.
    unit = real.std(0)
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))
    centre = real.mean(0)
    real, fake = (real - centre) / unit, (fake - centre) / unit
    figures = {
        "code_mean": fake.mean(0).abs().max().item(),
        "code_spread": (fake.var(0).sum() / real.var(0).sum().clamp_min(1e-12)).sqrt().item(),
        "code_rank": effective_rank(fake) / max(effective_rank(real), 1e-12),
    }
    samples, codes = real * unit + centre, fake * unit + centre
    if not are_categories(samples):
        return figures | {"told_apart": told_apart(real, fake)}
    wanted, chosen = (torch.bincount(z.argmax(1), minlength=z.shape[1]) for z in (samples, codes))
    dead = (chosen < 0.1 * wanted).double().mean().item()
    return figures | {"told_apart": categories_told_apart(samples, codes), "dead_categories": dead}


def effective_rank(z: Tensor) -> float:
    """exp(entropy) of the shares of variance along the principal axes of z [n, d]: 1 for a line, d for a ball."""
    variance = torch.linalg.eigvalsh(torch.cov(z.T).reshape(z.shape[1], z.shape[1])).clamp_min(0)
    share = variance / variance.sum().clamp_min(1e-300)
    return torch.exp(-torch.xlogy(share, share).sum()).item()


def are_categories(real: Tensor) -> bool:
    """Whether prior samples [n, d] are one-hot rows, with or without the input noise that a discriminator is shown."""
    if real.shape[1] < 2:
        return False
    nearest = nn.functional.one_hot(real.argmax(1), real.shape[1])
    return (real - nearest).square().mean().sqrt().item() < NEAR_ONE_HOT


def categories_told_apart(real: Tensor, fake: Tensor) -> float:
    """`told_apart` for one-hot rows `real` and class probabilities `fake`, both [n, k], by what a code says.

    The classifier sees the category of a row, or that it is undecided: no value above `DECIDED`. It answers as most of
    the first half of the rows would have it, and is judged by the other half: 1/2 if the categories come as often in
    both. Neighbours would tell 0.999 from 1 in almost every row, a difference that no smooth discriminator of an
    encoder with a softmax can remove.
    """
    n, k = min(len(real), len(fake)), real.shape[1]
    says = [torch.where(z.amax(1) > DECIDED, z.argmax(1), k)[:n] for z in (real, fake)]
    seen = [torch.bincount(rows[: n // 2], minlength=k + 1) for rows in says]
    means_fake = seen[1] > seen[0]
    right = [(means_fake[rows[n // 2 :]] == (i == 1)).double().mean().item() for i, rows in enumerate(says)]
    return sum(right) / 2


def told_apart(real: Tensor, fake: Tensor) -> float:
    """Accuracy of nearest neighbours at telling rows of `fake` from rows of `real`, both [n, d]: 1/2 if they are alike.

    Each row is classified by the vote of its k nearest other rows, k the odd number next to sqrt(n). A two-sample test
    (Lopez-Paz & Oquab 2017, section 3, with k as there; leave-one-out where they hold out a half) that is quick enough
    for every epoch. Where the two are alike it comes out slightly below 1/2, because a row does not vote for itself.
    """
    n = min(len(real), len(fake))
    z = torch.cat([real[:n], fake[:n]])
    distance = torch.cdist(z, z).fill_diagonal_(math.inf)
    k = 2 * (math.isqrt(n) // 2) + 1
    nearest = distance.topk(min(k, 2 * n - 1), largest=False).indices
    says_fake = (nearest >= n).double().mean(1) > 0.5
    is_fake = torch.arange(2 * n, device=z.device) >= n
    return (says_fake == is_fake).double().mean().item()


def gradient_ratio(model: Model, batch: Batch, precision: torch.dtype = torch.float32) -> float:
    """Norm of the generator terms' gradient on the encoder over that of the reconstruction terms', both weighted.

    Over all phases that train the encoder. Infinity where reconstruction has no gradient at all.
    """
    first = {name: getattr(batch, name) for name in ("x", "y", "target", "known", "condition")}
    first = {name: None if values is None else values[:GRADIENT_ROWS] for name, values in first.items()}
    rows = Batch(generator=batch.generator, progress=batch.progress, **first)
    parameters = [p for p in model.get_submodule("encoder").parameters() if p.requires_grad]
    sums: dict[bool, list[Tensor]] = {True: [], False: []}
    with torch.enable_grad():
        for phase in model.phases:
            if "encoder" in phase.updates:
                for name, loss in _weighted(phase, rows, precision).items():
                    if name.endswith(("generator", "reconstruction")):
                        sums[name.endswith("generator")].append(loss)
        norms = [_norm(torch.stack(sums[adversarial]).sum(), parameters) if sums[adversarial] else 0.0
                 for adversarial in (True, False)]  # fmt: skip
    return norms[0] / norms[1] if norms[1] > 0 else math.inf if norms[0] > 0 else 0.0


def _weighted(phase: Phase, batch: Batch, precision: torch.dtype) -> dict[str, Tensor]:
    losses = evaluate(phase, batch, precision)
    return {name: phase.factor(name, batch.progress) * loss for name, loss in losses.items()}


def _norm(loss: Tensor, parameters: list[nn.Parameter]) -> float:
    if not loss.requires_grad:
        return 0.0
    slopes = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return math.sqrt(sum(slope.double().square().sum().item() for slope in slopes if slope is not None))
